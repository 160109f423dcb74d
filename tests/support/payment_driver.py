"""Drive payments of the deployed stack as the merchant's backend, as a consumer, and as PayNearMe."""

import json
import uuid
from dataclasses import dataclass, replace
from typing import Any

from sandbox.clients.backend_client import BackendClient, Response
from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import load
from sandbox.fake_paynearme.callback_sender import CallbackSender, Delivery
from sandbox.fake_paynearme.messages import Parameters, build_confirmation
from sandbox.stack.sites import OAUTH_SIGNED_SITE, OAUTH_SITE
from sandbox.stack.stack import Stack
from tests.support.openapi_assertions import assert_documented

SITE = "S6404173951"
"""The site of PayNearMe's guaranteed ACH samples. It signs its requests."""

OAUTH_SITES = (OAUTH_SITE, OAUTH_SIGNED_SITE)
UNKNOWN_METHOD = "0000000000000"
"""A payment method that the fake PayNearMe does not have."""

PATHS = {
    "create_order": "/orders",
    "get_smart_token": "/smart-tokens",
    "find_payment_methods": "/payment-methods/find",
    "make_payment": "/payments",
}
"""The route of the backend API for each operation of PayNearMe."""

CUSTOMER_DATA = {
    "site_customer_first_name": "Dana-of-the-tests",
    "site_customer_last_name": "Barrett-of-the-tests",
    "site_customer_email": "dana.barrett@example.com",
    "site_customer_phone": "212-555-0187",
    "site_customer_street": "550 Central Park West, 22nd floor",
    "site_customer_city": "Uniqueville",
    "site_customer_postal_code": "10023-0187",
    "site_customer_year_of_birth": "1949",
}
PII = {"ext_customer_tax_id_pii": "987654321", "ext_customer_date_of_birth_pii": "1977-06-05"}
"""With ``CUSTOMER_DATA``: PII that requests contain. No other test data has these values."""

# A year alone is part of many timestamps.
PII_VALUES = frozenset({*PII.values(), *CUSTOMER_DATA.values()} - {CUSTOMER_DATA["site_customer_year_of_birth"]})
"""The values that no log, item or response may contain."""


@dataclass(frozen=True)
class CustomerDriver:
    """A customer of ``site`` with an order, and with a saved bank account if ``method`` is not empty."""

    backend: BackendClient
    site: str
    identifier: str
    order: str
    method: str = ""

    def payment_request(self, **changes: Any) -> Parameters:
        """Return a request to pay 1000.00, with ``changes``."""
        identifiers = {"site_identifier": self.site, "pnm_order_identifier": self.order}
        method = {"payment_method_identifier": self.method}
        return load("make_payment")["saved"] | identifiers | method | changes

    def pay(self, key: str, **changes: Any) -> Response:
        """Submit a payment with an ``Idempotency-Key``, and check the response against the OpenAPI document."""
        response = self.backend.post(PATHS["make_payment"], self.payment_request(**changes), key)
        return assert_documented(PATHS["make_payment"], "POST", response)


def new_customer(backend: BackendClient, site: str = SITE, **changes: Any) -> CustomerDriver:
    """Create an order of a new customer without a bank account. ``changes`` apply to the order request."""
    customer = f"customer-{uuid.uuid4()}"
    response = backend.post(PATHS["create_order"], order_request(site, customer, **changes))
    assert assert_documented(PATHS["create_order"], "POST", response).status == 200, response.content
    return CustomerDriver(backend, site, customer, response.content["order"]["pnm_order_identifier"])


def new_customer_with_method(
    backend: BackendClient, paynearme: ControlClient, site: str = SITE, **changes: Any
) -> CustomerDriver:
    """Create an order of a new customer with a saved bank account. ``changes`` apply to the order request."""
    customer = new_customer(backend, site, **changes)
    return replace(customer, method=save_method(paynearme, site, customer.identifier))


def order_request(site: str, customer: str, **changes: Any) -> Parameters:
    """Return PayNearMe's sample order request with a new order identifier, and with ``changes``."""
    owner = {"site_identifier": site, "site_customer_identifier": customer}
    return load("create_order")["guaranteed_ach"] | owner | {"site_order_identifier": new_key()} | changes


def save_method(paynearme: ControlClient, site: str, customer: str, **changes: str) -> str:
    """Save a bank account of the customer at the fake PayNearMe. Return its identifier."""
    owner = {"site_identifier": site, "site_customer_identifier": customer}
    account = {"description": "Demo Savings Account", "number": "6213", "guaranteed_ach": True}
    identifier: str = paynearme.post("methods", owner | account | changes)["payment_method_identifier"]
    return identifier


def new_key() -> str:
    """Return a new ``Idempotency-Key``."""
    return str(uuid.uuid4())


def problem_type(response: Response) -> str:
    """Return the problem type of an error response, ``submitted`` for any other response."""
    return str(response.content["type"]).rpartition(":")[2] if response.status >= 400 else "submitted"


def requested_operations(paynearme: ControlClient) -> list[str]:
    """Return the operations of all requests to the fake PayNearMe, in order."""
    return [call["operation"] for call in paynearme.get("calls")]


def text_of(response: Response | Delivery) -> str:
    """Return the content of a response as text, with the headers of a backend API response."""
    if isinstance(response, Delivery):
        return response.body
    return json.dumps([response.content, dict(response.headers)], ensure_ascii=False)


def authorize_and_confirm(sender: CallbackSender, message: Parameters, customer: str) -> Parameters:
    """Authorize and confirm a payment of the customer. Return the confirmation."""
    authorization = {**message, "site_customer_identifier": customer}
    confirmation = build_confirmation(authorization)
    assert sender.deliver("authorize", authorization, "json").accepted
    assert sender.deliver("confirm", confirmation, "json").accepted
    return confirmation


def token_parameter_name(stack: Stack, site: str) -> str:
    """Return the SSM parameter name of a site's access token."""
    return f"/paynearme/{stack.stack_name}/access-tokens/{site}"


def clear_tokens(stack: Stack, paynearme: ControlClient) -> None:
    """Revoke all access tokens and delete the stored tokens and leases. Processes can still cache a revoked token."""
    paynearme.post("access-tokens", {"revoke": True, "seconds": 3600})
    stack.client("ssm").delete_parameters(Names=[token_parameter_name(stack, site) for site in OAUTH_SITES])
    dynamodb = stack.client("dynamodb")
    for site in OAUTH_SITES:
        key = {"pk": {"S": f"ACCESS_TOKEN#{site}"}, "sk": {"S": "LEASE"}}
        dynamodb.delete_item(TableName=stack.table_name, Key=key)
