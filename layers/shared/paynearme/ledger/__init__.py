"""What was decided, what was paid, what came back, and what a customer may still spend."""

from paynearme.ledger.changes import payment_events
from paynearme.ledger.ledger import Ledger
from paynearme.ledger.watching import PARTITIONS, PendingPayment, PendingStage

__all__ = ["PARTITIONS", "PendingPayment", "Ledger", "PendingStage", "payment_events"]
