"""Logs and metrics: one log line for each invocation, with identifiers and never a body.

Fields and metrics are collected during an invocation and written when it ends. A function handles one
invocation at a time, so both are module state. ``pnm_order_identifier`` finds all log lines of a payment.
"""

import logging
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from json import JSONEncoder
from typing import Any, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from paynearme.errors import (
    AuthenticationError,
    RequestRejectedError,
    ServiceError,
    UnavailableError,
    UpstreamError,
    ValidationFailedError,
)

SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "paynearme")
"""The metric dimension of this deployment. The template sets the stack's name."""

CALL_SUCCEEDED = "PayNearMeCallSucceeded"
"""The metric of a successful call to PayNearMe."""

DURATION = "DurationMs"
"""The metric of the duration of an invocation."""

_NAMESPACE = "PayNearMe"
# Two dimension sets, so that an alarm on all functions needs no metric math.
_DIMENSIONS = [["operation", "service"], ["service"]]
_to_json = JSONEncoder(separators=(",", ":"), check_circular=False, default=str).encode


class _Formatter(LambdaPowertoolsFormatter):
    """Build a line from the level, the message and the ``fields`` of a record.

    The formatter of Powertools takes longer, because it supports keys that change (ADR 22).
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. Lambda reads its level only with an RFC 3339 timestamp."""
        line = {
            "level": record.levelname,
            "message": record.msg,
            "timestamp": f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03}Z",
            "service": SERVICE,
            **record.__dict__.get("fields", {}),
        }
        if trace := os.environ.get("_X_AMZN_TRACE_ID"):
            line["xray_trace_id"] = trace.partition(";")[0].removeprefix("Root=")
        return _to_json(line)


# ApplicationLogLevel must stay INFO: the alarms read the metrics from the log, and Lambda treats their lines, which
# have no level, as INFO.
logger = Logger(service=SERVICE, logger_formatter=_Formatter())

_log_fields: dict[str, Any] = {}
_metrics: Counter[str] = Counter()
_percentages: dict[str, float] = {}
_MAX_CAUSES = 5
_MAX_PARAMETERS = 20


class HasTelemetry(Protocol):
    """A result that provides its own log fields and metrics."""

    @property
    def log_fields(self) -> Mapping[str, Any]:
        """Return fields for the log line."""

    @property
    def metrics(self) -> Mapping[str, int]:
        """Return metric values by metric name."""


def add_log_fields(**fields: Any) -> None:
    """Add fields to the log line: identifiers, codes and numbers. Never pass personal data or secrets."""
    _log_fields.update(fields)


def add_metric(name: str, value: int = 1) -> None:
    """Add ``value`` to the metric ``name`` (PascalCase)."""
    _metrics[name] += value


def add_percentage(name: str, percent: float) -> None:
    """Record a percentage under the metric ``name``."""
    _percentages[name] = round(percent, 2)


def record_result(result: HasTelemetry) -> None:
    """Add the log fields and metrics of a result."""
    add_log_fields(**result.log_fields)
    for name, value in result.metrics.items():
        add_metric(name, value)


def record_error(error: Exception) -> None:
    """Add the metric and the log fields of the error that ends an invocation."""
    metric = error.metric if isinstance(error, ServiceError) else ServiceError.metric
    if metric:
        add_metric(metric)
    if isinstance(error, AuthenticationError):
        add_log_fields(auth_failure=error.reason)
    elif isinstance(error, ServiceError):
        add_log_fields(error=type(error).__name__)
    if isinstance(error, ValidationFailedError) and error.errors:
        add_log_fields(invalid_parameters=sorted(error.errors)[:_MAX_PARAMETERS])
    if isinstance(error, RequestRejectedError):
        add_log_fields(response_code=error.response_code)
    if isinstance(error, UpstreamError):
        add_log_fields(upstream_detail=error.detail)
    if isinstance(error, UnavailableError) or not isinstance(error, ServiceError):
        add_error_location(error)


@contextmanager
def count_upstream_call() -> Iterator[None]:
    """Count the result of one call to PayNearMe, once, including its retries.

    An error without ``upstream_metric`` counts under the metric of its cause. An error that prevented the
    request, for example ``LedgerUnavailableError``, is not counted.
    """
    try:
        yield
    except ServiceError as error:
        source = error if error.upstream_metric else error.__cause__
        if isinstance(source, ServiceError) and source.upstream_metric:
            add_metric(source.upstream_metric)
        raise
    add_metric(CALL_SUCCEEDED)


def add_request(event: object, context: object) -> None:
    """Add the request identifiers of Lambda and of API Gateway."""
    request = event.get("requestContext") if isinstance(event, dict) else None
    add_log_fields(
        request_id=getattr(context, "aws_request_id", None),
        api_request_id=request.get("requestId") if isinstance(request, dict) else None,
    )


def describe_cause(error: BaseException) -> str:
    """Return the type of an error, and AWS's error code if it has one, such as ``AccessDeniedException``."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return f"{type(error).__name__} {code}" if code else type(error).__name__


def add_error_location(error: BaseException) -> None:
    """Add the type, the code locations and the causes of an error.

    The texts of errors are left out, because they can quote the request.
    """
    frames = traceback.extract_tb(error.__traceback__)
    locations = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
    causes: list[str] = []
    cause = error.__cause__ or error.__context__
    while cause is not None and len(causes) < _MAX_CAUSES:
        causes.append(describe_cause(cause))
        cause = cause.__cause__ or cause.__context__
    add_log_fields(error=type(error).__name__, error_location=locations, error_causes=causes)


def log_payment(operation: str, **fields: Any) -> None:
    """Write a log line for one of several payments of an invocation. ``fields`` as in ``add_log_fields``."""
    logger.info(
        operation, extra={"fields": {"operation": operation, "request_id": _log_fields.get("request_id"), **fields}}
    )


def flush(operation: str, status: int, duration_ms: float) -> None:
    """Write the log line and the metrics of the invocation, and reset both."""
    duration_ms = round(duration_ms, 1)
    fields = {"operation": operation, "status": status, "duration_ms": duration_ms, **_log_fields}
    # A fallback decline after an internal error has status 200.
    failed = status >= 500 or "error_location" in fields
    log = logger.error if failed else logger.warning if status >= 400 else logger.info
    log(operation, extra={"fields": fields})
    sys.stdout.write(f"{_metrics_line(operation, duration_ms)}\n")
    reset()


def reset() -> None:
    """Remove the collected log fields and metrics."""
    for collected in (_log_fields, _metrics, _percentages):
        collected.clear()


def _metrics_line(operation: str, duration_ms: float) -> str:
    """Return the metrics in CloudWatch's embedded metric format (Amazon CloudWatch User Guide, Specification)."""
    units = dict.fromkeys(_percentages, "Percent") | dict.fromkeys(_metrics, "Count") | {DURATION: "Milliseconds"}
    directive = {
        "Namespace": _NAMESPACE,
        "Dimensions": _DIMENSIONS,
        "Metrics": [{"Name": name, "Unit": unit} for name, unit in units.items()],
    }
    values = _percentages | _metrics | {DURATION: duration_ms}
    header = {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [directive]}
    return _to_json({"_aws": header, "operation": operation, "service": SERVICE, **values})
