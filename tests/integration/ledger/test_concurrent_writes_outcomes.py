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
def test_release_overtaken_by_outcome_changes_nothing(
    callback_driver: CallbackDriver, interleave: Interleaver, status: str, changes: dict[str, str]
) -> None:
    callback_driver.authorize()
    interleave(lambda: callback_driver.confirm(status=status, **changes))

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


@pytest.mark.parametrize("first", ["payment", "decline"])
def test_concurrent_outcomes_count_and_post_once(
    callback_driver: CallbackDriver, interleave: Interleaver, first: str
) -> None:
    callback_driver.authorize()
    interleave(None, lambda: callback_driver.confirm(status=first, payment_amount="30.00"))

    callback_driver.confirm(payment_amount="30.00")

    assert callback_driver.spent() == total("30.00")
    assert callback_driver.ledger_table.balances() == {"773090000": 30}


def test_concurrent_duplicate_confirm_without_policy_posts_once(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, interleave: Interleaver
) -> None:
    deployed_policy.put("no policy")
    # After a decline, the second attempt writes the payment.
    callback_driver.decline()
    interleave(None, callback_driver.confirm)

    callback_driver.confirm()

    assert callback_driver.ledger_table.balances() == {CUSTOMER: Decimal("100.00")}
    assert callback_driver.spent() == {}


def test_confirm_overtaken_by_authorization_counts_once(
    callback_driver: CallbackDriver, interleave: Interleaver
) -> None:
    interleave(None, lambda: callback_driver.authorize())

    callback_driver.at(NOON + timedelta(days=1)).confirm()

    assert callback_driver.spent() == total("100.00")
    assert callback_driver.anomalies() == set()


def send_reversal(reverse: LambdaFunction, amount: str) -> int:
    """Return the response status for a partial reversal of payment 1."""
    return send_at(NOON, reverse, reversal(pnm_payment_identifier="1", reverse_amount=amount)).status


@pytest.mark.parametrize("was_authorized", [False, True], ids=["unauthorized", "authorized"])
def test_reversal_overtaken_by_posting_debits_balance(
    callback_driver: CallbackDriver, reverse: LambdaFunction, interleave: Interleaver, was_authorized: bool
) -> None:
    if was_authorized:
        callback_driver.authorize()
    interleave(callback_driver.confirm)

    assert send_reversal(reverse, "30.00") == 200

    assert callback_driver.ledger_table.balances() == {CUSTOMER: Decimal("70.00")}
    assert callback_driver.anomalies() == set()


@pytest.mark.parametrize("was_authorized", [False, True], ids=["unauthorized", "authorized"])
def test_confirm_overtaken_by_reversal_posts_remainder(
    callback_driver: CallbackDriver, reverse: LambdaFunction, interleave: Interleaver, was_authorized: bool
) -> None:
    if was_authorized:
        callback_driver.authorize()
    # The second attempt writes the confirmation, because its type differs or the payment is unauthorized.
    interleave(None, lambda: send_reversal(reverse, "30.00"))

    callback_driver.confirm(payment_type="cash")

    assert callback_driver.ledger_table.balances() == {CUSTOMER: Decimal("70.00")}
    assert callback_driver.anomalies() == {"reversed_unknown"}
    assert callback_driver.spent() == total("100.00")


@pytest.mark.parametrize(("interleaved", "posted"), [("authorization", 100), ("reversal", 70)])
def test_confirm_paid_after_failed_posted_despite_race(
    callback_driver: CallbackDriver, reverse: LambdaFunction, interleave: Interleaver, interleaved: str, posted: int
) -> None:
    callback_driver.decline()
    steps = {"authorization": callback_driver.authorize, "reversal": lambda: send_reversal(reverse, "30.00")}
    interleave(None, steps[interleaved])

    callback_driver.confirm()

    assert callback_driver.item()["outcome"] == "payment"
    assert callback_driver.ledger_table.balances() == {CUSTOMER: posted}
    assert callback_driver.spent() == total("100.00")
    assert "outcome_contradicted" in callback_driver.anomalies()


def test_authorize_overtaken_by_paid_after_failed_flagged(
    callback_driver: CallbackDriver, interleave: Interleaver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "50.00")])
    callback_driver.decline()
    interleave(callback_driver.confirm)

    callback_driver.authorize()

    assert callback_driver.item()["decision"] == "decline"
    assert callback_driver.ledger_table.balances() == {CUSTOMER: 100}
    assert callback_driver.anomalies() >= {"paid_after_decline", "outcome_contradicted"}


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


def test_reversal_overtaken_by_failed_outcome_debits_nothing(
    callback_driver: CallbackDriver, reverse: LambdaFunction, interleave: Interleaver
) -> None:
    callback_driver.authorize()
    interleave(callback_driver.decline)

    assert send_reversal(reverse, "30.00") == 200

    assert callback_driver.ledger_table.balances() == {}
    assert callback_driver.anomalies() == {"reversed_unknown"}


def test_confirm_overtaken_by_declined_authorization_flagged(
    callback_driver: CallbackDriver, interleave: Interleaver
) -> None:
    interleave(None, lambda: callback_driver.authorize(payment_currency="CAD"))

    callback_driver.confirm()

    assert callback_driver.anomalies() == {"paid_after_decline", "amount_differs"}
    assert callback_driver.spent() == total("100.00")


@pytest.mark.parametrize("interleaved", ["1", "2"], ids=["same payment", "another payment"])
def test_reauthorize_released_payment_respects_limit(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, interleave: Interleaver, interleaved: str
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    callback_driver.authorize("1")
    callback_driver.release("1")
    interleave(lambda: callback_driver.authorize(interleaved))

    assert callback_driver.authorize("1") is (interleaved == "1")
    assert callback_driver.spent() == total("100.00")


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_reauthorize_released_overtaken_by_outcome_counts_once(
    callback_driver: CallbackDriver, interleave: Interleaver, status: str
) -> None:
    callback_driver.authorize()
    callback_driver.release()
    interleave(lambda: callback_driver.confirm(status=status))

    assert callback_driver.authorize()
    assert callback_driver.spent() == (total("100.00") if status == "payment" else {})
