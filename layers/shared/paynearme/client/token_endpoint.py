"""Requests to PayNearMe's OAuth 2.0 token endpoint (RFC 6749, section 4.4)."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
from oauthlib.oauth2.rfc6749.parameters import parse_token_response
from pydantic import SecretStr
from urllib3 import BaseHTTPResponse, PoolManager, make_headers

from paynearme.client.http_client import post
from paynearme.errors import CredentialsRejectedError, RequestNotAcceptedError
from paynearme.platform.deadline import Deadline
from paynearme.sites.site import OAuthClient

MAX_RESPONSE_SECONDS = 2.0

_DEFAULT_EXPIRES_IN = 300.0
_MAX_EXPIRES_IN = 86_400.0
# The characters that an HTTP header can contain.
_TOKEN = re.compile(r"[\x21-\x7e]+", re.ASCII)


@dataclass(frozen=True)
class TokenGrant:
    """A token and its lifetime in seconds, which is 300 if the response contains none."""

    access_token: SecretStr
    expires_in: float


def request_token(client: OAuthClient, http: PoolManager, deadline: Deadline) -> TokenGrant:
    """Request a token, without retries.

    Raises ``CredentialsRejectedError``, ``RequestNotAcceptedError``, ``UpstreamTimeoutError`` or ``UpstreamError``
    if the endpoint returns no token.
    """
    body, headers = _build_request(client)
    seconds = min(MAX_RESPONSE_SECONDS, deadline.remaining)
    attempt_deadline = deadline.within(seconds)
    return _parse_grant(post(http, client.token_url, body, headers, False, seconds, attempt_deadline))


def _build_request(client: OAuthClient) -> tuple[bytes, dict[str, str]]:
    """Return body and headers. The client authenticates as in section 2.3.1."""
    secret = client.client_secret.get_secret_value()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    prepare = BackendApplicationClient(client.client_id).prepare_request_body
    if client.client_authentication == "body":
        body = prepare(scope=client.scope, include_client_id=True, client_secret=secret)
        return body.encode(), headers
    credentials = f"{quote_plus(client.client_id)}:{quote_plus(secret)}"
    body = prepare(scope=client.scope, include_client_id=False)
    return body.encode(), headers | make_headers(basic_auth=credentials)


def _parse_grant(response: BaseHTTPResponse) -> TokenGrant:
    """Return the token of a response, or raise the error that the response means."""
    if response.status in (400, 401, 403):
        raise CredentialsRejectedError(f"no token: status {response.status}")
    if response.status != 200:
        raise RequestNotAcceptedError(f"no token: status {response.status}")
    try:
        content: dict[str, Any] = parse_token_response(response.data.decode())
        expires_in = min(float(content.get("expires_in") or _DEFAULT_EXPIRES_IN), _MAX_EXPIRES_IN)
    except (OAuth2Error, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
        raise RequestNotAcceptedError("no token in the response") from None
    access_token, token_type = content.get("access_token"), content.get("token_type")
    if str(token_type).lower() != "bearer" or not isinstance(access_token, str) or not _TOKEN.fullmatch(access_token):
        raise RequestNotAcceptedError("no bearer token")
    return TokenGrant(SecretStr(access_token), expires_in)
