"""The names of all metrics, extracted from the code."""

import inspect
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from paynearme import errors
from paynearme.errors import ServiceError
from paynearme.ledger.anomalies import Anomaly
from paynearme.ledger.quarantine import QuarantineEffect, QuarantineResult
from paynearme.ledger.results import AuthorizationResult, ConfirmationResult, ReversalResult
from paynearme.platform import observability
from paynearme.policy import Decision, Reason
from paynearme.protocol.callbacks import Outcome
from paynearme.protocol.quarantine import QuarantineReason
from paynearme.protocol.reversals import ReversalKind
from tests.support.template import ROOT

_SOURCES = [*(ROOT / "layers/shared/paynearme").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
ERROR_CLASSES: list[type[ServiceError]] = [
    error for _, error in inspect.getmembers(errors, inspect.isclass) if issubclass(error, ServiceError)
]
"""All error classes of the layer, including ``ServiceError``."""

# ``_record`` of the sweep passes its first argument to ``add_metric``.
_COUNTING_CALL = re.compile(r'\b(?:add_metric|add_percentage|_record)\(\s*(?:name=)?"([A-Z][A-Za-z]+)"')


def _result_metrics() -> Iterator[str]:
    at, all_anomalies = datetime(2026, 11, 20, tzinfo=UTC), frozenset(Anomaly)
    for is_duplicate in (True, False):
        for reason in Reason:
            accept = reason is Reason.ACCEPTED
            decision = Decision(accept, reason, None if accept else "No", "")
            yield from AuthorizationResult(decision, at, "", is_duplicate, all_anomalies).metrics
        for outcome in Outcome:
            yield from ConfirmationResult(outcome, is_duplicate, all_anomalies, Decimal(0)).metrics
        for kind in ReversalKind:
            yield from ReversalResult(kind, is_duplicate, all_anomalies).metrics
    for effect in QuarantineEffect:
        for cause in QuarantineReason:
            yield from QuarantineResult(cause, "", effect).metrics


ALL_METRIC_NAMES: frozenset[str] = frozenset(
    (
        *(name for path in _SOURCES for name in _COUNTING_CALL.findall(path.read_text(encoding="utf-8"))),
        *_result_metrics(),
        *(name for error in ERROR_CLASSES for name in (error.metric, error.upstream_metric) if name),
        observability.CALL_SUCCEEDED,
        observability.DURATION,
    )
)
"""All metric names in the namespace ``PayNearMe``."""
