"""Call the backend API: any route, or the submission of a payment. Each response must match the OpenAPI document."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self, cast
from urllib.parse import quote

from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

from paynearme.handlers.api import api_handler
from paynearme.handlers.lambda_runtime import HttpHandler
from paynearme.platform.http_request import ProxyEvent
from paynearme.protocol.create_order import CreateOrderRequest
from paynearme.protocol.make_payment import IDEMPOTENCY_KEY, MakePaymentRequest
from paynearme.protocol.merchant_input import CustomerInput, CustomerRequest, OrderInput, OrderRequest, PaymentRequest
from paynearme.protocol.parsing import read_message
from paynearme.protocol.payment_methods import FindPaymentMethodsRequest
from paynearme.protocol.smart_token import SmartTokenRequest
from sandbox.clients.sample_messages import load
from tests.support.api_gateway_events import json_event, query_event
from tests.support.callback_driver import NOON, send_at, unix_time
from tests.support.callback_fixtures import CUSTOMER, SITE, confirmation
from tests.support.harness import LambdaFunction, LedgerFixture, Response
from tests.support.openapi_assertions import assert_documented
from tests.support.paynearme_stub import PayNearMeStub

ORDER = "80080175585"
PAYMENT = "830466818968"
"""The order and the payment of ``tests.support.message_fixtures``."""

_ROUTES: dict[str, tuple[str, dict[str, Any]]] = {
    "/smart-tokens": ("get_smart_token", {"POST": SmartTokenRequest}),
    "/orders": ("create_order", {"POST": CreateOrderRequest}),
    "/payment-methods/find": ("find_payment_methods", {"POST": FindPaymentMethodsRequest}),
    "/payments": ("make_payment", {"POST": MakePaymentRequest}),
    "/orders/{site_identifier}/{pnm_order_identifier}": ("orders", {"GET": OrderRequest, "PUT": OrderInput}),
    "/customers/{site_identifier}/{site_customer_identifier}": (
        "customers",
        {"GET": CustomerRequest, "PUT": CustomerInput},
    ),
    "/payments/{site_identifier}/{pnm_payment_identifier}": ("payments", {"GET": PaymentRequest}),
}
"""The function and the request models of each route."""


def order_path(identifier: str = ORDER, site: str = SITE) -> str:
    """Return the path of an order."""
    return f"/orders/{quote(site, safe='')}/{quote(identifier, safe='')}"


def customer_path(identifier: str = CUSTOMER, site: str = SITE) -> str:
    """Return the path of a customer."""
    return f"/customers/{quote(site, safe='')}/{quote(identifier, safe='')}"


def payment_path(identifier: str = PAYMENT, site: str = SITE) -> str:
    """Return the path of a payment."""
    return f"/payments/{quote(site, safe='')}/{quote(identifier, safe='')}"


def match_route(path: str) -> tuple[str, dict[str, str]]:
    """Return the route of a path, and its path parameters, which API Gateway does not decode."""
    parts = path.split("/")
    [route] = [r for r in _ROUTES if r.split("/")[1] == parts[1] and r.count("/") == path.count("/")]
    path_parameters = {n.strip("{}"): v for n, v in zip(route.split("/"), parts, strict=True) if n.startswith("{")}
    return route, path_parameters


@dataclass(frozen=True)
class ApiDriver:
    """Call the functions, which ``start`` imports. ``now`` replaces the current time."""

    start: Callable[[str], LambdaFunction]
    now: datetime | None = None
    started: dict[str, LambdaFunction] = field(default_factory=dict)

    def at(self, now: datetime) -> Self:
        """Return a driver at another time."""
        return replace(self, now=now)

    def get(self, path: str, **query: str) -> Response:
        return self.send(path, query_event(query.items()))

    def put(self, path: str, **content: Any) -> Response:
        return self.send(path, json_event(content) | {"httpMethod": "PUT"})

    def post(self, path: str, content: Mapping[str, Any], key: str | None = None) -> Response:
        """Send a JSON body, optionally with an Idempotency-Key."""
        headers = {} if key is None else {IDEMPOTENCY_KEY: [key]}
        return self.send(path, json_event(content) | {"multiValueHeaders": headers})

    def send(self, path: str, event: ProxyEvent) -> Response:
        """Add the path to an event, and call the function of its route."""
        route, path_parameters = match_route(path)
        event = {**event, "path": path, "resource": route, "pathParameters": path_parameters or None}
        response = Response.parse(self._handler(route)(event, None))
        return assert_documented(route, event["httpMethod"], response)

    def function(self, name: str) -> LambdaFunction:
        """Return a function, which is imported once."""
        if name not in self.started:
            self.started[name] = self.start(name)
        return self.started[name]

    def _handler(self, route: str) -> HttpHandler:
        name, models = _ROUTES[route]
        app, now = self.function(name).app, self.now
        if now is None:
            handler: HttpHandler = app.handler
            return handler
        decorate = api_handler(name, models, app.settings, app.sites, clock=lambda: now)
        return decorate(app.handler.__wrapped__)


def problem_type(response: Response) -> str:
    """Return the problem type of a response. Fails if the response is not a problem."""
    assert response.content_type == "application/problem+json; charset=utf-8"
    assert response.content["status"] == response.status
    name: str = response.content["type"].removeprefix("urn:problem-type:paynearme:")
    return name


def parameter_errors(response: Response) -> dict[str, str]:
    """Return the descriptions of the invalid parameters. Fails if the response is not a 400."""
    assert response.status == 400
    assert response.content["type"].endswith(":invalid-parameters")
    return {error["parameter"]: error["description"] for error in response.content["errors"]}


KEY = "zq7key-4f0c1f2e"
REQUEST: dict[str, Any] = {
    name: value
    for name, value in load("make_payment")["saved"].items()
    if name not in ("site_identifier", "signature", "timestamp", "version")
}
"""PayNearMe's sample request, for the default site."""

