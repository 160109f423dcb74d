from typing import Any

import pytest

from local import events
from tests.unit.paynearme_side import CHECKING, CUSTOMER, SITE, Side, talking

# The fixture beside the mark, because it is set up after the one that refuses sockets.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

CREATE = {**events.load("create_order")["guaranteed_ach"], "site_identifier": SITE}
CREATED = events.load("create_order_answer")["guaranteed_ach"]
FIND = events.load("find_payment_methods")["saved"]
SAVINGS = {
    **CHECKING,
    "description": "Demo Savings Account",
    "number": "6213",
    "payment_method_identifier": "76590ef5135ae",
}


def created(**changes: str | None) -> Any:
    """Return the answer to the documents' create_order call with changes."""

    async def talk(side: Side) -> Any:
        return await side.call("create_order", CREATE, **changes)

    return talking(talk)


def shape(value: object) -> object:
    """Return what is left of an answer without its values: names in order, lists, types."""
    if isinstance(value, dict):
        return [(name, shape(inner)) for name, inner in value.items()]
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value)


def test_a_created_order_is_printed_as_in_the_guide() -> None:
    answer = created()

    assert shape(answer) == shape(CREATED)
    ours, theirs = answer["order"], CREATED["order"]
    follows_from_request = {
        name: theirs[name]
        for name in theirs
        if name.startswith(("order_", "minimum_", "electronic_")) or name in ("type", "site_identifier")
    }
    del follows_from_request["order_created"], follows_from_request["order_tracking_url"]
    assert {name: ours[name] for name in follows_from_request} == follows_from_request
    assert ours["site_order_identifier"] == CREATE["site_order_identifier"]
    assert ours["site_order_key"] == "575530001"
    assert ours["order_created"] == "2027-01-15 01:00:00 -0700"
    assert ours["secure_smart_link"].endswith(f"/ssl/{ours['secure_smart_token']}")
    assert len(ours["secure_smart_token"]) == len(theirs["secure_smart_token"])
    assert ours["order_tracking_url"].endswith(f"/{ours['pnm_order_identifier']}")
    assert [len(ours[name]) for name in theirs if name.startswith("pnm_")] == [
        len(theirs[name]) for name in theirs if name.startswith("pnm_")
    ]
    numbered = {"pnm_customer_identifier": ours["customer"]["pnm_customer_identifier"]}
    assert ours["customer"] == theirs["customer"] | numbered


def test_what_was_not_told_of_a_customer_is_left_out() -> None:
    answer = created(site_customer_last_name=None, site_customer_street=None, site_customer_phone=None)

    customer = answer["order"]["customer"]
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
    assert created(**changes)["response_code"] == "9400"


def test_an_order_identifier_of_the_site_s_gives_the_same_order_again() -> None:
    async def talk(side: Side) -> list[Any]:
        return [
            (await side.call("create_order", CREATE, **changes))["order"]
            for changes in (
                {},
                {"order_amount": "7"},
                {"site_order_identifier": "another"},
                {"site_identifier": "S2155373459"},
            )
        ]

    first, again, another, elsewhere = talking(talk)

    def kept(order: Any) -> Any:
        return {name: value for name, value in order.items() if not name.startswith("secure_")}

    assert kept(first) == kept(again)
    numbers = {order["pnm_order_identifier"] for order in (first, another, elsewhere)}
    assert len(numbers) == 3


def test_orders_without_an_identifier_of_the_site_s_are_different_orders() -> None:
    async def talk(side: Side) -> list[Any]:
        return [
            (await side.call("create_order", CREATE, site_order_identifier=None))["order"] for _ in range(2)
        ]

    first, second = talking(talk)

    assert first["pnm_order_identifier"] != second["pnm_order_identifier"]
    assert first["customer"] == second["customer"]


@pytest.mark.parametrize(
    "name", ["pnm_order_identifier", "site_order_identifier", "site_customer_identifier"]
)
def test_a_created_order_gets_tokens_by_its_identifiers_and_its_customer_s(name: str) -> None:
    async def talk(side: Side) -> tuple[Any, Any]:
        order = (await side.call("create_order", CREATE))["order"]
        value = order["customer" if "customer" in name else name]
        value = value if isinstance(value, str) else value[name]
        answer = await side.call("get_smart_token", {"site_identifier": SITE, name: value})
        return order, answer["orders"][0]

    order, token = talking(talk)

    assert token["pnm_order_identifier"] == order["pnm_order_identifier"]
    assert token["site_order_identifier"] == order["site_order_identifier"]


