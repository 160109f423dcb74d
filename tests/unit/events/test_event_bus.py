"""Send requests to the bus and the queue, and evaluate their responses."""

import json
from collections.abc import Callable
from itertools import chain, repeat
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from paynearme.errors import EventPublishFailedError
from paynearme.events.event_bus import EntryStatus
from paynearme.ledger.event_mapping import payment_events
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS
from paynearme.protocol.payment_events import PaymentEvent
from tests.support.fake_clock import Clock
from tests.support.stream_record_fixtures import NOW, ORDER, SITE, EventBridgeStub, SqsStub, item, record

URL = "https://events.us-east-1.amazonaws.com"


def client_error(code: str, status: int = 400) -> ClientError:
    body: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(body, "PutEvents")


def events(*anomalies: str) -> list[PaymentEvent]:
    return payment_events(item("1"), item("1", 7, anomalies=set(anomalies)), NOW)


type Send = Callable[[float], None]


@pytest.fixture(params=["bus", "queue"])
def failing_target(
    request: pytest.FixtureRequest, clock: Clock, bus: EventBridgeStub, queue: SqsStub
) -> tuple[Any, Send]:
    """Return a function that sets the errors of a target, and a function that sends to it within some seconds."""

    def fail(*errors: Exception) -> None:
        error_sequence = chain(errors[:-1], repeat(errors[-1])) if errors else iter(())
        if request.param == "bus":
            bus.rejections = {"1 a": error_sequence}
        else:
            queue.error = errors[0] if errors else None

    def send(seconds: float) -> None:
        if request.param == "bus":
            bus.as_event_bus().put_events(events("a"), clock.deadline(seconds))
        else:
            queue.as_dead_letter_queue().send(record("1", "a"), clock.deadline(seconds))

    return fail, send


def test_event_bus_entry_has_source_type_and_detail(clock: Clock, bus: EventBridgeStub) -> None:
    [event] = events("order_differs")

    assert bus.as_event_bus().put_events([event], clock.deadline(10)) == [EntryStatus.PUBLISHED]

    [[entry]] = bus.requests
    detail = json.loads(entry.pop("Detail"))
    assert entry == {"EventBusName": "merchant", "Source": "paynearme", "DetailType": "PaymentAnomaly", "Time": NOW}
    assert detail == {
        "schema_version": "1",
        "event_identifier": event.event_identifier,
        "occurred_at": "2026-11-20T17:00:00Z",
        "sequence": event.sequence,
        "site_identifier": SITE,
        "pnm_payment_identifier": "1",
        "pnm_order_identifier": ORDER,
        "site_customer_identifier": None,
        "site_order_identifier": None,
        "site_payment_identifier": None,
        "anomaly": "order_differs",
    }


def test_dead_letter_queue_body_is_stream_event(clock: Clock, queue: SqsStub) -> None:
    stored_record = record("1", "a")

    queue.as_dead_letter_queue().send(stored_record, clock.deadline(10))

    assert queue.queue_urls == ["https://queue.invalid/1"]
    assert [json.loads(body) for body in queue.bodies] == [{"Records": [stored_record]}]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (None, EntryStatus.PUBLISHED),
        *((code, EntryStatus.RETRY) for code in ("ThrottlingException", "InternalError", "UndocumentedCode")),
        # An operator can grant a permission while the event waits.
        *((code, EntryStatus.RETRY) for code in ("AccessDeniedException", "NotAuthorizedForSourceException")),
        ("NotAuthorizedForDetailTypeException", EntryStatus.RETRY),
        *((code, EntryStatus.REJECTED) for code in ("InvalidArgument", "MalformedDetail", "RedactionFailure")),
    ],
)
def test_event_bus_returns_status_of_each_event(
    clock: Clock, bus: EventBridgeStub, code: str | None, status: EntryStatus
) -> None:
    bus.rejections = {"1 b": repeat(code)}

    statuses = bus.as_event_bus().put_events(events("a", "b", "c"), clock.deadline(10))

    assert statuses == [EntryStatus.PUBLISHED, status, EntryStatus.PUBLISHED]
    assert len(bus.requests) == 1


def test_event_bus_errors_counted_by_code_in_log(
    clock: Clock, bus: EventBridgeStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_fields: dict[str, Any] = {}
    monkeypatch.setattr("paynearme.events.event_bus.add_log_fields", lambda **fields: log_fields.update(fields))
    bus.rejections = {"1 a": repeat("ThrottlingException"), "1 b": repeat("MalformedDetail")}

    bus.as_event_bus().put_events(events("a", "b", "c"), clock.deadline(10))

    assert log_fields == {"eventbridge_errors": {"ThrottlingException": 1, "MalformedDetail": 1}}


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url=URL),
        ConnectTimeoutError(endpoint_url=URL),
        EndpointConnectionError(endpoint_url=URL),
        TimeoutError(),
        client_error("ThrottlingException"),
        client_error("InternalException", 500),
        client_error("ServiceUnavailable", 503),
    ],
    ids=lambda error: str(error)[:50] or "timeout",
)
def test_event_bus_retryable_error_retried(clock: Clock, bus: EventBridgeStub, error: Exception) -> None:
    bus.rejections = {"1 a": iter([error, error])}

    assert bus.as_event_bus().put_events(events("a"), clock.deadline(10)) == [EntryStatus.PUBLISHED]
    # The retries contain the same event, because the response can be lost.
    assert bus.requests == [bus.requests[0]] * 3
    assert len(clock.sleeps) == 2


@pytest.mark.parametrize(
    "error",
    [
        client_error("AccessDeniedException"),
        client_error("ResourceNotFoundException"),
        client_error("ValidationException"),
        ParamValidationError(report="zq7"),
        NoCredentialsError(),
    ],
    ids=lambda error: str(error)[:50],
)
def test_bus_and_queue_permanent_error_not_retried(
    clock: Clock, failing_target: tuple[Any, Send], error: Exception
) -> None:
    fail, send = failing_target
    fail(error)

    with pytest.raises(EventPublishFailedError):
        send(10)
    assert clock.sleeps == []


@pytest.mark.parametrize("error", [ReadTimeoutError(endpoint_url=URL), TimeoutError()], ids=["no response", "timeout"])
def test_bus_and_queue_retries_end_at_deadline(
    clock: Clock, failing_target: tuple[Any, Send], error: Exception
) -> None:
    fail, send = failing_target
    fail(error)
    start = clock.now

    with pytest.raises(EventPublishFailedError):
        send(10)
    assert 10 - MAX_ATTEMPT_SECONDS - 1 < clock.now - start <= 10


def test_bus_and_queue_short_deadline_sends_nothing(
    clock: Clock, bus: EventBridgeStub, queue: SqsStub, failing_target: tuple[Any, Send]
) -> None:
    _, send = failing_target

    with pytest.raises(EventPublishFailedError):
        send(MAX_ATTEMPT_SECONDS - 0.01)
    assert (bus.requests, queue.bodies) == ([], [])
