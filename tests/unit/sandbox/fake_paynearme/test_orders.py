import re
from typing import Any

import pytest

from sandbox.clients import sample_messages
from tests.support.fake_paynearme_driver import CHECKING, SITE, FakePayNearMeDriver, run_with_fake
from tests.support.http_server_fixture import SOCKET_MARKS

pytestmark = SOCKET_MARKS

CREATE_REQUEST = {**sample_messages.load("create_order")["guaranteed_ach"], "site_identifier": SITE}
SAVINGS_FIELDS = {"description": "Demo Savings Account", "number": "6213", "payment_method_identifier": "76590ef5135ae"}


def structure(value: object) -> object:
    """Return the structure of a response: names in order, lists, and types."""
    if isinstance(value, dict):
        return [(name, structure(nested)) for name, nested in value.items()]
    return [structure(inner) for inner in value] if isinstance(value, list) else type(value)


def test_create_order_response_matches_sample() -> None:
    sample_response = sample_messages.load("create_order_response")["guaranteed_ach"]

    response = run_with_fake(lambda fake: fake.call("create_order", CREATE_REQUEST))

    assert structure(response) == structure(sample_response)
    order, sample = response["order"], sample_response["order"]
    generated = [name for name in sample if name.startswith("pnm_")] + ["secure_smart_token"]
    assert [len(order[name]) for name in generated] == [len(sample[name]) for name in generated]
    from_request = ("order_amount", "order_currency", "order_type", "order_is_standing")
    assert [order.get(name) for name in from_request] == [sample.get(name) for name in from_request]


def test_create_order_repeated_returns_existing_order() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[Any]:
        repeated = {**CREATE_REQUEST, "order_amount": "1.00"}
        others = [{**CREATE_REQUEST, "site_order_identifier": identifier} for identifier in ("other", "")]
        return [(await fake.call("create_order", request))["order"] for request in (CREATE_REQUEST, repeated, *others)]

    first, repeated, *others = run_with_fake(scenario)

    assert {name for name in first if first[name] != repeated[name]} == {"secure_smart_link", "secure_smart_token"}
    assert len({order["pnm_order_identifier"] for order in (first, *others)}) == 3


@pytest.mark.parametrize(
    ("name", "methods"), [("saved", [CHECKING | SAVINGS_FIELDS, CHECKING]), ("expired", [CHECKING])]
)
def test_find_payment_methods_response_matches_sample(name: str, methods: list[dict[str, str]]) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> Any:
        for method in methods:
            await fake.command("methods", method)
        return await fake.call("find_payment_methods", sample_messages.load("find_payment_methods")["saved"])

    assert run_with_fake(scenario) == sample_messages.load("find_payment_methods_response")[name]


def test_minimal_order_returned_and_its_methods_found() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
        await fake.command("methods", CHECKING | {"site_customer_identifier": "575530001"})
        order = await fake.call("create_order", CREATE_REQUEST, return_minimal_info="true")
        query = {"site_identifier": SITE, "pnm_order_identifier": order["order"]["pnm_order_identifier"]}
        return order["order"], await fake.call("find_payment_methods", query)

    order, methods = run_with_fake(scenario)

    assert order.keys() == {"pnm_order_identifier", "pnm_customer_identifier"}
    assert [account["number"] for account in methods["accounts"]] == [CHECKING["number"]]


def test_get_smart_token_response_matches_sample() -> None:
    request = sample_messages.load("get_smart_token")["guaranteed_ach"]
    sample = sample_messages.load("get_smart_token_response")["guaranteed_ach"]

    content = run_with_fake(lambda fake: fake.call("get_smart_token", request))

    assert structure(content) == structure({"status": "ok", "orders": sample["orders"]})
    [order], [sample_order] = content["orders"], sample["orders"]
    assert order["pnm_order_identifier"] == request["pnm_order_identifier"]
    assert len(order["secure_smart_token"]) == len(sample_order["secure_smart_token"])
    assert re.fullmatch(r"[A-Za-z0-9!$]+=", order["secure_smart_token"])
