"""Publish events in order and at least once. No record blocks all others."""

import json
from dataclasses import dataclass
from datetime import timedelta
from itertools import repeat
from typing import Any

import pytest

from paynearme.errors import EventPublishFailedError
from paynearme.events.event_publisher import LATE_RETRY_SECONDS, publish
from tests.support.aws_errors import client_error
from tests.support.fake_clock import Clock
from tests.support.stream_record_fixtures import NOW, EventBridgeStub, Record, SqsStub, event_names, record

SECONDS = 45.0
MAX_AGE_SECONDS = 6 * 60 * 60
LATE_TIME = NOW - timedelta(seconds=MAX_AGE_SECONDS)
RECENT_TIME = NOW - timedelta(seconds=MAX_AGE_SECONDS - 1)
ACCESS_DENIED = client_error("AccessDeniedException")


@dataclass
class Publisher:
    """The function with its stubs. It publishes within its time."""

    clock: Clock
    bus: EventBridgeStub
    queue: SqsStub

    def publish(self, *records: Record) -> None:
        bus, queue = self.bus.as_event_bus(), self.queue.as_dead_letter_queue()
        publish(records, bus, queue, MAX_AGE_SECONDS, NOW, self.clock.deadline(SECONDS))


@pytest.fixture
def publisher(clock: Clock, bus: EventBridgeStub, queue: SqsStub) -> Publisher:
    return Publisher(clock, bus, queue)


def changes(payments: int, *revisions: int) -> list[Record]:
    """Return a change with two events for each revision of each payment, by revision."""
    return [
        record(str(payment), f"a{revision}", f"b{revision}", revision=revision)
        for revision in revisions
        for payment in range(payments)
    ]


def in_order(payment: int, *revisions: int) -> list[str]:
    return [f"{payment} {kind}{revision}" for revision in revisions for kind in "ab"]


def test_publish_all_events_in_order_of_each_payment(publisher: Publisher) -> None:
    publisher.publish(*changes(23, 2, 3, 4))

    for payment in range(23):
        assert publisher.bus.published_for(str(payment)) == in_order(payment, 2, 3, 4)
    assert publisher.queue.bodies == []
    # A request has at most ten events, one of each payment.
    payments = [[name.split()[0] for name in event_names(request)] for request in publisher.bus.requests]
    assert all(len(set(request)) == len(request) <= 10 for request in payments)
    # Three requests contain one event of each payment.
    assert len(payments) <= 3 * 6


def test_publish_retryable_error_retried_in_order(publisher: Publisher) -> None:
    publisher.bus.rejections = {name: repeat("ThrottlingException", 2) for name in ("0 a2", "0 a3", "7 b2")}

    publisher.publish(*changes(12, 2, 3))

    for payment in range(12):
        # Published events are not repeated.
        assert publisher.bus.published_for(str(payment)) == in_order(payment, 2, 3)
    assert publisher.queue.bodies == []


def test_publish_failing_event_blocks_only_its_payment(publisher: Publisher) -> None:
    # More than one request.
    rejected_count = 14
    publisher.bus.rejections = {f"{payment} b2": repeat("ThrottlingException") for payment in range(rejected_count)}

    with pytest.raises(EventPublishFailedError):
        publisher.publish(*changes(30, 2, 3))

    for payment in range(rejected_count):
        assert publisher.bus.published_for(str(payment)) == [f"{payment} a2"]
    for payment in range(rejected_count, 30):
        assert publisher.bus.published_for(str(payment)) == in_order(payment, 2, 3)
    assert publisher.queue.bodies == []


def test_publish_rejected_event_dead_lettered_rest_published(publisher: Publisher) -> None:
    publisher.bus.rejections = {"0 b2": repeat("InvalidArgument")}
    records = changes(12, 2, 3)

    publisher.publish(*records)

    assert publisher.queue.records == [records[0]]
    assert publisher.bus.published_for("0") == ["0 a2", *in_order(0, 3)]
    for payment in range(1, 12):
        assert publisher.bus.published_for(str(payment)) == in_order(payment, 2, 3)


