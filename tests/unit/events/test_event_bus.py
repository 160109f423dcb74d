"""Send requests to the bus and the queue, and evaluate their responses."""

import json
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError, ReadTimeoutError

from paynearme.errors import EventPublishFailedError
from paynearme.events.event_bus import EntryStatus
from paynearme.ledger.event_mapping import change_events
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS
from paynearme.protocol.payment_events import Event
from tests.support.aws_errors import client_error
from tests.support.fake_clock import Clock
from tests.support.stream_record_fixtures import NOW, EventBridgeStub, SqsStub, item, record


def events(*anomalies: str) -> Sequence[Event]:
    return change_events(item("1"), item("1", 7, anomalies=set(anomalies)), NOW)


def test_event_bus_entry_has_source_type_and_detail(clock: Clock, bus: EventBridgeStub) -> None:
    [event] = events("order_differs")

    assert bus.as_event_bus().put_events([event], clock.deadline(10)) == [EntryStatus.PUBLISHED]

    [[entry]] = bus.requests
    detail = json.loads(entry.pop("Detail"))
    assert entry == {"EventBusName": "merchant", "Source": "paynearme", "DetailType": "PaymentAnomaly", "Time": NOW}
    assert detail == event.model_dump(mode="json")
    assert (detail["schema_version"], detail["occurred_at"]) == ("1", "2026-11-20T17:00:00Z")


def test_dead_letter_queue_body_is_stream_event(clock: Clock, queue: SqsStub) -> None:
    stored_record = record("1", "a")

    queue.as_dead_letter_queue().send(stored_record, clock.deadline(10))

    assert queue.queue_urls == ["https://queue.invalid/1"]
    assert [json.loads(body) for body in queue.bodies] == [{"Records": [stored_record]}]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (None, EntryStatus.PUBLISHED),
        ("UndocumentedCode", EntryStatus.RETRY),
        # An operator can grant a permission while the event waits.
        ("AccessDeniedException", EntryStatus.RETRY),
        *((code, EntryStatus.REJECTED) for code in ("InvalidArgument", "MalformedDetail", "RedactionFailure")),
    ],
)
def test_event_bus_returns_status_of_each_event(
    clock: Clock, bus: EventBridgeStub, monkeypatch: pytest.MonkeyPatch, code: str | None, status: EntryStatus
) -> None:
    log_fields: dict[str, Any] = {}
    monkeypatch.setattr("paynearme.events.event_bus.add_log_fields", lambda **fields: log_fields.update(fields))
    bus.rejections = {"1 b": repeat(code)}

    statuses = bus.as_event_bus().put_events(events("a", "b", "c"), clock.deadline(10))

    assert statuses == [EntryStatus.PUBLISHED, status, EntryStatus.PUBLISHED]
    assert len(bus.requests) == 1
    assert log_fields == ({"eventbridge_errors": {code: 1}} if code else {})


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="https://events.us-east-1.amazonaws.com"),
        client_error("ThrottlingException"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_event_bus_retryable_error_retried(clock: Clock, bus: EventBridgeStub, error: Exception) -> None:
    bus.rejections = {"1 a": iter([error, error])}

    assert bus.as_event_bus().put_events(events("a"), clock.deadline(10)) == [EntryStatus.PUBLISHED]
    # The retries contain the same event, because the response can be lost.
    assert bus.requests == [bus.requests[0]] * 3
    assert len(clock.sleeps) == 2


@pytest.mark.parametrize("error", [client_error("AccessDeniedException"), NoCredentialsError()], ids=["AWS", "client"])
def test_event_bus_permanent_error_not_retried(clock: Clock, bus: EventBridgeStub, error: Exception) -> None:
    bus.rejections = {"1 a": repeat(error)}

    with pytest.raises(EventPublishFailedError):
        bus.as_event_bus().put_events(events("a"), clock.deadline(10))
    assert clock.sleeps == []


def test_event_bus_retries_end_at_deadline(clock: Clock, bus: EventBridgeStub) -> None:
    bus.rejections, start = {"1 a": repeat(TimeoutError())}, clock.now

    with pytest.raises(EventPublishFailedError):
        bus.as_event_bus().put_events(events("a"), clock.deadline(10))
    assert 10 - MAX_ATTEMPT_SECONDS - 1 < clock.now - start <= 10
