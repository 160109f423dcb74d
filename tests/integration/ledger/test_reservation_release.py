"""Release the reservations of declined and of unconfirmed payments."""

from collections.abc import Callable
from dataclasses import replace
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
def test_failed_payment_releases_reservation_for_new_payment(
    callback_driver: CallbackDriver, timestamp: datetime
) -> None:
    assert callback_driver.authorize("1")
    assert not callback_driver.authorize("2")

    callback_driver.at(timestamp).decline("1")

    assert callback_driver.spent() == callback_driver.spent(of_type="credit") == {}
    assert callback_driver.authorize("3")
    assert not callback_driver.authorize("4", payment_amount="0.01")
    assert callback_driver.spent() == total("100.00")


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
def test_failed_payment_mismatch_releases_whole_reservation(
    callback_driver: CallbackDriver, ledger_table: LedgerFixture, timestamp: datetime, changes: dict[str, Any]
) -> None:
    callback_driver.authorize("1")

    callback_driver.at(timestamp).decline("1", **changes)

    assert callback_driver.spent() == callback_driver.spent(of_type="credit") == {}
    assert callback_driver.spent("another") == {}
    assert callback_driver.item()["outcome"] == "decline"
    assert callback_driver.authorize("2")


@pytest.mark.usefixtures("day_limit")
@each_confirmation_time
def test_failed_payment_without_policy_releases_reservation(
    callback_driver: CallbackDriver,
    deployed_policy: FakeAppConfig,
    cold_start: Callable[[str], LambdaFunction],
    timestamp: datetime,
) -> None:
    callback_driver.authorize("1")
    deployed_policy.put("no policy")

    replace(callback_driver, confirm_function=cold_start("confirm"), now=timestamp).decline("1")

    assert callback_driver.spent() == {}
    assert callback_driver.authorize("2")


@each_confirmation_time
def test_failed_payment_keeps_other_reservations(callback_driver: CallbackDriver, timestamp: datetime) -> None:
    callback_driver.authorize("1", payment_amount="1.00")
    callback_driver.authorize("2", payment_type="cash")
    callback_driver.authorize("3", payment_amount="9.00", site_customer_identifier="another")

    callback_driver.at(timestamp).decline("1", payment_amount="1.00")

    assert callback_driver.spent() == callback_driver.spent(of_type="cash") == total("100.00")
    assert callback_driver.spent("another") == total("9.00")


@each_confirmation_time
def test_failed_payment_duplicates_release_once(callback_driver: CallbackDriver, timestamp: datetime) -> None:
    callback_driver.authorize("1")
    callback_driver.authorize("2")

    for now in (NOON, timestamp, timestamp + timedelta(days=1)):
        callback_driver.at(now).decline("1")
        callback_driver.at(now).decline("1", payment_amount="7.00")

    assert callback_driver.spent() == total("100.00")


@pytest.mark.parametrize(
    "authorization_changes",
    [None, {"payment_currency": "CAD"}, {"test": "true"}, {"site_customer_identifier": None}],
    ids=["unauthorized", "declined", "test", "no customer"],
)
def test_failed_payment_without_reservation_releases_nothing(
    callback_driver: CallbackDriver, authorization_changes: dict[str, Any] | None
) -> None:
    callback_driver.authorize("1")
    if authorization_changes is not None:
        callback_driver.authorize("2", **authorization_changes)

    callback_driver.decline("2", **{**(authorization_changes or {}), "site_customer_identifier": "773090000"})

    assert callback_driver.spent() == total("100.00")


def test_failed_payment_on_decision_day_costs_one_transaction(
    callback_driver: CallbackDriver, aws_calls: AwsCallRecorder
) -> None:
    callback_driver.authorize()

    assert aws_calls.calls_during(callback_driver.decline).count("TransactWriteItems") == 1


@pytest.mark.usefixtures("day_limit")
@each_confirmation_time
def test_release_unconfirmed_payment_once_frees_limit(callback_driver: CallbackDriver, timestamp: datetime) -> None:
    callback_driver.authorize("1")

    assert [callback_driver.at(timestamp).release("1") for _ in range(3)] == [True, False, False]

    assert callback_driver.spent() == callback_driver.spent(of_type="credit") == {}
    assert callback_driver.authorize("2")
    assert not callback_driver.at(timestamp).release("1")
    assert callback_driver.spent() == total("100.00")


@pytest.mark.parametrize("outcome", ["payment", "decline"])
def test_release_after_outcome_changes_nothing(callback_driver: CallbackDriver, outcome: str) -> None:
    callback_driver.authorize()
    callback_driver.confirm(status=outcome)
    items_before = callback_driver.ledger_table.all_items()

    assert not callback_driver.release()
    assert callback_driver.ledger_table.all_items() == items_before


