"""Outcomes, releases and reversals of one payment at the same time: each is counted, and counted once."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.integration.deployed_policy import DeployedPolicy
from tests.integration.meanwhile import Meanwhile
from tests.integration.observed import Function, Stored
from tests.integration.payments_over_time import NOON, Payments, at, in_all, limit, reversal
from tests.integration.signed_callbacks import CUSTOMER


@pytest.fixture
def payments(authorize: Function, confirm: Function, stored: Stored) -> Payments:
    return Payments(authorize, confirm, stored)


@pytest.mark.parametrize("status", ["payment", "decline"])
@pytest.mark.parametrize("changes", [{}, {"payment_type": "cash"}], ids=["as asked", "another type"])
def test_an_outcome_that_comes_before_its_release_is_written_stands(
    payments: Payments, meanwhile: Meanwhile, status: str, changes: dict[str, str]
) -> None:
    payments.ask()
    meanwhile(lambda: payments.pay(status=status, **changes))

    assert not payments.release()

    assert payments.spent() == (in_all("100.00") if status == "payment" else {})
    assert "released_at" not in payments.item()


def test_two_releases_at_the_same_time_give_back_once(payments: Payments, meanwhile: Meanwhile) -> None:
    payments.ask("1")
    payments.ask("2")
    meanwhile(lambda: payments.release("1"))

    assert not payments.release("1")
    assert payments.spent() == in_all("100.00")


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_a_release_that_comes_before_an_outcome_is_written_is_counted_once(
    payments: Payments, meanwhile: Meanwhile, status: str
) -> None:
    payments.ask("1")
    payments.ask("2")
    # The outcome differs from the question, so it is written at the second attempt.
    meanwhile(None, lambda: payments.release("1"))

    payments.pay("1", status=status, payment_amount="30.00")

    assert payments.spent() == in_all("130.00" if status == "payment" else "100.00")
    assert ("paid_after_release" in payments.anomalies("1")) is (status == "payment")


@pytest.mark.parametrize("first", ["payment", "decline"])
def test_two_outcomes_at_the_same_time_move_spending_once(
    payments: Payments, meanwhile: Meanwhile, first: str
) -> None:
    payments.ask()
    meanwhile(None, lambda: payments.pay(status=first, payment_amount="30.00"))

    payments.pay(payment_amount="30.00")

    assert payments.spent() == in_all("30.00")
    assert payments.stored.balances() == {"773090000": 30}


def test_an_outcome_told_twice_at_the_same_time_is_posted_once_without_any_policy_too(
    payments: Payments, deployed_policy: DeployedPolicy, meanwhile: Meanwhile
) -> None:
    deployed_policy.put("no policy")
    # After a decline it is written at the second attempt.
    payments.fail()
    meanwhile(None, payments.pay)

    payments.pay()

    assert payments.stored.balances() == {CUSTOMER: Decimal("100.00")}
    assert payments.spent() == {}


def test_a_question_that_comes_before_an_unasked_payment_is_written_reserves_and_is_confirmed(
    payments: Payments, meanwhile: Meanwhile
) -> None:
    meanwhile(None, lambda: payments.ask())

    payments.at(NOON + timedelta(days=1)).pay()

    assert payments.spent() == in_all("100.00")
    assert payments.anomalies() == set()


def come_back(reverse: Function, amount: str) -> int:
    """Return how a reversal of a part of payment 1 is answered."""
    return at(NOON, reverse, reversal(pnm_payment_identifier="1", reverse_amount=amount)).status


@pytest.mark.parametrize("asked", [False, True], ids=["not asked about", "asked about"])
def test_a_payment_that_is_posted_before_its_reversal_is_written_is_taken_back(
    payments: Payments, reverse: Function, meanwhile: Meanwhile, asked: bool
) -> None:
    if asked:
        payments.ask()
    meanwhile(payments.pay)

    assert come_back(reverse, "30.00") == 200

    assert payments.stored.balances() == {CUSTOMER: Decimal("70.00")}
    assert payments.anomalies() == set()


@pytest.mark.parametrize("asked", [False, True], ids=["not asked about", "asked about"])
def test_a_reversal_that_comes_before_its_payment_is_written_leaves_the_rest_to_be_posted(
    payments: Payments, reverse: Function, meanwhile: Meanwhile, asked: bool
) -> None:
    if asked:
        payments.ask()
    # Written at the second attempt: as something else than what was asked about, or as news.
    meanwhile(None, lambda: come_back(reverse, "30.00"))

    payments.pay(payment_type="cash")

    assert payments.stored.balances() == {CUSTOMER: Decimal("70.00")}
    assert payments.anomalies() == {"reversed_unknown"}
    assert payments.spent() == in_all("100.00")


@pytest.mark.parametrize(("between", "posted"), [("question", 100), ("reversal", 70)])
def test_a_payment_that_is_told_after_its_decline_is_posted_whatever_comes_before_it_is_written(
    payments: Payments, reverse: Function, meanwhile: Meanwhile, between: str, posted: int
) -> None:
    payments.fail()
    meanwhile(None, {"question": payments.ask, "reversal": lambda: come_back(reverse, "30.00")}[between])

    payments.pay()

    assert payments.item()["outcome"] == "payment"
    assert payments.stored.balances() == {CUSTOMER: posted}
    assert payments.spent() == in_all("100.00")
    assert "outcome_contradicted" in payments.anomalies()


def test_two_reversals_at_the_same_time_are_both_taken_back_but_not_more_than_was_posted(
    payments: Payments, reverse: Function, meanwhile: Meanwhile
) -> None:
    payments.pay()
    meanwhile(lambda: come_back(reverse, "30.00"))
    assert come_back(reverse, "40.00") == 200
    assert payments.stored.balances() == {CUSTOMER: Decimal("30.00")}

    meanwhile(lambda: come_back(reverse, "20.00"))
    assert come_back(reverse, "25.00") == 200
    assert payments.stored.balances() == {CUSTOMER: 0}
    assert payments.anomalies() == {"reversed_too_much"}


def test_one_reversal_told_twice_at_the_same_time_is_taken_back_and_counted_once(
    payments: Payments, reverse: Function, stored: Stored, meanwhile: Meanwhile
) -> None:
    payments.pay()
    meanwhile(lambda: come_back(reverse, "30.00"))

    assert come_back(reverse, "30.00") == 200

    assert stored.balances() == {CUSTOMER: Decimal("70.00")}
    [counted] = [item for item in stored.everything() if item["sk"] == "REVERSALS#2026"]
    assert counted["returns_2026-11-20"] == 1


def test_a_payment_that_fails_before_its_reversal_is_written_moves_nothing(
    payments: Payments, reverse: Function, meanwhile: Meanwhile
) -> None:
    payments.ask()
    meanwhile(payments.fail)

    assert come_back(reverse, "30.00") == 200

    assert payments.stored.balances() == {}
    assert payments.anomalies() == {"reversed_unknown"}


def test_a_payment_that_is_declined_before_its_unasked_outcome_is_written_is_marked(
    payments: Payments, meanwhile: Meanwhile
) -> None:
    meanwhile(None, lambda: payments.ask(payment_currency="CAD"))

    payments.pay()

    assert payments.anomalies() == {"paid_after_decline", "amount_differs"}
    assert payments.spent() == in_all("100.00")


@pytest.mark.parametrize("between", ["1", "2"], ids=["itself", "another"])
def test_a_released_payment_that_is_asked_about_again_is_decided_once_and_never_past_the_limit(
    payments: Payments, deployed_policy: DeployedPolicy, meanwhile: Meanwhile, between: str
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    payments.ask("1")
    payments.release("1")
    meanwhile(lambda: payments.ask(between))

    assert payments.ask("1") is (between == "1")
    assert payments.spent() == in_all("100.00")


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_an_outcome_that_comes_before_a_released_payment_is_decided_anew_counts_once(
    payments: Payments, meanwhile: Meanwhile, status: str
) -> None:
    payments.ask()
    payments.release()
    meanwhile(lambda: payments.pay(status=status))

    assert payments.ask()
    assert payments.spent() == (in_all("100.00") if status == "payment" else {})
