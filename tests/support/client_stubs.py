"""Stand-ins for what the client talks to: its connections to PayNearMe, and where its tokens come from."""

import json
from io import BytesIO
from typing import Any, cast

from pydantic import SecretStr
from urllib3 import BaseHTTPResponse, HTTPResponse, PoolManager

from paynearme.client.access_token_cache import AccessTokens
from paynearme.client.paynearme_client import PayNearMeClient
from paynearme.errors import ServiceError
from paynearme.platform.deadline import Deadline
from paynearme.platform.http_request import from_json_body
from paynearme.protocol.create_order import CreateOrderRequest
from paynearme.protocol.make_payment import IDEMPOTENCY_KEY, MakePaymentRequest
from paynearme.protocol.parsing import read_message
from paynearme.protocol.payment_methods import FindPaymentMethodsRequest
from paynearme.protocol.smart_token import SmartTokenRequest
from paynearme.sites.site import OAuthClient, ResolvedSite
from tests.support.api_gateway_events import json_event
from tests.support.http_assertions import body_received
from tests.support.message_fixtures import resolved_site, valid_guaranteed_ach_request
from tests.support.samples import load_sample

BASE_URL = "https://api.example.com"
NOW = 1_721_943_463.9
SITE_PAYMENT_IDENTIFIER = "0b4b3b1e-5f5b-5d4e-9c39-8f7e6a1d2c3b"
"""Our identifier of a payment."""

SMART_TOKEN_REQUEST = read_message(SmartTokenRequest, valid_guaranteed_ach_request())
FIND_REQUEST = read_message(FindPaymentMethodsRequest, load_sample("find_payment_methods", "saved"))
ORDER_REQUEST = read_message(
    CreateOrderRequest, from_json_body(json_event(load_sample("create_order", "guaranteed_ach")))
)
PAYMENT_REQUEST = read_message(MakePaymentRequest, load_sample("make_payment", "saved") | {IDEMPOTENCY_KEY: "key-1"})

RESPONSES = {
    "get_smart_token": load_sample("get_smart_token_response", "guaranteed_ach"),
    "find_payment_methods": load_sample("find_payment_methods_response", "saved"),
    "create_order": load_sample("create_order_response", "guaranteed_ach"),
    "make_payment": {"status": "ok", "pnm_payment_identifier": "943751749956"},
}
"""A good answer to each operation."""


def http_response(status: int, content: object) -> HTTPResponse:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return HTTPResponse(body=BytesIO(body), status=status)


class StubPool:
    """Gives its answers one after the other, or raises them, the last for ever; keeps what was requested."""

    def __init__(self, *responses: BaseHTTPResponse | Exception) -> None:
        self.responses = list(responses)
        self.requests: list[dict[str, Any]] = []

    def request(self, method: str, url: str, **options: Any) -> BaseHTTPResponse:
        response = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        received = options | {"body": body_received(options["body"], response)}
        self.requests.append({"method": method, "url": url, **received})
        if isinstance(response, Exception):
            raise response
        return response

    def clear(self) -> None:
        """Have no connection to forget."""

    @property
    def sent_bodies(self) -> list[dict[str, str]]:
        """Return the bodies of the requests."""
        return [json.loads(request["body"]) for request in self.requests]

    @property
    def authorizations(self) -> list[str | None]:
        """Return the header of that name of each request, None where there was none."""
        return [request["headers"].get("Authorization") for request in self.requests]


class StubTokens:
    """Gives its tokens one after the other: the next, or its error, once the one before was refused.

    ``accepted`` counts how often it learned that PayNearMe took one.
    """

    def __init__(self, *tokens: str | ServiceError) -> None:
        self.tokens = list(tokens)
        self.rejected_tokens: list[str | None] = []
        self.accepted = 0

    def get(self, site: ResolvedSite, deadline: Deadline, rejected_token: SecretStr | None = None) -> SecretStr:
        self.rejected_tokens.append(rejected_token.get_secret_value() if rejected_token else None)
        if rejected_token is not None and rejected_token.get_secret_value() == self.tokens[0]:
            self.tokens.pop(0)
        token = self.tokens[0]
        if isinstance(token, ServiceError):
            raise token
        return SecretStr(token)

    def mark_accepted(self, site: ResolvedSite) -> None:
        self.accepted += 1


def new_client(
    http: StubPool | PoolManager, tokens: StubTokens | AccessTokens | None = None, base_url: str = BASE_URL
) -> PayNearMeClient:
    """Return a client; without ``tokens`` it fails where it asks for one."""
    return PayNearMeClient(
        base_url, cast(AccessTokens, tokens or StubTokens()), cast(PoolManager, http), clock=lambda: NOW
    )


def call(client: PayNearMeClient, operation: str, site: ResolvedSite, deadline: Deadline) -> object:
    """Return what a valid call of ``operation`` returns."""
    match operation:
        case "get_smart_token":
            return client.get_smart_token(site, SMART_TOKEN_REQUEST, deadline)
        case "find_payment_methods":
            return client.find_payment_methods(site, FIND_REQUEST, deadline)
        case "create_order":
            return client.create_order(site, ORDER_REQUEST, deadline)
        case _:
            return client.make_payment(site, PAYMENT_REQUEST, SITE_PAYMENT_IDENTIFIER, deadline)


def oauth_site(*, send_signature: bool = False) -> ResolvedSite:
    """Return a site whose calls carry a token."""
    client = OAuthClient(
        token_url="https://login.example.com/token",
        client_id="us",
        client_secret=SecretStr("client-secret"),
        send_signature=send_signature,
    )
    return resolved_site().model_copy(update={"oauth": client})
