"""Release the reservations of declined and of unconfirmed payments."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.callback_driver import DAY, MONTH, NOON, WEEK, CallbackDriver, limit, total
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import AwsCallRecorder, LambdaFunction, LedgerFixture

CONFIRMATION_TIMES = {
    "immediately": NOON,
    "same day, last second": datetime(2026, 11, 21, 4, 59, 59, tzinfo=UTC),
    "after midnight": datetime(2026, 11, 21, 5, 0, tzinfo=UTC),
    "next day": NOON + timedelta(days=1),
    "next month": NOON + timedelta(days=30),
}
each_confirmation_time = pytest.mark.parametrize("timestamp", CONFIRMATION_TIMES.values(), ids=CONFIRMATION_TIMES)


@pytest.fixture
def day_limit(deployed_policy: FakeAppConfig) -> None:
    """Limit the spending to 100.00."""
    deployed_policy.put_defaults(spending_limits=[limit(window, "100.00") for window in ("day", "week", "month")])


@pytest.mark.usefixtures("day_limit")
@each_confirmation_time
def test_a_payment_that_failed_gives_back_what_it_reserved_and_that_can_be_spent_again(
    payments: CallbackDriver, timestamp: datetime
) -> None:
    assert payments.authorize("1")
    assert not payments.authorize("2")

    payments.at(timestamp).decline("1")

    assert payments.spent() == payments.spent(of_type="credit") == {}
    assert payments.authorize("3")
    assert not payments.authorize("4", payment_amount="0.01")
    assert payments.spent() == total("100.00")


@pytest.mark.usefixtures("day_limit")
@pytest.mark.parametrize("timestamp", [NOON, NOON + timedelta(days=1)], ids=["same day", "next day"])
@pytest.mark.parametrize(
    "changes",
    [
        {"payment_type": "cash"},
        {"payment_type": "a_new_one"},
        {"payment_type": None},
        {"payment_amount": "40.00"},
        {"payment_amount": "900.00"},
        {"site_customer_identifier": "another"},
        {"site_customer_identifier": None},
        dict.fromkeys(["payment_amount", "payment_currency", "net_payment_amount", "net_payment_currency"]),
        {"payment_amount": "0.00", "payment_type": None, "site_customer_identifier": "another"},
    ],
    ids=lambda changes: ", ".join(changes),
)
def test_it_gives_back_what_was_reserved_whatever_its_decline_says(
    payments: CallbackDriver, ledger_table: LedgerFixture, timestamp: datetime, changes: dict[str, Any]
) -> None:
    payments.authorize("1")

    payments.at(timestamp).decline("1", **changes)

    assert payments.spent() == payments.spent(of_type="credit") == {}
    assert payments.spent("another") == {}
    assert payments.item()["outcome"] == "decline"
    assert payments.authorize("2")


@pytest.mark.usefixtures("day_limit")
@each_confirmation_time
def test_it_gives_back_without_any_policy_too(
    payments: CallbackDriver,
    deployed_policy: FakeAppConfig,
    cold_start: Callable[[str], LambdaFunction],
    timestamp: datetime,
) -> None:
    payments.authorize("1")
    deployed_policy.put("no policy")

    CallbackDriver(payments.authorize_function, cold_start("confirm"), payments.ledger_table, timestamp).decline("1")

    assert payments.spent() == {}
    assert payments.authorize("2")


@each_confirmation_time
def test_other_payments_keep_what_they_reserved(payments: CallbackDriver, timestamp: datetime) -> None:
    payments.authorize("1", payment_amount="1.00")
    payments.authorize("2", payment_type="cash")
    payments.authorize("3", payment_amount="9.00", site_customer_identifier="another")

    payments.at(timestamp).decline("1", payment_amount="1.00")

    assert payments.spent() == payments.spent(of_type="cash") == total("100.00")
    assert payments.spent("another") == total("9.00")


@each_confirmation_time
def test_it_is_given_back_once_however_often_it_is_told(payments: CallbackDriver, timestamp: datetime) -> None:
    payments.authorize("1")
    payments.authorize("2")

    for now in (NOON, timestamp, timestamp + timedelta(days=1)):
        payments.at(now).decline("1")
        payments.at(now).decline("1", payment_amount="7.00")

    assert payments.spent() == total("100.00")


@pytest.mark.parametrize(
    "authorization_changes",
    [None, {"payment_currency": "CAD"}, {"test": "true"}, {"site_customer_identifier": None}],
    ids=["unauthorized", "declined", "test", "no customer"],
)
def test_what_reserved_nothing_gives_nothing_back(
    payments: CallbackDriver, authorization_changes: dict[str, Any] | None
) -> None:
    payments.authorize("1")
    if authorization_changes is not None:
        payments.authorize("2", **authorization_changes)

    payments.decline("2", **{**(authorization_changes or {}), "site_customer_identifier": "773090000"})

    assert payments.spent() == total("100.00")


def test_on_the_day_of_the_decision_it_costs_one_transaction(
    payments: CallbackDriver, aws_calls: AwsCallRecorder
) -> None:
    payments.authorize()

    assert aws_calls.calls_during(payments.decline).count("TransactWriteItems") == 1


@pytest.mark.usefixtures("day_limit")
@each_confirmation_time
def test_what_nobody_confirmed_can_be_given_back_once_and_spent_again(
    payments: CallbackDriver, timestamp: datetime
) -> None:
    payments.authorize("1")

    assert [payments.at(timestamp).release("1") for _ in range(3)] == [True, False, False]

    assert payments.spent() == payments.spent(of_type="credit") == {}
    assert payments.authorize("2")
    assert not payments.at(timestamp).release("1")
    assert payments.spent() == total("100.00")


@pytest.mark.parametrize("outcome", ["payment", "decline"])
def test_nothing_is_released_of_a_payment_with_an_outcome(payments: CallbackDriver, outcome: str) -> None:
    payments.authorize()
    payments.confirm(status=outcome)
    items_before = payments.ledger_table.all_items()

    assert not payments.release()
    assert payments.ledger_table.all_items() == items_before


@pytest.mark.parametrize(
    "authorization_changes",
    [None, {"payment_currency": "CAD"}, {"test": "true"}, {"site_customer_identifier": None}],
    ids=["unauthorized", "declined", "test", "no customer"],
)
def test_nothing_is_released_where_nothing_was_reserved(
    payments: CallbackDriver, authorization_changes: dict[str, Any] | None
) -> None:
    payments.authorize("1")
    if authorization_changes is not None:
        payments.authorize("2", **authorization_changes)
    items_before = without_pending_attributes(payments.ledger_table.all_items())

    assert not payments.release("2")
    assert without_pending_attributes(payments.ledger_table.all_items()) == items_before


def without_pending_attributes(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return items without the attributes of a pending payment, which every release removes."""
    pending_attributes = {"pending_partition", "pending_since", "revision"}
    return [{name: value for name, value in item.items() if name not in pending_attributes} for item in items]


