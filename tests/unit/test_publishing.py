"""Events get onto the bus in order, at least once, and nothing stands in the way of all others."""

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import repeat
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paynearme.errors import EventPublishFailedError
from paynearme.publishing import FOR_ONE_TRY_SECONDS, publish
from tests.clock import Clock
from tests.unit.payment_records import NOW, Bus, Queue, Record, record

SECONDS = 45.0
WAIT = 6 * 60 * 60
OLD = NOW - timedelta(seconds=WAIT)
YOUNG = NOW - timedelta(seconds=WAIT - 1)
DENIED = ClientError(
    {"Error": {"Code": "AccessDeniedException", "Message": ""}, "ResponseMetadata": {}},  # type: ignore[typeddict-item] # the rest is of no interest
    "PutEvents",
)

type Publish = Callable[..., None]


@pytest.fixture
def told(clock: Clock, bus: Bus, queue: Queue) -> Publish:
    """Publishes records with all the time that the function has."""

    def told(*records: Record) -> None:
        publish(records, bus.to_use(), queue.to_use(), WAIT, NOW, clock.deadline(SECONDS))

    return told


def changes(payments: int, *revisions: int) -> list[Record]:
    """Return changes of so many payments, each told as two events, the payments' first ones first."""
    return [
        record(str(payment), f"a{revision}", f"b{revision}", revision=revision)
        for revision in revisions
        for payment in range(payments)
    ]


def in_order(payment: int, *revisions: int) -> list[str]:
    return [f"{payment} {kind}{revision}" for revision in revisions for kind in "ab"]


def test_all_events_get_there_each_payments_in_order(told: Publish, bus: Bus, queue: Queue) -> None:
    told(*changes(23, 2, 3, 4))

    for payment in range(23):
        assert bus.taken_of(str(payment)) == in_order(payment, 2, 3, 4)
    assert queue.bodies == []


def test_a_request_holds_at_most_ten_events_and_one_of_a_payment(told: Publish, bus: Bus) -> None:
    told(*changes(23, 2, 3))

    assert max(len(request) for request in bus.asked) == 10
    for request in bus.asked:
        payments = [name.split()[0] for name in request]
        assert len(payments) == len(set(payments))
    # No more requests than it takes: three at a time for each of a payment's four events.
    assert len(bus.asked) <= 12


def test_changes_that_are_told_to_nobody_ask_for_nothing(told: Publish, bus: Bus) -> None:
    told(record("1"), record("2"))

    assert bus.requests == []


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalError", "SomethingNew"])
def test_what_is_refused_for_now_is_tried_again_and_keeps_its_order(
    told: Publish, bus: Bus, queue: Queue, code: str
) -> None:
    bus.refusals = {"0 a2": repeat(code, 3), "0 a3": repeat(code, 1), "7 b2": repeat(code, 2)}

    told(*changes(12, 2, 3))

    for payment in range(12):
        assert bus.taken_of(str(payment)) == in_order(payment, 2, 3)
    assert queue.bodies == []


@pytest.mark.parametrize("refused", [1, 14], ids=["one", "more than a request holds"])
def test_what_is_refused_holds_back_what_follows_of_its_payment_and_nothing_else(
    told: Publish, bus: Bus, queue: Queue, refused: int
) -> None:
    bus.refusals = {f"{payment} b2": repeat("ThrottlingException") for payment in range(refused)}

    with pytest.raises(EventPublishFailedError):
        told(*changes(30, 2, 3))

    for payment in range(refused):
        assert bus.taken_of(str(payment)) == [f"{payment} a2"]
    for payment in range(refused, 30):
        assert bus.taken_of(str(payment)) == in_order(payment, 2, 3)
    assert queue.bodies == []


def test_what_is_on_the_bus_is_not_put_there_again_by_the_same_call(told: Publish, bus: Bus) -> None:
    bus.refusals = {"0 a2": repeat("ThrottlingException", 5)}

    told(*changes(15, 2))

    assert len(bus.taken) == len(set(bus.taken)) == 30


@pytest.mark.parametrize("code", ["InvalidArgument", "MalformedDetail", "RedactionFailure"])
def test_what_is_never_taken_goes_to_the_dead_letters_and_the_rest_goes_on(
    told: Publish, bus: Bus, queue: Queue, code: str
) -> None:
    bus.refusals = {"0 b2": repeat(code)}
    records = changes(12, 2, 3)

    told(*records)

    assert queue.kept == [records[0]]
    assert bus.taken_of("0") == ["0 a2", *in_order(0, 3)]
    for payment in range(1, 12):
        assert bus.taken_of(str(payment)) == in_order(payment, 2, 3)


@pytest.mark.parametrize(
    "unreadable",
    [
        {},
        {"dynamodb": {}},
        {"dynamodb": {"NewImage": {"pk": {"S": "1"}}, "ApproximateCreationDateTime": 1}},
        {"dynamodb": {"NewImage": "zq7", "ApproximateCreationDateTime": NOW.timestamp()}},
        {"dynamodb": record("9", "a")["dynamodb"] | {"ApproximateCreationDateTime": "yesterday"}},
    ],
    ids=["empty", "without images", "of no item", "of text", "of no time"],
)
def test_what_cannot_be_read_goes_to_the_dead_letters_and_the_rest_goes_on(
    told: Publish, bus: Bus, queue: Queue, unreadable: Record
) -> None:
    told(record("1", "a"), unreadable, record("2", "a"))

    assert bus.taken == ["1 a", "2 a"]
    assert queue.kept == [unreadable]


