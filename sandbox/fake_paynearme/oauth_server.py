"""The token endpoint: the client credentials grant of RFC 6749, sections 2.3.1, 4.4 and 5."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, unquote_plus

from aiohttp import web

from sandbox.fake_paynearme.sites import OAuthClient, Site

TOKEN_SECONDS = 3600.0
"""The default lifetime of a token."""

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_FORM = "application/x-www-form-urlencoded"


class _GrantError(Exception):
    def __init__(self, code: str, *, challenge: bool = False) -> None:
        super().__init__(code)
        status = 401 if code == "invalid_client" else 400
        headers = _NO_STORE | ({"WWW-Authenticate": 'Basic realm="token"'} if challenge else {})
        self.response = web.json_response({"error": code}, status=status, headers=headers)


class AccessTokens:
    """The granted tokens.

    ``request_count`` counts the requests, ``grant_count`` the tokens. ``seconds`` is the lifetime of new tokens.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start without tokens. ``clock`` returns Unix seconds."""
        self._clock = clock
        # The site's identifier and the time of the expiry in Unix seconds.
        self._tokens: dict[str, tuple[str, float]] = {}
        self.seconds = TOKEN_SECONDS
        self.request_count = 0
        self.grant_count = 0

    def is_valid(self, site_identifier: str, access_token: str) -> bool:
        """Return whether the token belongs to the site and is neither expired nor revoked."""
        stored_site_identifier, expires = self._tokens.get(access_token, (None, 0))
        return stored_site_identifier == site_identifier and self._clock() < expires

    def expire(self) -> None:
        """Expire all tokens."""
        now = self._clock()
        self._tokens = {token: (site, min(expires, now)) for token, (site, expires) in self._tokens.items()}

    def revoke(self) -> None:
        """Revoke all tokens."""
        self._tokens.clear()

    def reset_counts(self) -> None:
        """Set the counts to zero. The tokens stay valid."""
        self.request_count = self.grant_count = 0

    def grant(self, headers: Mapping[str, str], body: bytes, sites: Mapping[str, Site]) -> web.Response:
        """Return the response to a token request."""
        try:
            form = _read_form(headers, body)
            site_identifier, client = _client(headers.get("Authorization"), form, sites)
            if "grant_type" not in form:
                raise _GrantError("invalid_request")
            if form["grant_type"] != "client_credentials":
                raise _GrantError("unsupported_grant_type")
            if form.get("scope") != client.scope:
                raise _GrantError("invalid_scope")
        except _GrantError as error:
            return error.response
        access_token = secrets.token_urlsafe(32)
        self._tokens[access_token] = (site_identifier, self._clock() + self.seconds)
        self.grant_count += 1
        content = {"access_token": access_token, "token_type": "Bearer", "expires_in": int(self.seconds)}
        if client.scope is not None:
            content["scope"] = client.scope
        return web.json_response(content, headers=_NO_STORE)


def _read_form(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """Return the parameters of the form. A parameter without a value is omitted (section 3.2)."""
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() != _FORM:
        raise _GrantError("invalid_request")
    try:
        pairs = parse_qsl(body.decode("ascii"), errors="strict")
    except ValueError:
        raise _GrantError("invalid_request") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise _GrantError("invalid_request")
    return form


def _client(authorization: str | None, form: Mapping[str, str], sites: Mapping[str, Site]) -> tuple[str, OAuthClient]:
    """Authenticate the client, and return it with the identifier of its site."""
    in_body = "client_secret" in form
    if authorization is not None and in_body:
        # Section 2.3: one method per request.
        raise _GrantError("invalid_request")
    if authorization is not None:
        method, (name, secret) = "basic", _basic(authorization)
    else:
        method, (name, secret) = "body", (form.get("client_id", ""), form.get("client_secret", ""))
    for identifier, site in sites.items():
        client = site.client
        if client is None or client.client_id != name or client.client_authentication != method:
            continue
        if hmac.compare_digest(client.client_secret.encode(), secret.encode()):
            return identifier, client
    raise _GrantError("invalid_client", challenge=authorization is not None)


def _basic(authorization: str) -> tuple[str, str]:
    """Return the client's identifier and secret. Both are form-encoded (section 2.3.1)."""
    scheme, _, text = authorization.partition(" ")
    try:
        name, colon, secret = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise _GrantError("invalid_client", challenge=True) from None
    if scheme.lower() != "basic" or not colon:
        raise _GrantError("invalid_client", challenge=True)
    return unquote_plus(name), unquote_plus(secret)
