"""The decorator for functions that process PayNearMe's callbacks."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps

from paynearme.errors import ServiceError, UnavailableError, ValidationFailedError
from paynearme.handlers.authentication import Callback, parse_callback, receive_callback
from paynearme.handlers.callback_response import CallbackBody, callback_response
from paynearme.handlers.lambda_types import Clock, HttpHandler, utc_now
from paynearme.platform import observability
from paynearme.platform.deadline import Deadline
from paynearme.platform.http_request import ProxyEvent
from paynearme.platform.http_response import HttpResponse, problem_response
from paynearme.platform.settings import Settings
from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.reversals import Reversal
from paynearme.sites.site import ResolvedSite
from paynearme.sites.site_provider import SiteProvider

CALLBACK_TIMEOUT_SECONDS = 10
"""The time that PayNearMe waits for a response (PayNearMe docs, Using Authorization Callbacks)."""

type Fallback = Callable[[Mapping[str, str], datetime], CallbackBody]
type ResponseTransform[M] = Callable[[M, Deadline, HttpResponse], HttpResponse]


def callback_handler[M: (Authorization, Confirmation, Reversal)](
    operation: str,
    model: type[M],
    settings: Settings,
    sites: SiteProvider,
    *,
    fallback: Fallback | None = None,
    transform_response: ResponseTransform[M] | None = None,
    clock: Clock = utc_now,
) -> Callable[[Callable[[Callback[M]], CallbackBody]], HttpHandler]:
    """Convert a function that processes an authentic, valid callback to a Lambda handler.

    Before the function, ``receive_callback`` (``authentication.py``) verifies the signature and validates the message.
    The handler never raises: each error has a fixed response. Unexpected errors return 503, or
    ``fallback(parameters, now)`` if given. The parameters can be unverified, and an error in ``fallback`` also
    returns 503. ``transform_response`` can replace the response of a processed message. Its duration does not
    count in ``ResponseBudgetUsedPercent``.
    """

    def decorate(function: Callable[[Callback[M]], CallbackBody]) -> HttpHandler:
        @wraps(function)
        def handler(event: ProxyEvent, context: object) -> HttpResponse:
            started = time.perf_counter()
            observability.add_request(event, context)
            now = clock()
            site: ResolvedSite | None = None
            completed: Callback[M] | None = None
            try:
                deadline = Deadline.after(settings.response_timeout_seconds)
                callback = receive_callback(event, model, settings, sites, now, deadline)
                site = callback.site
                response = callback_response(function(callback), site.version, site.response_format)
                completed = callback
            except Exception as error:
                observability.record_error(error)
                if isinstance(error, ValidationFailedError):
                    # Raised only after the signature matched: PayNearMe itself sent the message.
                    observability.add_metric("CallbackInvalid")
                service_error = error if isinstance(error, ServiceError) else UnavailableError()
                response = problem_response(service_error, omit_descriptions=True)
                if response["statusCode"] >= 500:
                    observability.add_metric("CallbackFailed")
                    response = _fallback_response(event, site, now, fallback) or response
            duration_ms = (time.perf_counter() - started) * 1000
            used_percent = duration_ms / (CALLBACK_TIMEOUT_SECONDS * 1000) * 100
            observability.add_percentage("ResponseBudgetUsedPercent", used_percent)
            # After the metrics, so that a hook counts neither as a failure nor as response time.
            if completed and transform_response:
                response = transform_response(completed.message, completed.deadline, response)
            observability.flush(operation, response["statusCode"], duration_ms)
            return response

        return handler

    return decorate


def _fallback_response(
    event: ProxyEvent, site: ResolvedSite | None, now: datetime, fallback: Fallback | None
) -> HttpResponse | None:
    """Return the fallback in PayNearMe's envelope, or ``None`` if none can be built."""
    if fallback is None:
        return None
    try:
        received = parse_callback(event)
        if site is None:
            # Do not echo unverified values, except the order identifier, which the response requires.
            received.pop("site_payment_identifier", None)
        response = fallback(received, now)
    except Exception:
        # The request cannot be parsed, or it names no order.
        return None
    if site is not None:
        return callback_response(response, site.version, site.response_format)
    # The site is unknown: use the default format of the version that the message names.
    return callback_response(response, *(("2.0", "xml") if received.get("version") == "2.0" else ("3.0", "json")))
