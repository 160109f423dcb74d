"""Publish events in order and at least once. No record blocks all others."""

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import repeat
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paynearme.errors import EventPublishFailedError
from paynearme.events.event_publisher import LATE_RETRY_SECONDS, publish
from tests.support.fake_clock import Clock
from tests.support.stream_record_fixtures import NOW, EventBridgeStub, Record, SqsStub, record

SECONDS = 45.0
MAX_AGE_SECONDS = 6 * 60 * 60
LATE_TIME = NOW - timedelta(seconds=MAX_AGE_SECONDS)
RECENT_TIME = NOW - timedelta(seconds=MAX_AGE_SECONDS - 1)
ACCESS_DENIED = ClientError(
    {"Error": {"Code": "AccessDeniedException", "Message": ""}, "ResponseMetadata": {}},  # type: ignore[typeddict-item] # incomplete
    "PutEvents",
)

type Publish = Callable[..., None]


@pytest.fixture
def publish_records(clock: Clock, bus: EventBridgeStub, queue: SqsStub) -> Publish:
    """Publish records within the time of the function."""

    def publish_all(*records: Record) -> None:
        publish(
            records, bus.as_event_bus(), queue.as_dead_letter_queue(), MAX_AGE_SECONDS, NOW, clock.deadline(SECONDS)
        )

    return publish_all


def changes(payments: int, *revisions: int) -> list[Record]:
    """Return a change with two events for each revision of each payment, by revision."""
    return [
        record(str(payment), f"a{revision}", f"b{revision}", revision=revision)
        for revision in revisions
        for payment in range(payments)
    ]


def in_order(payment: int, *revisions: int) -> list[str]:
    return [f"{payment} {kind}{revision}" for revision in revisions for kind in "ab"]


def test_publish_all_events_in_order_of_each_payment(
    publish_records: Publish, bus: EventBridgeStub, queue: SqsStub
) -> None:
    publish_records(*changes(23, 2, 3, 4))

    for payment in range(23):
        assert bus.published_for(str(payment)) == in_order(payment, 2, 3, 4)
    assert queue.bodies == []


def test_publish_request_maximum_ten_events_one_per_payment(publish_records: Publish, bus: EventBridgeStub) -> None:
    publish_records(*changes(23, 2, 3))

    assert max(len(request) for request in bus.requested_names) == 10
    for request in bus.requested_names:
        payments = [name.split()[0] for name in request]
        assert len(payments) == len(set(payments))
    # Three requests for each of a payment's four events.
    assert len(bus.requested_names) <= 12


def test_publish_changes_without_events_sends_nothing(publish_records: Publish, bus: EventBridgeStub) -> None:
    publish_records(record("1"), record("2"))

    assert bus.requests == []


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalError", "UndocumentedCode"])
def test_publish_retryable_error_retried_in_order(
    publish_records: Publish, bus: EventBridgeStub, queue: SqsStub, code: str
) -> None:
    bus.rejections = {"0 a2": repeat(code, 3), "0 a3": repeat(code, 1), "7 b2": repeat(code, 2)}

    publish_records(*changes(12, 2, 3))

    for payment in range(12):
        assert bus.published_for(str(payment)) == in_order(payment, 2, 3)
    assert queue.bodies == []


@pytest.mark.parametrize("rejected_count", [1, 14], ids=["one", "more than one request"])
def test_publish_failing_event_blocks_only_its_payment(
    publish_records: Publish, bus: EventBridgeStub, queue: SqsStub, rejected_count: int
) -> None:
    bus.rejections = {f"{payment} b2": repeat("ThrottlingException") for payment in range(rejected_count)}

    with pytest.raises(EventPublishFailedError):
        publish_records(*changes(30, 2, 3))

    for payment in range(rejected_count):
        assert bus.published_for(str(payment)) == [f"{payment} a2"]
    for payment in range(rejected_count, 30):
        assert bus.published_for(str(payment)) == in_order(payment, 2, 3)
    assert queue.bodies == []


def test_publish_retry_omits_published_events(publish_records: Publish, bus: EventBridgeStub) -> None:
    bus.rejections = {"0 a2": repeat("ThrottlingException", 5)}

    publish_records(*changes(15, 2))

    assert len(bus.published) == len(set(bus.published)) == 30


@pytest.mark.parametrize("code", ["InvalidArgument", "MalformedDetail", "RedactionFailure"])
def test_publish_rejected_event_dead_lettered_rest_published(
    publish_records: Publish, bus: EventBridgeStub, queue: SqsStub, code: str
) -> None:
    bus.rejections = {"0 b2": repeat(code)}
    records = changes(12, 2, 3)

    publish_records(*records)

    assert queue.records == [records[0]]
    assert bus.published_for("0") == ["0 a2", *in_order(0, 3)]
    for payment in range(1, 12):
        assert bus.published_for(str(payment)) == in_order(payment, 2, 3)


@pytest.mark.parametrize(
    "malformed",
    [
        {},
        {"dynamodb": {}},
        {"dynamodb": {"NewImage": {"pk": {"S": "1"}}, "ApproximateCreationDateTime": 1}},
        {"dynamodb": {"NewImage": "zq7", "ApproximateCreationDateTime": NOW.timestamp()}},
        {"dynamodb": record("9", "a")["dynamodb"] | {"ApproximateCreationDateTime": "yesterday"}},
    ],
    ids=["empty", "no images", "incomplete item", "image is text", "no timestamp"],
)
def test_publish_malformed_record_dead_lettered_rest_published(
    publish_records: Publish, bus: EventBridgeStub, queue: SqsStub, malformed: Record
) -> None:
    publish_records(record("1", "a"), malformed, record("2", "a"))

    assert bus.published == ["1 a", "2 a"]
    assert queue.records == [malformed]


