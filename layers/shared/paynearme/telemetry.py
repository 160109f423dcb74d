"""The one Logger and the one Metrics. A call writes one log line, with identifiers and never a body.

What is noted and counted during a call is written when the call ends. A function handles one call at
a time, so both live at module level.
"""

import os
import traceback
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "paynearme")
"""What tells the metrics of this deployment from another's: the template sets the stack's name."""

logger = Logger(service=SERVICE, location=None)
metrics = Metrics(namespace="PayNearMe", service=SERVICE)

_notes: dict[str, Any] = {}
_counts: Counter[str] = Counter()
_MOST_CAUSES = 5


class Tells(Protocol):
    """A result that knows what is worth noting of it, and what counting."""

    @property
    def notes(self) -> Mapping[str, Any]:
        """Return fields for the log line."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Return how much to count under which names of metrics."""


def note(**fields: Any) -> None:
    """Add fields to the call's log line: identifiers, codes and numbers; nothing personal, no secret."""
    _notes.update(fields)


def count(name: str, number: int = 1) -> None:
    """Count ``number`` under ``name``, in CamelCase, in the call's metrics.

    Powertools writes it as a float, which is exact up to 2**53: cents as well.
    """
    # In one number: Powertools would write a hundred of them at once, before it knows the operation.
    _counts[name] += number


def share(name: str, percent: float) -> None:
    """Measure a share, in percent, in the call's metrics."""
    metrics.add_metric(name=name, unit=MetricUnit.Percent, value=percent)


def tell(result: Tells) -> None:
    """Note and count what became of a payment."""
    note(**result.notes)
    for name, number in result.counts.items():
        count(name, number)


def note_request(event: object, context: object) -> None:
    """Note by which identifiers API Gateway and Lambda know the call."""
    request = event.get("requestContext") if isinstance(event, dict) else None
    note(
        request_id=getattr(context, "aws_request_id", None),
        api_request_id=request.get("requestId") if isinstance(request, dict) else None,
    )


def note_failure(error: BaseException) -> None:
    """Note what failed, where and why, without the errors' texts: they may quote what was sent."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
    causes: list[str] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and len(causes) < _MOST_CAUSES:
        # AWS's own word, such as AccessDeniedException.
        answer = getattr(cause, "response", None)
        code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
        causes.append(f"{type(cause).__name__} {code}" if code else type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    note(error=type(error).__name__, error_location=places, error_causes=causes)


def tell_of_payment(operation: str, **fields: Any) -> None:
    """Write a log line about one of the payments that a call is about: identifiers, as in ``note``."""
    logger.info(operation, extra={"operation": operation, "request_id": _notes.get("request_id"), **fields})


def write(operation: str, status: int, milliseconds: float) -> None:
    """Write the call's log line and its metrics, and forget them."""
    fields = {"operation": operation, "status": status, "duration_ms": round(milliseconds, 1), **_notes}
    _notes.clear()
    # An authorization that is declined because something of ours failed is answered with 200.
    failed = status >= 500 or "error_location" in fields
    log = logger.error if failed else logger.warning if status >= 400 else logger.info
    log(operation, extra=fields)
    for name, number in _counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)
    _counts.clear()
    metrics.add_metric(DurationMs, unit=MetricUnit.Milliseconds, value=milliseconds)
    metrics.add_dimension(name="operation", value=operation)
    # And once more for all operations together: an alarm watches one metric, and adds none up.
    metrics.add_dimensions(service=SERVICE)
    metrics.flush_metrics()