@pytest.mark.parametrize(
    "authorization_changes",
    [None, {"payment_currency": "CAD"}, {"test": "true"}, {"site_customer_identifier": None}],
    ids=["unauthorized", "declined", "test", "no customer"],
)
def test_release_without_reservation_changes_nothing(
    callback_driver: CallbackDriver, authorization_changes: dict[str, Any] | None
) -> None:
    callback_driver.authorize("1")
    if authorization_changes is not None:
        callback_driver.authorize("2", **authorization_changes)
    items_before = without_pending_attributes(callback_driver.ledger_table.all_items())

    assert not callback_driver.release("2")
    assert without_pending_attributes(callback_driver.ledger_table.all_items()) == items_before


def without_pending_attributes(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return items without the attributes of a pending payment, which every release removes."""
    pending_attributes = {"pending_partition", "pending_since", "revision"}
    return [{name: value for name, value in item.items() if name not in pending_attributes} for item in items]


@pytest.mark.usefixtures("day_limit")
@each_confirmation_time
def test_paid_after_release_counts_even_above_limit(callback_driver: CallbackDriver, timestamp: datetime) -> None:
    callback_driver.authorize("1")
    callback_driver.release("1")
    assert callback_driver.authorize("2")

    for _ in range(2):
        callback_driver.at(timestamp).confirm("1")

    assert callback_driver.spent() == callback_driver.spent(of_type="credit") == total("200.00")
    assert callback_driver.anomalies("1") == {"paid_after_release"}
    assert callback_driver.ledger_table.balances() == {"773090000": Decimal("100.00")}
    assert not callback_driver.authorize("3", payment_amount="0.01")


def test_paid_after_release_without_policy_counts(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, cold_start: Callable[[str], LambdaFunction]
) -> None:
    callback_driver.authorize("1")
    callback_driver.release("1")
    deployed_policy.put("no policy")

    replace(callback_driver, confirm_function=cold_start("confirm")).confirm("1")

    assert callback_driver.spent() == total("100.00")
    assert callback_driver.anomalies() == {"paid_after_release"}


@each_confirmation_time
def test_failed_after_release_releases_nothing_more(callback_driver: CallbackDriver, timestamp: datetime) -> None:
    callback_driver.authorize("1")
    callback_driver.authorize("2")
    callback_driver.release("1")

    for _ in range(2):
        callback_driver.at(timestamp).decline("1")

    assert callback_driver.spent() == total("100.00")
    assert callback_driver.anomalies() == set()


def test_paid_after_released_and_failed_counts_once(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize()
    callback_driver.release()
    callback_driver.decline()
    callback_driver.at(NOON + timedelta(days=1)).confirm()

    assert callback_driver.spent() == total("100.00")
    assert callback_driver.anomalies() == {"paid_after_release", "outcome_contradicted"}


@pytest.mark.usefixtures("day_limit")
@each_confirmation_time
def test_reauthorize_released_payment_reserves_once(callback_driver: CallbackDriver, timestamp: datetime) -> None:
    callback_driver.authorize("1")
    callback_driver.release("1")

    assert [callback_driver.at(timestamp).authorize("1") for _ in range(2)] == [True, True]

    assert set(callback_driver.spent().values()) == {Decimal("100.00")}
    assert not callback_driver.at(timestamp).authorize("2", payment_amount="0.01")
    callback_driver.at(timestamp).confirm("1")
    assert set(callback_driver.spent().values()) == {Decimal("100.00")}
    assert callback_driver.anomalies("1") == set()


@pytest.mark.usefixtures("day_limit")
def test_reauthorize_released_payment_limit_reached_declines(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize("1")
    callback_driver.release("1")
    callback_driver.authorize("2")

    assert [callback_driver.authorize("1") for _ in range(2)] == [False, False]

    assert callback_driver.item("1")["reason"] == "day_limit_exceeded"
    assert callback_driver.spent() == total("100.00")
    callback_driver.confirm("1")
    assert callback_driver.spent() == total("200.00")
    assert callback_driver.anomalies("1") == {"paid_after_decline"}


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_reauthorize_released_payment_with_outcome_no_change(callback_driver: CallbackDriver, status: str) -> None:
    callback_driver.authorize()
    callback_driver.release()
    callback_driver.confirm(status=status)
    items_before = callback_driver.ledger_table.all_items()

    assert callback_driver.at(NOON + timedelta(days=1)).authorize()
    assert callback_driver.ledger_table.all_items() == items_before


def test_failed_payment_keeps_windows_with_zero_spending(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize()
    callback_driver.decline()

    windows = callback_driver.windows()
    assert set(windows) == {DAY, WEEK, MONTH}
    assert {item["spent"] for item in windows.values()} == {0}
