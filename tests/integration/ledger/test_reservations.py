"""Reserve accepted payments within the limits."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from paynearme.policy import DEFAULT_TEXTS, Reason
from tests.support.callback_driver import NOON, CallbackDriver, limit, send_at, total, unix_time
from tests.support.callback_fixtures import CUSTOMER, SITE_OF_2_0_IN_JSON, authorization, site_changes
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture


@pytest.mark.parametrize("limits", [[], [limit("week", "500.00")]], ids=["no limit", "a limit"])
def test_reservation_accepted_payment_in_day_week_and_month(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, limits: list[dict[str, Any]]
) -> None:
    deployed_policy.put_defaults(spending_limits=limits)

    assert callback_driver.authorize()

    assert callback_driver.spent() == total("100.00")
    assert callback_driver.spent(of_type="credit") == total("100.00")
    item = callback_driver.item()
    assert item["reservation_amount"] == Decimal("100.00")
    assert item["reservation_customer"] == CUSTOMER


def test_spending_windows_sum_total_and_by_payment_type(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize("1", payment_type="cash", payment_amount="20.10")
    callback_driver.authorize("2", payment_type="cash", payment_amount="0.20")
    callback_driver.authorize("3", payment_type="zelle", payment_amount="3.03")
    callback_driver.authorize("4", payment_type=None, payment_amount="4.00")

    assert callback_driver.spent() == total("27.33")
    assert callback_driver.spent(of_type="cash") == total("20.30")
    assert callback_driver.spent(of_type="other") == total("3.03")
    assert callback_driver.spent(of_type="none") == total("4.00")


def test_spending_window_expires_after_one_to_three_years(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize()

    for item in callback_driver.windows().values():
        expires_at = datetime.fromtimestamp(int(item["expires_at_epoch"]), UTC)
        assert timedelta(days=366) < expires_at - NOON < timedelta(days=3 * 366)


@pytest.mark.parametrize("window", ["day", "week", "month"])
def test_limit_exact_amount_accepted_cent_more_declined(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, captured_output: CapturedOutput, window: str
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit(window, "250.00")])

    assert callback_driver.authorize("1")
    assert not callback_driver.authorize("2", payment_amount="150.01")
    assert callback_driver.authorize("3", payment_amount="150.00")
    assert not callback_driver.authorize("4", payment_amount="0.01")

    assert callback_driver.spent() == total("250.00")
    assert callback_driver.item("4")["decision"] == "decline"
    assert callback_driver.item("4")["reason"] == f"{window}_limit_exceeded"
    assert captured_output.metric_total(f"Declined{window.title()}LimitExceeded") == 2


def test_limit_single_payment_above_declines_with_text(
    authorize: LambdaFunction, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "354.98")])

    response = send_at(NOON, authorize, authorization(timestamp=unix_time(NOON)))

    assert response.fields["accept_payment"] == "no"
    assert response.fields["decline_reason"] == DEFAULT_TEXTS[Reason.DAY_LIMIT_EXCEEDED].decline_reason


@pytest.mark.parametrize(
    ("limited_windows", "first"), [(["month", "day", "week"], "day"), (["month", "week"], "week"), (["month"], "month")]
)
def test_limit_several_exceeded_shortest_window_is_reason(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, limited_windows: list[str], first: str
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit(window, "100.00") for window in limited_windows])
    callback_driver.authorize("1")

    assert not callback_driver.authorize("2", payment_amount="0.01")
    assert callback_driver.item("2")["reason"] == f"{first}_limit_exceeded"


def test_limit_counts_fees(callback_driver: CallbackDriver, deployed_policy: FakeAppConfig) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "99.99")])

    assert not callback_driver.authorize(net_payment_amount="90.00", net_payment_currency="USD")


def test_limit_for_some_payment_types_counts_only_these(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "250.00", "cash", "credit", "other")])

    assert callback_driver.authorize("1", payment_type="cash")
    assert callback_driver.authorize("2", payment_type="debit", payment_amount="900.00")
    assert callback_driver.authorize("3", payment_type="credit")
    assert callback_driver.authorize("4", payment_type="a_new_one", payment_amount="50.00")
    assert not callback_driver.authorize("5", payment_type="cash", payment_amount="0.01")
    assert not callback_driver.authorize("6", payment_type="another_new_one", payment_amount="0.01")
    assert callback_driver.authorize("7", payment_type="debit", payment_amount="900.00")
    assert callback_driver.authorize("8", payment_type=None, payment_amount="900.00")


def test_limit_for_all_payment_types_counts_all(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "300.00")])
    for payment_id, payment_type in enumerate(["cash", "a_new_one", None]):
        assert callback_driver.authorize(str(payment_id), payment_type=payment_type)

    assert not callback_driver.authorize("9", payment_type="debit", payment_amount="0.01")


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ([limit("day", "500.00"), limit("day", "150.00", "credit")], "day_limit_exceeded"),
        ([limit("day", "150.00", "credit"), limit("day", "500.00")], "day_limit_exceeded"),
        ([limit("day", "500.00", "credit"), limit("day", "150.00", "credit", "cash")], "day_limit_exceeded"),
        ([limit("day", "500.00"), limit("week", "150.00", "credit")], "week_limit_exceeded"),
        ([limit("day", "150.00", "cash"), limit("month", "150.00")], "month_limit_exceeded"),
    ],
)
def test_limit_several_limits_all_apply(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, limits: list[dict[str, Any]], reason: str
) -> None:
    deployed_policy.put_defaults(spending_limits=limits)

    assert callback_driver.authorize("1")
    assert not callback_driver.authorize("2", payment_amount="50.01")
    assert callback_driver.item("2")["reason"] == reason
    assert callback_driver.authorize("3", payment_amount="50.00")


def test_limit_counts_other_days_of_window(callback_driver: CallbackDriver, deployed_policy: FakeAppConfig) -> None:
    deployed_policy.put_defaults(
        spending_limits=[limit("day", "100.00"), limit("week", "200.00"), limit("month", "300.00")]
    )

    assert callback_driver.authorize("Friday")
    assert not callback_driver.authorize("Friday-2", payment_amount="0.01")
    assert callback_driver.at(NOON + timedelta(days=1)).authorize("Saturday")
    assert not callback_driver.at(NOON + timedelta(days=2)).authorize("Sunday", payment_amount="0.01")
    assert callback_driver.item("Sunday")["reason"] == "week_limit_exceeded"
    assert callback_driver.at(NOON + timedelta(days=3)).authorize("Monday")
    assert not callback_driver.at(NOON + timedelta(days=4)).authorize("Tuesday", payment_amount="0.01")
    assert callback_driver.item("Tuesday")["reason"] == "month_limit_exceeded"
    assert callback_driver.at(NOON + timedelta(days=11)).authorize("December")


@pytest.mark.parametrize(
    ("timestamp", "accepted"),
    [(datetime(2026, 11, 21, 4, 59, 59, tzinfo=UTC), False), (datetime(2026, 11, 21, 5, 0, tzinfo=UTC), True)],
    ids=["last second", "midnight"],
)
def test_limit_day_ends_at_midnight_in_policy_time_zone(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, timestamp: datetime, accepted: bool
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    callback_driver.authorize("1")

    assert callback_driver.at(timestamp).authorize("2") is accepted


def test_spending_windows_separate_by_customer_and_site(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])

    assert callback_driver.authorize("1")
    assert callback_driver.authorize("2", site_customer_identifier="another")
    assert callback_driver.authorize("3", **site_changes(SITE_OF_2_0_IN_JSON))
    assert not callback_driver.authorize("4", payment_amount="0.01")


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


@pytest.mark.parametrize(
    "changes",
    [{}, {"payment_amount": "1.00"}, {"payment_type": "cash"}, {"site_customer_identifier": "another"}],
    ids=["duplicate", "other amount", "other type", "other customer"],
)
def test_reservation_second_authorization_reserves_nothing_more(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, changes: dict[str, Any]
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    callback_driver.authorize()

    for now in (NOON, NOON + timedelta(days=1)):
        assert callback_driver.at(now).authorize(**changes) is (not changes)

    assert callback_driver.spent() == total("100.00")
    assert callback_driver.spent("another") == {}
