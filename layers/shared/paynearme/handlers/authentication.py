"""Receive a callback: parse it, verify its signature and its timestamp, and validate it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from paynearme.errors import (
    AuthenticationError,
    MalformedRequestError,
    SignatureError,
    SiteKeysUnavailableError,
    StaleTimestampError,
    UnsupportedVersionError,
)
from paynearme.handlers.log_identifiers import log_identifiers
from paynearme.platform.deadline import Deadline
from paynearme.platform.http_request import ProxyEvent, from_body, from_query, undecodable_parameters
from paynearme.platform.observability import add_log_fields, add_metric
from paynearme.platform.settings import Settings
from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.parsing import read_message
from paynearme.protocol.reversals import Reversal
from paynearme.protocol.signing import UNSIGNED, verify
from paynearme.sites.site import ResolvedSite
from paynearme.sites.site_provider import SiteProvider


@dataclass(frozen=True)
class Callback[M: (Authorization, Confirmation, Reversal)]:
    """An authentic, valid callback, the time of its receipt (UTC), and the deadline of the response."""

    message: M
    site: ResolvedSite
    received_at: datetime
    deadline: Deadline


def receive_callback[M: (Authorization, Confirmation, Reversal)](
    event: ProxyEvent, model: type[M], settings: Settings, sites: SiteProvider, now: datetime, deadline: Deadline
) -> Callback[M]:
    """Return the callback of an API Gateway event.

    Raises ``MalformedRequestError``, ``PayloadTooLargeError``, ``AuthenticationError``,
    ``ValidationFailedError``, and ``SiteKeysUnavailableError`` if the signature cannot be verified.
    """
    received = parse_callback(event)
    try:
        site = _authenticate(received, sites, deadline)
    except AuthenticationError:
        if undecodable_parameters(event, received):
            # API Gateway replaced bytes that are not UTF-8, so no signature can match.
            raise MalformedRequestError from None
        raise
    except SiteKeysUnavailableError:
        # The values are not verified, but an operator must find this log line.
        log_identifiers(received)
        add_log_fields(signature_unverified=True)
        raise
    # An unsigned parameter is not authentic, so no later step receives it.
    signed = {name: value for name, value in received.items() if name not in UNSIGNED}
    add_log_fields(site_identifier=site.identifier)
    log_identifiers(signed)
    if model is Authorization:
        _check_timestamp(signed.get("timestamp", ""), now, settings)
    message = read_message(model, signed)
    add_log_fields(is_test=message.test)
    unset = [name for name in signed if name in model.model_fields and getattr(message, name) is None]
    if ignored := sorted(name for name in unset if signed[name]):
        add_log_fields(ignored_parameters=ignored)
        add_metric("OptionalFieldsIgnored")
    return Callback(message, site, now, deadline)


def parse_callback(event: ProxyEvent) -> dict[str, str]:
    """Return the parameters of a callback: of the query for a GET, else of the body."""
    return from_query(event) if event["httpMethod"] == "GET" else from_body(event)


def _check_timestamp(timestamp: str, now: datetime, settings: Settings) -> None:
    """Reject an authorization that is too old or too early. Other callbacks can arrive hours late, after an outage."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        # The validation of the message reports it with all other errors.
        return
    age = now.timestamp() - int(timestamp)
    if not -settings.max_clock_skew_seconds <= age <= settings.authorization_max_age_seconds:
        raise StaleTimestampError


def _authenticate(received: Mapping[str, str], sites: SiteProvider, deadline: Deadline) -> ResolvedSite:
    if "signature" not in received:
        raise SignatureError
    identifier = received.get("site_identifier")
    try:
        return _verify_signature(received, sites.get(identifier, deadline))
    except AuthenticationError:
        # A key that is newer than the cached keys can match.
        if not _refresh_keys(sites, deadline):
            raise
        return _verify_signature(received, sites.get(identifier, deadline))


def _refresh_keys(sites: SiteProvider, deadline: Deadline) -> bool:
    try:
        return sites.refresh(deadline)
    except SiteKeysUnavailableError:
        # The cached keys remain valid, and none of them matches this message.
        return False


def _verify_signature(received: Mapping[str, str], site: ResolvedSite) -> ResolvedSite:
    # A message cannot downgrade a site to MD5: only the version of the site's key is accepted.
    if received.get("version") != site.version:
        raise UnsupportedVersionError
    secrets = [secret.get_secret_value() for secret in site.callback_secrets]
    verify(received, received["signature"], secrets, site.version)
    return site
