"""Every five minutes: flag, and later release, authorized payments that were not confirmed."""

from datetime import datetime
from typing import Any

from paynearme.handlers.background import background_handler
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Table
from paynearme.platform.settings import SweepSettings
from paynearme.sweep.unconfirmed_sweep import OPERATION, sweep

settings = SweepSettings.from_environment()
table = Table(settings.table_name)


@background_handler(OPERATION)
def handler(event: dict[str, Any], now: datetime) -> None:
    """Sweep the pending payments. The event is the schedule's and is not used."""
    sweep(table, settings, now, Deadline.after(settings.sweep_timeout_seconds))