@pytest.mark.usefixtures("day_limit")
@each_confirmation_time
def test_a_payment_that_is_made_after_its_release_counts_again_where_it_did_even_past_the_limit(
    payments: CallbackDriver, timestamp: datetime
) -> None:
    payments.authorize("1")
    payments.release("1")
    assert payments.authorize("2")

    for _ in range(2):
        payments.at(timestamp).confirm("1")

    assert payments.spent() == payments.spent(of_type="credit") == total("200.00")
    assert payments.anomalies("1") == {"paid_after_release"}
    assert payments.ledger_table.balances() == {"773090000": Decimal("100.00")}
    assert not payments.authorize("3", payment_amount="0.01")


def test_it_counts_again_without_any_policy_too(
    payments: CallbackDriver, deployed_policy: FakeAppConfig, cold_start: Callable[[str], LambdaFunction]
) -> None:
    payments.authorize("1")
    payments.release("1")
    deployed_policy.put("no policy")

    CallbackDriver(payments.authorize_function, cold_start("confirm"), payments.ledger_table).confirm("1")

    assert payments.spent() == total("100.00")
    assert payments.anomalies() == {"paid_after_release"}


@each_confirmation_time
def test_a_payment_that_fails_after_its_release_gives_back_nothing_more(
    payments: CallbackDriver, timestamp: datetime
) -> None:
    payments.authorize("1")
    payments.authorize("2")
    payments.release("1")

    for _ in range(2):
        payments.at(timestamp).decline("1")

    assert payments.spent() == total("100.00")
    assert payments.anomalies() == set()


def test_released_failed_and_then_made_it_counts_once(payments: CallbackDriver) -> None:
    payments.authorize()
    payments.release()
    payments.decline()
    payments.at(NOON + timedelta(days=1)).confirm()

    assert payments.spent() == total("100.00")
    assert payments.anomalies() == {"paid_after_release", "outcome_contradicted"}


@pytest.mark.usefixtures("day_limit")
@each_confirmation_time
def test_a_released_payment_that_is_asked_about_again_is_decided_anew(
    payments: CallbackDriver, timestamp: datetime
) -> None:
    payments.authorize("1")
    payments.release("1")

    assert [payments.at(timestamp).authorize("1") for _ in range(2)] == [True, True]

    assert set(payments.spent().values()) == {Decimal("100.00")}
    assert not payments.at(timestamp).authorize("2", payment_amount="0.01")
    payments.at(timestamp).confirm("1")
    assert set(payments.spent().values()) == {Decimal("100.00")}
    assert payments.anomalies("1") == set()


@pytest.mark.usefixtures("day_limit")
def test_a_released_payment_is_declined_once_others_spent_what_it_gave_back(payments: CallbackDriver) -> None:
    payments.authorize("1")
    payments.release("1")
    payments.authorize("2")

    assert [payments.authorize("1") for _ in range(2)] == [False, False]

    assert payments.item("1")["reason"] == "day_limit_exceeded"
    assert payments.spent() == total("100.00")
    payments.confirm("1")
    assert payments.spent() == total("200.00")
    assert payments.anomalies("1") == {"paid_after_decline"}


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_a_released_payment_with_an_outcome_is_not_decided_anew(payments: CallbackDriver, status: str) -> None:
    payments.authorize()
    payments.release()
    payments.confirm(status=status)
    items_before = payments.ledger_table.all_items()

    assert payments.at(NOON + timedelta(days=1)).authorize()
    assert payments.ledger_table.all_items() == items_before


def test_what_is_given_back_leaves_windows_that_hold_nothing(payments: CallbackDriver) -> None:
    payments.authorize()
    payments.decline()

    windows = payments.windows()
    assert set(windows) == {DAY, WEEK, MONTH}
    assert {item["spent"] for item in windows.values()} == {0}
