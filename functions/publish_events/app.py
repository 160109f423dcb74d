"""Tells the merchant's systems of every change of a payment, from the table's stream."""

from datetime import datetime
from typing import Any

from paynearme.deadline import Deadline
from paynearme.event_bus import DeadLetters, EventBus
from paynearme.invocations import invoked
from paynearme.publishing import OPERATION, publish
from paynearme.settings import PublishingSettings

settings = PublishingSettings.from_environment()
bus = EventBus(settings.event_bus_name)
dead_letters = DeadLetters(settings.dead_letters_url)


@invoked(OPERATION)
def handler(event: dict[str, Any], now: datetime) -> None:
    """Put the events of all records on the bus, or fail, so that all records come again."""
    deadline = Deadline.after(settings.publish_within_seconds)
    publish(event["Records"], bus, dead_letters, settings.events_wait_seconds, now, deadline)
