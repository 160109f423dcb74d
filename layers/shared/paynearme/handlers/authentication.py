"""Authenticate a callback: parse it, and verify its signature."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from paynearme.errors import (
    AuthenticationError,
    MalformedRequestError,
    SignatureError,
    SiteKeysUnavailableError,
    UnsupportedVersionError,
)
from paynearme.handlers.log_identifiers import log_identifiers
from paynearme.platform.deadline import Deadline
from paynearme.platform.http_request import ProxyEvent, from_body, from_query, undecodable_parameters
from paynearme.platform.observability import add_log_fields, add_metric
from paynearme.protocol.signing import UNSIGNED, verify
from paynearme.sites.site import ResolvedSite
from paynearme.sites.site_provider import SiteProvider


@dataclass(frozen=True)
class AuthenticCallback:
    """The signed parameters of a callback, its site, and the version of its response.

    A null that is signed as a bare name is empty text. A null outside the signed text is left out.
    """

    parameters: Mapping[str, str]
    site: ResolvedSite
    version: str


def authenticate_callback(event: ProxyEvent, sites: SiteProvider, deadline: Deadline) -> AuthenticCallback:
    """Return the authentic callback of an API Gateway event.

    Raises ``MalformedRequestError``, ``PayloadTooLargeError``, ``AuthenticationError``, and
    ``SiteKeysUnavailableError`` if the signature cannot be verified.
    """
    received = _parse(event)
    try:
        site, verified = _authenticate(received, sites, deadline)
    except AuthenticationError:
        if undecodable_parameters(event, received):
            # API Gateway replaced bytes that are not UTF-8, so no signature can match.
            raise MalformedRequestError from None
        raise
    except SiteKeysUnavailableError:
        # The values are not verified, but an operator must find this log line.
        log_identifiers(without_nulls(received))
        add_log_fields(signature_unverified=True)
        raise
    # An unsigned parameter is not authentic, so no later step receives it.
    signed = {name: value for name, value in verified.items() if name not in UNSIGNED}
    add_log_fields(site_identifier=site.identifier)
    log_identifiers(signed)
    return AuthenticCallback(signed, site, signed["version"])


def parse_callback(event: ProxyEvent) -> dict[str, str]:
    """Return the parameters of a callback without nulls. They are not authentic."""
    return without_nulls(_parse(event))


def without_nulls(parameters: Mapping[str, str | None]) -> dict[str, str]:
    """Return the parameters that are not null."""
    return {name: value for name, value in parameters.items() if value is not None}


def _parse(event: ProxyEvent) -> Mapping[str, str | None]:
    """Return the parameters of the query for a GET, else of the body."""
    return from_query(event) if event["httpMethod"] == "GET" else from_body(event)


def _authenticate(
    received: Mapping[str, str | None], sites: SiteProvider, deadline: Deadline
) -> tuple[ResolvedSite, Mapping[str, str]]:
    """Return the site of a callback, and its parameters as they are signed."""
    if received.get("signature") is None:
        raise SignatureError
    identifier = received.get("site_identifier")
    try:
        site = sites.get(identifier, deadline)
        return site, _verify_signature(received, site)
    except AuthenticationError:
        # A key that is newer than the cached keys can match.
        if not _refresh_keys(sites, deadline):
            raise
        site = sites.get(identifier, deadline)
        return site, _verify_signature(received, site)


def _refresh_keys(sites: SiteProvider, deadline: Deadline) -> bool:
    try:
        return sites.refresh(deadline)
    except SiteKeysUnavailableError:
        # The cached keys remain valid, and none of them matches this message.
        return False


def _verify_signature(received: Mapping[str, str | None], site: ResolvedSite) -> Mapping[str, str]:
    version = received.get("version")
    # A message cannot downgrade a site to MD5: the major version of the site's key is required.
    if version is None or not site.accepts(version):
        raise UnsupportedVersionError
    secrets = [secret.get_secret_value() for secret in site.callback_secrets]
    for parameters in _signed_forms(received):
        try:
            verify(parameters, parameters["signature"], secrets, version)
        except SignatureError:
            continue
        if version != site.version:
            add_metric("CallbackVersionDiffers")
        return parameters
    raise SignatureError


def _signed_forms(received: Mapping[str, str | None]) -> Iterator[Mapping[str, str]]:
    """Yield the parameters without nulls, then with each null as a bare name. It is not public which form is signed."""
    yield without_nulls(received)
    if None in received.values():
        yield {name: value or "" for name, value in received.items()}
