"""Whether a call proves that it comes from a site, in the way that the site must use, and no other."""

from collections.abc import Mapping

from paynearme.errors import SignatureError
from paynearme.protocol.signing import verify
from paynearme.sites.site import Site
from sandbox.fake_paynearme.oauth_server import AccessTokens
from sandbox.fake_paynearme.responses import RejectedError

TIMESTAMP_SECONDS = 300
"""By how much a call's timestamp may differ from the clock."""

_CHALLENGE = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


def authenticate(
    parameters: Mapping[str, str],
    authorization: str | None,
    sites: Mapping[str, Site],
    access_tokens: AccessTokens,
    now: float,
) -> str:
    """Return the site's identifier; raise ``RejectedError`` with status 401 for what is not authentic.

    ``authorization`` is the header's value, None without one; ``now`` is in Unix seconds.
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
    if site.call_authentication == "oauth" and site.oauth is not None:
        scheme, _, access_token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not access_tokens.is_valid(identifier, access_token.strip(" ")):
            raise RejectedError("Wrong access token", status=401, headers=_CHALLENGE)
        is_signed = site.oauth.send_signature
    elif authorization is not None:
        raise RejectedError("This site signs its calls", status=401)
    else:
        is_signed = True
    if is_signed:
        _check_signature(parameters, site)
    elif "signature" in parameters:
        raise RejectedError("This site does not sign its calls", status=401)
    return identifier


def _check_signature(parameters: Mapping[str, str], site: Site) -> None:
    secret = (site.api_secret or site.secret).get_secret_value()
    try:
        verify(parameters, parameters.get("signature", ""), [secret], site.version)
    except SignatureError:
        raise RejectedError("Wrong signature", status=401) from None
