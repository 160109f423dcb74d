"""What was decided, what was paid, what came back, and what a customer may still spend."""

from paynearme.ledger.ledger import Ledger

__all__ = ["Ledger"]