SUBMISSION_ORDER = REQUEST["pnm_order_identifier"]
PNM_PAYMENT = "943751749956"
ACCEPTED_REPLY = {"status": "ok", "payment": {"pnm_payment_identifier": PNM_PAYMENT}}
REJECTION = {"status": "error", "response_code": "1100", "errors": [{"description": "Order is closed"}]}
EXPIRED_REPLY = load("make_payment_response")["expired"]
PII_FIELDS = {"agent_name": "zq7agent", "customer_email": "zq7@example.com", "customer_tax_id_pii": "zq7tax"}

_POOL = HTTPSConnectionPool("paynearme.invalid")
READ_TIMEOUT = ReadTimeoutError(_POOL, "/", "slow")
BROKEN_CONNECTION = ProtocolError("truncated")
CONNECTION_REFUSED = MaxRetryError(_POOL, "/", NewConnectionError(HTTPConnection("p"), "refused"))
CONNECT_TIMEOUT = MaxRetryError(_POOL, "/", ConnectTimeoutError("slow"))


def identifier_of(key: str = KEY, site: str = SITE) -> str:
    """Return the ``site_payment_identifier`` of an ``Idempotency-Key``."""
    return read_message(MakePaymentRequest, REQUEST | {IDEMPOTENCY_KEY: key}).site_payment_identifier(site)


@dataclass(frozen=True)
class SubmissionScenario:
    """Submissions and confirmations of a payment at ``now``, and its stored items.

    It uses PayNearMe's stub, a callback function and the table also, so it is separate from ``ApiDriver``.
    """

    api_driver: ApiDriver
    paynearme: PayNearMeStub
    confirm: LambdaFunction
    ledger_table: LedgerFixture
    now: datetime = NOON

    def at(self, seconds: float) -> Self:
        """Return the driver with a time ``seconds`` later."""
        return replace(self, now=self.now + timedelta(seconds=seconds))

    def submit(self, key: str | None = KEY, **changes: Any) -> Response:
        """Submit the payment. A change to ``None`` removes a parameter."""
        return self.api_driver.at(self.now).post("/payments", REQUEST | changes, key)

    def start(self, key: str = KEY) -> None:
        """Submit the payment in a process that ends before PayNearMe responds."""
        self.paynearme.next_replies.insert(0, ProcessKilled())
        try:
            self.submit(key)
        except ProcessKilled:
            return
        raise AssertionError("the payment was not submitted")

    def finish(self, **changes: str | None) -> None:
        """Send the confirmation of the payment, with ``changes``."""
        defaults: dict[str, str | None] = {
            "pnm_order_identifier": SUBMISSION_ORDER,
            "site_payment_identifier": identifier_of(),
            "pnm_payment_identifier": PNM_PAYMENT,
            "payment_amount": "1000.00",
            "net_payment_amount": "1000.00",
            "timestamp": unix_time(self.now),
        }
        message = confirmation(**defaults | cast(Any, PII_FIELDS) | changes)
        assert send_at(self.now, self.confirm, message).status == 200

    def stored_intent(self) -> dict[str, Any]:
        """Return the only intent."""
        [item] = [item for item in self.ledger_table.all_items() if item["sk"] == "INTENT"]
        return item

    def stored_outcomes(self) -> list[dict[str, Any]]:
        """Return the items of the confirmed outcomes."""
        return [item for item in self.ledger_table.all_items() if "SITE_PAYMENT#" in item["pk"]]


class ProcessKilled(BaseException):
    """The end of the process. No function catches it."""


def outcome(response: Response) -> tuple[int, str]:
    """Return the HTTP status of a response, and the payment's status or the problem type."""
    return response.status, response.content["status"] if response.status == 200 else problem_type(response)


OUTCOME_UNKNOWN = (504, "payment-outcome-unknown")
IN_PROGRESS = (409, "payment-in-progress")
KEY_REUSED = (422, "idempotency-key-reused")
SUBMITTED = (200, "submitted")
CONFIRMED = (200, "confirmed")
PAYMENT_FAILED = (422, "payment-failed")
REJECTED = (422, "rejected-by-paynearme")
EXPIRED_AUTHORIZATION = (409, "bank-authorization-expired")
