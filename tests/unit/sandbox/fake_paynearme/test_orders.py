from typing import Any

import pytest

from sandbox.clients import sample_messages
from tests.support.fake_paynearme_driver import CHECKING, CUSTOMER, SITE, FakePayNearMeDriver, run_with_fake

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

CREATE_REQUEST = {**sample_messages.load("create_order")["guaranteed_ach"], "site_identifier": SITE}
SAMPLE_RESPONSE = sample_messages.load("create_order_response")["guaranteed_ach"]
FIND_REQUEST = sample_messages.load("find_payment_methods")["saved"]
SAVINGS = {
    **CHECKING,
    "description": "Demo Savings Account",
    "number": "6213",
    "payment_method_identifier": "76590ef5135ae",
}


def create_order(**changes: str | None) -> Any:
    """Return the response to the sample ``create_order`` request with changes."""

    async def scenario(fake: FakePayNearMeDriver) -> Any:
        return await fake.call("create_order", CREATE_REQUEST, **changes)

    return run_with_fake(scenario)


def structure(value: object) -> object:
    """Return the structure of a response: names in order, lists, and types."""
    if isinstance(value, dict):
        return [(name, structure(nested)) for name, nested in value.items()]
    return [structure(inner) for inner in value] if isinstance(value, list) else type(value)


def test_a_created_order_is_printed_as_in_the_guide() -> None:
    response = create_order()

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


def test_what_was_not_told_of_a_customer_is_left_out() -> None:
    response = create_order(site_customer_last_name=None, site_customer_street=None, site_customer_phone=None)

    customer = response["order"]["customer"]
    assert customer["pnm_customer_name"] == "Peter"
    assert not {"pnm_customer_street", "pnm_customer_phone"} & customer.keys()


@pytest.mark.parametrize(
    "changes",
    [
        {"order_amount": None},
        {"order_amount": "many"},
        {"order_amount": "1.234"},
        {"order_currency": "EUR"},
        {"site_customer_identifier": None},
    ],
)
def test_an_order_without_amount_currency_or_customer_is_refused(changes: dict[str, str | None]) -> None:
    assert create_order(**changes)["response_code"] == "9400"


def test_an_order_identifier_of_the_site_s_gives_the_same_order_again() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[Any]:
        return [
            (await fake.call("create_order", CREATE_REQUEST, **changes))["order"]
            for changes in (
                {},
                {"order_amount": "7"},
                {"site_order_identifier": "another"},
                {"site_identifier": "S2155373459"},
            )
        ]

    first, second, third, at_other_site = run_with_fake(scenario)

    def stable_fields(order: Any) -> Any:
        return {name: value for name, value in order.items() if not name.startswith("secure_")}

    assert stable_fields(first) == stable_fields(second)
    identifiers = {order["pnm_order_identifier"] for order in (first, third, at_other_site)}
    assert len(identifiers) == 3


def test_orders_without_an_identifier_of_the_site_s_are_different_orders() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[Any]:
        return [
            (await fake.call("create_order", CREATE_REQUEST, site_order_identifier=None))["order"] for _ in range(2)
        ]

    first, second = run_with_fake(scenario)

    assert first["pnm_order_identifier"] != second["pnm_order_identifier"]
    assert first["customer"] == second["customer"]


@pytest.mark.parametrize("name", ["pnm_order_identifier", "site_order_identifier", "site_customer_identifier"])
def test_a_created_order_gets_tokens_by_its_identifiers_and_its_customer_s(name: str) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
        order = (await fake.call("create_order", CREATE_REQUEST))["order"]
        value = order["customer" if "customer" in name else name]
        value = value if isinstance(value, str) else value[name]
        response = await fake.call("get_smart_token", {"site_identifier": SITE, name: value})
        return order, response["orders"][0]

    order, token = run_with_fake(scenario)

    assert token["pnm_order_identifier"] == order["pnm_order_identifier"]
    assert token["site_order_identifier"] == order["site_order_identifier"]


def test_an_order_that_was_created_is_known_however_its_identifier_begins() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[Any]:
        request = {"site_identifier": SITE, "site_order_identifier": "0007"}
        unknown_response = await fake.call("get_smart_token", request)
        await fake.call("create_order", CREATE_REQUEST, site_order_identifier="0007")
        return [unknown_response["status"], (await fake.call("get_smart_token", request))["status"]]

    assert run_with_fake(scenario) == ["error", "ok"]


