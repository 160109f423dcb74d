"""Concurrent outcomes, releases and reversals of one payment are each counted once."""

from decimal import Decimal

import pytest

from tests.support.callback_driver import NOON, CallbackDriver, reversal, send_at, total
from tests.support.callback_fixtures import CUSTOMER
from tests.support.harness import LambdaFunction, LedgerFixture
from tests.support.interleaving import Interleaver


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_release_overtaken_by_outcome_changes_nothing(
    callback_driver: CallbackDriver, interleave: Interleaver, status: str
) -> None:
    callback_driver.authorize()
    interleave(lambda: callback_driver.confirm(status=status))

    assert not callback_driver.release()

    assert callback_driver.spent() == (total("100.00") if status == "payment" else {})
    assert "released_at" not in callback_driver.item()


def test_concurrent_releases_subtract_spending_once(callback_driver: CallbackDriver, interleave: Interleaver) -> None:
    callback_driver.authorize("1")
    callback_driver.authorize("2")
    interleave(lambda: callback_driver.release("1"))

    assert not callback_driver.release("1")
    assert callback_driver.spent() == total("100.00")


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_confirm_overtaken_by_release_counts_once(
    callback_driver: CallbackDriver, interleave: Interleaver, status: str
) -> None:
    callback_driver.authorize("1")
    callback_driver.authorize("2")
    # The outcome differs from the authorization, so the second attempt writes it.
    interleave(None, lambda: callback_driver.release("1"))

    callback_driver.confirm("1", status=status, payment_amount="30.00")

    assert callback_driver.spent() == total("130.00" if status == "payment" else "100.00")
    assert ("paid_after_release" in callback_driver.anomalies("1")) is (status == "payment")


def send_reversal(reverse: LambdaFunction, amount: str) -> int:
    """Return the response status for a partial reversal of payment 1."""
    return send_at(NOON, reverse, reversal(pnm_payment_identifier="1", reverse_amount=amount)).status


def test_reversal_overtaken_by_posting_debits_balance(
    callback_driver: CallbackDriver, reverse: LambdaFunction, interleave: Interleaver
) -> None:
    interleave(callback_driver.confirm)

    assert send_reversal(reverse, "30.00") == 200

    assert callback_driver.ledger_table.balances() == {CUSTOMER: Decimal("70.00")}
    assert callback_driver.anomalies() == set()


def test_confirm_overtaken_by_reversal_posts_remainder(
    callback_driver: CallbackDriver, reverse: LambdaFunction, interleave: Interleaver
) -> None:
    callback_driver.authorize()
    # The second attempt writes the confirmation, because its type differs.
    interleave(None, lambda: send_reversal(reverse, "30.00"))

    callback_driver.confirm(payment_type="cash")

    assert callback_driver.ledger_table.balances() == {CUSTOMER: Decimal("70.00")}
    assert callback_driver.anomalies() == {"reversed_unknown"}
    assert callback_driver.spent() == total("100.00")


@pytest.mark.parametrize(
    ("interleaved", "posted"), [("authorize", 100), ("reverse", 70), ("decline", 100), ("confirm", 100)]
)
def test_confirm_paid_after_failed_posted_despite_race(
    callback_driver: CallbackDriver, reverse: LambdaFunction, interleave: Interleaver, interleaved: str, posted: int
) -> None:
    callback_driver.decline()
    # The first write conflicts with the decline. The second write stores the payment.
    interleave(None, getattr(callback_driver, interleaved, lambda: send_reversal(reverse, "30.00")))

    callback_driver.confirm()

    assert callback_driver.item()["outcome"] == "payment"
    assert callback_driver.ledger_table.balances() == {CUSTOMER: posted}
    assert callback_driver.spent() == total("100.00")
    assert "outcome_contradicted" in callback_driver.anomalies()


def test_concurrent_reversals_never_exceed_posted_amount(
    callback_driver: CallbackDriver, reverse: LambdaFunction, interleave: Interleaver
) -> None:
    callback_driver.confirm()
    interleave(lambda: send_reversal(reverse, "30.00"))
    assert send_reversal(reverse, "40.00") == 200
    assert callback_driver.ledger_table.balances() == {CUSTOMER: Decimal("30.00")}

    interleave(lambda: send_reversal(reverse, "20.00"))
    assert send_reversal(reverse, "25.00") == 200
    assert callback_driver.ledger_table.balances() == {CUSTOMER: 0}
    assert callback_driver.anomalies() == {"reversed_too_much"}


def test_concurrent_duplicate_reversals_debit_and_count_once(
    callback_driver: CallbackDriver, reverse: LambdaFunction, ledger_table: LedgerFixture, interleave: Interleaver
) -> None:
    callback_driver.confirm()
    interleave(lambda: send_reversal(reverse, "30.00"))

    assert send_reversal(reverse, "30.00") == 200

    assert ledger_table.balances() == {CUSTOMER: Decimal("70.00")}
    [year_counts] = [item for item in ledger_table.all_items() if item["sk"] == "REVERSALS#2026"]
    assert year_counts["returns_2026-11-20"] == 1


def test_confirm_overtaken_by_declined_authorization_flagged(
    callback_driver: CallbackDriver, interleave: Interleaver
) -> None:
    interleave(None, lambda: callback_driver.authorize(payment_currency="CAD"))

    callback_driver.confirm()

    assert callback_driver.anomalies() == {"paid_after_decline", "amount_differs"}
    assert callback_driver.spent() == total("100.00")
