"""Valid calls of ``PayNearMeClient``, and a stub of its access tokens."""

from typing import cast

from urllib3 import PoolManager

from paynearme.client.access_token_cache import AccessTokens
from paynearme.client.paynearme_client import PayNearMeClient
from paynearme.platform.deadline import Deadline
from paynearme.platform.http_request import from_json_body
from paynearme.protocol.create_order import CreateOrderRequest
from paynearme.protocol.make_payment import IDEMPOTENCY_KEY, MakePaymentRequest
from paynearme.protocol.parsing import read_message
from paynearme.protocol.payment_methods import FindPaymentMethodsRequest
from paynearme.protocol.smart_token import SmartTokenRequest
from paynearme.sites.site import ResolvedSite
from sandbox.clients.sample_messages import load
from tests.support.api_gateway_events import json_event
from tests.support.message_fixtures import valid_guaranteed_ach_request
from tests.support.paynearme_stub import SAMPLE_REPLY, PayNearMeStub

BASE_URL = "https://api.example.com"
NOW = 1_721_943_463.9
SITE_PAYMENT_IDENTIFIER = "0b4b3b1e-5f5b-5d4e-9c39-8f7e6a1d2c3b"

ORDER_REQUEST = read_message(CreateOrderRequest, from_json_body(json_event(load("create_order")["guaranteed_ach"])))
PAYMENT_REQUEST = read_message(MakePaymentRequest, load("make_payment")["saved"] | {IDEMPOTENCY_KEY: "key-1"})

REQUESTS: dict[str, object] = {
    "get_smart_token": read_message(SmartTokenRequest, valid_guaranteed_ach_request(payment_amount="25")),
    "find_payment_methods": read_message(FindPaymentMethodsRequest, load("find_payment_methods")["saved"]),
    "create_order": ORDER_REQUEST,
}
RESPONSES = {
    "get_smart_token": SAMPLE_REPLY,
    "find_payment_methods": load("find_payment_methods_response")["saved"],
    "create_order": load("create_order_response")["guaranteed_ach"],
    "make_payment": {"status": "ok", "pnm_payment_identifier": "943751749956"},
}
"""A successful response for each operation."""


def new_client(
    http: PayNearMeStub | PoolManager | None, tokens: object = None, base_url: str = BASE_URL
) -> PayNearMeClient:
    """Return a client. Without ``tokens``, a request for a token fails. Without ``http``, it has its own pool."""
    return PayNearMeClient(base_url, cast(AccessTokens, tokens), cast(PoolManager | None, http), clock=lambda: NOW)


def call(client: PayNearMeClient, operation: str, site: ResolvedSite, deadline: Deadline) -> object:
    """Return the result of a valid call of ``operation``."""
    arguments = (PAYMENT_REQUEST, SITE_PAYMENT_IDENTIFIER) if operation == "make_payment" else (REQUESTS[operation],)
    return getattr(client, operation)(site, *arguments, deadline)
