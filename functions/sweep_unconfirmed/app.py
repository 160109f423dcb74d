"""Looks, every few minutes, for accepted payments of which nobody has told what became of them."""

from datetime import datetime
from typing import Any

from paynearme.deadline import Deadline
from paynearme.invocations import async_handler
from paynearme.ledger import Ledger
from paynearme.settings import SweepSettings
from paynearme.table import Table
from paynearme.watching import OPERATION, sweep

settings = SweepSettings.from_environment()
ledger = Ledger(Table(settings.table_name))


@async_handler(OPERATION)
def handler(event: dict[str, Any], now: datetime) -> None:
    """Mark what is overdue, and give back what is long overdue. The event is the schedule's."""
    sweep(ledger, settings, now, Deadline.after(settings.sweep_timeout_seconds))
