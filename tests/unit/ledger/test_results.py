from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from paynearme.ledger.anomalies import Anomaly
from paynearme.ledger.results import (
    AuthorizationResult,
    ConfirmationResult,
    ReversalResult,
    fallback_decline,
    site_payment_identifier,
)
from paynearme.policy import ConsumerText, Decision, Reason
from paynearme.protocol.callbacks import Outcome
from paynearme.protocol.reversals import ReversalKind

DECIDED_AT = datetime(2026, 11, 20, 9, 5, 7, tzinfo=UTC)
ACCEPTED = Decision(accept=True, reason=Reason.ACCEPTED, decline_reason=None, receipt="Thank you")
type LedgerResult = AuthorizationResult | ConfirmationResult | ReversalResult


def decline(reason: Reason = Reason.AMOUNT_NOT_POSITIVE) -> Decision:
    return Decision(accept=False, reason=reason, decline_reason="No", receipt="^Sorry")


def authorized(
    decision: Decision, *, is_duplicate: bool = False, anomaly: Anomaly | None = None
) -> AuthorizationResult:
    return AuthorizationResult(decision, DECIDED_AT, "SPI-123", is_duplicate, frozenset({anomaly} if anomaly else ()))


def test_authorization_response_accepted_has_receipt() -> None:
    assert authorized(ACCEPTED).to_response("80080175585").fields() == {
        "pnm_order_identifier": "80080175585",
        "accept_payment": "yes",
        "receipt": "Thank you",
        "memo": "2026-11-20 09:05:07 +0000",
        "site_payment_identifier": "SPI-123",
    }


def test_authorization_response_declined_has_decline_reason() -> None:
    fields = authorized(decline()).to_response("80080175585").fields()
    assert (fields["accept_payment"], fields["decline_reason"], fields["receipt"]) == ("no", "No", "^Sorry")


def test_authorization_response_duplicate_equals_first() -> None:
    first, duplicate = authorized(ACCEPTED), authorized(ACCEPTED, is_duplicate=True)
    assert first.to_response("80080175585") == duplicate.to_response("80080175585")


def test_duplicate_authorization_is_logged_as_duplicate() -> None:
    results = (authorized(ACCEPTED), authorized(ACCEPTED, is_duplicate=True))
    assert [result.log_fields["duplicate"] for result in results] == [False, True]


def test_authorization_response_memo_documented_time_format() -> None:
    pacific = DECIDED_AT.astimezone(timezone(timedelta(hours=-7)))
    response = AuthorizationResult(ACCEPTED, pacific, "SPI-123", is_duplicate=False).to_response("80080175585")
    assert response.memo == "2026-11-20 02:05:07 -0700"


def test_site_payment_identifier_deterministic_uuid() -> None:
    first = site_payment_identifier("S2155373459", "830466818968", test=False)
    assert first == site_payment_identifier("S2155373459", "830466818968", test=False)
    assert str(UUID(first)) == first


def test_site_payment_identifier_differs_by_payment_site_test() -> None:
    identifiers = {
        site_payment_identifier("S2155373459", "830466818968", test=False),
        site_payment_identifier("S2155373459", "830466818969", test=False),
        site_payment_identifier("S2155373450", "830466818968", test=False),
        site_payment_identifier("S2155373459", "830466818968", test=True),
    }
    assert len(identifiers) == 4


def test_result_metrics_distinct_by_kind_and_duplicate() -> None:
    results: list[LedgerResult] = [
        authorized(ACCEPTED),
        authorized(decline()),
        authorized(ACCEPTED, is_duplicate=True),
        ConfirmationResult(Outcome.PAYMENT, is_duplicate=False),
        ConfirmationResult(Outcome.DECLINE, is_duplicate=False),
        ConfirmationResult(Outcome.PAYMENT, is_duplicate=True),
        ReversalResult(ReversalKind.OTHER, is_duplicate=False),
        ReversalResult(ReversalKind.OTHER, is_duplicate=True),
    ]
    assert len({next(iter(result.metrics)) for result in results}) == len(results)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.ACCEPTED])
def test_decline_metric_named_after_decision_reason(reason: Reason) -> None:
    metric, reason_metric = authorized(decline(reason)).metrics

    assert metric == "AuthorizationDeclined"
    assert reason_metric.isalpha()
    assert reason_metric.lower() == f"declined{reason}".replace("_", "")


def test_decline_metric_removed_reason_counted() -> None:
    removed_decision = Decision(accept=False, reason="removed_reason", decline_reason="No", receipt="^Sorry")
    assert authorized(removed_decision).metrics == {"AuthorizationDeclined": 1, "DeclinedRemovedReason": 1}


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (ReversalKind.CHARGEBACK, ["PaymentReversed", "ReversedChargeback"]),
        (ReversalKind.RETURN, ["PaymentReversed", "ReversedReturn"]),
        (ReversalKind.OTHER, ["PaymentReversed"]),
    ],
)
def test_reversal_metrics_by_reversal_kind(kind: ReversalKind, names: list[str]) -> None:
    assert ReversalResult(kind, is_duplicate=False).metrics == dict.fromkeys(names, 1)
    assert ReversalResult(kind, is_duplicate=True).metrics == {"ReversalDuplicate": 1}
    assert ReversalResult(kind, is_duplicate=False).log_fields == {"reversal_kind": str(kind), "duplicate": False}


