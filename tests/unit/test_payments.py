from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from paynearme.messages import Outcome, ReversalKind
from paynearme.payments import (
    Anomaly,
    Authorized,
    Confirmed,
    Reversed,
    site_payment_identifier,
    unheard,
)
from paynearme.policy import Decision, Reason, Text

DECIDED_AT = datetime(2026, 11, 20, 9, 5, 7, tzinfo=UTC)
ACCEPTED = Decision(accept=True, reason=Reason.ACCEPTED, decline_reason=None, receipt="Thank you")
type Result = Authorized | Confirmed | Reversed


def declined(reason: Reason = Reason.AMOUNT_NOT_POSITIVE) -> Decision:
    return Decision(accept=False, reason=reason, decline_reason="No", receipt="^Sorry")


def authorized(decision: Decision, *, repeated: bool = False, anomaly: Anomaly | None = None) -> Authorized:
    return Authorized(decision, DECIDED_AT, "SPI-123", repeated, frozenset({anomaly} if anomaly else ()))


def test_an_accepted_payment_is_answered_with_yes_and_its_receipt() -> None:
    assert authorized(ACCEPTED).to_answer("80080175585").fields() == {
        "pnm_order_identifier": "80080175585",
        "accept_payment": "yes",
        "receipt": "Thank you",
        "memo": "2026-11-20 09:05:07 +0000",
        "site_payment_identifier": "SPI-123",
    }


def test_a_declined_payment_is_answered_with_no_and_its_reason() -> None:
    fields = authorized(declined()).to_answer("80080175585").fields()
    assert (fields["accept_payment"], fields["decline_reason"], fields["receipt"]) == ("no", "No", "^Sorry")


def test_a_repeat_is_answered_like_the_first_question() -> None:
    first, again = authorized(ACCEPTED), authorized(ACCEPTED, repeated=True)
    assert first.to_answer("80080175585") == again.to_answer("80080175585")


def test_the_memo_is_spelled_as_in_the_documents() -> None:
    pacific = DECIDED_AT.astimezone(timezone(timedelta(hours=-7)))
    answer = Authorized(ACCEPTED, pacific, "SPI-123", repeated=False).to_answer("80080175585")
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


def test_decisions_repeats_outcomes_and_reversals_are_counted_apart() -> None:
    results: list[Result] = [
        authorized(ACCEPTED),
        authorized(declined()),
        authorized(ACCEPTED, repeated=True),
        Confirmed(Outcome.PAYMENT, repeated=False),
        Confirmed(Outcome.DECLINE, repeated=False),
        Confirmed(Outcome.PAYMENT, repeated=True),
        Reversed(ReversalKind.OTHER, repeated=False),
        Reversed(ReversalKind.OTHER, repeated=True),
    ]
    assert len({next(iter(result.counts)) for result in results}) == len(results)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.ACCEPTED])
def test_each_reason_of_a_decline_is_counted_under_its_name(reason: Reason) -> None:
    made, by_reason = authorized(declined(reason)).counts

    assert made == "AuthorizationDeclined"
    assert by_reason.isalpha()
    assert by_reason.lower() == f"declined{reason}".replace("_", "")


def test_a_decline_for_the_reason_of_a_former_version_is_counted_too() -> None:
    former = Decision(accept=False, reason="former_reason", decline_reason="No", receipt="^Sorry")
    assert authorized(former).counts == {"AuthorizationDeclined": 1, "DeclinedFormerReason": 1}


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (ReversalKind.CHARGEBACK, ["PaymentReversed", "ReversedChargeback"]),
        (ReversalKind.RETURN, ["PaymentReversed", "ReversedReturn"]),
        (ReversalKind.OTHER, ["PaymentReversed"]),
    ],
)
def test_reversals_are_counted_by_what_is_counted_of_a_customer(kind: ReversalKind, names: list[str]) -> None:
    assert Reversed(kind, repeated=False).counts == dict.fromkeys(names, 1)
    assert Reversed(kind, repeated=True).counts == {"ReversalDuplicate": 1}
    assert Reversed(kind, repeated=False).notes == {"kind": str(kind), "repeated": False}


