"""Reserve accepted payments within the limits of the policy and of the customer."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.api_driver import ApiDriver, customer_path
from tests.support.callback_driver import MONTH, NOON, WEEK, CallbackDriver, limit, total
from tests.support.callback_fixtures import CUSTOMER
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import LambdaFunction, LedgerFixture


def test_reservation_accepted_payment_in_day_week_and_month(callback_driver: CallbackDriver) -> None:
    assert callback_driver.authorize()

    assert callback_driver.spent() == callback_driver.spent(of_type="credit") == total("100.00")
    item = callback_driver.item()
    assert (item["reservation_customer"], item["reservation_amount"]) == (CUSTOMER, Decimal("100.00"))
    expires_at = datetime.fromtimestamp(int(callback_driver.spending()["expires_at_epoch"]), UTC)
    assert timedelta(days=366) < expires_at - NOON < timedelta(days=3 * 366)


@pytest.mark.parametrize(
    "changes",
    [{"payment_amount": "0.00"}, {"test": "true"}, {"site_customer_identifier": None}],
    ids=["declined", "test", "no customer"],
)
def test_reservation_declined_test_or_no_customer_not_stored(
    callback_driver: CallbackDriver, ledger_table: LedgerFixture, changes: dict[str, Any]
) -> None:
    callback_driver.authorize(**changes)

    [item] = ledger_table.all_items()
    assert "reservation_amount" not in item


def test_limit_applies_to_test_payment_without_counting_it(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "150.00")])

    assert callback_driver.authorize("1", test="true")
    assert callback_driver.authorize("2")
    assert not callback_driver.authorize("3", test="true")
    assert callback_driver.spent() == total("100.00")


@pytest.mark.parametrize("window", ["day", "week", "month"])
@pytest.mark.parametrize("is_self_imposed", [False, True], ids=["policy", "self-imposed"])
def test_limit_exact_amount_accepted_cent_more_declined(
    callback_driver: CallbackDriver,
    deployed_policy: FakeAppConfig,
    api_driver: ApiDriver,
    window: str,
    is_self_imposed: bool,
) -> None:
    if is_self_imposed:
        api_driver.put(customer_path(), **{f"self_imposed_{window}_limit": "250.00"})
    else:
        deployed_policy.put_defaults(spending_limits=[limit(window, "250.00")])

    assert callback_driver.authorize("1")
    assert not callback_driver.authorize("2", payment_amount="150.01")
    assert callback_driver.authorize("3", payment_amount="150.00", payment_type="a_new_one")
    assert not callback_driver.authorize("4", payment_amount="0.01")

    assert callback_driver.spent() == total("250.00")
    assert callback_driver.item("4")["reason"] == f"{'self_imposed_' if is_self_imposed else ''}{window}_limit_exceeded"
    assert callback_driver.authorize("5", site_customer_identifier="another")


def test_time_zone_change_release_uses_original_windows(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, cold_start: Callable[[str], LambdaFunction]
) -> None:
    # 16:00 in New York. The date is the next in Tokyo.
    payments_in_new_york = callback_driver.at(datetime(2026, 11, 20, 21, 0, tzinfo=UTC))
    payments_in_new_york.authorize("1")
    deployed_policy.put_defaults(time_zone="Asia/Tokyo")
    payments_in_tokyo = replace(
        payments_in_new_york, authorize_function=cold_start("authorize"), confirm_function=cold_start("confirm")
    )
    payments_in_tokyo.authorize("2")

    payments_in_tokyo.decline("1")
    assert payments_in_tokyo.spent() == total("100.00", "day_2026_11_21", WEEK, MONTH)
    payments_in_new_york.decline("2")
    assert payments_in_tokyo.spent() == {}


def test_removed_window_ignores_later_release(callback_driver: CallbackDriver, deployed_policy: FakeAppConfig) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "150.00"), limit("month", "400.00")])
    for day in range(3):
        assert callback_driver.at(NOON + timedelta(days=day)).authorize(str(day))
    latest = callback_driver.at(NOON + timedelta(days=2))
    assert latest.spent() == {
        **total("100.00", "day_2026_11_21", "day_2026_11_22"),
        **total("300.00", WEEK, MONTH),
    }

    latest.decline("0")

    assert latest.authorize("3", payment_amount="50.00")
    assert not latest.authorize("4", payment_amount="0.01")
    assert latest.spent() == {
        **total("100.00", "day_2026_11_21"),
        **total("150.00", "day_2026_11_22"),
        **total("250.00", WEEK, MONTH),
    }


def test_limit_clock_behind_valid_days_counts_in_earlier_one(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, api_driver: ApiDriver
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "150.00")])
    for day in (2, 3):
        assert callback_driver.at(NOON + timedelta(days=day)).authorize(str(day))

    assert callback_driver.authorize("4", payment_amount="50.00")
    assert not callback_driver.authorize("5", payment_amount="0.01")

    assert callback_driver.spent()["day_2026_11_22"] == 150
    assert api_driver.at(NOON).get(customer_path()).content["spending"]["day"]["window"] == "2026-11-22"


@pytest.mark.parametrize("timestamp", [NOON, NOON + timedelta(days=1)], ids=["same day", "next day"])
def test_authorize_after_confirm_counts_once_and_accepts(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, timestamp: datetime
) -> None:
    deployed_policy.put_defaults(
        spending_limits=[limit("day", "100.00"), limit("week", "100.00", "credit"), limit("month", "100.00")]
    )
    callback_driver.confirm()

    assert callback_driver.at(timestamp).authorize()

    assert callback_driver.spent() == total("100.00")
    assert callback_driver.anomalies() == set()
    assert not callback_driver.authorize("2", payment_amount="0.01")


def test_authorize_next_day_ignores_confirmed_reservation(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    callback_driver.confirm("1")
    payments_tomorrow = callback_driver.at(NOON + timedelta(days=1))
    assert payments_tomorrow.authorize("2", payment_amount="0.01")

    assert not payments_tomorrow.authorize("1")


def test_authorize_after_decline_reserves_nothing(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    callback_driver.decline()

    assert [callback_driver.authorize() for _ in range(2)] == [True, True]
    assert callback_driver.spent() == {}
    assert callback_driver.anomalies() == set()

    callback_driver.at(NOON + timedelta(days=1)).confirm()
    assert callback_driver.spent() == total("100.00", "day_2026_11_21", WEEK, MONTH)
    assert callback_driver.anomalies() == {"outcome_contradicted"}


@pytest.mark.parametrize("payer", ["1-sorts-before", "9-sorts-after"])
def test_limit_ignores_reservation_of_payment_for_other_customer(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, payer: str
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "150.00")])
    callback_driver.confirm("1", site_customer_identifier=payer)
    assert callback_driver.authorize("2")

    assert not callback_driver.authorize("1")
