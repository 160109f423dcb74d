import asyncio
from typing import Any

import pytest
from aiohttp import ClientError

from local import events
from paynearme.signing import verify
from tests.unit.paynearme_side import (
    CHECKING,
    CUSTOMER,
    ORDER,
    PAYMENT,
    SITE,
    SITES,
    Merchant,
    Side,
    paid,
    paying,
    talking,
)

# The fixture beside the mark, because it is set up after the one that refuses sockets.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

CREATE = {**events.load("create_order")["guaranteed_ach"], "site_identifier": SITE}
EXPIRED = events.load("make_payment_answer")["expired"]


def test_a_payment_that_the_merchant_accepts_is_authorized_taken_and_confirmed() -> None:
    merchant = Merchant()

    answer, [payment] = paying(merchant, lambda side: paid(side, site_payment_identifier="SPI-1"))

    [announced], [told] = merchant.heard("authorize"), merchant.heard("confirm")
    assert answer == {
        "status": "ok",
        "payment": {
            "pnm_payment_identifier": announced["pnm_payment_identifier"],
            "pnm_order_identifier": ORDER,
            "site_payment_identifier": "SPI-1",
            "payment_amount": "1000.00",
            "payment_currency": "USD",
            "payment_status": "authorized",
        },
    }
    assert told["pnm_payment_identifier"] == announced["pnm_payment_identifier"]
    assert payment == {
        "site_identifier": SITE,
        "pnm_payment_identifier": announced["pnm_payment_identifier"],
        "pnm_order_identifier": ORDER,
        "site_order_identifier": announced["site_order_identifier"],
        "site_customer_identifier": CUSTOMER,
        "site_payment_identifier": "SPI-1",
        "payment_method_identifier": CHECKING["payment_method_identifier"],
        "payment_amount": "1000.00",
        "payment_currency": "USD",
        "state": "confirmed",
        "authorization": "yes",
        "confirmations": 1,
    }
    for message in (announced, told):
        verify(events.as_text(message), message["signature"], [SITES[SITE]["secret"]])


@pytest.mark.parametrize(("said", "authorization"), [("no", "no"), ("perhaps", "none"), ("{}", "none")])
def test_what_is_declined_or_not_answered_is_voided_and_never_confirmed(
    said: str, authorization: str
) -> None:
    merchant = Merchant(said)

    answer, [payment] = paying(merchant, paid)

    assert (answer["status"], answer["response_code"]) == ("error", "9410")
    assert (payment["state"], payment["authorization"], payment["confirmations"]) == (
        "voided",
        authorization,
        0,
    )
    assert merchant.heard("confirm") == []


def test_a_merchant_that_cannot_be_reached_has_not_answered() -> None:
    async def talk(side: Side) -> tuple[Any, Any]:
        await side.command("methods", CHECKING)
        await side.command("callbacks", {"url": "http://127.0.0.1:1"})
        return await paid(side)

    answer, [payment] = talking(talk)

    assert answer["response_code"] == "9410"
    assert (payment["state"], payment["authorization"]) == ("voided", "none")


def test_without_an_address_the_money_is_taken_and_the_confirmation_kept_until_it_is_asked_for() -> None:
    merchant = Merchant()

    async def talk(side: Side) -> tuple[Any, Any, Any, Any]:
        await side.command("methods", CHECKING)
        answer, [payment] = await paid(side)
        named = {"pnm_payment_identifier": payment["pnm_payment_identifier"]}
        refused = await side.command("confirm", named)
        async with merchant.listening() as url:
            await side.command("callbacks", {"url": url})
            confirmed = await side.command("confirm", named)
        assert (payment["state"], payment["authorization"], payment["confirmations"]) == ("taken", "none", 0)
        return answer, refused, confirmed, await side.ask("payments")

    answer, refused, confirmed, [after] = talking(talk)

    assert answer["status"] == "ok"
    assert refused == 409
    assert (confirmed["status"], confirmed["accepted"]) == (200, True)
    assert confirmed["fields"] == {"pnm_order_identifier": ORDER}
    assert (after["state"], after["confirmations"]) == ("confirmed", 1)
    assert merchant.heard("authorize") == []


def test_an_unacknowledged_confirmation_is_repeated_unchanged_until_it_is_acknowledged() -> None:
    merchant = Merchant(refusals=3)

    _, [payment] = paying(merchant, paid)

    assert (payment["state"], payment["confirmations"]) == ("confirmed", 4)
    first, *others = merchant.heard("confirm")
    assert others == [first] * 3


@pytest.mark.parametrize("annotation", [None, "confirm_blank"])
def test_callbacks_repeat_the_annotation_of_an_order_that_was_created_with_one(
    annotation: str | None,
) -> None:
    merchant = Merchant()

    async def talk(side: Side) -> None:
        created = await side.call("create_order", CREATE, site_order_annotation=annotation)
        order = {"pnm_order_identifier": created["order"]["pnm_order_identifier"]}
        customer = {"site_customer_identifier": CREATE["site_customer_identifier"]}
        method = await side.command("methods", CHECKING | customer | {"payment_method_identifier": "m"})
        await paid(side, **order, **method)

    paying(merchant, talk)

    told = [message.get("site_order_annotation") for _, message in merchant.received]
    assert told == [annotation, annotation]


