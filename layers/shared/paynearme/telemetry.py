"""The one Logger and the one Metrics. A call writes one log line, with identifiers and never a body.

What is noted and counted during a call is written when the call ends. A function handles one call at
a time, so both live at module level.
"""

import traceback
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

logger = Logger(service="paynearme")
metrics = Metrics(namespace="PayNearMe", service="paynearme")

_notes: dict[str, Any] = {}


class Tells(Protocol):
    """A result that knows what is worth noting of it, and what counting."""

    @property
    def notes(self) -> Mapping[str, Any]:
        """Return fields for the log line."""

    @property
    def counts(self) -> Iterable[str]:
        """Return names of metrics."""


def note(**fields: Any) -> None:
    """Add fields to the call's log line: identifiers, codes and numbers; nothing personal, no secret."""
    _notes.update(fields)


def count(name: str) -> None:
    """Count one ``name``, in CamelCase, in the call's metrics."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=1)


def tell(result: Tells) -> None:
    """Note and count what became of a payment."""
    note(**result.notes)
    for name in result.counts:
        count(name)


def note_failure(error: BaseException) -> None:
    """Note what failed and where, without the error's text: it may quote what was sent."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
    note(error=type(error).__name__, error_at=places)


def write(operation: str, status: int, milliseconds: float) -> None:
    """Write the call's log line and its metrics, and forget them."""
    fields = {"operation": operation, "status": status, "milliseconds": round(milliseconds, 1), **_notes}
    _notes.clear()
    # An authorization that is declined because something of ours failed is answered with 200.
    failed = status >= 500 or "error_at" in fields
    log = logger.error if failed else logger.warning if status >= 400 else logger.info
    log(operation, extra=fields)
    metrics.add_metric(name="Milliseconds", unit=MetricUnit.Milliseconds, value=milliseconds)
    metrics.add_dimension(name="operation", value=operation)
    metrics.flush_metrics()
