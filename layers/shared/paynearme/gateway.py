"""The door: from API Gateway's event to a verified message, and from a result or an error to HTTP.

The two decorators make Lambda handlers of functions that only do their work: they always answer.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps

from pydantic import BaseModel

from paynearme import telemetry, telling
from paynearme.telling import log_identifiers, log_order_identifiers
from paynearme.answers import CallbackBody, HttpResponse, callback_response, problem_response, json_response
from paynearme.deadline import Deadline
from paynearme.errors import (
    StaleTimestampError,
    AuthenticationError,
    ValidationFailedError,
    NotFoundError,
    ServiceError,
    SignatureError,
    SiteKeysUnavailableError,
    UnavailableError,
    UnknownSiteError,
    MalformedRequestError,
    UnsupportedVersionError,
)
from paynearme.messages import Authorization, Confirmation, Message, Reversal, read_message
from paynearme.messages.calls import PayNearMeRequest
from paynearme.messages.entries import MerchantDataRequest
from paynearme.parameters import (
    ProxyEvent,
    from_body,
    from_headers,
    from_json_body,
    from_path,
    from_query,
    undecodable_parameters,
)
from paynearme.settings import ResolvedSite, Settings, SiteProvider
from paynearme.signing import UNSIGNED, verify

CALLBACK_TIMEOUT_SECONDS = 10
"""How long PayNearMe waits for the answer to a callback."""

type Handler = Callable[[ProxyEvent, object], HttpResponse]
type Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Callback[M: (Authorization, Confirmation, Reversal)]:
    """An authentic, valid callback; when it came (UTC), and until when it must be answered."""

    message: M
    site: ResolvedSite
    received_at: datetime
    deadline: Deadline


@dataclass(frozen=True)
class ApiRequest[M: PayNearMeRequest | MerchantDataRequest]:
    """A valid call of the backend API for one of our sites; when it came, until when it must be answered."""

    message: M
    site: ResolvedSite
    received_at: datetime
    deadline: Deadline


def _now() -> datetime:
    return datetime.now(UTC)


def receive_callback[M: (Authorization, Confirmation, Reversal)](
    event: ProxyEvent, model: type[M], settings: Settings, sites: SiteProvider, now: datetime, deadline: Deadline
) -> Callback[M]:
    """Return the callback in ``event``: read, authentic, of the right age, and valid.

    Raises ``MalformedRequestError``, ``PayloadTooLargeError``, ``AuthenticationError``, ``ValidationFailedError``, and
    ``SiteKeysUnavailableError`` when nobody can tell.
    """
    received = _parse_callback(event)
    try:
        site = _authenticate(received, sites, deadline)
    except AuthenticationError:
        if undecodable_parameters(event, received):
            # Not forged but mangled: API Gateway could not read it as UTF-8.
            raise MalformedRequestError from None
        raise
    except SiteKeysUnavailableError:
        # Nobody vouches for it, but its log line must be found.
        log_identifiers(received)
        telemetry.add_log_fields(signature_unverified=True)
        raise
    # What is not signed is not authentic: it goes no further.
    signed = {name: value for name, value in received.items() if name not in UNSIGNED}
    telemetry.add_log_fields(site_identifier=site.identifier)
    log_identifiers(signed)
    if model is Authorization:
        _check_timestamp(signed.get("timestamp", ""), now, settings)
    message = read_message(model, signed)
    telemetry.add_log_fields(is_test=message.test)
    unset = [name for name in signed if name in model.model_fields and getattr(message, name) is None]
    if ignored := sorted(name for name in unset if signed[name]):
        telemetry.add_log_fields(ignored_parameters=ignored)
        telemetry.add_metric("OptionalFieldsIgnored")
    return Callback(message, site, now, deadline)


def callback_handler[M: (Authorization, Confirmation, Reversal)](
    operation: str,
    model: type[M],
    settings: Settings,
    sites: SiteProvider,
    *,
    fallback: Callable[[Mapping[str, str], datetime], CallbackBody] | None = None,
    transform_response: Callable[[M, Deadline, HttpResponse], HttpResponse] | None = None,
    clock: Clock = _now,
) -> Callable[[Callable[[Callback[M]], CallbackBody]], Handler]:
    """Make a Lambda handler of a function that answers authentic, valid callbacks.

    Each error becomes its fixed answer. A failure of our own becomes 503, unless ``fallback``
    makes an answer of the parameters, which need not be authentic; it raises what it likes if it cannot.
    ``afterwards`` may change the answer to a message that was worked on; its time does not count as ours.
    """

    def decorate(function: Callable[[Callback[M]], CallbackBody]) -> Handler:
        @wraps(function)
        def handler(event: ProxyEvent, context: object) -> HttpResponse:
            started = time.perf_counter()
            telemetry.add_request(event, context)
            now = clock()
            site: ResolvedSite | None = None
            completed: Callback[M] | None = None
            try:
                verified_callback = receive_callback(
                    event, model, settings, sites, now, Deadline.after(settings.response_timeout_seconds)
                )
                site = verified_callback.site
                response = callback_response(function(verified_callback), site.version, site.response_format)
                completed = verified_callback
            except Exception as error:
                telling.record_error(error)
                if isinstance(error, ValidationFailedError):
                    # It is raised only after the signature held: PayNearMe itself is refused.
                    telemetry.add_metric("CallbackInvalid")
                service_error = error if isinstance(error, ServiceError) else UnavailableError()
                response = problem_response(service_error, omit_descriptions=True)
                if response["statusCode"] >= 500:
                    telemetry.add_metric("CallbackFailed")
                    response = _fallback_response(event, site, now, fallback) or response
            duration_ms = (time.perf_counter() - started) * 1000
            telemetry.add_percentage("ResponseBudgetUsedPercent", duration_ms / (CALLBACK_TIMEOUT_SECONDS * 1000) * 100)
            if completed and transform_response:
                response = transform_response(completed.message, completed.deadline, response)
            telemetry.flush(operation, response["statusCode"], duration_ms)
            return response

        return handler

    return decorate


def api_handler[M: PayNearMeRequest | MerchantDataRequest](
    operation: str, models: Mapping[str, type[M]], settings: Settings, sites: SiteProvider, *, clock: Clock = _now
) -> Callable[[Callable[[ApiRequest[M]], BaseModel | None]], Handler]:
    """Make a Lambda handler of a function that answers valid calls of the backend API.

    ``models`` has the request of each HTTP method. None is answered as not found, and each error becomes
    its fixed problem. API Gateway has checked the caller's IAM signature by then.
    """

    def decorate(function: Callable[[ApiRequest[M]], BaseModel | None]) -> Handler:
        @wraps(function)
        def handler(event: ProxyEvent, context: object) -> HttpResponse:
            started = time.perf_counter()
            telemetry.add_request(event, context)
            now, deadline = clock(), Deadline.after(settings.call_timeout_seconds)
            try:
                method = event["httpMethod"]
                parameters = _parse_api_request(event, models[method])
                log_identifiers(parameters)
                message = read_message(models[method], parameters)
                site = _resolve_site(message, settings, sites, deadline)
                identifiers = {name: getattr(message, name) for name in from_path(event)}
                telemetry.add_log_fields(method=method, **{**identifiers, "site_identifier": site.identifier})
                content = function(ApiRequest(message, site, now, deadline))
                if content is None:
                    raise NotFoundError
                log_order_identifiers(content)
                response = json_response(content.model_dump(mode="json"))
            except Exception as error:
                telling.record_error(error)
                response = problem_response(error, omit_descriptions=False)
            telemetry.flush(operation, response["statusCode"], (time.perf_counter() - started) * 1000)
            return response

        return handler

    return decorate


def _check_timestamp(timestamp: str, now: datetime, settings: Settings) -> None:
    """Refuse an authorization that is too old. Nothing else ever is: an outage delays it by hours."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        # It is named as unreadable with whatever else is.
        return
    age = now.timestamp() - int(timestamp)
    if not -settings.max_clock_skew_seconds <= age <= settings.authorization_max_age_seconds:
        raise StaleTimestampError


