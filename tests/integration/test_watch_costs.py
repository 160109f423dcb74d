"""What a look for forgotten payments costs, and what it does when time is short."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from paynearme.deadline import Deadline
from paynearme.errors import LedgerUnavailableError, InvocationFailedError
from paynearme.ledger import PARTITIONS, AwaitedPayment, Ledger, Stage, items
from paynearme.ledger.watching import awaited
from paynearme.watching import FOR_ONE_SECONDS, watch
from tests.clock import Clock
from tests.integration.observed import Function, Stored, Traffic, Written
from tests.integration.payments_over_time import NOON, Payments
from tests.integration.signed_callbacks import SITE
from tests.integration.watched import (
    LONG_OVERDUE,
    NOT_YET,
    OVERDUE,
    SOON,
    Watch,
    put_into_one_partition,
)

LOOKS = Counter({"Query": 2 * PARTITIONS})
"""What a look costs that finds nothing."""


@pytest.fixture
def payments(authorize: Function, confirm: Function, stored: Stored) -> Payments:
    return Payments(authorize, confirm, stored)


@pytest.fixture
def watching(cold_start: Callable[[str], Function], stored: Stored) -> Watch:
    return Watch(cold_start("sweep_unconfirmed"), stored)


@pytest.mark.parametrize("what", ["nothing", "open ones", "ended ones", "released ones"])
def test_what_is_not_due_costs_nothing(
    payments: Payments, watching: Watch, traffic: Traffic, what: str
) -> None:
    for number in range(0 if what == "nothing" else 12):
        payments.ask(str(number))
        if what == "ended ones":
            payments.pay(str(number))
    if what == "released ones":
        watching.look(LONG_OVERDUE)

    look_at = SOON if what == "open ones" else LONG_OVERDUE
    assert Counter(traffic.made_by(lambda: watching.look(look_at))) == LOOKS


def test_each_that_is_due_costs_one_request_and_later_two(
    payments: Payments, watching: Watch, traffic: Traffic
) -> None:
    for number in range(7):
        payments.ask(str(number))
    for number in range(7, 12):
        payments.at(NOON + timedelta(hours=30)).ask(str(number))

    marking = Counter(traffic.made_by(lambda: watching.look(OVERDUE)))
    again = Counter(traffic.made_by(lambda: watching.look(NOT_YET)))
    releasing = Counter(traffic.made_by(lambda: watching.look(LONG_OVERDUE)))

    assert marking == LOOKS + Counter({"UpdateItem": 7})
    assert again == LOOKS
    assert releasing == LOOKS + Counter({"BatchGetItem": 7, "TransactWriteItems": 7})


def test_payments_are_spread_over_all_partitions() -> None:
    keys = [items.payment_key(SITE, str(830466818968 + number), test=False) for number in range(1600)]

    by_partition = Counter(awaited(key, NOON)["pending_partition"] for key in keys)

    assert set(by_partition) == {f"PENDING#{number:02}" for number in range(PARTITIONS)}
    assert max(by_partition.values()) < 2 * 1600 / PARTITIONS


def test_more_than_one_page_of_a_partition_is_marked(
    stored: Stored, watching: Watch, traffic: Traffic, written: Written
) -> None:
    put_into_one_partition(stored, range(205))

    calls = Counter(traffic.made_by(lambda: watching.look(OVERDUE)))

    # Two pages more.
    assert calls == LOOKS + Counter({"Query": 2, "UpdateItem": 205})
    assert {item["unconfirmed_at"] for item in stored.payments()} == {OVERDUE.isoformat()}
    assert written.counted("PaymentUnconfirmed") == 205
    # All of it in one line with its operation, however many there are.
    [metrics] = written.metrics()
    assert metrics["operation"] == "sweep_unconfirmed"


@pytest.mark.parametrize("seconds", [0.4, 2.4])
def test_what_there_is_no_time_for_is_left_to_the_next_look_and_nothing_breaks(
    stored: Stored,
    watching: Watch,
    written: Written,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
) -> None:
    put_into_one_partition(stored, range(105))

    def slowly(_: Deadline, call: Callable[[], object]) -> object:
        clock.work(seconds)
        return call()

    monkeypatch.setattr(Deadline, "bound", slowly)
    monkeypatch.setattr(Deadline, "after", lambda given: Deadline(clock.now + given, clock, clock.sleep))

    looks = 0
    while any(since.startswith("authorized") for since in watching.pending().values()):
        began = clock.now
        watching.look(OVERDUE + timedelta(minutes=5 * looks))
        assert clock.now - began <= watching.function.app.settings.watch_within_seconds
        looks += 1
        assert looks < 40

    assert looks > 1
    assert written.counted("PaymentUnconfirmed") == 105
    assert written.counted("SweepIncomplete") >= looks - 1
    assert written.counted("InternalError") == 0


def test_without_time_nothing_is_begun(
    payments: Payments, watching: Watch, traffic: Traffic, clock: Clock
) -> None:
    payments.ask()
    app = watching.function.app
    deadline = clock.deadline(FOR_ONE_SECONDS - 0.1)

    assert traffic.made_by(lambda: watch(app.ledger, app.settings, LONG_OVERDUE, deadline)) == []


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Callable[[float], list[float]]:
    """Have one overdue payment in the index, which takes the given seconds to be found; none can be marked.

    Returns what time each attempt to mark it is given.
    """
    payment = AwaitedPayment(("PAYMENT", "PAYMENT"), "authorized#", SITE, "1", "80080175585")

    def give(seconds: float) -> list[float]:
        attempts: list[float] = []

        def find(_: Ledger, partition: int, stage: Stage, *__: object) -> Iterator[AwaitedPayment]:
            if (partition, stage) == (3, Stage.AUTHORIZED):
                clock.work(seconds)
                yield payment

        def mark(_: Ledger, __: AwaitedPayment, ___: datetime, deadline: Deadline) -> bool:
            attempts.append(deadline.remaining)
            return False

        monkeypatch.setattr(Ledger, "awaited_payments", find)
        monkeypatch.setattr(Ledger, "mark_unconfirmed", mark)
        return attempts

    return give


@pytest.mark.parametrize(("left", "begun"), [(FOR_ONE_SECONDS, 1), (FOR_ONE_SECONDS - 0.1, 0)])
def test_what_was_found_too_late_is_not_begun(
    watching: Watch, given: Callable[[float], list[float]], clock: Clock, left: float, begun: int
) -> None:
    app, attempts = watching.function.app, given(10)

    watch(app.ledger, app.settings, OVERDUE, clock.deadline(10 + left))

    assert len(attempts) == begun


def test_one_payment_takes_no_more_than_its_part_of_the_time(
    watching: Watch, given: Callable[[float], list[float]], clock: Clock
) -> None:
    app, attempts = watching.function.app, given(0)

    watch(app.ledger, app.settings, OVERDUE, clock.deadline(60))

    assert attempts == [FOR_ONE_SECONDS]


def test_no_partition_is_the_last_each_time(
    watching: Watch, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def find(_: Ledger, partition: int, *__: object) -> Iterator[AwaitedPayment]:
        asked.append(partition)
        return iter(())

    monkeypatch.setattr(Ledger, "awaited_payments", find)
    app = watching.function.app

    for minute in range(PARTITIONS):
        watch(app.ledger, app.settings, OVERDUE + timedelta(minutes=minute), clock.deadline(60))

    every = list(range(PARTITIONS))
    assert sorted(asked[:PARTITIONS]) == every
    assert sorted(asked[PARTITIONS - 1 :: 2 * PARTITIONS]) == every


def test_one_payment_that_fails_stands_in_nobodys_way_and_fails_the_look(
    stored: Stored, watching: Watch, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_into_one_partition(stored, range(5))
    mark = Ledger.mark_unconfirmed
    failing = min(watching.pending())

    def mark_but_one(ledger: Ledger, payment: AwaitedPayment, now: datetime, deadline: Deadline) -> bool:
        if payment.pnm_payment_identifier == failing:
            raise LedgerUnavailableError
        return mark(ledger, payment, now, deadline)

    monkeypatch.setattr(Ledger, "mark_unconfirmed", mark_but_one)

    with pytest.raises(InvocationFailedError):
        watching.look(OVERDUE)

    assert written.counted("PaymentUnconfirmed") == 4
    assert [n for n, since in watching.pending().items() if since.startswith("authorized")] == [failing]


def test_a_table_that_is_gone_fails_the_look(stored: Stored, watching: Watch, written: Written) -> None:
    stored.client.delete_table(TableName=stored.table_name)

    with pytest.raises(InvocationFailedError):
        watching.look(OVERDUE)

    [line] = written.logs()
    assert (line["status"], line["error"]) == (500, LedgerUnavailableError.__name__)


def test_each_payment_has_a_line_with_its_identifiers_and_nothing_personal(
    payments: Payments, watching: Watch, written: Written
) -> None:
    marker = "zq7marker7qz"
    payments.ask(
        agent_name=marker, agent_email=marker, payment_bank_name=marker, site_customer_identifier="c-9"
    )
    before = len(written.logs())

    watching.look(OVERDUE)
    watching.look(LONG_OVERDUE)

    lines = written.logs()[before:]
    told = [line for line in lines if "event_type" in line]
    assert [line["event_type"] for line in told] == ["PaymentUnconfirmed", "ReservationReleased"]
    for line in told:
        assert line["operation"] == "sweep_unconfirmed"
        assert line["pnm_order_identifier"] == "80080175585"
        assert line["pnm_payment_identifier"] == "1"
    assert len(lines) == 4
    assert not [word for word in (marker, "c-9") if word in str(lines)]
