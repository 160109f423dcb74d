"""The decorator for functions that process PayNearMe's callbacks."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import wraps

import tenacity  # noqa: F401 # the snapshot of SnapStart contains it, so a first retry needs no import

from paynearme.errors import ServiceError, UnavailableError, UnprocessableCallbackError, ValidationFailedError
from paynearme.handlers.authentication import AuthenticCallback, authenticate_callback, parse_callback
from paynearme.handlers.callback_response import CallbackBody, callback_response
from paynearme.handlers.lambda_runtime import Clock, HttpHandler, freeze_imports, utc_now
from paynearme.ledger.quarantine import UnprocessedCallback, quarantine
from paynearme.platform import observability
from paynearme.platform.aws_clients import is_infrastructure_error
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Table
from paynearme.platform.http_request import ProxyEvent
from paynearme.platform.http_response import HttpResponse, problem_response
from paynearme.platform.settings import Settings
from paynearme.policy import Reason
from paynearme.protocol.callbacks import Authorization, CallbackMessage, Confirmation, read_callback
from paynearme.protocol.quarantine import QuarantineReason, order_identifier
from paynearme.protocol.reversals import Reversal
from paynearme.protocol.signing import major_version
from paynearme.sites.site import ResolvedSite
from paynearme.sites.site_provider import SiteProvider

CALLBACK_TIMEOUT_SECONDS = 10
"""The time that PayNearMe waits for a response (PayNearMe docs, Using Authorization Callbacks)."""


@dataclass(frozen=True)
class Callback[M: (Authorization, Confirmation, Reversal)]:
    """An authentic, valid callback, the time of its receipt (UTC), and the deadline of the response."""

    message: M
    site: ResolvedSite
    received_at: datetime
    deadline: Deadline


type Acknowledge = Callable[[ResolvedSite, str], CallbackBody]
"""Return the acknowledgement of a callback about an order."""

type Decline = Callable[[Mapping[str, str], datetime, Reason], CallbackBody]
"""Return a decline without a stored decision. The parameters can be unverified."""

type ResponseTransform[M] = Callable[[M, Deadline, HttpResponse], HttpResponse]


def callback_handler[M: (Authorization, Confirmation, Reversal)](
    operation: str,
    model: type[M],
    settings: Settings,
    sites: SiteProvider,
    table: Table,
    *,
    acknowledge: Acknowledge | None = None,
    decline: Decline | None = None,
    transform_response: ResponseTransform[M] | None = None,
    clock: Clock = utc_now,
) -> Callable[[Callable[[Callback[M]], CallbackBody]], HttpHandler]:
    """Convert a function that processes an authentic, valid callback to a Lambda handler.

    An authentic callback that cannot be processed is stored in the quarantine of ``table``. Its response is
    ``decline`` for authorizations and ``acknowledge`` for other callbacks. The handler never raises: each error has a
    fixed response. If AWS fails, the response is 503, or ``decline`` if given. ``transform_response`` can replace the
    response of a processed message. Its duration does not count in ``ResponseBudgetUsedPercent``.
    """

    def process(
        authentic: AuthenticCallback, function: Callable[[Callback[M]], CallbackBody], now: datetime, deadline: Deadline
    ) -> tuple[CallbackBody, Callback[M] | None]:
        """Return the response, and the callback if it was processed."""
        invalid_parameters: list[str] = []
        try:
            message = read_callback(model, authentic.parameters)
            observability.add_log_fields(is_test=message.test)
            _record_ignored_fields(message, authentic.parameters)
            if isinstance(message, Authorization):
                _check_timestamp(message, now, settings)
            callback = Callback(message, authentic.site, now, deadline)
            return function(callback), callback
        except UnprocessableCallbackError as error:
            reason = QuarantineReason(error.reason)
            # Unknown names are left out, because a name with a moved boundary contains a value.
            invalid_parameters = sorted(error.errors.keys() & model.model_fields.keys())
            if invalid_parameters:
                observability.add_log_fields(invalid_parameters=invalid_parameters)
        except ServiceError:
            raise
        except Exception as error:
            if is_infrastructure_error(error):
                raise
            # A retry would fail in the same way until PayNearMe suspends this callback of the site.
            observability.record_error(error)
            observability.add_metric("CallbackFailed")
            reason = QuarantineReason.UNEXPECTED_ERROR
        unprocessed = UnprocessedCallback(
            authentic.site.identifier,
            model.callback_kind,
            reason,
            authentic.parameters,
            invalid_parameters,
            settings.aws_lambda_function_version,
        )
        observability.record_result(quarantine(table, unprocessed, now, deadline))
        return _unprocessed_response(authentic, reason, now), None

    def _unprocessed_response(authentic: AuthenticCallback, reason: QuarantineReason, now: datetime) -> CallbackBody:
        order = order_identifier(authentic.parameters)
        if order is None:
            # Every response of PayNearMe's protocol names the order.
            raise ValidationFailedError({"pnm_order_identifier": "is required"})
        if acknowledge is not None:
            return acknowledge(authentic.site, order)
        if decline is None:
            raise UnavailableError
        is_stale = reason is QuarantineReason.STALE_TIMESTAMP
        return decline(authentic.parameters, now, Reason.STALE_TIMESTAMP if is_stale else Reason.CALLBACK_QUARANTINED)

    def decorate(function: Callable[[Callback[M]], CallbackBody]) -> HttpHandler:
        @wraps(function)
        def handler(event: ProxyEvent, context: object) -> HttpResponse:
            started = time.perf_counter()
            observability.add_request(event, context)
            now = clock()
            authentic: AuthenticCallback | None = None
            processed: Callback[M] | None = None
            try:
                deadline = Deadline.after(settings.response_timeout_seconds)
                authentic = authenticate_callback(event, sites, deadline)
                body, processed = process(authentic, function, now, deadline)
                response = callback_response(body, authentic.version, authentic.site.response_format)
            except Exception as error:
                observability.record_error(error)
                service_error = error if isinstance(error, ServiceError) else UnavailableError()
                response = problem_response(service_error, omit_descriptions=True)
                if response["statusCode"] >= 500:
                    observability.add_metric("CallbackFailed")
                    response = _fallback_response(event, authentic, now, decline) or response
            duration_ms = (time.perf_counter() - started) * 1000
            used_percent = duration_ms / (CALLBACK_TIMEOUT_SECONDS * 1000) * 100
            observability.add_percentage("ResponseBudgetUsedPercent", used_percent)
            # After the metrics, so that a hook counts neither as a failure nor as response time.
            if processed and transform_response:
                response = transform_response(processed.message, processed.deadline, response)
            observability.flush(operation, response["statusCode"], duration_ms)
            return response

        freeze_imports()
        return handler

    return decorate


def _check_timestamp(message: Authorization, now: datetime, settings: Settings) -> None:
    """Reject an authorization that is too old or too early. Other callbacks can arrive hours late, after an outage."""
    age = now.timestamp() - message.timestamp
    if not -settings.max_clock_skew_seconds <= age <= settings.authorization_max_age_seconds:
        raise UnprocessableCallbackError(QuarantineReason.STALE_TIMESTAMP)


def _record_ignored_fields(message: CallbackMessage, parameters: Mapping[str, str]) -> None:
    """Log and count the malformed optional parameters, which are ignored."""
    documented = type(message).model_fields
    given = [name for name, text in parameters.items() if text and name in documented]
    ignored = [name for name in given if getattr(message, name) is None]
    if ignored:
        observability.add_log_fields(ignored_parameters=sorted(ignored))
        observability.add_metric("OptionalFieldsIgnored")


def _fallback_response(
    event: ProxyEvent, authentic: AuthenticCallback | None, now: datetime, decline: Decline | None
) -> HttpResponse | None:
    """Return the decline in PayNearMe's envelope, or ``None`` if none can be built."""
    if decline is None:
        return None
    try:
        if authentic is not None:
            body = decline(authentic.parameters, now, Reason.CANNOT_DECIDE_NOW)
            return callback_response(body, authentic.version, authentic.site.response_format)
        received = parse_callback(event)
        # Do not echo unverified values, except the order identifier, which the response requires.
        received.pop("site_payment_identifier", None)
        body = decline(received, now, Reason.CANNOT_DECIDE_NOW)
    except Exception:
        # The request cannot be parsed, or it names no order.
        return None
    # The site is unknown: use the default format of the version that the message names.
    version = received.get("version", "")
    major = major_version(version)
    return callback_response(body, version if major else "3.0", "xml" if major == "2" else "json")
