"""Assert which events the merchant receives from the event bus."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sandbox.clients import event_recorder
from sandbox.clients.event_listener import BusEvent

type EventKey = tuple[str, str]
"""The payment identifier or empty text, and the event type. An anomaly event has its code instead of the type."""


def event_key(event: BusEvent) -> EventKey:
    detail: dict[str, Any] = event["detail"]
    return detail.get("pnm_payment_identifier", ""), detail.get("anomaly") or event["detail-type"]


class PaymentEventRecorder(event_recorder.EventRecorder):
    """Record the events of an event bus, with assertions by event key."""

    def contains_all(self, keys: Iterable[EventKey]) -> bool:
        """Return whether an event of each key was received."""
        return not set(keys) - {event_key(event) for event in self.events}

    def count_keys(self, payments: Iterable[str]) -> Counter[EventKey]:
        """Count the distinct events of these payments by key."""
        identifiers = set(payments)
        keys = map(event_key, self.unique())
        return Counter(key for key in keys if key[0] in identifiers)
