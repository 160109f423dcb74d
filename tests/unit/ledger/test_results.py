from datetime import datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from paynearme.ledger.anomalies import Anomaly
from paynearme.ledger.results import (
    AuthorizationResult,
    ConfirmationResult,
    ReversalResult,
    decline_without_decision,
    site_payment_identifier,
)
from paynearme.policy import ConsumerText, Decision, Reason
from paynearme.protocol.callbacks import Outcome
from paynearme.protocol.reversals import ReversalKind

DECIDED_AT = datetime(2026, 11, 20, 9, 5, 7, tzinfo=timezone(timedelta(hours=-7)))
ACCEPTED = Decision(accept=True, reason=Reason.ACCEPTED, decline_reason=None, receipt="Thank you")
DECLINED = Decision(accept=False, reason="removed_reason", decline_reason="No", receipt="^Sorry")
type LedgerResult = AuthorizationResult | ConfirmationResult | ReversalResult


def authorized(
    decision: Decision, is_duplicate: bool = False, anomalies: frozenset[Anomaly] = frozenset()
) -> AuthorizationResult:
    return AuthorizationResult(decision, DECIDED_AT, "SPI-123", is_duplicate, anomalies)


def test_authorization_response_of_decision_and_duplicate() -> None:
    response = authorized(ACCEPTED).to_response("80080175585")
    assert response.fields() == {
        "pnm_order_identifier": "80080175585",
        "accept_payment": "yes",
        "receipt": "Thank you",
        "memo": "2026-11-20 09:05:07 -0700",
        "site_payment_identifier": "SPI-123",
    }
    assert authorized(ACCEPTED, is_duplicate=True).to_response("80080175585") == response
    fields = authorized(DECLINED).to_response("80080175585").fields()
    assert (fields["accept_payment"], fields["decline_reason"], fields["receipt"]) == ("no", "No", "^Sorry")


def test_authorization_metrics_and_log_fields() -> None:
    assert authorized(ACCEPTED).metrics == {"AuthorizationAccepted": 1}
    # A stored decision can have a reason that the code does not define any more.
    assert authorized(DECLINED).metrics == {"AuthorizationDeclined": 1, "DeclinedRemovedReason": 1}
    assert authorized(ACCEPTED, is_duplicate=True).metrics == {"AuthorizationDuplicate": 1}
    decision = {"accepted": False, "decision_reason": "removed_reason"}
    assert authorized(DECLINED).log_fields == {**decision, "duplicate": False}
    assert authorized(DECLINED, is_duplicate=True).log_fields == {**decision, "duplicate": True}


def test_confirmation_metrics_and_log_fields() -> None:
    assert ConfirmationResult(Outcome.PAYMENT, is_duplicate=False).metrics == {"PaymentConfirmed": 1}
    assert ConfirmationResult(Outcome.DECLINE, is_duplicate=False).metrics == {"PaymentFailed": 1}
    for outcome in Outcome:
        result = ConfirmationResult(outcome, is_duplicate=True)
        assert result.metrics == {"ConfirmationDuplicate": 1}
        assert result.log_fields == {"outcome": outcome, "duplicate": True}
    for amount, cents in (("0.00", 0), ("0.29", 29), ("999999999999.99", 99999999999999)):
        result = ConfirmationResult(Outcome.PAYMENT, is_duplicate=False, confirmed_amount=Decimal(amount))
        assert result.metrics == {"PaymentConfirmed": 1, "ConfirmedAmountCents": cents}


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (ReversalKind.CHARGEBACK, ["PaymentReversed", "ReversedChargeback"]),
        (ReversalKind.RETURN, ["PaymentReversed", "ReversedReturn"]),
        (ReversalKind.OTHER, ["PaymentReversed"]),
        (ReversalKind.UNKNOWN, ["PaymentReversed"]),
        (ReversalKind.UNDONE, []),
    ],
)
def test_reversal_metrics_by_reversal_kind(kind: ReversalKind, names: list[str]) -> None:
    assert ReversalResult(kind, is_duplicate=False).metrics == dict.fromkeys(names, 1)
    assert ReversalResult(kind, is_duplicate=True).metrics == {"ReversalDuplicate": 1}
    assert ReversalResult(kind, is_duplicate=False).log_fields == {"reversal_kind": str(kind), "duplicate": False}


