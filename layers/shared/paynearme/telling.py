"""What log and metrics are told of errors, of our calls to PayNearMe, and of which orders a call is about.

Log lines of one payment are found by its ``pnm_order_identifier``, from the token to the reversal.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pydantic import BaseModel, TypeAdapter, ValidationError

from paynearme import telemetry
from paynearme.errors import (
    AuthenticationError,
    BankAuthorizationExpiredError,
    CredentialsRejectedError,
    ValidationFailedError,
    UpstreamConnectTimeoutError,
    RequestNotAcceptedError,
    PaymentOutcomeUnknownError,
    ServiceError,
    UpstreamError,
    UpstreamTimeoutError,
    RequestRejectedError,
    UnavailableError,
)
from paynearme.messages.values import PnmIdentifier

CALL_SUCCEEDED = "PayNearMeCallSucceeded"
"""What a call to PayNearMe is counted as that came to what was asked for."""

CALL_ERROR_METRICS: tuple[tuple[type[ServiceError], str], ...] = (
    (PaymentOutcomeUnknownError, "PayNearMeOutcomeUnknown"),
    (BankAuthorizationExpiredError, "PayNearMeBankAuthorizationExpired"),
    (RequestRejectedError, "PayNearMeRejected"),
    (CredentialsRejectedError, "PayNearMeCredentialsRejected"),
    (RequestNotAcceptedError, "PayNearMeNotAccepted"),
    (UpstreamError, "PayNearMeError"),
    (UpstreamConnectTimeoutError, "PayNearMeUnreachable"),
    (UpstreamTimeoutError, "PayNearMeTimeout"),
)
"""What any other is counted as, by its error: the first that fits."""

# They are PayNearMe's answers, and a stored one is told again without a call.
_UPSTREAM_ERRORS = (RequestRejectedError, UpstreamError, UpstreamTimeoutError)
_IDENTIFIERS = ("pnm_order_identifier", "pnm_payment_identifier")
_pnm_identifier: TypeAdapter[str] = TypeAdapter(PnmIdentifier)


@contextmanager
def count_upstream_call() -> Iterator[None]:
    """Count what a call to PayNearMe comes to, once, whatever it took. What never came so far is none."""
    try:
        yield
    except ServiceError as error:
        for kind, name in CALL_ERROR_METRICS:
            if isinstance(error, kind):
                telemetry.add_metric(name)
                break
        raise
    telemetry.add_metric(CALL_SUCCEEDED)


def metric_name(error: Exception) -> str | None:
    """Return what ``error`` is counted as; None where ``call`` has counted it."""
    if isinstance(error, AuthenticationError):
        return "AuthenticationFailed"
    if isinstance(error, _UPSTREAM_ERRORS):
        return None
    return (
        type(error).__name__.removesuffix("Error") if isinstance(error, ServiceError) else "InternalError"
    )


def record_error(error: Exception) -> None:
    """Note and count what a call failed with."""
    if name := metric_name(error):
        telemetry.add_metric(name)
    if isinstance(error, AuthenticationError):
        telemetry.add_log_fields(auth_failure=error.reason)
    elif isinstance(error, ServiceError):
        telemetry.add_log_fields(error=type(error).__name__)
    if isinstance(error, ValidationFailedError):
        telemetry.add_log_fields(invalid_parameters=sorted(error.errors)[:20])
    if isinstance(error, RequestRejectedError):
        telemetry.add_log_fields(response_code=error.response_code)
    if isinstance(error, UpstreamError):
        telemetry.add_log_fields(upstream_detail=error.detail)
    if isinstance(error, UnavailableError) or not isinstance(error, ServiceError):
        telemetry.add_error(error)


def log_identifiers(parameters: Mapping[str, str]) -> None:
    """Note which order and payment a request names, valid or not, by what looks like an identifier."""
    for name in _IDENTIFIERS:
        if _is_identifier(parameters.get(name)):
            telemetry.add_log_fields(**{name: parameters[name]})


def log_order_identifiers(response: BaseModel) -> None:
    """Note which order an answer is about, or which orders: a token can be for all of a customer's."""
    candidates = [response, getattr(response, "order", None), *getattr(response, "orders", ())]
    identifiers = {getattr(candidate, "pnm_order_identifier", None) for candidate in candidates}
    orders = sorted(str(identifier) for identifier in identifiers if _is_identifier(identifier))
    if len(orders) == 1:
        telemetry.add_log_fields(pnm_order_identifier=orders[0])
    elif orders:
        telemetry.add_log_fields(pnm_order_identifiers=orders)


def _is_identifier(value: object) -> bool:
    try:
        return bool(_pnm_identifier.validate_python(value))
    except ValidationError:
        return False
