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
from paynearme.answers import CallbackAnswer, HttpAnswer, callback_answer, problem, success
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
from paynearme.messages.entries import RecordRequest
from paynearme.parameters import (
    Event,
    from_body,
    from_headers,
    from_json_body,
    from_path,
    from_query,
    lost_bytes,
)
from paynearme.settings import KnownSite, Settings, Sites
from paynearme.signing import UNSIGNED, verify

PAYNEARME_WAITS_SECONDS = 10
"""How long PayNearMe waits for the answer to a callback."""

type Handler = Callable[[Event, object], HttpAnswer]
type Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Callback[M: (Authorization, Confirmation, Reversal)]:
    """An authentic, valid callback; when it came (UTC), and until when it must be answered."""

    message: M
    site: KnownSite
    received_at: datetime
    deadline: Deadline


@dataclass(frozen=True)
class Call[M: PayNearMeRequest | RecordRequest]:
    """A valid call of the backend API for one of our sites; when it came, until when it must be answered."""

    request: M
    site: KnownSite
    received_at: datetime
    deadline: Deadline


def _now() -> datetime:
    return datetime.now(UTC)


def receive[M: (Authorization, Confirmation, Reversal)](
    event: Event, model: type[M], settings: Settings, sites: Sites, now: datetime, deadline: Deadline
) -> Callback[M]:
    """Return the callback in ``event``: read, authentic, of the right age, and valid.

    Raises ``MalformedRequestError``, ``PayloadTooLargeError``, ``AuthenticationError``, ``ValidationFailedError``, and
    ``SiteKeysUnavailableError`` when nobody can tell.
    """
    received = _parameters_of(event)
    try:
        site = _authenticate(received, sites, deadline)
    except AuthenticationError:
        if lost_bytes(event, received):
            # Not forged but mangled: API Gateway could not read it as UTF-8.
            raise MalformedRequestError from None
        raise
    except SiteKeysUnavailableError:
        # Nobody vouches for it, but its log line must be found.
        telling.identifiers_in(received)
        telemetry.note(signature_unverified=True)
        raise
    # What is not signed is not authentic: it goes no further.
    signed = {name: value for name, value in received.items() if name not in UNSIGNED}
    telemetry.note(site_identifier=site.identifier)
    telling.identifiers_in(signed)
    if model is Authorization:
        _check_age(signed.get("timestamp", ""), now, settings)
    message = read_message(model, signed)
    telemetry.note(is_test=message.test)
    dropped = [name for name in signed if name in model.model_fields and getattr(message, name) is None]
    if unread := sorted(name for name in dropped if signed[name]):
        telemetry.note(ignored_parameters=unread)
        telemetry.count("OptionalFieldsIgnored")
    return Callback(message, site, now, deadline)


def callback[M: (Authorization, Confirmation, Reversal)](
    operation: str,
    model: type[M],
    settings: Settings,
    sites: Sites,
    *,
    when_unavailable: Callable[[Mapping[str, str], datetime], CallbackAnswer] | None = None,
    afterwards: Callable[[M, Deadline, HttpAnswer], HttpAnswer] | None = None,
    clock: Clock = _now,
) -> Callable[[Callable[[Callback[M]], CallbackAnswer]], Handler]:
    """Make a Lambda handler of a function that answers authentic, valid callbacks.

    Each error becomes its fixed answer. A failure of our own becomes 503, unless ``when_unavailable``
    makes an answer of the parameters, which need not be authentic; it raises what it likes if it cannot.
    ``afterwards`` may change the answer to a message that was worked on; its time does not count as ours.
    """

    def decorate(work: Callable[[Callback[M]], CallbackAnswer]) -> Handler:
        @wraps(work)
        def handler(event: Event, context: object) -> HttpAnswer:
            started = time.perf_counter()
            telemetry.note_request(event, context)
            now = clock()
            site: KnownSite | None = None
            done: Callback[M] | None = None
            try:
                received = receive(
                    event, model, settings, sites, now, Deadline.after(settings.answer_within_seconds)
                )
                site = received.site
                answer = callback_answer(work(received), site.version, site.response_format)
                done = received
            except Exception as error:
                telling.error(error)
                if isinstance(error, ValidationFailedError):
                    # It is raised only after the signature held: PayNearMe itself is refused.
                    telemetry.count("CallbackInvalid")
                ours = error if isinstance(error, ServiceError) else UnavailableError()
                answer = problem(ours, names_only=True)
                if answer["statusCode"] >= 500:
                    telemetry.count("CallbackFailed")
                    answer = _in_so_many_words(event, site, now, when_unavailable) or answer
            milliseconds = (time.perf_counter() - started) * 1000
            telemetry.share("ResponseBudgetUsedPercent", milliseconds / (PAYNEARME_WAITS_SECONDS * 1000) * 100)
            if done and afterwards:
                answer = afterwards(done.message, done.deadline, answer)
            telemetry.write(operation, answer["statusCode"], milliseconds)
            return answer

        return handler

    return decorate


