"""PayNearMe's token address: the request for an access token and its answer (RFC 6749, section 4.4)."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
from oauthlib.oauth2.rfc6749.parameters import parse_token_response
from pydantic import SecretStr
from urllib3 import BaseHTTPResponse, PoolManager, make_headers

from paynearme.deadline import Deadline
from paynearme.errors import CredentialsRejectedError, RequestNotAcceptedError
from paynearme.sending import post
from paynearme.settings import OAuthClient

LONGEST_ANSWER_SECONDS = 2.0

_USUAL_SECONDS = 300.0
_MOST_SECONDS = 86_400.0
# What a header can carry.
_TOKEN = re.compile(r"[\x21-\x7e]+", re.ASCII)


@dataclass(frozen=True)
class Granted:
    """A token as the address gave it, and for how many seconds it holds: 300 where it does not say."""

    access_token: SecretStr
    seconds: float


def ask(client: OAuthClient, http: PoolManager, deadline: Deadline) -> Granted:
    """Ask once for a token and return it.

    Raises ``CredentialsRejectedError``, ``RequestNotAcceptedError``, ``UpstreamTimeoutError`` and
    ``UpstreamError`` where there is none.
    """
    body, headers = _request_of(client)
    seconds = min(LONGEST_ANSWER_SECONDS, deadline.remaining)
    within = deadline.within(seconds)
    return _granted(post(http, client.token_url, body, headers, False, seconds, within))


def _request_of(client: OAuthClient) -> tuple[bytes, dict[str, str]]:
    """Return body and headers; the client proves itself as section 2.3.1 has it."""
    secret = client.client_secret.get_secret_value()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    prepare = BackendApplicationClient(client.client_id).prepare_request_body
    if client.client_authentication == "body":
        body = prepare(scope=client.scope, include_client_id=True, client_secret=secret)
        return body.encode(), headers
    both = f"{quote_plus(client.client_id)}:{quote_plus(secret)}"
    body = prepare(scope=client.scope, include_client_id=False)
    return body.encode(), headers | make_headers(basic_auth=both)


def _granted(answer: BaseHTTPResponse) -> Granted:
    """Return what an answer grants; raise what it means where that is nothing."""
    if answer.status in (400, 401, 403):
        raise CredentialsRejectedError(f"no token: status {answer.status}")
    if answer.status != 200:
        raise RequestNotAcceptedError(f"no token: status {answer.status}")
    try:
        content: dict[str, Any] = parse_token_response(answer.data.decode())
        seconds = min(float(content.get("expires_in") or _USUAL_SECONDS), _MOST_SECONDS)
    except (OAuth2Error, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
        raise RequestNotAcceptedError("no token in the answer") from None
    token, kind = content.get("access_token"), content.get("token_type")
    if str(kind).lower() != "bearer" or not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise RequestNotAcceptedError("no bearer token")
    return Granted(SecretStr(token), seconds)
