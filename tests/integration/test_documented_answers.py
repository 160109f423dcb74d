"""Each status that the OpenAPI document has for an operation is provoked, and is as the document says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import MaxRetryError, ReadTimeoutError

from operations.openapi import examples
from paynearme.parameters import MOST_BYTES
from tests.documented import DOCUMENT
from tests.documents import documented, names_of
from tests.events_of_gateway import body_event, query_event
from tests.integration.backend_calls import Backend, customer, order, payment
from tests.integration.making_payments import EXPIRED, KEY, TAKEN
from tests.integration.observed import Answer, Function, Stored, StoredSites
from tests.integration.payments_over_time import Payments
from tests.integration.paynearme_stub import ANSWERED, PayNearMeStub

SLOW = MaxRetryError(
    HTTPSConnectionPool("paynearme.invalid"),
    "/",
    ReadTimeoutError(HTTPSConnectionPool("paynearme.invalid"), "/", "slow"),
)
REFUSAL = {"status": "error", "response_code": "1100", "errors": ["Order is unknown"]}
GATEWAYS = {"403", "429", "default"}
"""What API Gateway answers, and no function."""

OPERATIONS = {
    operation["operationId"]: operation for path in DOCUMENT["paths"].values() for operation in path.values()
}
STATUSES = {
    (name, status)
    for name, operation in OPERATIONS.items()
    for status in operation["responses"].keys() - GATEWAYS
}
PLACES = {"Order": order(), "Customer": customer(), "Payment": payment()}
# What is asked of PayNearMe: the path, a call, what PayNearMe says to it, and the header that it needs.
ASKED: dict[str, tuple[str, Mapping[str, Any], object, str | None]] = {
    "getSmartToken": ("/smart-tokens", examples.TOKEN_REQUEST, ANSWERED, None),
    "createOrder": (
        "/orders",
        examples.CREATE_ORDER_REQUEST,
        documented("create_order_answer", "guaranteed_ach"),
        None,
    ),
    "findPaymentMethods": (
        "/payment-methods/find",
        examples.FIND_PAYMENT_METHODS_REQUEST,
        documented("find_payment_methods_answer", "saved"),
        None,
    ),
    "makePayment": ("/payments", examples.MAKE_PAYMENT_REQUEST, TAKEN, KEY),
}


@dataclass(frozen=True)
class World:
    """All that an answer depends on."""

    backend: Backend
    paynearme: PayNearMeStub
    payments: Payments
    stored: Stored
    stored_sites: StoredSites
    monkeypatch: pytest.MonkeyPatch

    def call(self, name: str) -> Answer:
        """Make the usual call of an operation."""
        if name in ASKED:
            path, content, _, key = ASKED[name]
            return self.backend.post(path, content, key)
        if name == "putOrder":
            return self.backend.put(order(), **examples.ORDER_ENTRY)
        if name == "putCustomer":
            return self.backend.put(customer(), **examples.CUSTOMER_ENTRY)
        return self.backend.get(PLACES[name.removeprefix("get")])

    def break_down(self) -> None:
        """Let whatever an operation is about fail."""

        def mistake(*_: object, **__: object) -> None:
            raise RuntimeError

        for work in ("order", "put_order", "customer", "put_customer", "payment"):
            self.monkeypatch.setattr(f"paynearme.ledger.Ledger.{work}", mistake)
        self.paynearme.say(RuntimeError())


@pytest.fixture
def world(
    cold_start: Callable[[str], Function],
    paynearme: PayNearMeStub,
    authorize: Function,
    confirm: Function,
    stored: Stored,
    stored_sites: StoredSites,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    payments = Payments(authorize, confirm, stored)
    return World(Backend(cold_start), paynearme, payments, stored, stored_sites, monkeypatch)


def found(world: World, name: str) -> Answer:
    if name == "getOrder":
        world.call("putOrder")
    if name in ASKED:
        world.paynearme.say((200, ASKED[name][2]))
    world.payments.pay("830466818968")
    return world.call(name)


def unreadable(world: World, name: str) -> Answer:
    if name in ASKED:
        return world.backend.send(ASKED[name][0], body_event("{"))
    if name.startswith("get"):
        return world.backend.send(PLACES[name.removeprefix("get")], query_event([("a", "1"), ("a", "2")]))
    return world.backend.send(PLACES[name.removeprefix("put")], body_event("{") | {"httpMethod": "PUT"})


def too_large(world: World, name: str) -> Answer:
    if name in ASKED:
        return world.backend.post(ASKED[name][0], {"site_identifier": "x" * MOST_BYTES}, KEY)
    return world.backend.put(PLACES[name.removeprefix("put")], status="x" * MOST_BYTES)


def unavailable(world: World, name: str) -> Answer:
    world.stored_sites.delete()
    return world.call(name)


def broken(world: World, name: str) -> Answer:
    world.break_down()
    return world.call(name)


def by_paynearme(answer: Any) -> Callable[[World, str], Answer]:
    def provoke(world: World, name: str) -> Answer:
        world.paynearme.say(answer)
        return world.call(name)

    return provoke


PROVOKED: dict[str, Callable[[World, str], Answer]] = {
    "200": found,
    "400": unreadable,
    "404": lambda world, name: world.call(name),
    "409": by_paynearme((200, EXPIRED)),
    "413": too_large,
    "422": by_paynearme((200, REFUSAL)),
    "500": broken,
    "502": by_paynearme((429, REFUSAL)),
    "503": unavailable,
    "504": by_paynearme(SLOW),
}


@pytest.mark.parametrize(("name", "status"), sorted(STATUSES))
def test_a_documented_status_can_be_got_and_is_as_documented(world: World, name: str, status: str) -> None:
    # The backend looks at the document.
    assert PROVOKED[status](world, name).status == int(status)


def test_nothing_is_documented_of_a_search_or_a_feed_that_only_paynearme_can_say() -> None:
    assert {name for name, status in STATUSES if status in ("409", "422", "502", "504")} == ASKED.keys()
    assert {name for name, status in STATUSES if status == "404"} == {"getOrder", "getCustomer", "getPayment"}


@pytest.mark.parametrize("name", ["getOrder", "getCustomer", "getPayment"])
def test_faulty_parameters_of_an_address_are_as_documented(world: World, name: str) -> None:
    assert world.backend.get(PLACES[name.removeprefix("get")], more="1").status == 400


@pytest.mark.parametrize("name", names_of("get_smart_token"))
def test_paynearmes_own_examples_are_answered_as_documented(world: World, name: str) -> None:
    request = documented("get_smart_token", name) | {"site_identifier": "S2155373459", "signature": "f" * 64}

    assert world.backend.post("/smart-tokens", request).status == 200


@pytest.mark.parametrize("name", ASKED)
def test_refused_credentials_are_as_documented(world: World, name: str) -> None:
    answer = by_paynearme((401, REFUSAL))(world, name)

    assert answer.content["type"].endswith(":credentials-rejected")
