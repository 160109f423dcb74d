import pytest

from paynearme.messages import Authorization, read_message
from paynearme.policy import CURRENCY, Decision, Reason, accepted, decide, declined
from tests.messages import valid_authorization

DECLINING = [reason for reason in Reason if reason is not Reason.ACCEPTED]


def decide_on(**changes: str) -> Decision:
    return decide(read_message(Authorization, valid_authorization(**changes)))


def test_a_payment_in_dollars_of_a_positive_amount_is_accepted() -> None:
    assert CURRENCY == "USD"
    assert decide_on() == accepted()


@pytest.mark.parametrize("amount", ["0.01", "999999999999.99"])
def test_the_least_and_the_most_amount_are_accepted(amount: str) -> None:
    assert decide_on(payment_amount=amount).accept


@pytest.mark.parametrize("amount", ["0", "0.00", "-0", "-0.01", "-354.99"])
def test_an_amount_of_nothing_or_less_is_declined(amount: str) -> None:
    assert decide_on(payment_amount=amount) == declined(Reason.AMOUNT_NOT_POSITIVE)


@pytest.mark.parametrize("currency", ["CAD", "EUR", "USN", "XXX"])
def test_another_currency_is_declined(currency: str) -> None:
    assert decide_on(payment_currency=currency) == declined(Reason.CURRENCY_NOT_ACCEPTED)


def test_the_currency_is_asked_before_the_amount() -> None:
    assert decide_on(payment_currency="CAD", payment_amount="0").reason is Reason.CURRENCY_NOT_ACCEPTED


def test_a_net_amount_of_nothing_is_no_reason_to_decline() -> None:
    assert decide_on(net_payment_amount="0.00", net_payment_currency="USD").accept


@pytest.mark.parametrize("reason", DECLINING)
def test_every_reason_to_decline_has_its_texts(reason: Reason) -> None:
    decision = declined(reason)
    assert not decision.accept
    assert decision.reason is reason
    assert decision.decline_reason
    assert decision.receipt


def test_reasons_to_decline_are_told_apart_by_their_texts() -> None:
    assert len({declined(reason).decline_reason for reason in DECLINING}) == len(DECLINING)


def test_an_accepted_payment_has_a_receipt_and_no_reason_to_decline() -> None:
    assert accepted().accept
    assert accepted().decline_reason is None
    assert "<pnm_payment />" in accepted().receipt


@pytest.mark.parametrize("decision", [accepted(), *map(declined, DECLINING)], ids=lambda d: str(d.reason))
def test_no_receipt_is_longer_than_paynearme_takes(decision: Decision) -> None:
    assert len(decision.receipt) <= 3000
