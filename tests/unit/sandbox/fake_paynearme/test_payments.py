import asyncio
from typing import Any

import pytest
from aiohttp import ClientError

from paynearme.protocol.signing import verify
from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages
from tests.support.fake_paynearme_driver import (
    CHECKING,
    CUSTOMER,
    ORDER,
    PAYMENT,
    SITE,
    SITES,
    AuthorizingMerchantStub,
    FakePayNearMeDriver,
    make_payment_and_settle,
    run_with_fake,
    run_with_merchant,
)

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

CREATE_REQUEST = {**sample_messages.load("create_order")["guaranteed_ach"], "site_identifier": SITE}
EXPIRED_RESPONSE = sample_messages.load("make_payment_response")["expired"]


def test_a_payment_that_the_merchant_accepts_is_authorized_taken_and_confirmed() -> None:
    merchant = AuthorizingMerchantStub()

    response, [payment] = run_with_merchant(
        merchant, lambda fake: make_payment_and_settle(fake, site_payment_identifier="SPI-1")
    )

    [authorization_message], [confirmation_message] = merchant.messages_of("authorize"), merchant.messages_of("confirm")
    assert response == {
        "status": "ok",
        "payment": {
            "pnm_payment_identifier": authorization_message["pnm_payment_identifier"],
            "pnm_order_identifier": ORDER,
            "site_payment_identifier": "SPI-1",
            "payment_amount": "1000.00",
            "payment_currency": "USD",
            "payment_status": "authorized",
        },
    }
    assert confirmation_message["pnm_payment_identifier"] == authorization_message["pnm_payment_identifier"]
    assert payment == {
        "site_identifier": SITE,
        "pnm_payment_identifier": authorization_message["pnm_payment_identifier"],
        "pnm_order_identifier": ORDER,
        "site_order_identifier": authorization_message["site_order_identifier"],
        "site_customer_identifier": CUSTOMER,
        "site_payment_identifier": "SPI-1",
        "payment_method_identifier": CHECKING["payment_method_identifier"],
        "payment_amount": "1000.00",
        "payment_currency": "USD",
        "state": "confirmed",
        "authorization": "yes",
        "confirmations": 1,
    }
    for message in (authorization_message, confirmation_message):
        verify(messages.stringify_parameters(message), message["signature"], [SITES[SITE]["secret"]])


@pytest.mark.parametrize(("decision", "authorization"), [("no", "no"), ("perhaps", "none"), ("{}", "none")])
def test_what_is_declined_or_not_answered_is_voided_and_never_confirmed(decision: str, authorization: str) -> None:
    merchant = AuthorizingMerchantStub(decision)

    response, [payment] = run_with_merchant(merchant, make_payment_and_settle)

    assert (response["status"], response["response_code"]) == ("error", "9410")
    assert (payment["state"], payment["authorization"], payment["confirmations"]) == ("voided", authorization, 0)
    assert merchant.messages_of("confirm") == []


def test_a_merchant_that_cannot_be_reached_has_not_answered() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
        await fake.command("methods", CHECKING)
        await fake.command("callbacks", {"url": "http://127.0.0.1:1"})
        return await make_payment_and_settle(fake)

    response, [payment] = run_with_fake(scenario)

    assert response["response_code"] == "9410"
    assert (payment["state"], payment["authorization"]) == ("voided", "none")


def test_without_an_address_the_money_is_taken_and_the_confirmation_kept_until_it_is_asked_for() -> None:
    merchant = AuthorizingMerchantStub()

    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any, Any, Any]:
        await fake.command("methods", CHECKING)
        response, [payment] = await make_payment_and_settle(fake)
        reference = {"pnm_payment_identifier": payment["pnm_payment_identifier"]}
        rejected = await fake.command("confirm", reference)
        async with merchant.serve() as url:
            await fake.command("callbacks", {"url": url})
            confirm_result = await fake.command("confirm", reference)
        assert (payment["state"], payment["authorization"], payment["confirmations"]) == ("captured", "none", 0)
        return response, rejected, confirm_result, await fake.get("payments")

    response, rejected, confirm_result, [final] = run_with_fake(scenario)

    assert response["status"] == "ok"
    assert rejected == 409
    assert (confirm_result["status"], confirm_result["accepted"]) == (200, True)
    assert confirm_result["fields"] == {"pnm_order_identifier": ORDER}
    assert (final["state"], final["confirmations"]) == ("confirmed", 1)
    assert merchant.messages_of("authorize") == []


def test_an_unacknowledged_confirmation_is_repeated_unchanged_until_it_is_acknowledged() -> None:
    merchant = AuthorizingMerchantStub(rejections=3)

    _, [payment] = run_with_merchant(merchant, make_payment_and_settle)

    assert (payment["state"], payment["confirmations"]) == ("confirmed", 4)
    first, *others = merchant.messages_of("confirm")
    assert others == [first] * 3


