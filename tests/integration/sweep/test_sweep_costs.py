"""Count the requests of a sweep, and limit its time."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from paynearme.errors import InvocationFailedError, LedgerUnavailableError
from paynearme.ledger import schema
from paynearme.ledger.pending_payments import (
    PARTITIONS,
    PendingPayment,
    PendingStage,
    mark_unconfirmed,
    pending_attributes,
)
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Table
from paynearme.sweep import unconfirmed_sweep
from paynearme.sweep.unconfirmed_sweep import MIN_PAYMENT_BUDGET_SECONDS, sweep
from tests.support.callback_driver import (
    BEFORE_OVERDUE,
    BEFORE_RELEASE,
    NOON,
    OVERDUE,
    RELEASE_DUE,
    CallbackDriver,
    add_pending_payments,
)
from tests.support.callback_fixtures import SITE
from tests.support.fake_clock import Clock
from tests.support.harness import AwsCallRecorder, CapturedOutput, LedgerFixture

SWEEP_QUERIES = Counter({"Query": 2 * PARTITIONS})
"""The requests of a sweep without overdue payments."""


@pytest.mark.parametrize("payment_state", ["none", "pending", "confirmed", "released"])
def test_sweep_without_due_payments_only_queries(
    callback_driver: CallbackDriver, aws_calls: AwsCallRecorder, payment_state: str
) -> None:
    for payment_id in range(0 if payment_state == "none" else 12):
        callback_driver.authorize(str(payment_id))
        if payment_state == "confirmed":
            callback_driver.confirm(str(payment_id))
    if payment_state == "released":
        callback_driver.sweep(RELEASE_DUE)

    sweep_time = BEFORE_OVERDUE if payment_state == "pending" else RELEASE_DUE
    assert Counter(aws_calls.calls_during(lambda: callback_driver.sweep(sweep_time))) == SWEEP_QUERIES


def test_sweep_one_request_per_unconfirmed_two_per_release(
    callback_driver: CallbackDriver, aws_calls: AwsCallRecorder
) -> None:
    for payment_id in range(7):
        callback_driver.authorize(str(payment_id))
    for payment_id in range(7, 12):
        callback_driver.at(NOON + timedelta(hours=30)).authorize(str(payment_id))

    marking_calls = Counter(aws_calls.calls_during(lambda: callback_driver.sweep(OVERDUE)))
    repeated_calls = Counter(aws_calls.calls_during(lambda: callback_driver.sweep(BEFORE_RELEASE)))
    release_calls = Counter(aws_calls.calls_during(lambda: callback_driver.sweep(RELEASE_DUE)))

    assert marking_calls == SWEEP_QUERIES + Counter({"UpdateItem": 7})
    assert repeated_calls == SWEEP_QUERIES
    assert release_calls == SWEEP_QUERIES + Counter({"BatchGetItem": 7, "TransactWriteItems": 7})


def test_pending_partitions_evenly_filled() -> None:
    keys = [schema.payment_key(SITE, str(830466818968 + payment_id), test=False) for payment_id in range(1600)]

    by_partition = Counter(pending_attributes(key, NOON)["pending_partition"] for key in keys)

    assert set(by_partition) == {f"PENDING#{partition:02}" for partition in range(PARTITIONS)}
    assert max(by_partition.values()) < 2 * 1600 / PARTITIONS


def test_sweep_several_query_pages_all_marked(
    ledger_table: LedgerFixture,
    callback_driver: CallbackDriver,
    aws_calls: AwsCallRecorder,
    captured_output: CapturedOutput,
) -> None:
    add_pending_payments(ledger_table, range(205))

    calls = Counter(aws_calls.calls_during(lambda: callback_driver.sweep(OVERDUE)))

    # Two more pages.
    assert calls == SWEEP_QUERIES + Counter({"Query": 2, "UpdateItem": 205})
    assert {item["unconfirmed_at"] for item in ledger_table.payments()} == {OVERDUE.isoformat()}
    assert captured_output.metric_total("PaymentUnconfirmed") == 205
    # One metrics line with the operation, for any count of payments.
    [metrics] = captured_output.metrics()
    assert metrics["operation"] == "sweep_unconfirmed"


@pytest.mark.usefixtures("no_delays")
@pytest.mark.parametrize("seconds", [0.4, 2.4])
def test_sweep_timeout_rest_finished_by_next_sweeps(
    ledger_table: LedgerFixture,
    callback_driver: CallbackDriver,
    captured_output: CapturedOutput,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
) -> None:
    add_pending_payments(ledger_table, range(105))

    def run_slowly(_: Deadline, function: Callable[[], object]) -> object:
        clock.advance(seconds)
        return function()

    monkeypatch.setattr(Deadline, "run", run_slowly)

    sweep_count = 0
    while any(since.startswith("authorized") for since in callback_driver.pending().values()):
        sweep_started = clock.now
        callback_driver.sweep(OVERDUE + timedelta(minutes=5 * sweep_count))
        assert clock.now - sweep_started <= callback_driver.sweep_function.app.settings.sweep_timeout_seconds
        sweep_count += 1
        assert sweep_count < 40

    assert sweep_count > 1
    assert captured_output.metric_total("PaymentUnconfirmed") == 105
    assert captured_output.metric_total("SweepIncomplete") >= sweep_count - 1
    assert captured_output.metric_total("InternalError") == 0


def test_sweep_without_time_budget_sends_no_request(
    callback_driver: CallbackDriver, aws_calls: AwsCallRecorder, clock: Clock
) -> None:
    callback_driver.authorize()
    app = callback_driver.sweep_function.app
    deadline = clock.deadline(MIN_PAYMENT_BUDGET_SECONDS - 0.1)

    assert aws_calls.calls_during(lambda: sweep(app.table, app.settings, RELEASE_DUE, deadline)) == []


@pytest.fixture
def add_overdue_payment(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Callable[[float], list[float]]:
    """Return a function that adds an overdue payment with a query time in seconds. It cannot be marked.

    The function returns the list of the remaining times of all attempts.
    """
    payment = PendingPayment(("PAYMENT", "PAYMENT"), "authorized#", SITE, "1", "80080175585")

    def add_payment(query_seconds: float) -> list[float]:
        attempts: list[float] = []

        def find(_: Table, partition: int, stage: PendingStage, *__: object) -> Iterator[PendingPayment]:
            if (partition, stage) == (3, PendingStage.AUTHORIZED):
                clock.advance(query_seconds)
                yield payment

        def mark(_: Table, __: PendingPayment, ___: datetime, deadline: Deadline) -> bool:
            attempts.append(deadline.remaining)
            return False

        monkeypatch.setattr(unconfirmed_sweep, "find_overdue", find)
        monkeypatch.setattr(unconfirmed_sweep, "mark_unconfirmed", mark)
        return attempts

    return add_payment


@pytest.mark.parametrize(
    ("remaining_seconds", "started_count"), [(MIN_PAYMENT_BUDGET_SECONDS, 1), (MIN_PAYMENT_BUDGET_SECONDS - 0.1, 0)]
)
def test_sweep_payment_found_after_time_budget_not_attempted(
    callback_driver: CallbackDriver,
    add_overdue_payment: Callable[[float], list[float]],
    clock: Clock,
    remaining_seconds: float,
    started_count: int,
) -> None:
    app, attempts = callback_driver.sweep_function.app, add_overdue_payment(10)

    sweep(app.table, app.settings, OVERDUE, clock.deadline(10 + remaining_seconds))

    assert len(attempts) == started_count


def test_sweep_payment_attempt_limited_to_time_budget(
    callback_driver: CallbackDriver, add_overdue_payment: Callable[[float], list[float]], clock: Clock
) -> None:
    app, attempts = callback_driver.sweep_function.app, add_overdue_payment(0)

    sweep(app.table, app.settings, OVERDUE, clock.deadline(60))

    assert attempts == [MIN_PAYMENT_BUDGET_SECONDS]


def test_sweep_partition_order_rotates(
    callback_driver: CallbackDriver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    partitions: list[int] = []

    def find_nothing(_: Table, partition: int, *__: object) -> Iterator[PendingPayment]:
        partitions.append(partition)
        return iter(())

    monkeypatch.setattr(unconfirmed_sweep, "find_overdue", find_nothing)
    app = callback_driver.sweep_function.app

    for minute in range(PARTITIONS):
        sweep(app.table, app.settings, OVERDUE + timedelta(minutes=minute), clock.deadline(60))

    all_partitions = list(range(PARTITIONS))
    assert sorted(partitions[:PARTITIONS]) == all_partitions
    assert sorted(partitions[PARTITIONS - 1 :: 2 * PARTITIONS]) == all_partitions


def test_sweep_failing_payment_does_not_block_others(
    ledger_table: LedgerFixture,
    callback_driver: CallbackDriver,
    captured_output: CapturedOutput,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_pending_payments(ledger_table, range(5))
    failing_id = min(callback_driver.pending())

    def fail_for_one(table: Table, payment: PendingPayment, now: datetime, deadline: Deadline) -> bool:
        if payment.pnm_payment_identifier == failing_id:
            raise LedgerUnavailableError
        return mark_unconfirmed(table, payment, now, deadline)

    monkeypatch.setattr(unconfirmed_sweep, "mark_unconfirmed", fail_for_one)

    with pytest.raises(InvocationFailedError):
        callback_driver.sweep(OVERDUE)

    assert captured_output.metric_total("PaymentUnconfirmed") == 4
    assert [
        payment_id for payment_id, since in callback_driver.pending().items() if since.startswith("authorized")
    ] == [failing_id]


def test_sweep_table_missing_fails_invocation(
    ledger_table: LedgerFixture, callback_driver: CallbackDriver, captured_output: CapturedOutput
) -> None:
    ledger_table.client.delete_table(TableName=ledger_table.table_name)

    with pytest.raises(InvocationFailedError):
        callback_driver.sweep(OVERDUE)

    [line] = captured_output.logs()
    assert (line["status"], line["error"]) == (500, LedgerUnavailableError.__name__)


def test_sweep_logs_identifiers_per_event_without_pii(
    callback_driver: CallbackDriver, captured_output: CapturedOutput
) -> None:
    marker = "zq7marker7qz"
    callback_driver.authorize(
        agent_name=marker, agent_email=marker, payment_bank_name=marker, site_customer_identifier="c-9"
    )
    logs_before = len(captured_output.logs())

    callback_driver.sweep(OVERDUE)
    callback_driver.sweep(RELEASE_DUE)

    lines = captured_output.logs()[logs_before:]
    event_logs = [line for line in lines if "event_type" in line]
    assert [line["event_type"] for line in event_logs] == ["PaymentUnconfirmed", "ReservationReleased"]
    for line in event_logs:
        assert line["operation"] == "sweep_unconfirmed"
        assert line["pnm_order_identifier"] == "80080175585"
        assert line["pnm_payment_identifier"] == "1"
    assert len(lines) == 4
    assert not [forbidden_text for forbidden_text in (marker, "c-9") if forbidden_text in str(lines)]
