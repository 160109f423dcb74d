"""Count confirmed payments in the windows of their decision or confirmation."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.callback_driver import NOON, CallbackDriver, limit, total
from tests.support.callback_fixtures import CUSTOMER
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture

TOMORROW = NOON + timedelta(days=1)
TOMORROW_WINDOWS = ("DAY#2026-11-21", "WEEK#2026-W47", "MONTH#2026-11")


def test_a_payment_that_is_confirmed_keeps_counting_and_its_windows_are_not_touched(
    payments: CallbackDriver, deployed_policy: FakeAppConfig, aws_calls: AwsCallRecorder
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    payments.authorize("1")
    windows_before = payments.windows()

    assert aws_calls.calls_during(payments.at(TOMORROW).confirm).count("TransactWriteItems") == 1

    assert payments.windows() == windows_before
    assert not payments.authorize("2", payment_amount="0.01")
    assert payments.anomalies() == set()


@pytest.mark.parametrize(
    ("changes", "counted_amount", "anomaly"),
    [
        ({"payment_amount": "30.00"}, "30.00", "amount_differs"),
        ({"payment_amount": "170.00"}, "170.00", "amount_differs"),
        ({"pnm_order_identifier": "1"}, "100.00", "order_differs"),
    ],
    ids=["less", "more", "other order"],
)
def test_a_payment_of_another_amount_counts_with_that_in_the_windows_of_its_decision(
    payments: CallbackDriver, changes: dict[str, str], counted_amount: str, anomaly: str
) -> None:
    payments.authorize("1")
    payments.authorize("2", payment_type="cash")
    payments.decline("2", payment_type="cash")

    for _ in range(2):
        payments.at(TOMORROW).confirm("1", **changes)

    assert payments.spent() == payments.spent(of_type="credit") == total(counted_amount)
    assert payments.anomalies("1") == {anomaly}


@pytest.mark.parametrize(("confirmed_type", "counted_type"), [("cash", "cash"), ("a_new_one", "other")])
def test_a_payment_of_another_type_counts_with_that(
    payments: CallbackDriver, confirmed_type: str, counted_type: str
) -> None:
    payments.authorize("1")
    payments.authorize("2", payment_amount="1.00")

    for _ in range(2):
        payments.at(TOMORROW).confirm("1", payment_type=confirmed_type)

    assert payments.spent() == total("101.00")
    assert payments.spent(of_type="credit") == total("1.00")
    assert payments.spent(of_type=counted_type) == total("100.00")


@pytest.mark.parametrize("paid_amount", ["100.00", "90.00"], ids=["as authorized", "another amount"])
def test_a_payment_whose_type_is_no_longer_told_counts_with_the_one_that_was_asked_about(
    payments: CallbackDriver, deployed_policy: FakeAppConfig, paid_amount: str
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00", "credit")])
    payments.authorize("1")

    payments.confirm("1", payment_type=None, payment_amount=paid_amount)

    assert payments.spent() == payments.spent(of_type="credit") == total(paid_amount)
    assert not payments.authorize("2", payment_amount="10.01")


def test_a_payment_of_another_customer_counts_with_that_one(payments: CallbackDriver) -> None:
    payments.authorize()

    for _ in range(2):
        payments.at(TOMORROW).confirm(site_customer_identifier="another")

    assert payments.spent() == {}
    assert payments.spent("another") == total("100.00")
    assert payments.anomalies() == {"customer_differs"}


def test_a_payment_that_no_longer_names_its_customer_counts_with_the_one_who_asked(payments: CallbackDriver) -> None:
    payments.authorize()

    payments.confirm(site_customer_identifier=None)

    assert payments.spent() == total("100.00")


def test_a_payment_that_only_now_names_its_customer_counts_with_that_one(payments: CallbackDriver) -> None:
    payments.authorize(site_customer_identifier=None)

    payments.at(TOMORROW).confirm()

    assert payments.spent() == total("100.00", *TOMORROW_WINDOWS)


def test_a_payment_that_differs_in_everything_counts_as_it_was_made(payments: CallbackDriver) -> None:
    payments.authorize()

    payments.confirm(payment_amount="7.00", payment_type="cash", site_customer_identifier="another")

    assert payments.spent() == {}
    assert payments.spent("another") == payments.spent("another", of_type="cash") == total("7.00")


@pytest.mark.parametrize("was_authorized", [False, True], ids=["unauthorized", "declined"])
def test_a_payment_that_we_did_not_accept_counts_on_the_day_of_its_confirmation_even_past_the_limit(
    payments: CallbackDriver, deployed_policy: FakeAppConfig, was_authorized: bool
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("week", "150.00")])
    payments.authorize("1")
    if was_authorized:
        assert not payments.authorize("2")

    for now in (TOMORROW, TOMORROW + timedelta(days=1)):
        payments.at(now).confirm("2")

    assert payments.spent() == {
        **total("100.00", "DAY#2026-11-20", "DAY#2026-11-21"),
        **total("200.00", "WEEK#2026-W47", "MONTH#2026-11"),
    }
    assert payments.anomalies("2") == ({"paid_after_decline"} if was_authorized else set())
    assert not payments.authorize("3", payment_amount="0.01")


@pytest.mark.parametrize("status", ["payment", "decline"])
@pytest.mark.parametrize("changes", [{"test": "true"}, {"site_customer_identifier": None}], ids=["test", "no customer"])
def test_no_test_and_no_payment_of_nobody_counts(
    payments: CallbackDriver, ledger_table: LedgerFixture, status: str, changes: dict[str, Any]
) -> None:
    payments.confirm(status=status, **changes)

    [item] = ledger_table.all_items()
    assert "reservation_amount" not in item


def test_without_any_policy_a_payment_that_nobody_asked_about_is_posted_and_marked_as_not_counted(
    payments: CallbackDriver, deployed_policy: FakeAppConfig, captured: CapturedOutput
) -> None:
    deployed_policy.put("no policy")

    for _ in range(2):
        payments.confirm()

    assert payments.spent() == {}
    assert list(payments.ledger_table.balances().values()) == [100]
    assert payments.anomalies() == {"spending_not_counted"}
    assert captured.metric_total("AnomalySpendingNotCounted") == 1


@pytest.mark.parametrize("changes", [{}, {"payment_amount": "30.00", "payment_type": "cash"}])
def test_without_any_policy_a_payment_that_reserved_is_counted_as_it_was_made(
    payments: CallbackDriver,
    deployed_policy: FakeAppConfig,
    cold_start: Callable[[str], LambdaFunction],
    changes: dict[str, str],
) -> None:
    payments.authorize()
    deployed_policy.put("no policy")

    CallbackDriver(payments.authorize_function, cold_start("confirm"), payments.ledger_table, TOMORROW).confirm(
        **changes
    )

    assert payments.spent() == total(changes.get("payment_amount", "100.00"))
    assert "spending_not_counted" not in payments.anomalies()


@pytest.mark.parametrize("timestamp", [NOON, TOMORROW], ids=["same day", "next day"])
def test_an_outcome_before_the_question_counts_once_and_does_not_stand_against_its_own_payment(
    payments: CallbackDriver, deployed_policy: FakeAppConfig, timestamp: datetime
) -> None:
    deployed_policy.put_defaults(
        spending_limits=[limit("day", "100.00"), limit("week", "100.00", "credit"), limit("month", "100.00")]
    )
    payments.confirm()

    assert payments.at(timestamp).authorize()

    assert payments.spent() == total("100.00")
    assert payments.anomalies() == set()
    assert not payments.authorize("2", payment_amount="0.01")


def test_what_others_spent_stands_against_a_question_after_the_outcome(
    payments: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "199.99")])
    payments.authorize("1")
    payments.confirm("2")

    assert not payments.authorize("2")

    assert payments.item("2")["reason"] == "day_limit_exceeded"
    assert payments.anomalies("2") == {"paid_after_decline"}
    assert payments.spent() == total("200.00")


def test_what_a_payment_holds_of_another_day_makes_no_room_for_the_question_about_it(
    payments: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    payments.confirm("1")
    payments_tomorrow = payments.at(TOMORROW)
    assert payments_tomorrow.authorize("2", payment_amount="0.01")

    assert not payments_tomorrow.authorize("1")


def test_a_question_about_a_payment_that_failed_reserves_nothing_until_the_payment_is_made_after_all(
    payments: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    payments.decline()

    assert payments.authorize()
    assert payments.spent() == {}

    payments.at(TOMORROW).confirm()
    assert payments.spent() == total("100.00", *TOMORROW_WINDOWS)
    assert payments.anomalies() == {"outcome_contradicted"}


def test_a_payment_that_first_failed_counts_again_in_the_windows_of_its_decision(
    payments: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    payments.authorize("1")
    payments.decline("1")
    payments.authorize("2")

    for _ in range(2):
        payments.at(TOMORROW).confirm("1")

    assert payments.spent() == total("200.00")
    assert payments.anomalies("1") == {"outcome_contradicted"}


def test_a_failure_that_is_told_after_the_payment_gives_nothing_back(payments: CallbackDriver) -> None:
    payments.authorize()
    payments.confirm()
    payments.decline()

    assert payments.spent() == total("100.00")


def test_a_payment_that_is_told_again_with_another_customer_and_amount_counts_as_it_did(
    payments: CallbackDriver,
) -> None:
    payments.confirm()
    payments.confirm(payment_amount="7.00", site_customer_identifier="another")

    assert payments.spent(CUSTOMER) == total("100.00")
    assert payments.spent("another") == {}
