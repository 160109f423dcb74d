"""Stand-ins for what the client talks to: its connections to PayNearMe, and where its tokens come from."""

import json
from io import BytesIO
from typing import Any, cast

from pydantic import SecretStr
from urllib3 import BaseHTTPResponse, HTTPResponse, PoolManager

from paynearme.access_tokens import AccessTokens
from paynearme.client import PayNearMeClient
from paynearme.deadline import Deadline
from paynearme.errors import ServiceError
from paynearme.messages import SmartTokenRequest, read_message
from paynearme.messages.create_order import CreateOrderRequest
from paynearme.messages.make_payment import IDEMPOTENCY_KEY, MakePaymentRequest
from paynearme.messages.payment_methods import FindPaymentMethodsRequest
from paynearme.parameters import from_json_body
from paynearme.settings import KnownSite, OAuthClient
from tests.connections import arrived
from tests.documents import documented
from tests.events_of_gateway import json_event
from tests.messages import known_site, valid_guaranteed_ach_request

ADDRESS = "https://api.example.com"
NOW = 1_721_943_463.9
OURS = "0b4b3b1e-5f5b-5d4e-9c39-8f7e6a1d2c3b"
"""Our identifier of a payment."""

TOKEN = read_message(SmartTokenRequest, valid_guaranteed_ach_request())
FIND = read_message(FindPaymentMethodsRequest, documented("find_payment_methods", "saved"))
ORDER = read_message(
    CreateOrderRequest, from_json_body(json_event(documented("create_order", "guaranteed_ach")))
)
PAYMENT = read_message(MakePaymentRequest, documented("make_payment", "saved") | {IDEMPOTENCY_KEY: "key-1"})

ANSWERS = {
    "get_smart_token": documented("get_smart_token_answer", "guaranteed_ach"),
    "find_payment_methods": documented("find_payment_methods_answer", "saved"),
    "create_order": documented("create_order_answer", "guaranteed_ach"),
    "make_payment": {"status": "ok", "pnm_payment_identifier": "943751749956"},
}
"""A good answer to each operation."""


def answer_of(status: int, content: object) -> HTTPResponse:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return HTTPResponse(body=BytesIO(body), status=status)


class StubPool:
    """Gives its answers one after the other, or raises them, the last for ever; keeps what was requested."""

    def __init__(self, *answers: BaseHTTPResponse | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []

    def request(self, method: str, url: str, **options: Any) -> BaseHTTPResponse:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        whole = options | {"body": arrived(options["body"], answer)}
        self.requests.append({"method": method, "url": url, **whole})
        if isinstance(answer, Exception):
            raise answer
        return answer

    def clear(self) -> None:
        """Have no connection to forget."""

    @property
    def sent(self) -> list[dict[str, str]]:
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
        self.refused: list[str | None] = []
        self.accepted = 0

    def find(self, site: KnownSite, deadline: Deadline, refused: SecretStr | None = None) -> SecretStr:
        self.refused.append(refused.get_secret_value() if refused else None)
        if refused is not None and refused.get_secret_value() == self.tokens[0]:
            self.tokens.pop(0)
        token = self.tokens[0]
        if isinstance(token, ServiceError):
            raise token
        return SecretStr(token)

    def accept(self, site: KnownSite) -> None:
        self.accepted += 1


def client_of(
    http: StubPool | PoolManager, tokens: StubTokens | AccessTokens | None = None, address: str = ADDRESS
) -> PayNearMeClient:
    """Return a client; without ``tokens`` it fails where it asks for one."""
    return PayNearMeClient(
        address, cast(AccessTokens, tokens or StubTokens()), cast(PoolManager, http), clock=lambda: NOW
    )


def call(client: PayNearMeClient, operation: str, site: KnownSite, deadline: Deadline) -> object:
    """Return what a valid call of ``operation`` returns."""
    match operation:
        case "get_smart_token":
            return client.get_smart_token(site, TOKEN, deadline)
        case "find_payment_methods":
            return client.find_payment_methods(site, FIND, deadline)
        case "create_order":
            return client.create_order(site, ORDER, deadline)
        case _:
            return client.make_payment(site, PAYMENT, OURS, deadline)


def oauth_site(*, send_signature: bool = False) -> KnownSite:
    """Return a site whose calls carry a token."""
    client = OAuthClient(
        token_url="https://login.example.com/token",
        client_id="us",
        client_secret=SecretStr("client-secret"),
        send_signature=send_signature,
    )
    return known_site().model_copy(update={"oauth": client})
