"""Count confirmed payments in the windows of their decision or confirmation."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.callback_driver import NOON, CallbackDriver, limit, total
from tests.support.callback_fixtures import CUSTOMER
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture

TOMORROW = NOON + timedelta(days=1)
TOMORROW_WINDOWS = ("DAY#2026-11-21", "WEEK#2026-W47", "MONTH#2026-11")


def test_confirm_keeps_reservation_and_windows_unchanged(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, aws_calls: AwsCallRecorder
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    callback_driver.authorize("1")
    windows_before = callback_driver.windows()

    assert aws_calls.calls_during(callback_driver.at(TOMORROW).confirm).count("TransactWriteItems") == 1

    assert callback_driver.windows() == windows_before
    assert not callback_driver.authorize("2", payment_amount="0.01")
    assert callback_driver.anomalies() == set()


@pytest.mark.parametrize(
    ("changes", "counted_amount", "anomaly"),
    [
        ({"payment_amount": "30.00"}, "30.00", "amount_differs"),
        ({"payment_amount": "170.00"}, "170.00", "amount_differs"),
        ({"pnm_order_identifier": "1"}, "100.00", "order_differs"),
    ],
    ids=["less", "more", "other order"],
)
def test_confirm_mismatch_counts_paid_amount_in_decision_windows(
    callback_driver: CallbackDriver, changes: dict[str, str], counted_amount: str, anomaly: str
) -> None:
    callback_driver.authorize("1")
    callback_driver.authorize("2", payment_type="cash")
    callback_driver.decline("2", payment_type="cash")

    for _ in range(2):
        callback_driver.at(TOMORROW).confirm("1", **changes)

    assert callback_driver.spent() == callback_driver.spent(of_type="credit") == total(counted_amount)
    assert callback_driver.anomalies("1") == {anomaly}


@pytest.mark.parametrize(("confirmed_type", "counted_type"), [("cash", "cash"), ("a_new_one", "other")])
def test_confirm_payment_type_differs_counts_confirmed_type(
    callback_driver: CallbackDriver, confirmed_type: str, counted_type: str
) -> None:
    callback_driver.authorize("1")
    callback_driver.authorize("2", payment_amount="1.00")

    for _ in range(2):
        callback_driver.at(TOMORROW).confirm("1", payment_type=confirmed_type)

    assert callback_driver.spent() == total("101.00")
    assert callback_driver.spent(of_type="credit") == total("1.00")
    assert callback_driver.spent(of_type=counted_type) == total("100.00")


@pytest.mark.parametrize("paid_amount", ["100.00", "90.00"], ids=["as authorized", "another amount"])
def test_confirm_without_payment_type_counts_authorized_type(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, paid_amount: str
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00", "credit")])
    callback_driver.authorize("1")

    callback_driver.confirm("1", payment_type=None, payment_amount=paid_amount)

    assert callback_driver.spent() == callback_driver.spent(of_type="credit") == total(paid_amount)
    assert not callback_driver.authorize("2", payment_amount="10.01")


def test_confirm_customer_differs_counts_confirmed_customer(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize()

    for _ in range(2):
        callback_driver.at(TOMORROW).confirm(site_customer_identifier="another")

    assert callback_driver.spent() == {}
    assert callback_driver.spent("another") == total("100.00")
    assert callback_driver.anomalies() == {"customer_differs"}


def test_confirm_without_customer_counts_authorized_customer(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize()

    callback_driver.confirm(site_customer_identifier=None)

    assert callback_driver.spent() == total("100.00")


def test_confirm_first_customer_counts_on_confirmation_day(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize(site_customer_identifier=None)

    callback_driver.at(TOMORROW).confirm()

    assert callback_driver.spent() == total("100.00", *TOMORROW_WINDOWS)


def test_confirm_all_fields_differ_counts_confirmed_values(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize()

    callback_driver.confirm(payment_amount="7.00", payment_type="cash", site_customer_identifier="another")

    assert callback_driver.spent() == {}
    assert callback_driver.spent("another") == callback_driver.spent("another", of_type="cash") == total("7.00")


@pytest.mark.parametrize("was_authorized", [False, True], ids=["unauthorized", "declined"])
def test_paid_after_decline_counts_on_confirmation_day(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, was_authorized: bool
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("week", "150.00")])
    callback_driver.authorize("1")
    if was_authorized:
        assert not callback_driver.authorize("2")

    for now in (TOMORROW, TOMORROW + timedelta(days=1)):
        callback_driver.at(now).confirm("2")

    assert callback_driver.spent() == {
        **total("100.00", "DAY#2026-11-20", "DAY#2026-11-21"),
        **total("200.00", "WEEK#2026-W47", "MONTH#2026-11"),
    }
    assert callback_driver.anomalies("2") == ({"paid_after_decline"} if was_authorized else set())
    assert not callback_driver.authorize("3", payment_amount="0.01")


@pytest.mark.parametrize("status", ["payment", "decline"])
@pytest.mark.parametrize("changes", [{"test": "true"}, {"site_customer_identifier": None}], ids=["test", "no customer"])
def test_confirm_test_or_without_customer_counts_nothing(
    callback_driver: CallbackDriver, ledger_table: LedgerFixture, status: str, changes: dict[str, Any]
) -> None:
    callback_driver.confirm(status=status, **changes)

    [item] = ledger_table.all_items()
    assert "reservation_amount" not in item


def test_confirm_without_policy_posts_and_flags_uncounted(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, captured_output: CapturedOutput
) -> None:
    deployed_policy.put("no policy")

    for _ in range(2):
        callback_driver.confirm()

    assert callback_driver.spent() == {}
    assert list(callback_driver.ledger_table.balances().values()) == [100]
    assert callback_driver.anomalies() == {"spending_not_counted"}
    assert captured_output.metric_total("AnomalySpendingNotCounted") == 1


@pytest.mark.parametrize("changes", [{}, {"payment_amount": "30.00", "payment_type": "cash"}])
def test_confirm_without_policy_counts_reserved_payment(
    callback_driver: CallbackDriver,
    deployed_policy: FakeAppConfig,
    cold_start: Callable[[str], LambdaFunction],
    changes: dict[str, str],
) -> None:
    callback_driver.authorize()
    deployed_policy.put("no policy")

    replace(callback_driver, confirm_function=cold_start("confirm"), now=TOMORROW).confirm(**changes)

    assert callback_driver.spent() == total(changes.get("payment_amount", "100.00"))
    assert "spending_not_counted" not in callback_driver.anomalies()


@pytest.mark.parametrize("timestamp", [NOON, TOMORROW], ids=["same day", "next day"])
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


def test_authorize_after_confirm_counts_other_payments_spending(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "199.99")])
    callback_driver.authorize("1")
    callback_driver.confirm("2")

    assert not callback_driver.authorize("2")

    assert callback_driver.item("2")["reason"] == "day_limit_exceeded"
    assert callback_driver.anomalies("2") == {"paid_after_decline"}
    assert callback_driver.spent() == total("200.00")


def test_authorize_next_day_ignores_confirmed_reservation(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    callback_driver.confirm("1")
    payments_tomorrow = callback_driver.at(TOMORROW)
    assert payments_tomorrow.authorize("2", payment_amount="0.01")

    assert not payments_tomorrow.authorize("1")


def test_authorize_after_decline_reserves_nothing(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    callback_driver.decline()

    assert callback_driver.authorize()
    assert callback_driver.spent() == {}

    callback_driver.at(TOMORROW).confirm()
    assert callback_driver.spent() == total("100.00", *TOMORROW_WINDOWS)
    assert callback_driver.anomalies() == {"outcome_contradicted"}


def test_paid_after_failed_counts_in_decision_windows(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    callback_driver.authorize("1")
    callback_driver.decline("1")
    callback_driver.authorize("2")

    for _ in range(2):
        callback_driver.at(TOMORROW).confirm("1")

    assert callback_driver.spent() == total("200.00")
    assert callback_driver.anomalies("1") == {"outcome_contradicted"}


def test_failed_after_paid_releases_nothing(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize()
    callback_driver.confirm()
    callback_driver.decline()

    assert callback_driver.spent() == total("100.00")


def test_contradicting_confirmation_keeps_first_reservation(callback_driver: CallbackDriver) -> None:
    callback_driver.confirm()
    callback_driver.confirm(payment_amount="7.00", site_customer_identifier="another")

    assert callback_driver.spent(CUSTOMER) == total("100.00")
    assert callback_driver.spent("another") == {}
