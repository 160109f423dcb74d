"""Process or discard quarantined callbacks for an operator."""
