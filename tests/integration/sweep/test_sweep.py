"""Sweep accepted payments without an outcome."""

from datetime import timedelta

import pytest
from botocore.exceptions import ReadTimeoutError

from paynearme.ledger.release import release
from paynearme.ledger.schema import stored_time
from paynearme.platform.deadline import Deadline
from tests.support.callback_driver import (
    BEFORE_OVERDUE,
    BEFORE_RELEASE,
    NOON,
    OVERDUE,
    RELEASE_DUE,
    CallbackDriver,
    reversal,
    send_at,
    total,
)
from tests.support.callback_fixtures import SITE
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction
from tests.support.interleaving import Interleaver
from tests.support.stream_reader import StreamReader


def test_pending_only_accepted_payment_without_outcome(
    callback_driver: CallbackDriver, reverse: LambdaFunction, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(amounts={"credit": {"maximum": "100.00"}})
    callback_driver.authorize("accepted")
    callback_driver.authorize("declined", payment_amount="100.01")
    callback_driver.authorize("test", test="true")
    callback_driver.authorize("paid")
    callback_driver.confirm("paid")
    callback_driver.authorize("not-paid")
    callback_driver.decline("not-paid")
    callback_driver.authorize("another-amount")
    callback_driver.confirm("another-amount", payment_amount="7.00")
    callback_driver.confirm("confirmed-first")
    callback_driver.authorize("confirmed-first")
    send_at(NOON, reverse, reversal(pnm_payment_identifier="reversed"))

    assert callback_driver.pending() == {"accepted": f"authorized#{stored_time(NOON)}"}


def test_sweep_lost_write_response_unconfirmed_counted(
    callback_driver: CallbackDriver, captured_output: CapturedOutput, aws_calls: AwsCallRecorder
) -> None:
    callback_driver.authorize()

    aws_calls.response_errors["UpdateItem"] = [ReadTimeoutError(endpoint_url="https://dynamodb.invalid")]
    callback_driver.sweep(OVERDUE)

    assert callback_driver.item()["unconfirmed_at"] == stored_time(OVERDUE)
    assert captured_output.metric_total("PaymentUnconfirmed") == 1


def test_concurrent_sweeps_mark_unconfirmed_once(
    callback_driver: CallbackDriver, captured_output: CapturedOutput, interleave: Interleaver
) -> None:
    callback_driver.authorize()
    first_sweep = OVERDUE + timedelta(seconds=1)

    interleave(lambda: callback_driver.sweep(first_sweep))
    callback_driver.sweep(OVERDUE)

    assert callback_driver.item()["unconfirmed_at"] == stored_time(first_sweep)
    assert captured_output.metric_total("PaymentUnconfirmed") == 1


@pytest.mark.parametrize("outcome", ["confirm", "decline"])
def test_sweep_overtaken_by_outcome_marks_nothing(
    callback_driver: CallbackDriver, captured_output: CapturedOutput, interleave: Interleaver, outcome: str
) -> None:
    callback_driver.authorize()

    interleave(lambda: getattr(callback_driver.at(OVERDUE), outcome)())
    callback_driver.sweep(OVERDUE)

    assert "unconfirmed_at" not in callback_driver.item()
    assert captured_output.metric_total("PaymentUnconfirmed") == 0
    assert callback_driver.pending() == {}


def test_sweep_marks_and_releases_overdue_payment_once(
    callback_driver: CallbackDriver, captured_output: CapturedOutput
) -> None:
    callback_driver.authorize("1")
    callback_driver.authorize("2", payment_amount="30.00")
    callback_driver.confirm("2", payment_amount="30.00")

    callback_driver.sweep(BEFORE_OVERDUE)
    assert "unconfirmed_at" not in callback_driver.item("1")
    for now in (OVERDUE, OVERDUE, BEFORE_RELEASE):
        callback_driver.sweep(now)
    assert callback_driver.item("1")["unconfirmed_at"] == stored_time(OVERDUE)
    assert callback_driver.spent() == total("130.00")
    for hours in range(3):
        callback_driver.sweep(RELEASE_DUE + timedelta(hours=hours))

    assert callback_driver.item("1")["released_at"] == stored_time(RELEASE_DUE)
    assert callback_driver.spent() == total("30.00")
    assert callback_driver.pending() == {}
    assert [captured_output.metric_total(name) for name in ("PaymentUnconfirmed", "ReservationReleased")] == [1, 1]


def test_sweep_release_overtaken_by_confirmation_keeps_spending(
    callback_driver: CallbackDriver, captured_output: CapturedOutput, interleave: Interleaver
) -> None:
    callback_driver.authorize()
    callback_driver.sweep(OVERDUE)

    interleave(lambda: callback_driver.at(RELEASE_DUE).confirm())
    callback_driver.sweep(RELEASE_DUE)

    assert "released_at" not in callback_driver.item()
    assert captured_output.metric_total("ReservationReleased") == 0
    assert callback_driver.spent() == total("100.00")


@pytest.mark.parametrize("customer", ["773090000", None], ids=["customer", "no customer"])
def test_sweep_overtaken_by_reauthorization_releases_nothing(
    callback_driver: CallbackDriver, interleave: Interleaver, customer: str | None
) -> None:
    callback_driver.authorize(site_customer_identifier=customer)
    callback_driver.sweep(OVERDUE)

    def sweep_and_authorize_again() -> None:
        callback_driver.sweep(RELEASE_DUE)
        callback_driver.at(RELEASE_DUE).authorize(site_customer_identifier=customer)

    interleave(sweep_and_authorize_again)
    callback_driver.sweep(RELEASE_DUE)

    item = callback_driver.item()
    assert "released_at" not in item
    if customer:
        assert callback_driver.spent() == total("100.00", "day_2026_11_21", "week_2026_W47", "month_2026_11")
        assert callback_driver.pending() == {"1": f"authorized#{stored_time(RELEASE_DUE)}"}


def test_release_with_outdated_pending_since_does_nothing(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize()
    pending_since = callback_driver.pending()["1"]
    callback_driver.sweep(RELEASE_DUE)
    callback_driver.at(RELEASE_DUE).authorize()

    table, deadline = callback_driver.sweep_function.app.table, Deadline.after(10)
    assert not release(table, SITE, "1", RELEASE_DUE, deadline, pending_since)
    assert callback_driver.item()["reservation_amount"] == 100


def test_reauthorized_payment_pending_and_swept_with_new_events(
    callback_driver: CallbackDriver, stream_reader: StreamReader
) -> None:
    callback_driver.authorize()
    callback_driver.sweep(RELEASE_DUE)

    callback_driver.at(RELEASE_DUE).authorize()
    assert "unconfirmed_at" not in callback_driver.item()
    callback_driver.sweep(RELEASE_DUE + timedelta(minutes=59))
    callback_driver.sweep(RELEASE_DUE + timedelta(minutes=60))
    callback_driver.sweep(RELEASE_DUE + timedelta(hours=24))

    events = stream_reader.new_events()
    expected_types = ["PaymentAuthorized", "PaymentUnconfirmed", "ReservationReleased"]
    assert [event.detail_type for event in events] == expected_types * 2
    assert len({event.event_identifier for event in events}) == 6
    released = [event.model_dump(mode="json") for event in events[2::3]]
    assert [event["decided_at"] for event in released] == ["2026-11-20T17:00:00Z", "2026-11-21T17:00:00Z"]
    assert {event["payment_amount"] for event in released} == {"100.00"}
