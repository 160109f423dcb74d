"""What the bus and the queue are sent, and what is made of their answers."""

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

from paynearme import telemetry
from paynearme.aws import LONGEST_ATTEMPT_SECONDS
from paynearme.errors import EventPublishFailedError
from paynearme.ledger import events_of
from paynearme.messages.events import PaymentEvent
from tests.clock import Clock
from tests.unit.payment_records import NOW, ORDER, SITE, Bus, Queue, item, record

URL = "https://events.us-east-1.amazonaws.com"


def refused(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutEvents")


def events(*anomalies: str) -> list[PaymentEvent]:
    return events_of(item("1"), item("1", 7, anomalies=set(anomalies)), NOW)


type Send = Callable[[float], None]


@pytest.fixture(params=["bus", "queue"])
def failing(request: pytest.FixtureRequest, clock: Clock, bus: Bus, queue: Queue) -> tuple[Any, Send]:
    """Lets one of the two fail as it is told to, and sends something there in so many seconds."""

    def fail(*errors: Exception) -> None:
        several = chain(errors[:-1], repeat(errors[-1])) if errors else iter(())
        if request.param == "bus":
            bus.refusals = {"1 a": several}
        else:
            queue.error = errors[0] if errors else None

    def send(seconds: float) -> None:
        if request.param == "bus":
            bus.to_use().put(events("a"), clock.deadline(seconds))
        else:
            queue.to_use().keep(record("1", "a"), clock.deadline(seconds))

    return fail, send


def test_an_event_is_sent_with_what_rules_look_at(clock: Clock, bus: Bus) -> None:
    [event] = events("order_differs")

    assert bus.to_use().put([event], clock.deadline(10)) == [True]

    [[entry]] = bus.requests
    detail = json.loads(entry.pop("Detail"))
    assert entry == {
        "EventBusName": "merchant",
        "Source": "paynearme",
        "DetailType": "PaymentAnomaly",
        "Time": NOW,
    }
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


def test_a_record_is_kept_as_the_event_that_brings_it_again(clock: Clock, queue: Queue) -> None:
    kept = record("1", "a")

    queue.to_use().keep(kept, clock.deadline(10))

    assert queue.addresses == ["https://queue.invalid/1"]
    assert [json.loads(body) for body in queue.bodies] == [{"Records": [kept]}]


@pytest.mark.parametrize(
    ("code", "is_taken"),
    [
        (None, True),
        *((code, False) for code in ("ThrottlingException", "InternalError", "SomethingNew")),
        # A right can be given while the event waits.
        *((code, False) for code in ("AccessDeniedException", "NotAuthorizedForSourceException")),
        ("NotAuthorizedForDetailTypeException", False),
        *((code, None) for code in ("InvalidArgument", "MalformedDetail", "RedactionFailure")),
    ],
)
def test_the_answer_says_of_each_event_whether_it_is_there(
    clock: Clock, bus: Bus, code: str | None, is_taken: bool | None
) -> None:
    bus.refusals = {"1 b": repeat(code)}

    assert bus.to_use().put(events("a", "b", "c"), clock.deadline(10)) == [True, is_taken, True]
    assert len(bus.requests) == 1


def test_why_the_bus_refuses_is_noted_in_its_own_words(
    clock: Clock, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: dict[str, Any] = {}
    monkeypatch.setattr(telemetry, "note", lambda **fields: noted.update(fields))
    bus.refusals = {"1 a": repeat("ThrottlingException"), "1 b": repeat("MalformedDetail")}

    bus.to_use().put(events("a", "b", "c"), clock.deadline(10))

    assert noted == {"eventbridge_errors": {"ThrottlingException": 1, "MalformedDetail": 1}}


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url=URL),
        ConnectTimeoutError(endpoint_url=URL),
        EndpointConnectionError(endpoint_url=URL),
        TimeoutError(),
        refused("ThrottlingException"),
        refused("InternalException", 500),
        refused("ServiceUnavailable", 503),
    ],
    ids=lambda error: str(error)[:50] or "late",
)
def test_a_request_that_may_do_better_is_sent_again(clock: Clock, bus: Bus, error: Exception) -> None:
    bus.refusals = {"1 a": iter([error, error])}

    assert bus.to_use().put(events("a"), clock.deadline(10)) == [True]
    # The answer may be what was lost: the event is the same one.
    assert bus.requests == [bus.requests[0]] * 3
    assert len(clock.sleeps) == 2


@pytest.mark.parametrize(
    "error",
    [
        refused("AccessDeniedException"),
        refused("ResourceNotFoundException"),
        refused("ValidationException"),
        ParamValidationError(report="zq7"),
        NoCredentialsError(),
    ],
    ids=lambda error: str(error)[:50],
)
def test_a_request_that_will_do_no_better_is_not_sent_again(
    clock: Clock, failing: tuple[Any, Send], error: Exception
) -> None:
    fail, send = failing
    fail(error)

    with pytest.raises(EventPublishFailedError):
        send(10)
    assert clock.sleeps == []


@pytest.mark.parametrize("error", [ReadTimeoutError(endpoint_url=URL), TimeoutError()], ids=["lost", "late"])
def test_it_is_given_up_in_time(clock: Clock, failing: tuple[Any, Send], error: Exception) -> None:
    fail, send = failing
    fail(error)
    began = clock.now

    with pytest.raises(EventPublishFailedError):
        send(10)
    assert 10 - LONGEST_ATTEMPT_SECONDS - 1 < clock.now - began <= 10


def test_nothing_is_begun_that_could_not_be_finished(
    clock: Clock, bus: Bus, queue: Queue, failing: tuple[Any, Send]
) -> None:
    _, send = failing

    with pytest.raises(EventPublishFailedError):
        send(LONGEST_ATTEMPT_SECONDS - 0.01)
    assert (bus.requests, queue.bodies) == ([], [])
