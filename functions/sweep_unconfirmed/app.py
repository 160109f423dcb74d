"""Looks, every few minutes, for accepted payments of which nobody has told what became of them."""

from datetime import datetime
from typing import Any

from paynearme.deadline import Deadline
from paynearme.invocations import invoked
from paynearme.ledger import Ledger
from paynearme.settings import WatchingSettings
from paynearme.table import Table
from paynearme.watching import OPERATION, watch

settings = WatchingSettings.from_environment()
ledger = Ledger(Table(settings.table_name))


@invoked(OPERATION)
def handler(event: dict[str, Any], now: datetime) -> None:
    """Mark what is overdue, and give back what is long overdue. The event is the schedule's."""
    watch(ledger, settings, now, Deadline.after(settings.watch_within_seconds))