def test_what_lies_in_the_dead_letters_is_published_by_its_body_once_the_fault_is_gone(
    told: Publish, bus: Bus, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistake(*_: object) -> None:
        raise KeyError("zq7")

    with monkeypatch.context() as faulty:
        faulty.setattr("paynearme.publishing.events_of", mistake)
        told(record("1", "a"), record("2", "a", "b"))
    assert bus.taken == []

    for body in queue.bodies:
        told(*json.loads(body)["Records"])

    assert bus.taken == ["1 a", "2 a", "2 b"]
    assert len(queue.bodies) == 2


def test_a_bus_that_fails_loses_nothing_and_fills_no_dead_letters(
    told: Publish, bus: Bus, queue: Queue
) -> None:
    bus.refusals = {"1 a": repeat(DENIED)}

    for _ in range(3):
        with pytest.raises(EventPublishFailedError):
            told(record("1", "a", changed_at=YOUNG), {}, record("2", "a"))

    # Not even what cannot be read, which comes again with the rest.
    assert queue.bodies == []
    bus.refusals.clear()
    told(record("1", "a"), {}, record("2", "a"))
    assert bus.taken == ["1 a", "2 a"]
    assert queue.kept == [{}]


@pytest.mark.parametrize("refusal", ["ThrottlingException", "NotAuthorizedForSourceException", DENIED])
def test_what_has_waited_for_too_long_goes_to_the_dead_letters_instead(
    told: Publish, bus: Bus, queue: Queue, refusal: Any
) -> None:
    bus.refusals = {"1 b": repeat(refusal), "2 a": repeat(refusal)}
    waiting = [record("1", "a", "b", changed_at=OLD), record("2", "a", changed_at=OLD)]

    told(*waiting)

    assert queue.kept == waiting


def test_what_is_taken_goes_to_no_dead_letters_however_old_it_is(
    told: Publish, bus: Bus, queue: Queue
) -> None:
    bus.refusals = {"2 a": repeat("ThrottlingException")}
    records = [record(str(payment), "a", changed_at=OLD) for payment in range(5)]

    told(*records)

    assert queue.kept == [records[2]]
    assert bus.taken == ["0 a", "1 a", "3 a", "4 a"]


def test_what_is_taken_along_by_the_oldest_lies_there_once(told: Publish, bus: Bus, queue: Queue) -> None:
    bus.refusals = {"1 a": repeat(DENIED), "2 a": repeat(DENIED)}
    waiting = [record("1", "a", changed_at=OLD), record("2", "a", changed_at=YOUNG)]

    told(*waiting)

    # Else the batch would come again for the younger one, and put the older one there each time.
    assert queue.kept == waiting


def test_a_batch_that_comes_again_has_put_nothing_among_the_dead_letters(
    told: Publish, bus: Bus, queue: Queue
) -> None:
    bus.refusals = {"1 a": repeat("ThrottlingException"), "2 a": repeat("InvalidArgument")}

    with pytest.raises(EventPublishFailedError):
        told(record("1", "a", changed_at=YOUNG), record("2", "a", changed_at=YOUNG), {})

    assert queue.kept == []


def test_what_nobody_foresaw_lets_nothing_wait_for_too_long_either(
    told: Publish, bus: Bus, queue: Queue
) -> None:
    bus.refusals = {"1 a": repeat(RuntimeError("zq7"))}
    old = record("1", "a", changed_at=OLD)

    with pytest.raises(RuntimeError):
        told(record("1", "a"))
    told(old)

    assert queue.kept == [old]


@pytest.mark.parametrize("why", ["unreadable", "never taken", "old"])
def test_what_neither_the_bus_nor_the_dead_letters_take_comes_again(
    told: Publish, bus: Bus, queue: Queue, why: str
) -> None:
    queue.error = DENIED
    if why != "unreadable":
        bus.refusals = {"1 a": repeat("InvalidArgument" if why == "never taken" else DENIED)}

    with pytest.raises(EventPublishFailedError):
        told({} if why == "unreadable" else record("1", "a", changed_at=OLD))
    assert queue.bodies == []


@pytest.mark.parametrize("seconds", [0.1, 2.4])
def test_there_is_time_for_the_dead_letters_however_long_the_bus_takes(
    told: Publish, clock: Clock, bus: Bus, queue: Queue, seconds: float
) -> None:
    began, bus.seconds = clock.now, seconds
    bus.refusals = {f"{payment} a": repeat("ThrottlingException") for payment in range(100)}

    told(*[record(str(payment), "a", changed_at=OLD) for payment in range(100)])

    assert len(queue.bodies) == 100
    assert clock.now - began < SECONDS


def test_what_has_waited_too_long_is_tried_for_a_moment_only(told: Publish, clock: Clock, bus: Bus) -> None:
    began = clock.now
    bus.refusals = {"1 a": repeat("ThrottlingException")}

    told(record("1", "a", changed_at=OLD))

    # Others wait behind it, and the stream forgets them too.
    assert clock.now - began <= FOR_ONE_TRY_SECONDS
