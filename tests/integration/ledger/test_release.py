"""Release the reservations of failed and of unconfirmed payments."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from paynearme.ledger.schema import stored_time
from tests.support.callback_driver import NOON, CallbackDriver, limit, total
from tests.support.callback_fixtures import CUSTOMER
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import LambdaFunction

TOMORROW = NOON + timedelta(days=1)
AFTER_MIDNIGHT = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)


@pytest.fixture
def day_limit(deployed_policy: FakeAppConfig) -> None:
    """Limit the spending to 100.00."""
    deployed_policy.put_defaults(spending_limits=[limit(window, "100.00") for window in ("day", "week", "month")])


@pytest.mark.usefixtures("day_limit")
@pytest.mark.parametrize("timestamp", [NOON, AFTER_MIDNIGHT], ids=["immediately", "after midnight"])
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


@pytest.mark.parametrize(
    "changes",
    [
        {"payment_type": "cash"},
        {"payment_type": None},
        {"payment_amount": "40.00"},
        {"site_customer_identifier": "another"},
        {"site_customer_identifier": None},
        dict.fromkeys(["payment_amount", "payment_currency", "net_payment_amount", "net_payment_currency"]),
    ],
    ids=lambda changes: ", ".join(changes),
)
def test_failed_payment_mismatch_releases_whole_reservation(
    callback_driver: CallbackDriver, changes: dict[str, Any]
) -> None:
    callback_driver.authorize()

    callback_driver.decline(**changes)

    assert callback_driver.spent() == callback_driver.spent(of_type="credit") == {}
    assert callback_driver.spent("another") == {}
    assert callback_driver.item()["outcome"] == "decline"


def test_failed_payment_without_policy_releases_reservation(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, cold_start: Callable[[str], LambdaFunction]
) -> None:
    callback_driver.authorize()
    deployed_policy.put("no policy")

    replace(callback_driver, confirm_function=cold_start("confirm")).decline()

    assert callback_driver.spent() == {}


def test_failed_payment_duplicates_release_once_and_keep_others(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize("1")
    callback_driver.authorize("2", payment_type="cash")
    callback_driver.authorize("3", site_customer_identifier="another")

    for now in (NOON, TOMORROW):
        callback_driver.at(now).decline("1")
        callback_driver.at(now).decline("1", payment_amount="7.00")

    assert callback_driver.spent() == callback_driver.spent(of_type="cash") == total("100.00")
    assert callback_driver.spent("another") == total("100.00")


@pytest.mark.usefixtures("day_limit")
def test_release_unconfirmed_payment_once_frees_limit(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize("1")

    assert [callback_driver.at(TOMORROW).release("1") for _ in range(3)] == [True, False, False]

    assert callback_driver.spent() == callback_driver.spent(of_type="credit") == {}
    assert callback_driver.item("1")["released_at"] == stored_time(TOMORROW)
    assert callback_driver.pending() == {}
    assert callback_driver.authorize("2")
    assert not callback_driver.at(TOMORROW).release("1")
    assert callback_driver.spent() == total("100.00")


@pytest.mark.parametrize("outcome", ["payment", "decline"])
def test_release_after_outcome_changes_nothing(callback_driver: CallbackDriver, outcome: str) -> None:
    callback_driver.authorize()
    callback_driver.confirm(status=outcome)
    items_before = callback_driver.ledger_table.all_items()

    assert not callback_driver.release()
    assert callback_driver.ledger_table.all_items() == items_before


WITHOUT_RESERVATION: dict[str, dict[str, Any] | None] = {
    "unauthorized": None,
    "declined": {"payment_currency": "CAD"},
    "test": {"test": "true"},
    "no customer": {"site_customer_identifier": None},
}


@pytest.mark.parametrize("authorization_changes", WITHOUT_RESERVATION.values(), ids=WITHOUT_RESERVATION)
def test_release_without_reservation_ends_pending_only(
    callback_driver: CallbackDriver, authorization_changes: dict[str, Any] | None
) -> None:
    callback_driver.authorize("1")
    if authorization_changes is not None:
        callback_driver.authorize("2", **authorization_changes)

    assert not callback_driver.release("2")
    assert set(callback_driver.pending()) == {"1"}
    assert not [item for item in callback_driver.ledger_table.payments() if "released_at" in item]
    callback_driver.decline("2", **{**(authorization_changes or {}), "site_customer_identifier": CUSTOMER})
    assert callback_driver.spent() == total("100.00")


@pytest.mark.usefixtures("day_limit")
def test_paid_after_release_counts_even_above_limit(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize("1")
    callback_driver.release("1")
    assert callback_driver.authorize("2")

    for _ in range(2):
        callback_driver.at(TOMORROW).confirm("1")

    assert callback_driver.spent() == callback_driver.spent(of_type="credit") == total("200.00")
    assert callback_driver.anomalies("1") == {"paid_after_release"}
    assert callback_driver.ledger_table.balances() == {CUSTOMER: Decimal("100.00")}
    assert not callback_driver.authorize("3", payment_amount="0.01")


@pytest.mark.usefixtures("day_limit")
def test_reauthorize_released_payment_reserves_once(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize("1")
    callback_driver.release("1")
    payments_tomorrow = callback_driver.at(TOMORROW)

    assert [payments_tomorrow.authorize("1") for _ in range(2)] == [True, True]

    assert set(callback_driver.spent().values()) == {Decimal("100.00")}
    assert not payments_tomorrow.authorize("2", payment_amount="0.01")
    payments_tomorrow.confirm("1")
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
