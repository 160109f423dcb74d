"""What imports and callbacks cost, measured as ratios within one run."""