@pytest.mark.parametrize("annotation", [None, "confirm_blank"])
def test_callbacks_repeat_the_annotation_of_an_order_that_was_created_with_one(annotation: str | None) -> None:
    merchant = AuthorizingMerchantStub()

    async def scenario(fake: FakePayNearMeDriver) -> None:
        created_order = await fake.call("create_order", CREATE_REQUEST, site_order_annotation=annotation)
        order = {"pnm_order_identifier": created_order["order"]["pnm_order_identifier"]}
        customer = {"site_customer_identifier": CREATE_REQUEST["site_customer_identifier"]}
        method = await fake.command("methods", CHECKING | customer | {"payment_method_identifier": "m"})
        await make_payment_and_settle(fake, **order, **method)

    run_with_merchant(merchant, scenario)

    annotations = [message.get("site_order_annotation") for _, message in merchant.received]
    assert annotations == [annotation, annotation]


def test_a_confirmation_that_nobody_acknowledges_is_given_up() -> None:
    merchant = AuthorizingMerchantStub(rejections=1000)

    _, [payment] = run_with_merchant(merchant, make_payment_and_settle)

    assert (payment["state"], payment["confirmations"]) == ("captured", 40)


def test_a_confirmation_that_is_held_is_sent_when_it_is_asked_for_and_as_often() -> None:
    merchant = AuthorizingMerchantStub()

    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any, Any]:
        _, [payment] = await make_payment_and_settle(fake)
        assert merchant.messages_of("confirm") == []
        reference = {"pnm_payment_identifier": payment["pnm_payment_identifier"]}
        assert [(await fake.command("confirm", reference))["accepted"] for _ in range(2)] == [True, True]
        return payment["state"], await fake.get("payments"), await fake.command("confirm", {**reference, "x": 1})

    state, [payment], status = run_with_merchant(merchant, scenario, defer_confirmations=True)

    assert (state, payment["state"], payment["confirmations"]) == ("captured", "confirmed", 2)
    assert status == 400


def test_a_confirmation_that_was_acknowledged_when_asked_for_is_not_repeated() -> None:
    merchant = AuthorizingMerchantStub(rejections=1)

    async def scenario(fake: FakePayNearMeDriver) -> Any:
        response = await fake.call("make_payment", PAYMENT)
        while not merchant.messages_of("confirm"):
            await asyncio.sleep(0)
        reference = {"pnm_payment_identifier": response["payment"]["pnm_payment_identifier"]}
        assert (await fake.command("confirm", reference))["accepted"]
        return await fake.command("settled")

    [payment] = run_with_merchant(merchant, scenario, retry_interval=3600)

    assert (payment["state"], payment["confirmations"]) == ("confirmed", 2)


def test_only_what_was_taken_can_be_confirmed() -> None:
    merchant = AuthorizingMerchantStub("no")

    async def scenario(fake: FakePayNearMeDriver) -> list[Any]:
        _, [voided_payment] = await make_payment_and_settle(fake)
        identifiers = (voided_payment["pnm_payment_identifier"], "000000000000")
        return [await fake.command("confirm", {"pnm_payment_identifier": identifier}) for identifier in identifiers]

    assert run_with_merchant(merchant, scenario) == [409, 404]


def test_an_expired_authorization_is_refused_as_in_the_guide_and_takes_nothing() -> None:
    merchant = AuthorizingMerchantStub()
    method = {"payment_method_identifier": CHECKING["payment_method_identifier"]}

    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
        assert await fake.command("expire", method) == 204
        assert await fake.command("expire", {"payment_method_identifier": "0"}) == 404
        return await make_payment_and_settle(fake)

    response, payments = run_with_merchant(merchant, scenario)

    assert response.keys() == EXPIRED_RESPONSE.keys()
    assert (response["status"], response["response_code"]) == ("error", "6513")
    [error], [sample_error] = response["errors"], EXPIRED_RESPONSE["errors"]
    assert error.keys() == sample_error.keys()
    assert error["description"][:-13] == sample_error["description"][:-13]
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
    response, payments = run_with_merchant(
        AuthorizingMerchantStub(), lambda fake: make_payment_and_settle(fake, **changes)
    )

    assert (response["status"], response["response_code"], payments) == ("error", code, [])


@pytest.mark.parametrize(("customer", "status"), [(CUSTOMER, "ok"), ("575530001", "error")])
def test_an_order_of_a_customer_s_is_paid_by_its_own_methods_alone(customer: str, status: str) -> None:
    order_request = {**sample_messages.load("create_order")["guaranteed_ach"], "site_identifier": SITE}

    async def scenario(fake: FakePayNearMeDriver) -> Any:
        order = (await fake.call("create_order", order_request, site_customer_identifier=customer))["order"]
        return await fake.call("make_payment", PAYMENT, pnm_order_identifier=order["pnm_order_identifier"])

    response = run_with_merchant(AuthorizingMerchantStub(), scenario)

    assert response["status"] == status
    assert response.get("response_code") == (None if status == "ok" else "9406")


def test_a_payment_is_authorizing_while_the_merchant_thinks_and_a_reset_ends_it() -> None:
    merchant = AuthorizingMerchantStub()

    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
        merchant.may_respond.clear()
        pending = asyncio.create_task(fake.call("make_payment", PAYMENT))
        while not merchant.received:
            await asyncio.sleep(0)
        [payment] = await fake.get("payments")
        await fake.command("reset")
        merchant.may_respond.set()
        with pytest.raises(ClientError):
            await pending
        return payment["state"], await fake.command("settled")

    assert run_with_merchant(merchant, scenario) == ("authorizing", [])
    assert merchant.messages_of("confirm") == []
