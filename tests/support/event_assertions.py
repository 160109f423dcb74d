"""What the merchant hears on the event bus, as facts that a test can name."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sandbox.clients import event_recorder
from sandbox.clients.event_listener import BusEvent

type EventKey = tuple[str, str]
"""The payment's identifier, and the event's type; of an anomaly its code instead."""


def event_key(event: BusEvent) -> EventKey:
    detail: dict[str, Any] = event["detail"]
    return detail["pnm_payment_identifier"], detail.get("anomaly") or event["detail-type"]


class PaymentEventRecorder(event_recorder.EventRecorder):
    """All that was heard so far."""

    def contains_all(self, keys: Iterable[EventKey]) -> bool:
        """Return whether each of the facts was heard."""
        return not set(keys) - {event_key(event) for event in self.events}

    def count_keys(self, payments: Iterable[str]) -> Counter[EventKey]:
        """Count what was told of these payments, each event once."""
        identifiers = set(payments)
        keys = map(event_key, self.unique())
        return Counter(key for key in keys if key[0] in identifiers)
