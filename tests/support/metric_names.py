"""The names of all metrics, extracted from the code."""

import ast
import inspect
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from paynearme import errors
from paynearme.errors import ServiceError
from paynearme.ledger.anomalies import Anomaly
from paynearme.ledger.results import AuthorizationResult, ConfirmationResult, ReversalResult
from paynearme.platform import observability
from paynearme.policy import Decision, Reason
from paynearme.protocol.callbacks import Outcome
from paynearme.protocol.reversals import ReversalKind
from tests.support.template import ROOT

SOURCES = [*(ROOT / "layers/shared/paynearme").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
ERROR_CLASSES: list[type[ServiceError]] = [
    error for _, error in inspect.getmembers(errors, inspect.isclass) if issubclass(error, ServiceError)
]
"""All error classes of the layer, including ``ServiceError``."""

_NAME = re.compile(r"[A-Z][A-Za-z]+")
_METRIC_CALLS = {"add_metric", "add_percentage"}


def _metric_names(path: Path) -> Iterator[str]:
    """Yield the metric names that a file passes to a counting function, directly or through its own functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    counting_functions = {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and _counts_parameter(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _function_name(node) in _METRIC_CALLS | counting_functions:
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            yield from (str(v.value) for v in values if isinstance(v, ast.Constant))


def _counts_parameter(function: ast.FunctionDef) -> bool:
    """Return whether a function passes one of its parameters to ``add_metric``."""
    parameters = {argument.arg for argument in function.args.args}
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and _function_name(node) == "add_metric"]
    return any(isinstance(value, ast.Name) and value.id in parameters for call in calls for value in call.args)


def _function_name(call: ast.Call) -> str | None:
    return getattr(call.func, "attr", getattr(call.func, "id", None))


def _result_metrics() -> Iterator[str]:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    all_anomalies = frozenset(Anomaly)
    for reason in Reason:
        accept = reason is Reason.ACCEPTED
        decision = Decision(accept, reason, None if accept else "No", "")
        for is_duplicate in (True, False):
            yield from AuthorizationResult(decision, at, "", is_duplicate, all_anomalies).metrics
    for outcome in Outcome:
        for is_duplicate in (True, False):
            yield from ConfirmationResult(outcome, is_duplicate, all_anomalies, Decimal(0)).metrics
    for kind in ReversalKind:
        for is_duplicate in (True, False):
            yield from ReversalResult(kind, is_duplicate, all_anomalies).metrics


def _error_metrics() -> Iterator[str]:
    for error in ERROR_CLASSES:
        yield from (name for name in (error.metric, error.upstream_metric) if name)
    yield observability.CALL_SUCCEEDED


ALL_METRIC_NAMES: frozenset[str] = frozenset(
    name
    for name in (*(n for path in SOURCES for n in _metric_names(path)), *_result_metrics(), *_error_metrics())
    if _NAME.fullmatch(name)
)
"""All metric names in the namespace ``PayNearMe``."""
