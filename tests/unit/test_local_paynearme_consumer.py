from collections.abc import Mapping
from typing import Any

import pytest

from local import events
from tests.unit.paynearme_side import (
    CHECKING,
    CUSTOMER,
    NOW,
    PAYMENT,
    SITE,
    Merchant,
    Side,
    paying,
    talking,
)

# The fixture beside the mark, because it is set up after the one that refuses sockets.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

GUARANTEED = events.load("get_smart_token")["guaranteed_ach"]
RECONNECT = events.load("get_smart_token")["guaranteed_ach_reconnect"]
PLAIN = events.load("get_smart_token")["plain"]
AUTHORIZED = events.load("authorization")["guaranteed_ach_first"]
CONFIRMED = events.load("confirmation")["guaranteed_ach_first"]
ACCOUNT = {"bank": "Demo Checking Account", "number": "6576"}
METHOD = CHECKING["payment_method_identifier"]
BY_CUSTOMER = {"pnm_order_identifier": None, "site_customer_identifier": CUSTOMER}


async def link_of(side: Side, message: Mapping[str, Any], **changes: str | None) -> str:
    """Return a new Smart Token."""
    answer = await side.call("get_smart_token", message, **changes)
    return str(answer["orders"][0]["secure_smart_token"])


async def visited(side: Side, token: str, **visit: str | None) -> Any:
    """Return what comes of a consumer's visit; without other words the one of the guide's first payment."""
    given = {"secure_smart_token": token, **ACCOUNT, "payment_amount": "1000", **visit}
    return await side.command("consumer", given)


async def paid(side: Side) -> Any:
    """Return what comes of the guide's first payment."""
    return await visited(side, await link_of(side, GUARANTEED, **BY_CUSTOMER))


def test_a_first_payment_is_authorized_and_confirmed_as_in_the_guide() -> None:
    merchant = Merchant()

    async def talk(side: Side) -> tuple[Any, Any]:
        return await paid(side), await side.command("settled")

    answer, [payment] = paying(merchant, talk)

    [announced], [told] = merchant.heard("authorize"), merchant.heard("confirm")
    for message, documented in ((announced, AUTHORIZED), (told, CONFIRMED)):
        assert list(message) == [*documented, "signature"]
        own = {"pnm_order_identifier", "pnm_payment_identifier", "payment_date", "timestamp", "signature"}
        own |= {"payment_timestamp", "order_payee_identifier"}
        assert {n: v for n, v in message.items() if n not in own} == {
            n: v for n, v in documented.items() if n not in own
        }
    assert announced["payment_date"] == str(NOW)
    assert answer == {
        "payment_method_identifier": payment["payment_method_identifier"],
        "pnm_payment_identifier": announced["pnm_payment_identifier"],
        "authorization": {
            "accepted": True,
            "fields": {
                "pnm_order_identifier": announced["pnm_order_identifier"],
                "accept_payment": "yes",
            },
        },
        "confirmation": {"acknowledged": True},
        "redirect_url": GUARANTEED["flow_pay_url"].strip(),
    }
    assert (payment["state"], payment["confirmations"]) == ("confirmed", 1)


@pytest.mark.parametrize("said", ["no", "perhaps"])
def test_a_consumer_whose_payment_is_voided_is_sent_back_without_having_paid(said: str) -> None:
    merchant = Merchant(said)

    async def talk(side: Side) -> tuple[Any, Any]:
        return await paid(side), await side.command("settled")

    answer, [payment] = paying(merchant, talk)

    assert answer["authorization"]["accepted"] is False
    assert answer["confirmation"] is None
    assert answer["redirect_url"] == GUARANTEED["flow_no_pay_url"]
    assert (payment["state"], payment["confirmations"]) == ("voided", 0)


def test_a_consumer_need_not_wait_for_a_confirmation_that_is_repeated() -> None:
    merchant = Merchant(refusals=1)

    async def talk(side: Side) -> tuple[Any, Any]:
        return await paid(side), await side.command("settled")

    answer, [payment] = paying(merchant, talk)

    assert answer["confirmation"] == {"acknowledged": False}
    assert answer["redirect_url"] == GUARANTEED["flow_pay_url"].strip()
    assert (payment["state"], payment["confirmations"]) == ("confirmed", 2)


def test_a_confirmation_that_is_held_is_none_for_the_consumer() -> None:
    answer = paying(Merchant(), paid, hold_confirmations=True)

    assert answer["authorization"]["accepted"] is True
    assert answer["confirmation"] is None


