from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from paynearme.messages import Outcome
from paynearme.payments import Anomaly, Authorized, Confirmed, site_payment_identifier
from paynearme.policy import Decision, Reason, accepted, declined

DECIDED_AT = datetime(2026, 11, 20, 9, 5, 7, tzinfo=UTC)


def authorized(decision: Decision, *, repeated: bool = False, anomaly: Anomaly | None = None) -> Authorized:
    return Authorized(decision, DECIDED_AT, "SPI-123", repeated, frozenset({anomaly} if anomaly else ()))


def test_an_accepted_payment_is_answered_with_yes_and_its_receipt() -> None:
    assert authorized(accepted()).to_answer("80080175585").fields() == {
        "pnm_order_identifier": "80080175585",
        "accept_payment": "yes",
        "receipt": accepted().receipt,
        "memo": "2026-11-20 09:05:07 +0000",
        "site_payment_identifier": "SPI-123",
    }


def test_a_declined_payment_is_answered_with_no_and_its_reason() -> None:
    fields = authorized(declined(Reason.AMOUNT_NOT_POSITIVE)).to_answer("80080175585").fields()
    assert fields["accept_payment"] == "no"
    assert fields["decline_reason"] == declined(Reason.AMOUNT_NOT_POSITIVE).decline_reason
    assert fields["receipt"] == declined(Reason.AMOUNT_NOT_POSITIVE).receipt


def test_a_repeat_is_answered_like_the_first_question() -> None:
    first, again = authorized(accepted()), authorized(accepted(), repeated=True)
    assert first.to_answer("80080175585") == again.to_answer("80080175585")


def test_the_memo_is_spelled_as_in_the_documents() -> None:
    pacific = DECIDED_AT.astimezone(timezone(timedelta(hours=-7)))
    answer = Authorized(accepted(), pacific, "SPI-123", repeated=False).to_answer("80080175585")
    assert answer.memo == "2026-11-20 02:05:07 -0700"


def test_our_identifier_of_a_payment_is_the_same_at_each_call() -> None:
    first = site_payment_identifier("S2155373459", "830466818968", test=False)
    assert first == site_payment_identifier("S2155373459", "830466818968", test=False)
    assert str(UUID(first)) == first


def test_our_identifiers_differ_between_payments_sites_and_tests() -> None:
    of_each = {
        site_payment_identifier("S2155373459", "830466818968", test=False),
        site_payment_identifier("S2155373459", "830466818969", test=False),
        site_payment_identifier("S2155373450", "830466818968", test=False),
        site_payment_identifier("S2155373459", "830466818968", test=True),
    }
    assert len(of_each) == 4


def test_decisions_repeats_and_outcomes_are_counted_apart() -> None:
    results: list[Authorized | Confirmed] = [
        authorized(accepted()),
        authorized(declined(Reason.CURRENCY_NOT_ACCEPTED)),
        authorized(accepted(), repeated=True),
        Confirmed(Outcome.PAYMENT, repeated=False),
        Confirmed(Outcome.DECLINE, repeated=False),
        Confirmed(Outcome.PAYMENT, repeated=True),
    ]
    assert len({name for result in results for name in result.counts}) == len(results)


@pytest.mark.parametrize("anomaly", Anomaly)
def test_every_anomaly_is_noted_and_counted_beside_the_result(anomaly: Anomaly) -> None:
    confirmed = Confirmed(Outcome.PAYMENT, repeated=False, anomalies=frozenset({anomaly}))
    pairs: list[tuple[Authorized | Confirmed, Authorized | Confirmed]] = [
        (authorized(accepted(), anomaly=anomaly), authorized(accepted())),
        (confirmed, Confirmed(Outcome.PAYMENT, repeated=False)),
    ]
    for result, plain in pairs:
        assert result.notes == {**plain.notes, "anomalies": [anomaly]}
        [counted] = set(result.counts) - set(plain.counts)
        assert counted.lower() == f"anomaly{anomaly}".replace("_", "")
        assert counted.isalpha()
