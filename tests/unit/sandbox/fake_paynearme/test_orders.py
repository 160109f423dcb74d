import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from paynearme.protocol.smart_token import SmartTokenResponse
from sandbox.clients import sample_messages
from tests.support.fake_paynearme_driver import CHECKING, SITE, FakePayNearMeDriver, run_with_fake

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

CREATE_REQUEST = {**sample_messages.load("create_order")["guaranteed_ach"], "site_identifier": SITE}
SAMPLE_RESPONSE = sample_messages.load("create_order_response")["guaranteed_ach"]
FIND_REQUEST = sample_messages.load("find_payment_methods")["saved"]
SAVINGS_FIELDS = {"description": "Demo Savings Account", "number": "6213", "payment_method_identifier": "76590ef5135ae"}


def structure(value: object) -> object:
    """Return the structure of a response: names in order, lists, and types."""
    if isinstance(value, dict):
        return [(name, structure(nested)) for name, nested in value.items()]
    return [structure(inner) for inner in value] if isinstance(value, list) else type(value)


def test_create_order_response_matches_sample() -> None:
    response = run_with_fake(lambda fake: fake.call("create_order", CREATE_REQUEST))

    assert structure(response) == structure(SAMPLE_RESPONSE)
    order, sample = response["order"], SAMPLE_RESPONSE["order"]
    follows_from_request = {
        name: sample[name]
        for name in sample
        if name.startswith(("order_", "minimum_", "electronic_")) or name in ("type", "site_identifier")
    }
    del follows_from_request["order_created"], follows_from_request["order_tracking_url"]
    assert {name: order[name] for name in follows_from_request} == follows_from_request
    assert order["site_order_identifier"] == CREATE_REQUEST["site_order_identifier"]
    assert order["site_order_key"] == "575530001"
    assert order["order_created"] == "2027-01-15 01:00:00 -0700"
    assert order["secure_smart_link"].endswith(f"/ssl/{order['secure_smart_token']}")
    assert len(order["secure_smart_token"]) == len(sample["secure_smart_token"])
    assert order["order_tracking_url"].endswith(f"/{order['pnm_order_identifier']}")
    assert [len(order[name]) for name in sample if name.startswith("pnm_")] == [
        len(sample[name]) for name in sample if name.startswith("pnm_")
    ]
    pnm_fields = {"pnm_customer_identifier": order["customer"]["pnm_customer_identifier"]}
    assert order["customer"] == sample["customer"] | pnm_fields


@pytest.mark.parametrize("name", ["pnm_order_identifier", "site_order_identifier", "site_customer_identifier"])
def test_get_smart_token_by_created_order_or_its_customer(name: str) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
        order = (await fake.call("create_order", CREATE_REQUEST))["order"]
        value = order["customer" if "customer" in name else name]
        value = value if isinstance(value, str) else value[name]
        response = await fake.call("get_smart_token", {"site_identifier": SITE, name: value})
        return order, response["orders"][0]

    order, token = run_with_fake(scenario)

    assert token["pnm_order_identifier"] == order["pnm_order_identifier"]
    assert token["site_order_identifier"] == order["site_order_identifier"]


@pytest.mark.parametrize(
    ("name", "methods"), [("saved", [CHECKING | SAVINGS_FIELDS, CHECKING]), ("expired", [CHECKING])]
)
def test_find_payment_methods_response_matches_sample(name: str, methods: list[dict[str, str]]) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> Any:
        for method in methods:
            await fake.command("methods", method)
        return await fake.call("find_payment_methods", FIND_REQUEST)

    assert run_with_fake(scenario) == sample_messages.load("find_payment_methods_response")[name]


@pytest.mark.parametrize("name", sample_messages.load("get_smart_token"))
def test_get_smart_token_sample_request_returns_parseable_order(name: str) -> None:
    message = sample_messages.load("get_smart_token")[name]

    content = run_with_fake(lambda fake: fake.call("get_smart_token", message))

    assert content["status"] == "ok"
    [order] = SmartTokenResponse.model_validate(content).orders
    assert order.pnm_order_identifier == message["pnm_order_identifier"]
    assert order.secure_smart_link.endswith(f"/ssl/{order.secure_smart_token}")


def test_get_smart_token_response_matches_sample_format() -> None:
    [sample] = sample_messages.load("get_smart_token_response")["guaranteed_ach"]["orders"]

    request = sample_messages.load("get_smart_token")["guaranteed_ach"]
    content = run_with_fake(lambda fake: fake.call("get_smart_token", request))

    assert content.keys() == {"status", "orders"}
    [order] = content["orders"]
    assert list(order) == list(sample)
    assert order["type"] == sample["type"]
    token, sample_token = order["secure_smart_token"], sample["secure_smart_token"]
    assert len(token) == len(sample_token)
    assert re.fullmatch(r"[A-Za-z0-9!$]+=", token)
    url, sample_url = urlsplit(order["order_tracking_url"]), urlsplit(sample["order_tracking_url"])
    assert url[:3] == sample_url[:3]
    assert [name for name, _ in parse_qsl(url.query)] == [name for name, _ in parse_qsl(sample_url.query)]
    assert url.query.split("&")[:3] == sample_url.query.split("&")[:3]