@pytest.mark.parametrize("anomaly", Anomaly)
def test_every_anomaly_is_noted_and_counted_beside_the_result(anomaly: Anomaly) -> None:
    found = frozenset({anomaly})
    pairs: list[tuple[Result, Result]] = [
        (authorized(ACCEPTED, anomaly=anomaly), authorized(ACCEPTED)),
        (Confirmed(Outcome.PAYMENT, False, found), Confirmed(Outcome.PAYMENT, repeated=False)),
        (Reversed(ReversalKind.RETURN, False, found), Reversed(ReversalKind.RETURN, repeated=False)),
    ]
    for result, plain in pairs:
        assert result.notes == {**plain.notes, "anomalies": [anomaly]}
        total, by_kind = (name for name in result.counts if name not in plain.counts)
        assert total == "Anomaly"
        assert by_kind.lower() == f"anomaly{anomaly}".replace("_", "")
        assert by_kind.isalpha()


def test_the_total_of_anomalies_is_what_all_kinds_add_up_to() -> None:
    counts = Confirmed(Outcome.PAYMENT, repeated=False, anomalies=frozenset(Anomaly)).counts
    by_kind = {name: number for name, number in counts.items() if name.startswith("Anomaly")}
    assert by_kind.pop("Anomaly") == sum(by_kind.values()) == len(Anomaly)


@pytest.mark.parametrize(
    ("amount", "cents"),
    [("0.00", 0), ("0.01", 1), ("0.29", 29), ("354.99", 35499), ("999999999999.99", 99999999999999)],
)
def test_money_in_is_counted_in_whole_cents(amount: str, cents: int) -> None:
    counts = Confirmed(Outcome.PAYMENT, repeated=False, money_in=Decimal(amount)).counts
    assert counts == {"PaymentConfirmed": 1, "ConfirmedAmountCents": cents}


NAMED = {
    "site_identifier": "S2155373459",
    "pnm_order_identifier": "80080175585",
    "pnm_payment_identifier": "830466818968",
}


def words(site: str) -> Text:
    return Text(decline_reason=f"Not now at {site}", receipt="^Later")


def test_what_cannot_be_decided_is_declined_in_the_words_of_the_site() -> None:
    declined = unheard(words, NAMED, DECIDED_AT)
    assert declined.to_answer(NAMED["pnm_order_identifier"]).fields() == {
        "pnm_order_identifier": "80080175585",
        "accept_payment": "no",
        "decline_reason": "Not now at S2155373459",
        "receipt": "^Later",
        "memo": "2026-11-20 09:05:07 +0000",
        "site_payment_identifier": site_payment_identifier("S2155373459", "830466818968", test=False),
    }


@pytest.mark.parametrize(
    ("said", "identifier"),
    [
        ({"site_payment_identifier": "ours"}, "ours"),
        ({"test": "true"}, site_payment_identifier("S2155373459", "830466818968", test=True)),
        ({"test": "false"}, site_payment_identifier("S2155373459", "830466818968", test=False)),
    ],
)
def test_such_a_decline_carries_the_identifier_that_the_payment_has_later(
    said: dict[str, str], identifier: str
) -> None:
    assert unheard(words, NAMED | said, DECIDED_AT).site_payment_identifier == identifier


def test_such_a_decline_counts_as_the_decision_that_it_is() -> None:
    assert unheard(words, NAMED, DECIDED_AT).counts == {
        "AuthorizationDeclined": 1,
        "DeclinedCannotDecideNow": 1,
    }


@pytest.mark.parametrize("missing", ["site_identifier", "pnm_payment_identifier"])
def test_what_names_no_payment_cannot_be_declined(missing: str) -> None:
    parameters = {name: text for name, text in NAMED.items() if name != missing}

    with pytest.raises(KeyError):
        unheard(words, parameters, DECIDED_AT)


def test_what_names_an_order_that_is_none_cannot_be_answered() -> None:
    declined = unheard(words, NAMED, DECIDED_AT)

    with pytest.raises(ValueError, match="pnm_order_identifier"):
        declined.to_answer("1\n2")
