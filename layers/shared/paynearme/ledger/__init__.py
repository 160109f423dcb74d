"""What was decided, what was paid, what came back, and what a customer may still spend."""

from paynearme.ledger.changes import events_of
from paynearme.ledger.ledger import Ledger
from paynearme.ledger.watching import PARTITIONS, AwaitedPayment, Stage

__all__ = ["PARTITIONS", "AwaitedPayment", "Ledger", "Stage", "events_of"]
