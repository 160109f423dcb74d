"""Each documented status of each operation occurs, and its response matches the OpenAPI document."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from operations.openapi import examples
from paynearme.platform.http_request import MAX_BYTES
from sandbox.clients.sample_messages import load
from tests.support.api_driver import (
    ACCEPTED_REPLY,
    EXPIRED_REPLY,
    KEY,
    READ_TIMEOUT,
    REJECTION,
    ApiDriver,
    customer_path,
    order_path,
    payment_path,
)
from tests.support.api_gateway_events import body_event, query_event
from tests.support.aws_errors import raise_in_table
from tests.support.callback_driver import CallbackDriver
from tests.support.harness import LambdaFunction, LedgerFixture, Response, SitesSecret
from tests.support.openapi_assertions import DOCUMENT
from tests.support.paynearme_stub import SAMPLE_REPLY, PayNearMeStub

GATEWAY_STATUSES = {"403", "429", "default"}
"""The statuses of API Gateway, which no function returns."""

OPERATIONS = {operation["operationId"]: operation for path in DOCUMENT["paths"].values() for operation in path.values()}
STATUSES = {
    (name, status)
    for name, operation in OPERATIONS.items()
    for status in operation["responses"].keys() - GATEWAY_STATUSES
}
PATHS = {"Order": order_path(), "Customer": customer_path(), "Payment": payment_path()}
# By operation: the path, the request, PayNearMe's response, and the Idempotency-Key.
REQUESTS: dict[str, tuple[str, Mapping[str, Any], object, str | None]] = {
    "getSmartToken": ("/smart-tokens", examples.SMART_TOKEN_REQUEST, SAMPLE_REPLY, None),
    "createOrder": (
        "/orders",
        examples.CREATE_ORDER_REQUEST,
        load("create_order_response")["guaranteed_ach"],
        None,
    ),
    "findPaymentMethods": (
        "/payment-methods/find",
        examples.FIND_PAYMENT_METHODS_REQUEST,
        load("find_payment_methods_response")["saved"],
        None,
    ),
    "makePayment": ("/payments", examples.MAKE_PAYMENT_REQUEST, ACCEPTED_REPLY, KEY),
}


@dataclass(frozen=True)
class SystemFixture:
    """The functions and everything that their responses depend on."""

    api_driver: ApiDriver
    paynearme: PayNearMeStub
    callback_driver: CallbackDriver
    ledger_table: LedgerFixture
    sites_secret: SitesSecret
    monkeypatch: pytest.MonkeyPatch

    def call(self, name: str) -> Response:
        """Call an operation with a valid request."""
        if name in REQUESTS:
            path, content, _, key = REQUESTS[name]
            return self.api_driver.post(path, content, key)
        if name == "putOrder":
            return self.api_driver.put(order_path(), **examples.ORDER_INPUT)
        if name == "putCustomer":
            return self.api_driver.put(customer_path(), **examples.CUSTOMER_INPUT)
        return self.api_driver.get(PATHS[name.removeprefix("get")])


@pytest.fixture
def system(
    cold_start: Callable[[str], LambdaFunction],
    paynearme: PayNearMeStub,
    callback_driver: CallbackDriver,
    ledger_table: LedgerFixture,
    sites_secret: SitesSecret,
    monkeypatch: pytest.MonkeyPatch,
) -> SystemFixture:
    return SystemFixture(ApiDriver(cold_start), paynearme, callback_driver, ledger_table, sites_secret, monkeypatch)


def resource_found(system: SystemFixture, name: str) -> Response:
    if name == "getOrder":
        system.call("putOrder")
    if name in REQUESTS:
        system.paynearme.reply((200, REQUESTS[name][2]))
    system.callback_driver.confirm("830466818968")
    return system.call(name)


def malformed_request(system: SystemFixture, name: str) -> Response:
    if name in REQUESTS:
        return system.api_driver.send(REQUESTS[name][0], body_event("{"))
    if name.startswith("get"):
        return system.api_driver.send(PATHS[name.removeprefix("get")], query_event([("a", "1"), ("a", "2")]))
    return system.api_driver.send(PATHS[name.removeprefix("put")], body_event("{") | {"httpMethod": "PUT"})


def payload_too_large(system: SystemFixture, name: str) -> Response:
    if name in REQUESTS:
        return system.api_driver.post(REQUESTS[name][0], {"site_identifier": "x" * MAX_BYTES}, KEY)
    return system.api_driver.put(PATHS[name.removeprefix("put")], status="x" * MAX_BYTES)


def unavailable(system: SystemFixture, name: str) -> Response:
    system.sites_secret.delete()
    return system.call(name)


def internal_error(system: SystemFixture, name: str) -> Response:
    def raise_error(*_: object, **__: object) -> None:
        raise RuntimeError

    raise_in_table(system.monkeypatch, raise_error)
    system.paynearme.reply(RuntimeError())
    return system.call(name)


def paynearme_reply(response: Any) -> Callable[[SystemFixture, str], Response]:
    def provoke(system: SystemFixture, name: str) -> Response:
        system.paynearme.reply(response)
        return system.call(name)

    return provoke


TRIGGERS: dict[str, Callable[[SystemFixture, str], Response]] = {
    "200": resource_found,
    "400": malformed_request,
    "404": lambda system, name: system.call(name),
    "409": paynearme_reply((200, EXPIRED_REPLY)),
    "413": payload_too_large,
    "422": paynearme_reply((200, REJECTION)),
    "500": internal_error,
    "502": paynearme_reply((429, REJECTION)),
    "503": unavailable,
    "504": paynearme_reply(READ_TIMEOUT),
}


@pytest.mark.parametrize(("name", "status"), sorted(STATUSES))
def test_documented_status_occurs_and_matches_openapi(system: SystemFixture, name: str, status: str) -> None:
    # ``ApiDriver`` validates the response.
    assert TRIGGERS[status](system, name).status == int(status)


@pytest.mark.parametrize("name", REQUESTS)
def test_documented_response_for_rejected_credentials(system: SystemFixture, name: str) -> None:
    response = paynearme_reply((401, REJECTION))(system, name)

    assert response.content["type"].endswith(":credentials-rejected")