def test_of_a_customer_s_orders_the_last_one_is_meant() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[Any]:
        for number in ("1", "2"):
            await fake.call("create_order", CREATE_REQUEST, site_order_identifier=number)
        request = {"site_identifier": SITE, "site_customer_identifier": CREATE_REQUEST["site_customer_identifier"]}
        response = await fake.call("get_smart_token", request)
        return [order["site_order_identifier"] for order in response["orders"]]

    assert run_with_fake(scenario) == ["2"]


def test_an_order_that_was_first_seen_can_be_created_and_keeps_its_number() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
        request = {"site_identifier": SITE, "site_order_identifier": CREATE_REQUEST["site_order_identifier"]}
        first = await fake.call("get_smart_token", request)
        return first["orders"][0], (await fake.call("create_order", CREATE_REQUEST))["order"]

    first, second = run_with_fake(scenario)

    assert first["pnm_order_identifier"] == second["pnm_order_identifier"]
    assert second["customer"]["site_customer_identifier"] == "575530001"


@pytest.mark.parametrize(("name", "methods"), [("saved", [SAVINGS, CHECKING]), ("expired", [CHECKING])])
def test_saved_methods_are_printed_as_in_the_guide(name: str, methods: list[dict[str, str]]) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> Any:
        for method in methods:
            assert await fake.command("methods", method) == {
                "payment_method_identifier": method["payment_method_identifier"]
            }
        return await fake.call("find_payment_methods", FIND_REQUEST)

    assert run_with_fake(scenario) == sample_messages.load("find_payment_methods_response")[name]


def test_a_method_that_is_saved_again_takes_the_place_of_the_former() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> Any:
        for number in ("0001", "6576"):
            await fake.command("methods", {**CHECKING, "number": number})
        return await fake.call("find_payment_methods", FIND_REQUEST)

    assert run_with_fake(scenario) == sample_messages.load("find_payment_methods_response")["expired"]


def test_a_created_order_lists_its_customer_s_accounts_under_ach() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
        await fake.command("methods", CHECKING)
        order = (await fake.call("create_order", CREATE_REQUEST, site_customer_identifier=CUSTOMER))["order"]
        return order["electronic_payments"]["payment_methods"], await fake.call("find_payment_methods", FIND_REQUEST)

    methods, found_methods = run_with_fake(scenario)

    assert {method["type"]: method["accounts"] for method in methods if method["accounts"]} == {
        "ach": found_methods["accounts"]
    }


def test_methods_are_found_by_either_identifier_of_the_customer_and_at_its_own_site() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[Any]:
        customer = (await fake.call("create_order", CREATE_REQUEST))["order"]["customer"]
        pnm = {"site_identifier": SITE, "pnm_customer_identifier": customer["pnm_customer_identifier"]}
        local_identifiers = {"site_identifier": SITE, "site_customer_identifier": "575530001"}
        return [
            await fake.call("find_payment_methods", pnm),
            await fake.call("find_payment_methods", local_identifiers),
            await fake.call("find_payment_methods", local_identifiers, site_identifier="S2155373459"),
            await fake.call("find_payment_methods", {**pnm, **local_identifiers}),
        ]

    by_pnm_identifier, by_site_identifier, at_other_site, by_both_identifiers = run_with_fake(scenario)

    assert by_pnm_identifier == by_site_identifier == {"status": "ok", "accounts": []}
    assert at_other_site["response_code"] == "9405"
    assert by_both_identifiers["response_code"] == "9400"


def test_a_method_that_is_not_guaranteed_says_so_and_gets_an_identifier() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
        method_fields = {**CHECKING, "guaranteed_ach": False}
        del method_fields["payment_method_identifier"]
        saved_method = await fake.command("methods", method_fields)
        return saved_method, (await fake.call("find_payment_methods", FIND_REQUEST))["accounts"]

    saved_method, [account] = run_with_fake(scenario)

    assert account["payment_method_identifier"] == saved_method["payment_method_identifier"]
    assert len(bytes.fromhex(f"0{saved_method['payment_method_identifier']}")) == 7
    assert "trustly_ach" not in account["account_type"]
