"""Tells the merchant's systems of every change of a payment, from the table's stream."""

from datetime import datetime
from typing import Any

from paynearme.deadline import Deadline
from paynearme.event_bus import DeadLetterQueue, EventBus
from paynearme.invocations import async_handler
from paynearme.publishing import OPERATION, publish
from paynearme.settings import PublishingSettings

settings = PublishingSettings.from_environment()
bus = EventBus(settings.event_bus_name)
dead_letter_queue = DeadLetterQueue(settings.dead_letter_queue_url)


@async_handler(OPERATION)
def handler(event: dict[str, Any], now: datetime) -> None:
    """Put the events of all records on the bus, or fail, so that all records come again."""
    deadline = Deadline.after(settings.publish_timeout_seconds)
    publish(event["Records"], bus, dead_letter_queue, settings.max_event_age_seconds, now, deadline)
