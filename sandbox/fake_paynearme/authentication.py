"""Authenticate API requests by the method of their site: a signature, a bearer token, or both."""

from collections.abc import Mapping

from sandbox.fake_paynearme.oauth_server import AccessTokens
from sandbox.fake_paynearme.responses import RejectedError
from sandbox.fake_paynearme.signing import is_signed
from sandbox.fake_paynearme.sites import Site

TIMESTAMP_SECONDS = 300
"""The maximum difference between a request's timestamp and the clock."""

_CHALLENGE = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


def authenticate(
    parameters: Mapping[str, str],
    authorization: str | None,
    sites: Mapping[str, Site],
    access_tokens: AccessTokens,
    now: float,
) -> str:
    """Return the identifier of the site that sent the request.

    ``authorization`` is the value of the header, or None. ``now`` is in Unix seconds. Raises ``RejectedError`` with
    status 401 if the request is not authentic.
    """
    identifier = parameters.get("site_identifier", "")
    site = sites.get(identifier)
    if site is None:
        raise RejectedError("Unknown site", status=401)
    if parameters.get("version") != site.version:
        raise RejectedError("Wrong version", status=401)
    timestamp = parameters.get("timestamp", "")
    seconds = int(timestamp) if timestamp.isdecimal() and len(timestamp) <= 12 else 0
    if abs(now - seconds) > TIMESTAMP_SECONDS:
        raise RejectedError("Wrong timestamp", status=401)
    if site.client is not None:
        scheme, _, access_token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not access_tokens.is_valid(identifier, access_token.strip(" ")):
            raise RejectedError("Wrong access token", status=401, headers=_CHALLENGE)
    elif authorization is not None:
        raise RejectedError("This site signs its requests", status=401)
    if site.client is not None and not site.client.send_signature:
        if "signature" in parameters:
            raise RejectedError("This site does not sign its requests", status=401)
    elif parameters.get("api_key_id", site.api_key_id) != site.api_key_id:
        raise RejectedError("Wrong key pair", status=401)
    elif not is_signed(parameters, site.api_secret or site.secret, site.version):
        raise RejectedError("Wrong signature", status=401)
    return identifier
