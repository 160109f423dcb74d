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

ANSWERED = "PayNearMeCallSucceeded"
"""What a call to PayNearMe is counted as that came to what was asked for."""

CAME_TO: tuple[tuple[type[ServiceError], str], ...] = (
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
_OF_PAYNEARME = (RequestRejectedError, UpstreamError, UpstreamTimeoutError)
_IDENTIFIERS = ("pnm_order_identifier", "pnm_payment_identifier")
_pnm_identifier: TypeAdapter[str] = TypeAdapter(PnmIdentifier)


@contextmanager
def call() -> Iterator[None]:
    """Count what a call to PayNearMe comes to, once, whatever it took. What never came so far is none."""
    try:
        yield
    except ServiceError as error:
        for kind, name in CAME_TO:
            if isinstance(error, kind):
                telemetry.count(name)
                break
        raise
    telemetry.count(ANSWERED)


def name_of(error: Exception) -> str | None:
    """Return what ``error`` is counted as; None where ``call`` has counted it."""
    if isinstance(error, AuthenticationError):
        return "AuthenticationFailed"
    if isinstance(error, _OF_PAYNEARME):
        return None
    return (
        type(error).__name__.removesuffix("Error") if isinstance(error, ServiceError) else "InternalError"
    )


def error(error: Exception) -> None:
    """Note and count what a call failed with."""
    if name := name_of(error):
        telemetry.count(name)
    if isinstance(error, AuthenticationError):
        telemetry.note(auth_failure=error.reason)
    elif isinstance(error, ServiceError):
        telemetry.note(error=type(error).__name__)
    if isinstance(error, ValidationFailedError):
        telemetry.note(invalid_parameters=sorted(error.faults)[:20])
    if isinstance(error, RequestRejectedError):
        telemetry.note(response_code=error.response_code)
    if isinstance(error, UpstreamError):
        telemetry.note(upstream_detail=error.detail)
    if isinstance(error, UnavailableError) or not isinstance(error, ServiceError):
        telemetry.note_failure(error)


def identifiers_in(parameters: Mapping[str, str]) -> None:
    """Note which order and payment a request names, valid or not, by what looks like an identifier."""
    for name in _IDENTIFIERS:
        if _is_identifier(parameters.get(name)):
            telemetry.note(**{name: parameters[name]})


def orders_in(answer: BaseModel) -> None:
    """Note which order an answer is about, or which orders: a token can be for all of a customer's."""
    places = [answer, getattr(answer, "order", None), *getattr(answer, "orders", ())]
    told = {getattr(place, "pnm_order_identifier", None) for place in places}
    orders = sorted(str(identifier) for identifier in told if _is_identifier(identifier))
    if len(orders) == 1:
        telemetry.note(pnm_order_identifier=orders[0])
    elif orders:
        telemetry.note(pnm_order_identifiers=orders)


def _is_identifier(value: object) -> bool:
    try:
        return bool(_pnm_identifier.validate_python(value))
    except ValidationError:
        return False
