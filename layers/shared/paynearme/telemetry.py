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

_log_fields: dict[str, Any] = {}
_metrics: Counter[str] = Counter()
_MAX_CAUSES = 5


class HasTelemetry(Protocol):
    """A result that knows what is worth noting of it, and what counting."""

    @property
    def log_fields(self) -> Mapping[str, Any]:
        """Return fields for the log line."""

    @property
    def metrics(self) -> Mapping[str, int]:
        """Return how much to count under which names of metrics."""


def add_log_fields(**fields: Any) -> None:
    """Add fields to the call's log line: identifiers, codes and numbers; nothing personal, no secret."""
    _log_fields.update(fields)


def add_metric(name: str, value: int = 1) -> None:
    """Count ``number`` under ``name``, in CamelCase, in the call's metrics.

    Powertools writes it as a float, which is exact up to 2**53: cents as well.
    """
    # In one number: Powertools would write a hundred of them at once, before it knows the operation.
    _metrics[name] += value


def add_percentage(name: str, percent: float) -> None:
    """Measure a share, in percent, in the call's metrics."""
    metrics.add_metric(name=name, unit=MetricUnit.Percent, value=percent)


def record_result(result: HasTelemetry) -> None:
    """Note and count what became of a payment."""
    add_log_fields(**result.log_fields)
    for name, value in result.metrics.items():
        add_metric(name, value)


def add_request(event: object, context: object) -> None:
    """Note by which identifiers API Gateway and Lambda know the call."""
    request = event.get("requestContext") if isinstance(event, dict) else None
    add_log_fields(
        request_id=getattr(context, "aws_request_id", None),
        api_request_id=request.get("requestId") if isinstance(request, dict) else None,
    )


def add_error(error: BaseException) -> None:
    """Note what failed, where and why, without the errors' texts: they may quote what was sent."""
    frames = traceback.extract_tb(error.__traceback__)
    locations = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
    causes: list[str] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and len(causes) < _MAX_CAUSES:
        # AWS's own word, such as AccessDeniedException.
        response = getattr(cause, "response", None)
        code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
        causes.append(f"{type(cause).__name__} {code}" if code else type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    add_log_fields(error=type(error).__name__, error_location=locations, error_causes=causes)


def log_payment(operation: str, **fields: Any) -> None:
    """Write a log line about one of the payments that a call is about: identifiers, as in ``note``."""
    logger.info(operation, extra={"operation": operation, "request_id": _log_fields.get("request_id"), **fields})


def flush(operation: str, status: int, duration_ms: float) -> None:
    """Write the call's log line and its metrics, and forget them."""
    fields = {"operation": operation, "status": status, "duration_ms": round(duration_ms, 1), **_log_fields}
    _log_fields.clear()
    # An authorization that is declined because something of ours failed is answered with 200.
    failed = status >= 500 or "error_location" in fields
    log = logger.error if failed else logger.warning if status >= 400 else logger.info
    log(operation, extra=fields)
    for name, value in _metrics.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    _metrics.clear()
    metrics.add_metric(name="DurationMs", unit=MetricUnit.Milliseconds, value=duration_ms)
    metrics.add_dimension(name="operation", value=operation)
    # And once more for all operations together: an alarm watches one metric, and adds none up.
    metrics.add_dimensions(service=SERVICE)
    metrics.flush_metrics()
