"""Publish the events of payment changes from the table's stream to EventBridge."""

from datetime import datetime
from typing import Any

from paynearme.events.event_bus import DeadLetterQueue, EventBus
from paynearme.events.event_publisher import OPERATION, publish
from paynearme.handlers.background import background_handler
from paynearme.platform.deadline import Deadline
from paynearme.platform.settings import PublishingSettings

settings = PublishingSettings.from_environment()
bus = EventBus(settings.event_bus_name)
dead_letter_queue = DeadLetterQueue(settings.dead_letter_queue_url)


@background_handler(OPERATION)
def handler(event: dict[str, Any], now: datetime) -> None:
    """Publish the events of all records. On failure, Lambda invokes the function again with all records."""
    deadline = Deadline.after(settings.publish_timeout_seconds)
    publish(event["Records"], bus, dead_letter_queue, settings.max_event_age_seconds, now, deadline)