def test_an_order_that_was_created_is_known_however_its_identifier_begins() -> None:
    async def talk(side: Side) -> list[Any]:
        named = {"site_identifier": SITE, "site_order_identifier": "0007"}
        before = await side.call("get_smart_token", named)
        await side.call("create_order", CREATE, site_order_identifier="0007")
        return [before["status"], (await side.call("get_smart_token", named))["status"]]

    assert talking(talk) == ["error", "ok"]


def test_of_a_customer_s_orders_the_last_one_is_meant() -> None:
    async def talk(side: Side) -> list[Any]:
        for number in ("1", "2"):
            await side.call("create_order", CREATE, site_order_identifier=number)
        named = {"site_identifier": SITE, "site_customer_identifier": CREATE["site_customer_identifier"]}
        answer = await side.call("get_smart_token", named)
        return [order["site_order_identifier"] for order in answer["orders"]]

    assert talking(talk) == ["2"]


def test_an_order_that_was_first_seen_can_be_created_and_keeps_its_number() -> None:
    async def talk(side: Side) -> tuple[Any, Any]:
        seen = {"site_identifier": SITE, "site_order_identifier": CREATE["site_order_identifier"]}
        first = await side.call("get_smart_token", seen)
        return first["orders"][0], (await side.call("create_order", CREATE))["order"]

    first, created_after = talking(talk)

    assert first["pnm_order_identifier"] == created_after["pnm_order_identifier"]
    assert created_after["customer"]["site_customer_identifier"] == "575530001"


@pytest.mark.parametrize(("name", "methods"), [("saved", [SAVINGS, CHECKING]), ("expired", [CHECKING])])
def test_saved_methods_are_printed_as_in_the_guide(name: str, methods: list[dict[str, str]]) -> None:
    async def talk(side: Side) -> Any:
        for method in methods:
            assert await side.command("methods", method) == {
                "payment_method_identifier": method["payment_method_identifier"]
            }
        return await side.call("find_payment_methods", FIND)

    assert talking(talk) == events.load("find_payment_methods_answer")[name]


def test_a_method_that_is_saved_again_takes_the_place_of_the_former() -> None:
    async def talk(side: Side) -> Any:
        for number in ("0001", "6576"):
            await side.command("methods", {**CHECKING, "number": number})
        return await side.call("find_payment_methods", FIND)

    assert talking(talk) == events.load("find_payment_methods_answer")["expired"]


def test_a_created_order_lists_its_customer_s_accounts_under_ach() -> None:
    async def talk(side: Side) -> tuple[Any, Any]:
        await side.command("methods", CHECKING)
        order = (await side.call("create_order", CREATE, site_customer_identifier=CUSTOMER))["order"]
        return order["electronic_payments"]["payment_methods"], await side.call("find_payment_methods", FIND)

    methods, found = talking(talk)

    assert {method["type"]: method["accounts"] for method in methods if method["accounts"]} == {
        "ach": found["accounts"]
    }


def test_methods_are_found_by_either_identifier_of_the_customer_and_at_its_own_site() -> None:
    async def talk(side: Side) -> list[Any]:
        customer = (await side.call("create_order", CREATE))["order"]["customer"]
        pnm = {"site_identifier": SITE, "pnm_customer_identifier": customer["pnm_customer_identifier"]}
        ours = {"site_identifier": SITE, "site_customer_identifier": "575530001"}
        return [
            await side.call("find_payment_methods", pnm),
            await side.call("find_payment_methods", ours),
            await side.call("find_payment_methods", ours, site_identifier="S2155373459"),
            await side.call("find_payment_methods", {**pnm, **ours}),
        ]

    by_theirs, by_ours, elsewhere, by_both = talking(talk)

    assert by_theirs == by_ours == {"status": "ok", "accounts": []}
    assert elsewhere["response_code"] == "9405"
    assert by_both["response_code"] == "9400"


def test_a_method_that_is_not_guaranteed_says_so_and_gets_an_identifier() -> None:
    async def talk(side: Side) -> tuple[Any, Any]:
        plain = {**CHECKING, "guaranteed_ach": False}
        del plain["payment_method_identifier"]
        saved = await side.command("methods", plain)
        return saved, (await side.call("find_payment_methods", FIND))["accounts"]

    saved, [account] = talking(talk)

    assert account["payment_method_identifier"] == saved["payment_method_identifier"]
    assert len(bytes.fromhex(f"0{saved['payment_method_identifier']}")) == 7
    assert "trustly_ach" not in account["account_type"]
