"""What a payment that was made counts as, and in which windows."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.integration.deployed_policy import DeployedPolicy
from tests.integration.observed import Function, Stored, Traffic, Written
from tests.integration.payments_over_time import NOON, Payments, in_all, limit
from tests.integration.signed_callbacks import CUSTOMER

TOMORROW = NOON + timedelta(days=1)
IN_TOMORROWS = ("DAY#2026-11-21", "WEEK#2026-W47", "MONTH#2026-11")


@pytest.fixture
def payments(authorize: Function, confirm: Function, stored: Stored) -> Payments:
    return Payments(authorize, confirm, stored)


def test_a_payment_that_is_confirmed_keeps_counting_and_its_windows_are_not_touched(
    payments: Payments, deployed_policy: DeployedPolicy, traffic: Traffic
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    payments.ask("1")
    before = payments.windows()

    assert traffic.made_by(payments.at(TOMORROW).pay).count("TransactWriteItems") == 1

    assert payments.windows() == before
    assert not payments.ask("2", payment_amount="0.01")
    assert payments.anomalies() == set()


@pytest.mark.parametrize(
    ("changes", "counted", "anomaly"),
    [
        ({"payment_amount": "30.00"}, "30.00", "amount_differs"),
        ({"payment_amount": "170.00"}, "170.00", "amount_differs"),
        ({"pnm_order_identifier": "1"}, "100.00", "order_differs"),
    ],
    ids=["less", "more", "other order"],
)
def test_a_payment_of_another_amount_counts_with_that_in_the_windows_of_its_decision(
    payments: Payments, changes: dict[str, str], counted: str, anomaly: str
) -> None:
    payments.ask("1")
    payments.ask("2", payment_type="cash")
    payments.fail("2", payment_type="cash")

    for _ in range(2):
        payments.at(TOMORROW).pay("1", **changes)

    assert payments.spent() == payments.spent(of_type="credit") == in_all(counted)
    assert payments.anomalies("1") == {anomaly}


@pytest.mark.parametrize(("told", "counted"), [("cash", "cash"), ("a_new_one", "other")])
def test_a_payment_of_another_type_counts_with_that(payments: Payments, told: str, counted: str) -> None:
    payments.ask("1")
    payments.ask("2", payment_amount="1.00")

    for _ in range(2):
        payments.at(TOMORROW).pay("1", payment_type=told)

    assert payments.spent() == in_all("101.00")
    assert payments.spent(of_type="credit") == in_all("1.00")
    assert payments.spent(of_type=counted) == in_all("100.00")


@pytest.mark.parametrize("paid", ["100.00", "90.00"], ids=["as asked", "another amount"])
def test_a_payment_whose_type_is_no_longer_told_counts_with_the_one_that_was_asked_about(
    payments: Payments, deployed_policy: DeployedPolicy, paid: str
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00", "credit")])
    payments.ask("1")

    payments.pay("1", payment_type=None, payment_amount=paid)

    assert payments.spent() == payments.spent(of_type="credit") == in_all(paid)
    assert not payments.ask("2", payment_amount="10.01")


def test_a_payment_of_another_customer_counts_with_that_one(payments: Payments) -> None:
    payments.ask()

    for _ in range(2):
        payments.at(TOMORROW).pay(site_customer_identifier="another")

    assert payments.spent() == {}
    assert payments.spent("another") == in_all("100.00")
    assert payments.anomalies() == {"customer_differs"}


def test_a_payment_that_no_longer_names_its_customer_counts_with_the_one_who_asked(
    payments: Payments,
) -> None:
    payments.ask()

    payments.pay(site_customer_identifier=None)

    assert payments.spent() == in_all("100.00")


def test_a_payment_that_only_now_names_its_customer_counts_with_that_one(payments: Payments) -> None:
    payments.ask(site_customer_identifier=None)

    payments.at(TOMORROW).pay()

    assert payments.spent() == in_all("100.00", *IN_TOMORROWS)


def test_a_payment_that_differs_in_everything_counts_as_it_was_made(payments: Payments) -> None:
    payments.ask()

    payments.pay(payment_amount="7.00", payment_type="cash", site_customer_identifier="another")

    assert payments.spent() == {}
    assert payments.spent("another") == payments.spent("another", of_type="cash") == in_all("7.00")


@pytest.mark.parametrize("asked", [False, True], ids=["not asked about", "declined by us"])
def test_a_payment_that_we_did_not_accept_counts_on_the_day_of_its_confirmation_even_past_the_limit(
    payments: Payments, deployed_policy: DeployedPolicy, asked: bool
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("week", "150.00")])
    payments.ask("1")
    if asked:
        assert not payments.ask("2")

    for now in (TOMORROW, TOMORROW + timedelta(days=1)):
        payments.at(now).pay("2")

    assert payments.spent() == {
        **in_all("100.00", "DAY#2026-11-20", "DAY#2026-11-21"),
        **in_all("200.00", "WEEK#2026-W47", "MONTH#2026-11"),
    }
    assert payments.anomalies("2") == ({"paid_after_decline"} if asked else set())
    assert not payments.ask("3", payment_amount="0.01")


@pytest.mark.parametrize("status", ["payment", "decline"])
@pytest.mark.parametrize(
    "changes", [{"test": "true"}, {"site_customer_identifier": None}], ids=["test", "unnamed customer"]
)
def test_no_test_and_no_payment_of_nobody_counts(
    payments: Payments, stored: Stored, status: str, changes: dict[str, Any]
) -> None:
    payments.pay(status=status, **changes)

    [item] = stored.everything()
    assert "reservation_amount" not in item


def test_without_any_policy_a_payment_that_nobody_asked_about_is_posted_and_marked_as_not_counted(
    payments: Payments, deployed_policy: DeployedPolicy, written: Written
) -> None:
    deployed_policy.put("no policy")

    for _ in range(2):
        payments.pay()

    assert payments.spent() == {}
    assert list(payments.stored.balances().values()) == [100]
    assert payments.anomalies() == {"spending_not_counted"}
    assert written.counted("AnomalySpendingNotCounted") == 1


@pytest.mark.parametrize("changes", [{}, {"payment_amount": "30.00", "payment_type": "cash"}])
def test_without_any_policy_a_payment_that_reserved_is_counted_as_it_was_made(
    payments: Payments,
    deployed_policy: DeployedPolicy,
    cold_start: Callable[[str], Function],
    changes: dict[str, str],
) -> None:
    payments.ask()
    deployed_policy.put("no policy")

    Payments(payments.authorize, cold_start("confirm"), payments.stored, TOMORROW).pay(**changes)

    assert payments.spent() == in_all(changes.get("payment_amount", "100.00"))
    assert "spending_not_counted" not in payments.anomalies()


@pytest.mark.parametrize("moment", [NOON, TOMORROW], ids=["same day", "next day"])
def test_an_outcome_before_the_question_counts_once_and_does_not_stand_against_its_own_payment(
    payments: Payments, deployed_policy: DeployedPolicy, moment: datetime
) -> None:
    deployed_policy.put_defaults(
        spending_limits=[limit("day", "100.00"), limit("week", "100.00", "credit"), limit("month", "100.00")]
    )
    payments.pay()

    assert payments.at(moment).ask()

    assert payments.spent() == in_all("100.00")
    assert payments.anomalies() == set()
    assert not payments.ask("2", payment_amount="0.01")


def test_what_others_spent_stands_against_a_question_after_the_outcome(
    payments: Payments, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "199.99")])
    payments.ask("1")
    payments.pay("2")

    assert not payments.ask("2")

    assert payments.item("2")["reason"] == "day_limit_exceeded"
    assert payments.anomalies("2") == {"paid_after_decline"}
    assert payments.spent() == in_all("200.00")


def test_what_a_payment_holds_of_another_day_makes_no_room_for_the_question_about_it(
    payments: Payments, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    payments.pay("1")
    tomorrow = payments.at(TOMORROW)
    assert tomorrow.ask("2", payment_amount="0.01")

    assert not tomorrow.ask("1")


def test_a_question_about_a_payment_that_failed_reserves_nothing_until_the_payment_is_made_after_all(
    payments: Payments, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    payments.fail()

    assert payments.ask()
    assert payments.spent() == {}

    payments.at(TOMORROW).pay()
    assert payments.spent() == in_all("100.00", *IN_TOMORROWS)
    assert payments.anomalies() == {"outcome_contradicted"}


def test_a_payment_that_first_failed_counts_again_in_the_windows_of_its_decision(
    payments: Payments, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    payments.ask("1")
    payments.fail("1")
    payments.ask("2")

    for _ in range(2):
        payments.at(TOMORROW).pay("1")

    assert payments.spent() == in_all("200.00")
    assert payments.anomalies("1") == {"outcome_contradicted"}


def test_a_failure_that_is_told_after_the_payment_gives_nothing_back(payments: Payments) -> None:
    payments.ask()
    payments.pay()
    payments.fail()

    assert payments.spent() == in_all("100.00")


def test_a_payment_that_is_told_again_with_another_customer_and_amount_counts_as_it_did(
    payments: Payments,
) -> None:
    payments.pay()
    payments.pay(payment_amount="7.00", site_customer_identifier="another")

    assert payments.spent(CUSTOMER) == in_all("100.00")
    assert payments.spent("another") == {}