def backend_call[M: PayNearMeRequest | RecordRequest](
    operation: str, models: Mapping[str, type[M]], settings: Settings, sites: Sites, *, clock: Clock = _now
) -> Callable[[Callable[[Call[M]], BaseModel | None]], Handler]:
    """Make a Lambda handler of a function that answers valid calls of the backend API.

    ``models`` has the request of each HTTP method. None is answered as not found, and each error becomes
    its fixed problem. API Gateway has checked the caller's IAM signature by then.
    """

    def decorate(work: Callable[[Call[M]], BaseModel | None]) -> Handler:
        @wraps(work)
        def handler(event: Event, context: object) -> HttpAnswer:
            started = time.perf_counter()
            telemetry.note_request(event, context)
            now, deadline = clock(), Deadline.after(settings.call_within_seconds)
            try:
                method = event["httpMethod"]
                parameters = _parameters_of_call(event, models[method])
                telling.identifiers_in(parameters)
                request = read_message(models[method], parameters)
                site = _site_of(request, settings, sites, deadline)
                identifiers = {name: getattr(request, name) for name in from_path(event)}
                telemetry.note(method=method, **{**identifiers, "site_identifier": site.identifier})
                content = work(Call(request, site, now, deadline))
                if content is None:
                    raise NotFoundError
                telling.orders_in(content)
                answer = success(content.model_dump(mode="json"))
            except Exception as error:
                telling.error(error)
                answer = problem(error, names_only=False)
            telemetry.write(operation, answer["statusCode"], (time.perf_counter() - started) * 1000)
            return answer

        return handler

    return decorate


def _check_age(timestamp: str, now: datetime, settings: Settings) -> None:
    """Refuse an authorization that is too old. Nothing else ever is: an outage delays it by hours."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        # It is named as unreadable with whatever else is.
        return
    age = now.timestamp() - int(timestamp)
    if not -settings.authorization_max_ahead_seconds <= age <= settings.authorization_max_age_seconds:
        raise StaleTimestampError


def _parameters_of(event: Event) -> dict[str, str]:
    return from_query(event) if event["httpMethod"] == "GET" else from_body(event)


def _parameters_of_call(event: Event, model: type[Message]) -> dict[str, str]:
    """Return what address and headers name and what the query of a GET, or else the JSON body, says of it."""
    named = from_path(event) | from_headers(event, model.in_headers)
    said = from_query(event) if event["httpMethod"] == "GET" else from_json_body(event)
    if twice := named.keys() & said.keys():
        raise ValidationFailedError(dict.fromkeys(twice, "stands in the address, and nowhere else"))
    return named | said


def _authenticate(received: Mapping[str, str], sites: Sites, deadline: Deadline) -> KnownSite:
    if "signature" not in received:
        raise SignatureError
    identifier = received.get("site_identifier")
    try:
        return _proven(received, sites.find(identifier, deadline))
    except AuthenticationError:
        # It may fit a key that is newer than what we keep.
        if not _refreshed(sites, deadline):
            raise
        return _proven(received, sites.find(identifier, deadline))


def _refreshed(sites: Sites, deadline: Deadline) -> bool:
    try:
        return sites.refresh(deadline)
    except SiteKeysUnavailableError:
        # The keys that we keep still hold, and this message fits none of them.
        return False


def _proven(received: Mapping[str, str], site: KnownSite) -> KnownSite:
    # Another version than the key's is refused, so that nobody can downgrade a site to MD5.
    if received.get("version") != site.version:
        raise UnsupportedVersionError
    secrets = [secret.get_secret_value() for secret in site.callback_secrets]
    verify(received, received["signature"], secrets, site.version)
    return site


def _site_of(
    request: PayNearMeRequest | RecordRequest, settings: Settings, sites: Sites, deadline: Deadline
) -> KnownSite:
    identifier = request.site_identifier or settings.default_site_identifier
    if not identifier:
        raise ValidationFailedError({"site_identifier": "is required, because there is no default site"})
    try:
        return sites.find(identifier, deadline)
    except UnknownSiteError:
        raise ValidationFailedError({"site_identifier": "is not one of our sites"}) from None


def _in_so_many_words(
    event: Event,
    site: KnownSite | None,
    now: datetime,
    when_unavailable: Callable[[Mapping[str, str], datetime], CallbackAnswer] | None,
) -> HttpAnswer | None:
    """Return PayNearMe's kind of answer to a callback that we could not work on, where it can be made."""
    if when_unavailable is None:
        return None
    try:
        received = _parameters_of(event)
        if site is None:
            # What nobody vouches for is not repeated, but for the order, without which there is no answer.
            received.pop("site_payment_identifier", None)
        reply = when_unavailable(received, now)
    except Exception:
        # There is nothing to answer with: no order to name, or not even a request.
        return None
    if site is not None:
        return callback_answer(reply, site.version, site.response_format)
    # Not even the site is known: PayNearMe's usual form for the version that it names.
    return callback_answer(reply, *(("2.0", "xml") if received.get("version") == "2.0" else ("3.0", "json")))