def test_a_confirmation_that_nobody_acknowledges_is_given_up() -> None:
    merchant = Merchant(refusals=1000)

    _, [payment] = paying(merchant, paid)

    assert (payment["state"], payment["confirmations"]) == ("taken", 40)


def test_a_confirmation_that_is_held_is_sent_when_it_is_asked_for_and_as_often() -> None:
    merchant = Merchant()

    async def talk(side: Side) -> tuple[Any, Any, Any]:
        _, [held] = await paid(side)
        assert merchant.heard("confirm") == []
        named = {"pnm_payment_identifier": held["pnm_payment_identifier"]}
        assert [(await side.command("confirm", named))["accepted"] for _ in range(2)] == [True, True]
        return held["state"], await side.ask("payments"), await side.command("confirm", {**named, "x": 1})

    state, [payment], malformed = paying(merchant, talk, hold_confirmations=True)

    assert (state, payment["state"], payment["confirmations"]) == ("taken", "confirmed", 2)
    assert malformed == 400


def test_a_confirmation_that_was_acknowledged_when_asked_for_is_not_repeated() -> None:
    merchant = Merchant(refusals=1)

    async def talk(side: Side) -> Any:
        answer = await side.call("make_payment", PAYMENT)
        while not merchant.heard("confirm"):
            await asyncio.sleep(0)
        named = {"pnm_payment_identifier": answer["payment"]["pnm_payment_identifier"]}
        assert (await side.command("confirm", named))["accepted"]
        return await side.command("settled")

    [payment] = paying(merchant, talk, minute=3600)

    assert (payment["state"], payment["confirmations"]) == ("confirmed", 2)


def test_only_what_was_taken_can_be_confirmed() -> None:
    merchant = Merchant("no")

    async def talk(side: Side) -> list[Any]:
        _, [voided] = await paid(side)
        identifiers = (voided["pnm_payment_identifier"], "000000000000")
        return [await side.command("confirm", {"pnm_payment_identifier": each}) for each in identifiers]

    assert paying(merchant, talk) == [409, 404]


def test_an_expired_authorization_is_refused_as_in_the_guide_and_takes_nothing() -> None:
    merchant = Merchant()
    method = {"payment_method_identifier": CHECKING["payment_method_identifier"]}

    async def talk(side: Side) -> tuple[Any, Any]:
        assert await side.command("expire", method) == 204
        assert await side.command("expire", {"payment_method_identifier": "0"}) == 404
        return await paid(side)

    answer, payments = paying(merchant, talk)

    assert answer.keys() == EXPIRED.keys()
    assert (answer["status"], answer["response_code"]) == ("error", "6513")
    [error], [documented] = answer["errors"], EXPIRED["errors"]
    assert error.keys() == documented.keys()
    assert error["description"][:-13] == documented["description"][:-13]
    assert error["description"][-13:-1].isdecimal()
    assert (payments, merchant.received) == ([], [])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"payment_amount": None}, "9400"),
        ({"payment_amount": "0.00"}, "9400"),
        ({"payment_amount": "-1"}, "9400"),
        ({"payment_amount": "1.001"}, "9400"),
        ({"payment_currency": "EUR"}, "9400"),
        ({"payment_method_identifier": None}, "9400"),
        ({"pnm_order_identifier": None}, "9400"),
        ({"site_order_identifier": "1"}, "9400"),
        ({"pnm_order_identifier": "00074665124"}, "9404"),
        ({"payment_method_identifier": "0"}, "9406"),
        ({"site_identifier": "S2155373459"}, "9406"),
    ],
)
def test_a_payment_that_cannot_be_made_is_refused(changes: dict[str, str | None], code: str) -> None:
    answer, payments = paying(Merchant(), lambda side: paid(side, **changes))

    assert (answer["status"], answer["response_code"], payments) == ("error", code, [])


@pytest.mark.parametrize(("customer", "status"), [(CUSTOMER, "ok"), ("575530001", "error")])
def test_an_order_of_a_customer_s_is_paid_by_its_own_methods_alone(customer: str, status: str) -> None:
    created = {**events.load("create_order")["guaranteed_ach"], "site_identifier": SITE}

    async def talk(side: Side) -> Any:
        order = (await side.call("create_order", created, site_customer_identifier=customer))["order"]
        return await side.call("make_payment", PAYMENT, pnm_order_identifier=order["pnm_order_identifier"])

    answer = paying(Merchant(), talk)

    assert answer["status"] == status
    assert answer.get("response_code") == (None if status == "ok" else "9406")


def test_a_payment_is_authorizing_while_the_merchant_thinks_and_a_reset_ends_it() -> None:
    merchant = Merchant()

    async def talk(side: Side) -> tuple[Any, Any]:
        merchant.may_answer.clear()
        waiting = asyncio.create_task(side.call("make_payment", PAYMENT))
        while not merchant.received:
            await asyncio.sleep(0)
        [payment] = await side.ask("payments")
        await side.command("reset")
        merchant.may_answer.set()
        with pytest.raises(ClientError):
            await waiting
        return payment["state"], await side.command("settled")

    assert paying(merchant, talk) == ("authorizing", [])
    assert merchant.heard("confirm") == []
