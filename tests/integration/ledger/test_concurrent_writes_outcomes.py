"""Concurrent outcomes, releases and reversals of one payment are each counted once."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.support.callback_driver import NOON, CallbackDriver, limit, reversal, send_at, total
from tests.support.callback_fixtures import CUSTOMER
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import LambdaFunction, LedgerFixture
from tests.support.interleaving import Interleaver


@pytest.mark.parametrize("status", ["payment", "decline"])
@pytest.mark.parametrize("changes", [{}, {"payment_type": "cash"}], ids=["as authorized", "another type"])
def test_an_outcome_that_comes_before_its_release_is_written_stands(
    payments: CallbackDriver, interleave: Interleaver, status: str, changes: dict[str, str]
) -> None:
    payments.authorize()
    interleave(lambda: payments.confirm(status=status, **changes))

    assert not payments.release()

    assert payments.spent() == (total("100.00") if status == "payment" else {})
    assert "released_at" not in payments.item()


def test_two_releases_at_the_same_time_give_back_once(payments: CallbackDriver, interleave: Interleaver) -> None:
    payments.authorize("1")
    payments.authorize("2")
    interleave(lambda: payments.release("1"))

    assert not payments.release("1")
    assert payments.spent() == total("100.00")


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_a_release_that_comes_before_an_outcome_is_written_is_counted_once(
    payments: CallbackDriver, interleave: Interleaver, status: str
) -> None:
    payments.authorize("1")
    payments.authorize("2")
    # The outcome differs from the authorization, so the second attempt writes it.
    interleave(None, lambda: payments.release("1"))

    payments.confirm("1", status=status, payment_amount="30.00")

    assert payments.spent() == total("130.00" if status == "payment" else "100.00")
    assert ("paid_after_release" in payments.anomalies("1")) is (status == "payment")


@pytest.mark.parametrize("first", ["payment", "decline"])
def test_two_outcomes_at_the_same_time_move_spending_once(
    payments: CallbackDriver, interleave: Interleaver, first: str
) -> None:
    payments.authorize()
    interleave(None, lambda: payments.confirm(status=first, payment_amount="30.00"))

    payments.confirm(payment_amount="30.00")

    assert payments.spent() == total("30.00")
    assert payments.ledger_table.balances() == {"773090000": 30}


def test_an_outcome_told_twice_at_the_same_time_is_posted_once_without_any_policy_too(
    payments: CallbackDriver, deployed_policy: FakeAppConfig, interleave: Interleaver
) -> None:
    deployed_policy.put("no policy")
    # After a decline, the second attempt writes the payment.
    payments.decline()
    interleave(None, payments.confirm)

    payments.confirm()

    assert payments.ledger_table.balances() == {CUSTOMER: Decimal("100.00")}
    assert payments.spent() == {}


def test_a_question_that_comes_before_an_unasked_payment_is_written_reserves_and_is_confirmed(
    payments: CallbackDriver, interleave: Interleaver
) -> None:
    interleave(None, lambda: payments.authorize())

    payments.at(NOON + timedelta(days=1)).confirm()

    assert payments.spent() == total("100.00")
    assert payments.anomalies() == set()


def send_reversal(reverse: LambdaFunction, amount: str) -> int:
    """Return the response status for a partial reversal of payment 1."""
    return send_at(NOON, reverse, reversal(pnm_payment_identifier="1", reverse_amount=amount)).status


@pytest.mark.parametrize("was_authorized", [False, True], ids=["unauthorized", "authorized"])
def test_a_payment_that_is_posted_before_its_reversal_is_written_is_taken_back(
    payments: CallbackDriver, reverse: LambdaFunction, interleave: Interleaver, was_authorized: bool
) -> None:
    if was_authorized:
        payments.authorize()
    interleave(payments.confirm)

    assert send_reversal(reverse, "30.00") == 200

    assert payments.ledger_table.balances() == {CUSTOMER: Decimal("70.00")}
    assert payments.anomalies() == set()


@pytest.mark.parametrize("was_authorized", [False, True], ids=["unauthorized", "authorized"])
def test_a_reversal_that_comes_before_its_payment_is_written_leaves_the_rest_to_be_posted(
    payments: CallbackDriver, reverse: LambdaFunction, interleave: Interleaver, was_authorized: bool
) -> None:
    if was_authorized:
        payments.authorize()
    # The second attempt writes the confirmation, because its type differs or the payment is unauthorized.
    interleave(None, lambda: send_reversal(reverse, "30.00"))

    payments.confirm(payment_type="cash")

    assert payments.ledger_table.balances() == {CUSTOMER: Decimal("70.00")}
    assert payments.anomalies() == {"reversed_unknown"}
    assert payments.spent() == total("100.00")


@pytest.mark.parametrize(("interleaved", "posted"), [("authorization", 100), ("reversal", 70)])
def test_a_payment_that_is_told_after_its_decline_is_posted_whatever_comes_before_it_is_written(
    payments: CallbackDriver, reverse: LambdaFunction, interleave: Interleaver, interleaved: str, posted: int
) -> None:
    payments.decline()
    steps = {"authorization": payments.authorize, "reversal": lambda: send_reversal(reverse, "30.00")}
    interleave(None, steps[interleaved])

    payments.confirm()

    assert payments.item()["outcome"] == "payment"
    assert payments.ledger_table.balances() == {CUSTOMER: posted}
    assert payments.spent() == total("100.00")
    assert "outcome_contradicted" in payments.anomalies()


def test_two_reversals_at_the_same_time_are_both_taken_back_but_not_more_than_was_posted(
    payments: CallbackDriver, reverse: LambdaFunction, interleave: Interleaver
) -> None:
    payments.confirm()
    interleave(lambda: send_reversal(reverse, "30.00"))
    assert send_reversal(reverse, "40.00") == 200
    assert payments.ledger_table.balances() == {CUSTOMER: Decimal("30.00")}

    interleave(lambda: send_reversal(reverse, "20.00"))
    assert send_reversal(reverse, "25.00") == 200
    assert payments.ledger_table.balances() == {CUSTOMER: 0}
    assert payments.anomalies() == {"reversed_too_much"}


def test_one_reversal_told_twice_at_the_same_time_is_taken_back_and_counted_once(
    payments: CallbackDriver, reverse: LambdaFunction, ledger_table: LedgerFixture, interleave: Interleaver
) -> None:
    payments.confirm()
    interleave(lambda: send_reversal(reverse, "30.00"))

    assert send_reversal(reverse, "30.00") == 200

    assert ledger_table.balances() == {CUSTOMER: Decimal("70.00")}
    [year_counts] = [item for item in ledger_table.all_items() if item["sk"] == "REVERSALS#2026"]
    assert year_counts["returns_2026-11-20"] == 1


def test_a_payment_that_fails_before_its_reversal_is_written_moves_nothing(
    payments: CallbackDriver, reverse: LambdaFunction, interleave: Interleaver
) -> None:
    payments.authorize()
    interleave(payments.decline)

    assert send_reversal(reverse, "30.00") == 200

    assert payments.ledger_table.balances() == {}
    assert payments.anomalies() == {"reversed_unknown"}


def test_a_payment_that_is_declined_before_its_unasked_outcome_is_written_is_marked(
    payments: CallbackDriver, interleave: Interleaver
) -> None:
    interleave(None, lambda: payments.authorize(payment_currency="CAD"))

    payments.confirm()

    assert payments.anomalies() == {"paid_after_decline", "amount_differs"}
    assert payments.spent() == total("100.00")


@pytest.mark.parametrize("interleaved", ["1", "2"], ids=["same payment", "another payment"])
def test_a_released_payment_that_is_asked_about_again_is_decided_once_and_never_past_the_limit(
    payments: CallbackDriver, deployed_policy: FakeAppConfig, interleave: Interleaver, interleaved: str
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    payments.authorize("1")
    payments.release("1")
    interleave(lambda: payments.authorize(interleaved))

    assert payments.authorize("1") is (interleaved == "1")
    assert payments.spent() == total("100.00")


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_an_outcome_that_comes_before_a_released_payment_is_decided_anew_counts_once(
    payments: CallbackDriver, interleave: Interleaver, status: str
) -> None:
    payments.authorize()
    payments.release()
    interleave(lambda: payments.confirm(status=status))

    assert payments.authorize()
    assert payments.spent() == (total("100.00") if status == "payment" else {})