def test_dead_letter_body_can_be_republished(
    publish_records: Publish, bus: EventBridgeStub, queue: SqsStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_error(*_: object) -> None:
        raise KeyError("zq7")

    with monkeypatch.context() as patched:
        patched.setattr("paynearme.events.event_publisher.payment_events", raise_error)
        publish_records(record("1", "a"), record("2", "a", "b"))
    assert bus.published == []

    for body in queue.bodies:
        publish_records(*json.loads(body)["Records"])

    assert bus.published == ["1 a", "2 a", "2 b"]
    assert len(queue.bodies) == 2


def test_publish_bus_error_batch_retried_not_dead_lettered(
    publish_records: Publish, bus: EventBridgeStub, queue: SqsStub
) -> None:
    bus.rejections = {"1 a": repeat(ACCESS_DENIED)}

    for _ in range(3):
        with pytest.raises(EventPublishFailedError):
            publish_records(record("1", "a", changed_at=RECENT_TIME), {}, record("2", "a"))

    # The malformed record is also retried with the batch.
    assert queue.bodies == []
    bus.rejections.clear()
    publish_records(record("1", "a"), {}, record("2", "a"))
    assert bus.published == ["1 a", "2 a"]
    assert queue.records == [{}]


@pytest.mark.parametrize("rejection", ["ThrottlingException", "NotAuthorizedForSourceException", ACCESS_DENIED])
def test_publish_late_unpublished_record_dead_lettered(
    publish_records: Publish, bus: EventBridgeStub, queue: SqsStub, rejection: Any
) -> None:
    bus.rejections = {"1 b": repeat(rejection), "2 a": repeat(rejection)}
    records = [record("1", "a", "b", changed_at=LATE_TIME), record("2", "a", changed_at=LATE_TIME)]

    publish_records(*records)

    assert queue.records == records


def test_publish_late_published_record_not_dead_lettered(
    publish_records: Publish, bus: EventBridgeStub, queue: SqsStub
) -> None:
    bus.rejections = {"2 a": repeat("ThrottlingException")}
    records = [record(str(payment), "a", changed_at=LATE_TIME) for payment in range(5)]

    publish_records(*records)

    assert queue.records == [records[2]]
    assert bus.published == ["0 a", "1 a", "3 a", "4 a"]


def test_publish_batch_with_late_record_dead_lettered_once(
    publish_records: Publish, bus: EventBridgeStub, queue: SqsStub
) -> None:
    bus.rejections = {"1 a": repeat(ACCESS_DENIED), "2 a": repeat(ACCESS_DENIED)}
    records = [record("1", "a", changed_at=LATE_TIME), record("2", "a", changed_at=RECENT_TIME)]

    publish_records(*records)

    # Otherwise each retry for the younger record would send the older one again.
    assert queue.records == records


def test_publish_retried_batch_nothing_dead_lettered(
    publish_records: Publish, bus: EventBridgeStub, queue: SqsStub
) -> None:
    bus.rejections = {"1 a": repeat("ThrottlingException"), "2 a": repeat("InvalidArgument")}

    with pytest.raises(EventPublishFailedError):
        publish_records(record("1", "a", changed_at=RECENT_TIME), record("2", "a", changed_at=RECENT_TIME), {})

    assert queue.records == []


def test_publish_unexpected_error_late_record_dead_lettered(
    publish_records: Publish, bus: EventBridgeStub, queue: SqsStub
) -> None:
    bus.rejections = {"1 a": repeat(RuntimeError("zq7"))}
    late_record = record("1", "a", changed_at=LATE_TIME)

    with pytest.raises(RuntimeError):
        publish_records(record("1", "a"))
    publish_records(late_record)

    assert queue.records == [late_record]


@pytest.mark.parametrize("reason", ["malformed", "rejected", "expired"])
def test_publish_dead_letter_queue_error_batch_retried(
    publish_records: Publish, bus: EventBridgeStub, queue: SqsStub, reason: str
) -> None:
    queue.error = ACCESS_DENIED
    if reason != "malformed":
        bus.rejections = {"1 a": repeat("InvalidArgument" if reason == "rejected" else ACCESS_DENIED)}

    with pytest.raises(EventPublishFailedError):
        publish_records({} if reason == "malformed" else record("1", "a", changed_at=LATE_TIME))
    assert queue.bodies == []


@pytest.mark.parametrize("seconds", [0.1, 2.4])
def test_publish_slow_bus_leaves_time_for_dead_letter_queue(
    publish_records: Publish, clock: Clock, bus: EventBridgeStub, queue: SqsStub, seconds: float
) -> None:
    start, bus.seconds = clock.now, seconds
    bus.rejections = {f"{payment} a": repeat("ThrottlingException") for payment in range(100)}

    publish_records(*[record(str(payment), "a", changed_at=LATE_TIME) for payment in range(100)])

    assert len(queue.bodies) == 100
    assert clock.now - start < SECONDS


def test_publish_late_record_retried_briefly(publish_records: Publish, clock: Clock, bus: EventBridgeStub) -> None:
    start = clock.now
    bus.rejections = {"1 a": repeat("ThrottlingException")}

    publish_records(record("1", "a", changed_at=LATE_TIME))

    # Younger records behind it can expire also.
    assert clock.now - start <= LATE_RETRY_SECONDS
