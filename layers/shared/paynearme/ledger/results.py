"""The results of the ledger's operations, with their log fields and metrics."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from paynearme.ledger.anomalies import Anomaly
from paynearme.policy import ConsumerText, Decision, Reason
from paynearme.policy.texts import render
from paynearme.protocol.callbacks import AuthorizationResponse, Outcome
from paynearme.protocol.quarantine import parse_identifier
from paynearme.protocol.reversals import ReversalKind

_SITE_PAYMENT_NAMESPACE = uuid.UUID("8d9d0fd5-0f0c-4c31-9f1d-2f5b6a3b7f43")


@dataclass(frozen=True)
class AuthorizationResult:
    """The stored decision. ``is_duplicate``: an earlier authorization stored it."""

    decision: Decision
    decided_at: datetime
    site_payment_identifier: str | None
    is_duplicate: bool
    anomalies: frozenset[Anomaly] = frozenset()

    @property
    def log_fields(self) -> dict[str, Any]:
        """Return the fields for the log line."""
        decision = {"accepted": self.decision.accept, "decision_reason": self.decision.reason}
        return {**decision, "duplicate": self.is_duplicate, **_anomaly_log_fields(self.anomalies)}

    @property
    def metrics(self) -> dict[str, int]:
        """Return metric values by metric name."""
        if self.is_duplicate:
            return {"AuthorizationDuplicate": 1}
        if self.decision.accept:
            return {"AuthorizationAccepted": 1, **_anomaly_metrics(self.anomalies)}
        by_reason = f"Declined{pascal_case(self.decision.reason)}"
        return {"AuthorizationDeclined": 1, by_reason: 1, **_anomaly_metrics(self.anomalies)}

    def to_response(self, pnm_order_identifier: str) -> AuthorizationResponse:
        """Return the response for PayNearMe, which is equal for duplicates.

        PayNearMe's samples contain the time of the decision in ``memo``.
        """
        return AuthorizationResponse(
            pnm_order_identifier=pnm_order_identifier,
            accept_payment="yes" if self.decision.accept else "no",
            decline_reason=self.decision.decline_reason,
            receipt=self.decision.receipt,
            memo=self.decided_at.strftime("%Y-%m-%d %H:%M:%S %z"),
            site_payment_identifier=self.site_payment_identifier,
        )


@dataclass(frozen=True)
class ConfirmationResult:
    """The effect of a confirmation. ``is_duplicate``: an earlier confirmation stored the outcome.

    A duplicate posts nothing. If it contradicts the stored outcome, the ledger stores an anomaly.
    ``confirmed_amount`` is the paid amount that it posted, or ``None`` for a duplicate, a decline or a test payment.
    """

    outcome: Outcome
    is_duplicate: bool
    anomalies: frozenset[Anomaly] = frozenset()
    confirmed_amount: Decimal | None = None

    @property
    def log_fields(self) -> dict[str, Any]:
        """Return the fields for the log line."""
        return {"outcome": self.outcome, "duplicate": self.is_duplicate, **_anomaly_log_fields(self.anomalies)}

    @property
    def metrics(self) -> dict[str, int]:
        """Return the metrics. The amount is in whole cents, because CloudWatch stores floating-point numbers."""
        outcome_metric = "PaymentConfirmed" if self.outcome is Outcome.PAYMENT else "PaymentFailed"
        metrics = {"ConfirmationDuplicate" if self.is_duplicate else outcome_metric: 1}
        if self.confirmed_amount is not None:
            metrics["ConfirmedAmountCents"] = int(self.confirmed_amount * 100)
        return metrics | _anomaly_metrics(self.anomalies)


@dataclass(frozen=True)
class ReversalResult:
    """The effect of a reversal. ``is_duplicate``: an earlier callback stored it, and this one changed nothing."""

    kind: ReversalKind
    is_duplicate: bool
    anomalies: frozenset[Anomaly] = frozenset()

    @property
    def log_fields(self) -> dict[str, Any]:
        """Return the fields for the log line."""
        return {"reversal_kind": str(self.kind), "duplicate": self.is_duplicate, **_anomaly_log_fields(self.anomalies)}

    @property
    def metrics(self) -> dict[str, int]:
        """Return metric values by metric name."""
        if self.is_duplicate:
            return {"ReversalDuplicate": 1}
        metrics = {} if self.kind is ReversalKind.UNDONE else {"PaymentReversed": 1}
        if self.kind in (ReversalKind.CHARGEBACK, ReversalKind.RETURN):
            metrics[f"Reversed{pascal_case(self.kind)}"] = 1
        return metrics | _anomaly_metrics(self.anomalies)


def site_payment_identifier(site_id: str, pnm_payment_identifier: str, *, test: bool) -> str:
    """Return the merchant's identifier of a payment that PayNearMe created without one.

    It is derived (UUID version 5), so that a decline without a decision contains the same identifier.
    """
    return str(uuid.uuid5(_SITE_PAYMENT_NAMESPACE, f"{'test' if test else 'live'}/{site_id}/{pnm_payment_identifier}"))


def decline_without_decision(
    text: ConsumerText, reason: Reason, parameters: Mapping[str, str], now: datetime
) -> AuthorizationResult:
    """Return the decline of an authorization for which no decision is stored.

    ``text`` is the consumer text for ``reason``. ``parameters`` can be unverified or invalid.
    """
    identifier = parse_identifier(parameters.get("site_payment_identifier"))
    payment = parameters.get("pnm_payment_identifier")
    if identifier is None and payment:
        is_test = parameters.get("test") == "true"
        identifier = site_payment_identifier(parameters.get("site_identifier", ""), payment, test=is_test)
    decision = Decision(False, reason, render(text.decline_reason or "", {}), render(text.receipt, {}))
    return AuthorizationResult(decision, now, identifier, is_duplicate=False)


def _anomaly_log_fields(anomalies: frozenset[Anomaly]) -> dict[str, Any]:
    return {"anomalies": sorted(anomalies)} if anomalies else {}


def _anomaly_metrics(anomalies: frozenset[Anomaly]) -> dict[str, int]:
    """Return the number of anomalies, and 1 for each of them."""
    by_kind = {f"Anomaly{pascal_case(anomaly)}": 1 for anomaly in sorted(anomalies)}
    return {"Anomaly": len(by_kind), **by_kind} if by_kind else {}


def pascal_case(code: str) -> str:
    """Return a code such as ``order_expired`` in PascalCase, for the name of a metric."""
    return code.title().replace("_", "")