@pytest.mark.parametrize(
    "malformed",
    [
        {},
        {"dynamodb": {"NewImage": "zq7", "ApproximateCreationDateTime": NOW.timestamp()}},
        {"dynamodb": record("9", "a")["dynamodb"] | {"ApproximateCreationDateTime": "yesterday"}},
    ],
    ids=["empty", "image is text", "no timestamp"],
)
def test_publish_malformed_record_dead_lettered_rest_published(publisher: Publisher, malformed: Record) -> None:
    publisher.publish(record("1", "a"), malformed, record("2", "a"))

    assert publisher.bus.published == ["1 a", "2 a"]
    assert publisher.queue.records == [malformed]


def test_dead_letter_body_can_be_republished(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_error(*_: object) -> None:
        raise KeyError("zq7")

    with monkeypatch.context() as patched:
        patched.setattr("paynearme.events.event_publisher.change_events", raise_error)
        publisher.publish(record("1", "a"), record("2", "a", "b"))
    assert publisher.bus.published == []

    for body in publisher.queue.bodies:
        publisher.publish(*json.loads(body)["Records"])

    assert publisher.bus.published == ["1 a", "2 a", "2 b"]
    assert len(publisher.queue.bodies) == 2


@pytest.mark.parametrize("rejection", ["ThrottlingException", ACCESS_DENIED], ids=["entry", "request"])
def test_publish_bus_error_batch_retried_not_dead_lettered(publisher: Publisher, rejection: Any) -> None:
    publisher.bus.rejections = {"1 a": repeat(rejection), "2 a": repeat("InvalidArgument")}
    records = [record("1", "a", changed_at=RECENT_TIME), {}, record("2", "a")]

    for _ in range(3):
        with pytest.raises(EventPublishFailedError):
            publisher.publish(*records)

    # The malformed and the rejected record are also retried with the batch.
    assert publisher.queue.bodies == []
    del publisher.bus.rejections["1 a"]
    publisher.publish(*records)
    assert publisher.bus.published == ["1 a"]
    assert publisher.queue.records == records[1:]


def test_publish_late_unpublished_record_dead_lettered(publisher: Publisher) -> None:
    publisher.bus.rejections = {"1 b": repeat("ThrottlingException"), "2 a": repeat("ThrottlingException")}
    times = {"1": LATE_TIME, "2": RECENT_TIME, "3": LATE_TIME}
    records = [record(payment, "a", "b", changed_at=time) for payment, time in times.items()]

    publisher.publish(*records)

    # Otherwise each retry for the younger record would send the older one again.
    assert publisher.queue.records == records[:2]
    assert publisher.bus.published == ["1 a", "3 a", "3 b"]


def test_publish_unexpected_error_late_record_dead_lettered(publisher: Publisher) -> None:
    publisher.bus.rejections = {"1 a": repeat(RuntimeError("zq7"))}
    late_record = record("1", "a", changed_at=LATE_TIME)

    with pytest.raises(RuntimeError):
        publisher.publish(record("1", "a"))
    publisher.publish(late_record)

    assert publisher.queue.records == [late_record]


def test_publish_dead_letter_queue_error_batch_retried(publisher: Publisher) -> None:
    publisher.queue.error = ACCESS_DENIED

    with pytest.raises(EventPublishFailedError):
        publisher.publish({})
    assert publisher.queue.bodies == []


def test_publish_slow_bus_leaves_time_for_dead_letter_queue(publisher: Publisher) -> None:
    start, publisher.bus.seconds = publisher.clock.now, 2.4
    publisher.bus.rejections = {f"{payment} a": repeat("ThrottlingException") for payment in range(100)}

    publisher.publish(*[record(str(payment), "a", changed_at=LATE_TIME) for payment in range(100)])

    assert len(publisher.queue.bodies) == 100
    assert publisher.clock.now - start < SECONDS


def test_publish_late_record_retried_briefly(publisher: Publisher) -> None:
    start = publisher.clock.now
    publisher.bus.rejections = {"1 a": repeat("ThrottlingException")}

    publisher.publish(record("1", "a", changed_at=LATE_TIME))

    # Younger records behind it can expire also.
    assert publisher.clock.now - start <= LATE_RETRY_SECONDS
