"""A backend that calls the functions. Each response must match the OpenAPI document."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self
from urllib.parse import quote, unquote

from paynearme.handlers.api import api_handler
from paynearme.handlers.lambda_types import HttpHandler
from paynearme.platform.http_request import ProxyEvent
from paynearme.protocol.create_order import CreateOrderRequest
from paynearme.protocol.make_payment import IDEMPOTENCY_KEY, MakePaymentRequest
from paynearme.protocol.merchant_input import CustomerInput, CustomerRequest, OrderInput, OrderRequest, PaymentRequest
from paynearme.protocol.payment_methods import FindPaymentMethodsRequest
from paynearme.protocol.smart_token import SmartTokenRequest
from tests.support.api_gateway_events import json_event, query_event
from tests.support.callback_fixtures import CUSTOMER, SITE
from tests.support.harness import LambdaFunction, Response
from tests.support.openapi_assertions import assert_documented

ORDER = "80080175585"
PAYMENT = "830466818968"
"""The order and the payment of ``tests.support.message_fixtures``."""

_FUNCTIONS = {
    "/smart-tokens": "get_smart_token",
    "/orders": "create_order",
    "/payment-methods/find": "find_payment_methods",
    "/payments": "make_payment",
    "/orders/{site_identifier}/{pnm_order_identifier}": "orders",
    "/customers/{site_identifier}/{site_customer_identifier}": "customers",
    "/payments/{site_identifier}/{pnm_payment_identifier}": "payments",
}
_MODELS: dict[str, dict[str, Any]] = {
    "get_smart_token": {"POST": SmartTokenRequest},
    "create_order": {"POST": CreateOrderRequest},
    "find_payment_methods": {"POST": FindPaymentMethodsRequest},
    "make_payment": {"POST": MakePaymentRequest},
    "orders": {"GET": OrderRequest, "PUT": OrderInput},
    "customers": {"GET": CustomerRequest, "PUT": CustomerInput},
    "payments": {"GET": PaymentRequest},
}


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
    [route] = [r for r in _FUNCTIONS if r.split("/")[1] == parts[1] and r.count("/") == path.count("/")]
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
        response = Response.parse(self._handler(_FUNCTIONS[route])(event, None))
        return assert_documented(route, event["httpMethod"], response)

    def function(self, name: str) -> LambdaFunction:
        """Return a function, which is imported once."""
        if name not in self.started:
            self.started[name] = self.start(name)
        return self.started[name]

    def _handler(self, name: str) -> HttpHandler:
        app, now = self.function(name).app, self.now
        if now is None:
            handler: HttpHandler = app.handler
            return handler
        decorate = api_handler(name, _MODELS[name], app.settings, app.sites, clock=lambda: now)
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


def decode_path(path: str) -> dict[str, str]:
    """Return the decoded path parameters."""
    return {name: unquote(value) for name, value in match_route(path)[1].items()}