def test_without_an_address_for_callbacks_the_consumer_pays_unasked() -> None:
    answer = talking(paid)

    assert (answer["authorization"], answer["confirmation"]) == (None, None)
    assert answer["redirect_url"] == GUARANTEED["flow_pay_url"].strip()


def test_the_account_is_saved_once_and_can_pay_by_a_call() -> None:
    async def talk(side: Side) -> tuple[list[str], Any, Any]:
        first, again = await paid(side), await paid(side)
        other = await visited(side, await link_of(side, GUARANTEED, **BY_CUSTOMER), number="6213")
        found = await side.call("find_payment_methods", events.load("find_payment_methods")["saved"])
        name = "payment_method_identifier"
        payment = await side.call("make_payment", PAYMENT, payment_method_identifier=other[name])
        return [first[name], again[name], other[name]], found["accounts"], payment

    [first, again, other], accounts, payment = talking(talk)

    assert first == again != other
    assert [account["payment_method_identifier"] for account in accounts] == [first, other]
    assert [(account["description"], account["number"]) for account in accounts] == [
        ("Demo Checking Account", "6576"),
        ("Demo Checking Account", "6213"),
    ]
    assert payment["status"] == "ok"


def test_an_order_of_nobody_s_has_always_the_same_made_up_payer() -> None:
    async def talk(side: Side) -> Any:
        for _ in range(2):
            await visited(side, await link_of(side, GUARANTEED))
        return await side.ask("payments")

    first, second = talking(talk)

    assert first["site_customer_identifier"] == second["site_customer_identifier"]
    assert first["payment_method_identifier"] == second["payment_method_identifier"]
    assert first["pnm_order_identifier"] == GUARANTEED["pnm_order_identifier"]


def test_a_reconnect_renews_the_bank_s_authorization_and_pays_nothing() -> None:
    merchant = Merchant()

    async def talk(side: Side) -> list[Any]:
        await side.command("expire", {"payment_method_identifier": METHOD})
        refused = await side.call("make_payment", PAYMENT)
        token = await link_of(side, RECONNECT)
        answer = await visited(side, token)
        unpaid = await side.ask("payments")
        made = await side.call("make_payment", PAYMENT)
        return [refused["response_code"], answer, unpaid, made["status"]]

    code, answer, unpaid, status = paying(merchant, talk)

    assert (code, unpaid, status) == ("6513", [], "ok")
    assert answer == {
        "payment_method_identifier": METHOD,
        "pnm_payment_identifier": None,
        "authorization": None,
        "confirmation": None,
        "redirect_url": RECONNECT["flow_add_url"],
    }


@pytest.mark.parametrize(
    ("entered", "in_link", "paid_amount"),
    [("25", None, "25.00"), (None, "25", "25.00"), ("30.5", "25", "30.50")],
)
def test_the_amount_is_the_consumer_s_or_else_the_link_s(
    entered: str | None, in_link: str | None, paid_amount: str
) -> None:
    async def talk(side: Side) -> Any:
        token = await link_of(side, GUARANTEED, payment_amount=in_link)
        await visited(side, token, payment_amount=entered)
        return await side.ask("payments")

    [payment] = talking(talk)

    assert payment["payment_amount"] == paid_amount


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        pytest.param(PLAIN, {}, id="no bank in the flow"),
        pytest.param(GUARANTEED, {"payment_amount": None}, id="no amount"),
        pytest.param(GUARANTEED, {"payment_amount": "many"}, id="an amount that is none"),
        pytest.param(GUARANTEED, {"secure_smart_token": "made-up"}, id="an unknown token"),
        pytest.param(RECONNECT, {}, id="a reconnect of an unknown method"),
    ],
)
def test_a_link_that_leads_nowhere_is_refused(
    message: dict[str, Any], changes: dict[str, str | None]
) -> None:
    async def talk(side: Side) -> tuple[int, Any]:
        body = {"secure_smart_token": await link_of(side, message), **ACCOUNT, "payment_amount": "1000"}
        async with side.session.post("/control/consumer", json={**body, **changes}) as answer:
            return answer.status, await side.ask("payments")

    assert talking(talk) == (400, [])


def test_a_created_order_s_link_pays_when_it_was_made_for_a_bank() -> None:
    created = {**events.load("create_order")["guaranteed_ach"], "site_identifier": SITE}

    async def talk(side: Side) -> Any:
        order = (await side.call("create_order", created))["order"]
        number = order["pnm_order_identifier"]
        token = await link_of(side, GUARANTEED, pnm_order_identifier=number)
        await visited(side, token)
        return await side.ask("payments")

    [payment] = talking(talk)

    assert payment["site_customer_identifier"] == created["site_customer_identifier"]
    assert payment["site_order_identifier"] == created["site_order_identifier"]
