"""Count confirmed payments in the windows of their decision or confirmation."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.callback_driver import MONTH, NOON, WEEK, CallbackDriver, limit, total
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import CapturedOutput, LambdaFunction

TOMORROW = NOON + timedelta(days=1)


def test_confirm_keeps_reservation_and_windows_unchanged(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize()
    spending_before = callback_driver.spending()

    callback_driver.at(TOMORROW).confirm()

    assert callback_driver.spending() == spending_before
    assert callback_driver.anomalies() == set()


def test_confirm_mismatch_counts_paid_amount_in_decision_windows(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize("1")
    callback_driver.authorize("2", payment_type="cash")

    for _ in range(2):
        callback_driver.at(TOMORROW).confirm("1", payment_amount="30.00")

    assert callback_driver.spent() == total("130.00")
    assert callback_driver.spent(of_type="credit") == total("30.00")


def test_confirm_payment_type_differs_counts_confirmed_type(callback_driver: CallbackDriver) -> None:
    callback_driver.authorize("1")
    callback_driver.authorize("2", payment_amount="1.00")

    for _ in range(2):
        callback_driver.at(TOMORROW).confirm("1", payment_type="a_new_one")

    assert callback_driver.spent() == total("101.00")
    assert callback_driver.spent(of_type="credit") == total("1.00")
    assert callback_driver.spent(of_type="other") == total("100.00")


@pytest.mark.parametrize("paid_amount", ["100.00", "90.00"], ids=["as authorized", "another amount"])
def test_confirm_without_payment_type_counts_authorized_type(callback_driver: CallbackDriver, paid_amount: str) -> None:
    callback_driver.authorize()

    callback_driver.confirm(payment_type=None, payment_amount=paid_amount)

    assert callback_driver.spent() == callback_driver.spent(of_type="credit") == total(paid_amount)


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

    assert callback_driver.spent() == total("100.00", "day_2026_11_21", WEEK, MONTH)


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
        **total("100.00", "day_2026_11_20", "day_2026_11_21"),
        **total("200.00", WEEK, MONTH),
    }
    assert callback_driver.anomalies("2") == ({"paid_after_decline"} if was_authorized else set())
    assert not callback_driver.authorize("3", payment_amount="0.01")


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
    assert captured_output.metric_total("ConfirmationWithoutPolicy") == 2


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