def test_anomalies_logged_and_counted_with_result() -> None:
    anomalies = frozenset({Anomaly.PAID_AFTER_DECLINE, Anomaly.ORDER_DIFFERS})
    results: list[tuple[LedgerResult, LedgerResult]] = [
        (authorized(ACCEPTED, anomalies=anomalies), authorized(ACCEPTED)),
        (authorized(DECLINED, anomalies=anomalies), authorized(DECLINED)),
        (ConfirmationResult(Outcome.PAYMENT, False, anomalies), ConfirmationResult(Outcome.PAYMENT, False)),
        (ReversalResult(ReversalKind.RETURN, False, anomalies), ReversalResult(ReversalKind.RETURN, False)),
    ]
    for result, base in results:
        assert result.log_fields == {**base.log_fields, "anomalies": ["order_differs", "paid_after_decline"]}
        counts = {"Anomaly": 2, "AnomalyOrderDiffers": 1, "AnomalyPaidAfterDecline": 1}
        assert result.metrics == base.metrics | counts


IDENTIFIERS = {
    "site_identifier": "S2155373459",
    "pnm_order_identifier": "80080175585",
    "pnm_payment_identifier": "830466818968",
}


def decline(parameters: dict[str, str], reason: Reason = Reason.CANNOT_DECIDE_NOW) -> AuthorizationResult:
    text = ConsumerText(decline_reason="Not now <pnm_fee />", receipt="^Later")
    return decline_without_decision(text, reason, parameters, DECIDED_AT)


@pytest.mark.parametrize(
    ("reason", "metric"),
    [
        (Reason.CANNOT_DECIDE_NOW, "DeclinedCannotDecideNow"),
        (Reason.CALLBACK_QUARANTINED, "DeclinedCallbackQuarantined"),
        (Reason.STALE_TIMESTAMP, "DeclinedStaleTimestamp"),
    ],
)
def test_decline_without_decision_response_and_metrics(reason: Reason, metric: str) -> None:
    result = decline(IDENTIFIERS, reason)
    assert result.to_response(IDENTIFIERS["pnm_order_identifier"]).fields() == {
        "pnm_order_identifier": "80080175585",
        "accept_payment": "no",
        "decline_reason": "Not now <pnm_fee />",
        "receipt": "^Later",
        "memo": "2026-11-20 09:05:07 -0700",
        "site_payment_identifier": site_payment_identifier("S2155373459", "830466818968", test=False),
    }
    assert result.metrics == {"AuthorizationDeclined": 1, metric: 1}
    with pytest.raises(ValueError, match="pnm_order_identifier"):
        result.to_response("1\n2")


def test_decline_without_decision_only_valid_identifier_returned() -> None:
    assert decline(IDENTIFIERS | {"site_payment_identifier": "payment-1"}).site_payment_identifier == "payment-1"
    derived = decline(IDENTIFIERS).site_payment_identifier
    for invalid in ("", "1\n2", "x" * 257):
        assert decline(IDENTIFIERS | {"site_payment_identifier": invalid}).site_payment_identifier == derived
    assert decline({"pnm_order_identifier": "1"}).site_payment_identifier is None


def test_site_payment_identifier_unique_and_same_in_decline() -> None:
    changes = [{}, {"test": "true"}, {"pnm_payment_identifier": "830466818969"}, {"site_identifier": "S2155373450"}]
    identifiers = [decline(IDENTIFIERS | change).site_payment_identifier for change in changes]
    assert identifiers[1] == site_payment_identifier("S2155373459", "830466818968", test=True)
    assert decline(IDENTIFIERS | {"test": "false"}).site_payment_identifier == identifiers[0]
    assert {str(UUID(identifier)) for identifier in identifiers} == set(identifiers)
    assert len(set(identifiers)) == 4