@pytest.mark.parametrize("anomaly", Anomaly)
def test_anomaly_logged_and_counted_with_result(anomaly: Anomaly) -> None:
    anomalies = frozenset({anomaly})
    pairs: list[tuple[LedgerResult, LedgerResult]] = [
        (authorized(ACCEPTED, anomaly=anomaly), authorized(ACCEPTED)),
        (
            ConfirmationResult(Outcome.PAYMENT, False, anomalies),
            ConfirmationResult(Outcome.PAYMENT, is_duplicate=False),
        ),
        (
            ReversalResult(ReversalKind.RETURN, False, anomalies),
            ReversalResult(ReversalKind.RETURN, is_duplicate=False),
        ),
    ]
    for result, base in pairs:
        assert result.log_fields == {**base.log_fields, "anomalies": [anomaly]}
        total, kind_metric = (name for name in result.metrics if name not in base.metrics)
        assert total == "Anomaly"
        assert kind_metric.lower() == f"anomaly{anomaly}".replace("_", "")
        assert kind_metric.isalpha()


def test_anomaly_metric_total_is_sum_of_kinds() -> None:
    counts = ConfirmationResult(Outcome.PAYMENT, is_duplicate=False, anomalies=frozenset(Anomaly)).metrics
    counts_by_kind = {name: count for name, count in counts.items() if name.startswith("Anomaly")}
    assert counts_by_kind.pop("Anomaly") == sum(counts_by_kind.values()) == len(Anomaly)


@pytest.mark.parametrize(
    ("amount", "cents"),
    [("0.00", 0), ("0.01", 1), ("0.29", 29), ("354.99", 35499), ("999999999999.99", 99999999999999)],
)
def test_confirmed_amount_metric_in_cents(amount: str, cents: int) -> None:
    counts = ConfirmationResult(Outcome.PAYMENT, is_duplicate=False, confirmed_amount=Decimal(amount)).metrics
    assert counts == {"PaymentConfirmed": 1, "ConfirmedAmountCents": cents}


IDENTIFIERS = {
    "site_identifier": "S2155373459",
    "pnm_order_identifier": "80080175585",
    "pnm_payment_identifier": "830466818968",
}


def fallback_texts(site: str) -> ConsumerText:
    return ConsumerText(decline_reason=f"Not now at {site}", receipt="^Later")


def test_fallback_decline_response_uses_site_texts() -> None:
    fallback = fallback_decline(fallback_texts, IDENTIFIERS, DECIDED_AT)
    assert fallback.to_response(IDENTIFIERS["pnm_order_identifier"]).fields() == {
        "pnm_order_identifier": "80080175585",
        "accept_payment": "no",
        "decline_reason": "Not now at S2155373459",
        "receipt": "^Later",
        "memo": "2026-11-20 09:05:07 +0000",
        "site_payment_identifier": site_payment_identifier("S2155373459", "830466818968", test=False),
    }


@pytest.mark.parametrize(
    ("parameters", "identifier"),
    [
        ({"site_payment_identifier": "site-payment-1"}, "site-payment-1"),
        ({"test": "true"}, site_payment_identifier("S2155373459", "830466818968", test=True)),
        ({"test": "false"}, site_payment_identifier("S2155373459", "830466818968", test=False)),
    ],
)
def test_fallback_decline_has_final_site_payment_identifier(parameters: dict[str, str], identifier: str) -> None:
    assert fallback_decline(fallback_texts, IDENTIFIERS | parameters, DECIDED_AT).site_payment_identifier == identifier


def test_fallback_decline_metrics_cannot_decide_now() -> None:
    assert fallback_decline(fallback_texts, IDENTIFIERS, DECIDED_AT).metrics == {
        "AuthorizationDeclined": 1,
        "DeclinedCannotDecideNow": 1,
    }


@pytest.mark.parametrize("missing", ["site_identifier", "pnm_payment_identifier"])
def test_fallback_decline_missing_identifier_raises(missing: str) -> None:
    parameters = {name: text for name, text in IDENTIFIERS.items() if name != missing}

    with pytest.raises(KeyError):
        fallback_decline(fallback_texts, parameters, DECIDED_AT)


def test_fallback_decline_invalid_order_identifier_raises() -> None:
    fallback = fallback_decline(fallback_texts, IDENTIFIERS, DECIDED_AT)

    with pytest.raises(ValueError, match="pnm_order_identifier"):
        fallback.to_response("1\n2")