def _parse_callback(event: ProxyEvent) -> dict[str, str]:
    return from_query(event) if event["httpMethod"] == "GET" else from_body(event)


def _parse_api_request(event: ProxyEvent, model: type[Message]) -> dict[str, str]:
    """Return what address and headers name and what the query of a GET, or else the JSON body, says of it."""
    url_parameters = from_path(event) | from_headers(event, model.header_fields)
    body_parameters = from_query(event) if event["httpMethod"] == "GET" else from_json_body(event)
    if duplicates := url_parameters.keys() & body_parameters.keys():
        raise ValidationFailedError(dict.fromkeys(duplicates, "stands in the address, and nowhere else"))
    return url_parameters | body_parameters


def _authenticate(received: Mapping[str, str], sites: SiteProvider, deadline: Deadline) -> ResolvedSite:
    if "signature" not in received:
        raise SignatureError
    identifier = received.get("site_identifier")
    try:
        return _verify_signature(received, sites.get(identifier, deadline))
    except AuthenticationError:
        # It may fit a key that is newer than what we keep.
        if not _refresh_keys(sites, deadline):
            raise
        return _verify_signature(received, sites.get(identifier, deadline))


def _refresh_keys(sites: SiteProvider, deadline: Deadline) -> bool:
    try:
        return sites.refresh(deadline)
    except SiteKeysUnavailableError:
        # The keys that we keep still hold, and this message fits none of them.
        return False


def _verify_signature(received: Mapping[str, str], site: ResolvedSite) -> ResolvedSite:
    # Another version than the key's is refused, so that nobody can downgrade a site to MD5.
    if received.get("version") != site.version:
        raise UnsupportedVersionError
    secrets = [secret.get_secret_value() for secret in site.callback_secrets]
    verify(received, received["signature"], secrets, site.version)
    return site


def _resolve_site(
    message: PayNearMeRequest | MerchantDataRequest, settings: Settings, sites: SiteProvider, deadline: Deadline
) -> ResolvedSite:
    identifier = message.site_identifier or settings.default_site_identifier
    if not identifier:
        raise ValidationFailedError({"site_identifier": "is required, because there is no default site"})
    try:
        return sites.get(identifier, deadline)
    except UnknownSiteError:
        raise ValidationFailedError({"site_identifier": "is not one of our sites"}) from None


def _fallback_response(
    event: ProxyEvent,
    site: ResolvedSite | None,
    now: datetime,
    fallback: Callable[[Mapping[str, str], datetime], CallbackBody] | None,
) -> HttpResponse | None:
    """Return PayNearMe's kind of answer to a callback that we could not work on, where it can be made."""
    if fallback is None:
        return None
    try:
        received = _parse_callback(event)
        if site is None:
            # What nobody vouches for is not repeated, but for the order, without which there is no answer.
            received.pop("site_payment_identifier", None)
        response = fallback(received, now)
    except Exception:
        # There is nothing to answer with: no order to name, or not even a request.
        return None
    if site is not None:
        return callback_response(response, site.version, site.response_format)
    # Not even the site is known: PayNearMe's usual form for the version that it names.
    return callback_response(response, *(("2.0", "xml") if received.get("version") == "2.0" else ("3.0", "json")))
