"""Count the requests of a sweep, and limit its time."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from paynearme.errors import InvocationFailedError, LedgerUnavailableError
from paynearme.ledger.pending_payments import (
    PARTITIONS,
    PendingPayment,
    PendingStage,
    mark_unconfirmed,
)
from paynearme.ledger.quarantine import PARTITIONS as QUARANTINE_PARTITIONS
from paynearme.ledger.schema import stored_time
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Table
from paynearme.sweep import unconfirmed_sweep
from paynearme.sweep.unconfirmed_sweep import MIN_PAYMENT_BUDGET_SECONDS, sweep
from tests.support.aws_errors import MARKER
from tests.support.cached_clients import CachedClients
from tests.support.callback_driver import (
    BEFORE_OVERDUE,
    BEFORE_RELEASE,
    NOON,
    OVERDUE,
    RELEASE_DUE,
    CallbackDriver,
)
from tests.support.callback_fixtures import SITE
from tests.support.fake_clock import Clock
from tests.support.harness import AwsCallRecorder, CapturedOutput, LedgerFixture

SWEEP_QUERIES = Counter({"Query": 2 * PARTITIONS + QUARANTINE_PARTITIONS})
"""The requests of a sweep without overdue payments."""


def add_pending_payments(ledger_table: LedgerFixture, payment_ids: Iterable[int]) -> None:
    """Store pending payments of ``NOON`` without a customer, all in one partition of the index."""
    for payment_id in payment_ids:
        item = {
            "pk": f"PAYMENT#{SITE}#{payment_id}",
            "sk": "PAYMENT",
            "site_identifier": SITE,
            "pnm_payment_identifier": str(payment_id),
            "pnm_order_identifier": "80080175585",
            "pending_partition": "PENDING#03",
            "pending_since": f"authorized#{stored_time(NOON)}",
        }
        wire: Any = {name: {"S": value} for name, value in item.items()}
        ledger_table.client.put_item(TableName=ledger_table.table_name, Item=wire)


def test_sweep_one_request_per_unconfirmed_two_per_release(
    callback_driver: CallbackDriver, aws_calls: AwsCallRecorder
) -> None:
    for payment_id in range(5):
        callback_driver.authorize(str(payment_id))
    callback_driver.at(NOON + timedelta(hours=30)).authorize("later")
    callback_driver.authorize("confirmed")
    callback_driver.confirm("confirmed")

    sweep_times = [BEFORE_OVERDUE, OVERDUE, BEFORE_RELEASE, RELEASE_DUE, RELEASE_DUE]
    calls = [Counter(aws_calls.calls_during(partial(callback_driver.sweep, now))) for now in sweep_times]

    marking_calls = SWEEP_QUERIES + Counter({"UpdateItem": 5})
    release_calls = SWEEP_QUERIES + Counter({"BatchGetItem": 5, "TransactWriteItems": 5})
    assert calls == [SWEEP_QUERIES, marking_calls, SWEEP_QUERIES, release_calls, SWEEP_QUERIES]


def test_sweep_several_query_pages_all_marked(
    ledger_table: LedgerFixture,
    callback_driver: CallbackDriver,
    aws_calls: AwsCallRecorder,
    captured_output: CapturedOutput,
) -> None:
    add_pending_payments(ledger_table, range(101))

    calls = Counter(aws_calls.calls_during(lambda: callback_driver.sweep(OVERDUE)))

    # One more page.
    assert calls == SWEEP_QUERIES + Counter({"Query": 1, "UpdateItem": 101})
    assert {item["unconfirmed_at"] for item in ledger_table.payments()} == {stored_time(OVERDUE)}
    assert captured_output.metric_total("PaymentUnconfirmed") == 101
    # One metrics line with the operation, for any count of payments.
    [metrics] = captured_output.metrics()
    assert metrics["operation"] == "sweep_unconfirmed"


@pytest.mark.parametrize("seconds", [1.2, 2.4])
def test_sweep_timeout_rest_finished_by_next_sweeps(
    ledger_table: LedgerFixture,
    callback_driver: CallbackDriver,
    captured_output: CapturedOutput,
    clock: Clock,
    cached_clients: CachedClients,
    seconds: float,
) -> None:
    add_pending_payments(ledger_table, range(40))
    sweep_count = 0
    while any(since.startswith("authorized") for since in callback_driver.pending().values()):
        sweep_started = clock.now
        with cached_clients.with_hook("before-call.dynamodb", lambda **_: clock.advance(seconds)):
            callback_driver.sweep(OVERDUE + timedelta(minutes=5 * sweep_count))
        assert clock.now - sweep_started <= callback_driver.sweep_function.app.settings.sweep_timeout_seconds
        sweep_count += 1
        assert sweep_count < 40

    assert sweep_count > 1
    assert captured_output.metric_total("PaymentUnconfirmed") == 40
    assert captured_output.metric_total("SweepIncomplete") >= sweep_count - 1
    assert captured_output.metric_total("InternalError") == 0


@pytest.mark.parametrize(
    ("query_seconds", "remaining_seconds", "expected_attempts"),
    [
        (0, 60, [MIN_PAYMENT_BUDGET_SECONDS]),
        (10, MIN_PAYMENT_BUDGET_SECONDS, [MIN_PAYMENT_BUDGET_SECONDS]),
        (10, MIN_PAYMENT_BUDGET_SECONDS - 0.1, []),
    ],
)
def test_sweep_payment_attempted_only_within_time_budget(
    callback_driver: CallbackDriver,
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
    query_seconds: float,
    remaining_seconds: float,
    expected_attempts: list[float],
) -> None:
    attempts: list[float] = []

    def find(_: Table, partition: int, stage: PendingStage, *__: object) -> Iterator[PendingPayment]:
        if (partition, stage) == (3, PendingStage.AUTHORIZED):
            clock.advance(query_seconds)
            yield PendingPayment(("PAYMENT", "PAYMENT"), "authorized#", SITE, "1", "80080175585")

    def mark(_: Table, __: PendingPayment, ___: datetime, deadline: Deadline) -> bool:
        attempts.append(deadline.remaining)
        return False

    monkeypatch.setattr(unconfirmed_sweep, "find_overdue", find)
    monkeypatch.setattr(unconfirmed_sweep, "mark_unconfirmed", mark)
    app = callback_driver.sweep_function.app

    sweep(app.table, app.settings, OVERDUE, clock.deadline(query_seconds + remaining_seconds))

    assert attempts == expected_attempts


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


def test_sweep_logs_identifiers_per_event_without_pii(
    callback_driver: CallbackDriver, captured_output: CapturedOutput
) -> None:
    callback_driver.authorize(agent_name=MARKER, payment_bank_name=MARKER, site_customer_identifier="c-9")
    logs_before = len(captured_output.logs())

    callback_driver.sweep(OVERDUE)
    callback_driver.sweep(RELEASE_DUE)

    lines = captured_output.logs()[logs_before:]
    event_logs = [line for line in lines if "event_type" in line]
    assert [line["event_type"] for line in event_logs] == ["PaymentUnconfirmed", "ReservationReleased"]
    identifiers = ("operation", "pnm_order_identifier", "pnm_payment_identifier")
    assert {tuple(line[name] for name in identifiers) for line in event_logs} == {
        ("sweep_unconfirmed", "80080175585", "1")
    }
    assert len(lines) == 4
    assert not [text for text in (MARKER, "c-9") if text in str(lines)]
