"""A player who pays: an order, a saved bank account, and the calls that the merchant's backend makes."""

import json
import uuid
from dataclasses import dataclass, replace
from typing import Any

from sandbox.clients.backend_client import BackendClient, Response
from sandbox.clients.callback_sender import Delivery
from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import Parameters, load
from tests.support.openapi_assertions import assert_documented

SITE = "S6404173951"
"""The guide's site, which signs its calls."""

PATHS = {
    "create_order": "/orders",
    "get_smart_token": "/smart-tokens",
    "find_payment_methods": "/payment-methods/find",
    "make_payment": "/payments",
}
"""Where our API has PayNearMe's operations."""

PLAYER = {
    "site_customer_first_name": "Dana-of-the-tests",
    "site_customer_last_name": "Barrett-of-the-tests",
    "site_customer_email": "dana.barrett@example.com",
    "site_customer_phone": "212-555-0187",
    "site_customer_street": "550 Central Park West, 22nd floor",
    "site_customer_city": "Personalville",
    "site_customer_postal_code": "10023-0187",
    "site_customer_year_of_birth": "1949",
}
PII = {"ext_customer_tax_id_pii": "987654321", "ext_customer_date_of_birth_pii": "1977-06-05"}
"""What is sent of a player, in words that come from nowhere else."""

# A year alone is in every date.
PII_VALUES = frozenset({*PII.values(), *PLAYER.values()} - {PLAYER["site_customer_year_of_birth"]})
"""What of it nobody may find."""


@dataclass(frozen=True)
class Player:
    """A customer of ``site`` with an ``order`` and a bank account that PayNearMe knows as ``method``."""

    backend: BackendClient
    site: str
    customer: str
    order: str
    method: str = ""

    def payment_request(self, **changes: Any) -> Parameters:
        """Return what is asked for to pay 1000.00, with ``changes``."""
        identifiers = {"site_identifier": self.site, "pnm_order_identifier": self.order}
        method = {"payment_method_identifier": self.method}
        return load("make_payment")["saved"] | identifiers | method | changes

    def pay(self, key: str, **changes: Any) -> Response:
        """Pay; the answer is a documented one."""
        response = self.backend.post(PATHS["make_payment"], self.payment_request(**changes), key)
        return assert_documented(PATHS["make_payment"], "POST", response)


def new_player(backend: BackendClient, site: str = SITE, **changes: Any) -> Player:
    """Create an order of a player of ``site`` whom nobody has seen, and who has no bank account yet.

    ``changes`` are to the request for the order.
    """
    customer = f"player-{uuid.uuid4()}"
    response = backend.post(PATHS["create_order"], order_request(site, customer, **changes))
    assert assert_documented(PATHS["create_order"], "POST", response).status == 200, response.content
    return Player(backend, site, customer, response.content["order"]["pnm_order_identifier"])


def new_payer(backend: BackendClient, paynearme: ControlClient, site: str = SITE, **changes: Any) -> Player:
    """Return a new player who has saved a bank account."""
    player = new_player(backend, site, **changes)
    return replace(player, method=save_method(paynearme, site, player.customer))


def order_request(site: str, customer: str, **changes: Any) -> Parameters:
    """Return the guide's request for an order, which is another one each time."""
    owner = {"site_identifier": site, "site_customer_identifier": customer}
    return load("create_order")["guaranteed_ach"] | owner | {"site_order_identifier": new_key()} | changes


def save_method(paynearme: ControlClient, site: str, customer: str, **changes: str) -> str:
    """Have PayNearMe know a bank account of the customer's; return its identifier."""
    owner = {"site_identifier": site, "site_customer_identifier": customer}
    account = {"description": "Demo Savings Account", "number": "6213", "guaranteed_ach": True}
    identifier: str = paynearme.post("methods", owner | account | changes)["payment_method_identifier"]
    return identifier


def new_key() -> str:
    """Return an ``Idempotency-Key`` that nobody has used."""
    return str(uuid.uuid4())


def problem_type(response: Response) -> str:
    """Return the kind of problem that a call is answered with, ``made`` where there is none."""
    return str(response.content["type"]).rpartition(":")[2] if response.status >= 400 else "submitted"


def requested_operations(paynearme: ControlClient) -> list[str]:
    """Return the operations that PayNearMe was asked for, in order."""
    return [call["operation"] for call in paynearme.get("calls")]


def text_of(response: Response | Delivery) -> str:
    """Return all that an answer says, headers included where they are known."""
    if isinstance(response, Delivery):
        return response.body
    return json.dumps([response.content, dict(response.headers)], ensure_ascii=False)
