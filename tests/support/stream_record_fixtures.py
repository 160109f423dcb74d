"""Stream records, and stubs of EventBridge and SQS that can fail."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from boto3.dynamodb.types import TypeSerializer

from paynearme.events.event_bus import DeadLetterQueue, EventBus
from tests.support.fake_clock import Clock

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
SITE, ORDER = "S2155373459", "80080175585"

_to_wire = TypeSerializer().serialize

type Record = dict[str, Any]
type Rejection = str | Exception | None
"""The error code of an entry, an exception for the whole request, or ``None`` for a published event."""


def item(payment: str, revision: int = 1, **more: Any) -> dict[str, Any]:
    """Return a payment's item."""
    defaults = {
        "pk": f"PAYMENT#{SITE}#{payment}",
        "sk": "PAYMENT",
        "site_identifier": SITE,
        "pnm_payment_identifier": payment,
        "pnm_order_identifier": ORDER,
        "test": False,
        "revision": Decimal(revision),
    }
    return defaults | more


def record(payment: str, *anomalies: str, revision: int = 1, changed_at: datetime = NOW) -> Record:
    """Return a record that produces one event for each of ``anomalies``."""
    new_item = item(payment, revision, anomalies=set(anomalies))
    return {
        "eventName": "MODIFY",
        "dynamodb": {
            "ApproximateCreationDateTime": changed_at.timestamp(),
            # In JSON, sets are lists.
            "OldImage": json.loads(json.dumps(_wire(item(payment)), default=list)),
            "NewImage": json.loads(json.dumps(_wire(new_item), default=list)),
        },
    }


@dataclass
class EventBridgeStub:
    """Replace EventBridge's client. The name of an event is its payment and anomaly, such as ``1 order_differs``.

    ``rejections`` are the results of an event's first attempts, by name. A later attempt succeeds.
    """

    clock: Clock
    rejections: dict[str, Iterator[Rejection]] = field(default_factory=dict)
    seconds: float = 0.01
    requests: list[list[dict[str, Any]]] = field(default_factory=list)
    published: list[str] = field(default_factory=list)

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 # boto3's name
        self.requests.append(Entries)
        self.clock.advance(self.seconds)
        results = []
        for name in event_names(Entries):
            rejection = next(self.rejections.get(name, iter(())), None)
            if isinstance(rejection, Exception):
                raise rejection
            results.append({"ErrorCode": rejection} if rejection else {"EventId": name})
            if not rejection:
                self.published.append(name)
        return {"Entries": results, "FailedEntryCount": len([r for r in results if "ErrorCode" in r])}

    def published_for(self, payment: str) -> list[str]:
        """Return the published events of a payment, in order."""
        return [name for name in self.published if name.split()[0] == payment]

    def as_event_bus(self) -> EventBus:
        return EventBus("merchant", cast(Any, self))


@dataclass
class SqsStub:
    """Replace SQS's client. Raise ``error``, if set."""

    clock: Clock
    error: Exception | None = None
    bodies: list[str] = field(default_factory=list)
    queue_urls: list[str] = field(default_factory=list)

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> None:  # noqa: N803 # boto3's names
        self.clock.advance(0.01)
        if self.error:
            raise self.error
        self.queue_urls.append(QueueUrl)
        self.bodies.append(MessageBody)

    @property
    def records(self) -> list[Record]:
        """The records in the queue."""
        return [entry for body in self.bodies for entry in json.loads(body)["Records"]]

    def as_dead_letter_queue(self) -> DeadLetterQueue:
        return DeadLetterQueue("https://queue.invalid/1", cast(Any, self))


def event_names(entries: list[dict[str, Any]]) -> list[str]:
    details = [json.loads(entry["Detail"]) for entry in entries]
    return [f"{detail['pnm_payment_identifier']} {detail['anomaly']}" for detail in details]


def _wire(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: _to_wire(value) for name, value in attributes.items()}
