from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.clients import sample_messages
from tests.support.fake_paynearme_driver import (
    CHECKING,
    CUSTOMER,
    NOW,
    PAYMENT,
    SITE,
    AuthorizingMerchantStub,
    FakePayNearMeDriver,
    run_with_fake,
    run_with_merchant,
)

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

GUARANTEED_REQUEST = sample_messages.load("get_smart_token")["guaranteed_ach"]
RECONNECT = sample_messages.load("get_smart_token")["guaranteed_ach_reconnect"]
PLAIN_REQUEST = sample_messages.load("get_smart_token")["plain"]
AUTHORIZED = sample_messages.load("authorization")["guaranteed_ach_first"]
CONFIRMED = sample_messages.load("confirmation")["guaranteed_ach_first"]
ACCOUNT = {"bank": "Demo Checking Account", "number": "6576"}
METHOD = CHECKING["payment_method_identifier"]
CUSTOMER_ONLY = {"pnm_order_identifier": None, "site_customer_identifier": CUSTOMER}


async def create_link(fake: FakePayNearMeDriver, message: Mapping[str, Any], **changes: str | None) -> str:
    """Return a new Smart Token."""
    response = await fake.call("get_smart_token", message, **changes)
    return str(response["orders"][0]["secure_smart_token"])


async def check_out(fake: FakePayNearMeDriver, token: str, **changes: str | None) -> Any:
    """Return the result of a consumer with a link. The default is the first payment of the samples."""
    parameters = {"secure_smart_token": token, **ACCOUNT, "payment_amount": "1000", **changes}
    return await fake.command("consumer", parameters)


async def pay_by_link(fake: FakePayNearMeDriver) -> Any:
    """Return the result of the first payment of the samples."""
    return await check_out(fake, await create_link(fake, GUARANTEED_REQUEST, **CUSTOMER_ONLY))


def test_a_first_payment_is_authorized_and_confirmed_as_in_the_guide() -> None:
    merchant = AuthorizingMerchantStub()

    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
        return await pay_by_link(fake), await fake.command("settled")

    response, [payment] = run_with_merchant(merchant, scenario)

    [authorization], [confirmation] = merchant.messages_of("authorize"), merchant.messages_of("confirm")
    for message, sample in ((authorization, AUTHORIZED), (confirmation, CONFIRMED)):
        assert list(message) == [*sample, "signature"]
        run_specific = {"pnm_order_identifier", "pnm_payment_identifier", "payment_date", "timestamp", "signature"}
        run_specific |= {"payment_timestamp", "order_payee_identifier"}
        assert {n: v for n, v in message.items() if n not in run_specific} == {
            n: v for n, v in sample.items() if n not in run_specific
        }
    assert authorization["payment_date"] == str(NOW)
    assert response == {
        "payment_method_identifier": payment["payment_method_identifier"],
        "pnm_payment_identifier": authorization["pnm_payment_identifier"],
        "authorization": {
            "accepted": True,
            "fields": {"pnm_order_identifier": authorization["pnm_order_identifier"], "accept_payment": "yes"},
        },
        "confirmation": {"acknowledged": True},
        "redirect_url": GUARANTEED_REQUEST["flow_pay_url"].strip(),
    }
    assert (payment["state"], payment["confirmations"]) == ("confirmed", 1)


@pytest.mark.parametrize("decision", ["no", "perhaps"])
def test_a_consumer_whose_payment_is_voided_is_sent_back_without_having_paid(decision: str) -> None:
    merchant = AuthorizingMerchantStub(decision)

    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
        return await pay_by_link(fake), await fake.command("settled")

    response, [payment] = run_with_merchant(merchant, scenario)

    assert response["authorization"]["accepted"] is False
    assert response["confirmation"] is None
    assert response["redirect_url"] == GUARANTEED_REQUEST["flow_no_pay_url"]
    assert (payment["state"], payment["confirmations"]) == ("voided", 0)


def test_a_consumer_need_not_wait_for_a_confirmation_that_is_repeated() -> None:
    merchant = AuthorizingMerchantStub(rejections=1)

    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
        return await pay_by_link(fake), await fake.command("settled")

    response, [payment] = run_with_merchant(merchant, scenario)

    assert response["confirmation"] == {"acknowledged": False}
    assert response["redirect_url"] == GUARANTEED_REQUEST["flow_pay_url"].strip()
    assert (payment["state"], payment["confirmations"]) == ("confirmed", 2)


def test_a_confirmation_that_is_held_is_none_for_the_consumer() -> None:
    response = run_with_merchant(AuthorizingMerchantStub(), pay_by_link, defer_confirmations=True)

    assert response["authorization"]["accepted"] is True
    assert response["confirmation"] is None


def test_without_an_address_for_callbacks_the_consumer_pays_unasked() -> None:
    response = run_with_fake(pay_by_link)

    assert (response["authorization"], response["confirmation"]) == (None, None)
    assert response["redirect_url"] == GUARANTEED_REQUEST["flow_pay_url"].strip()


def test_the_account_is_saved_once_and_can_pay_by_a_call() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[list[str], Any, Any]:
        first, second = await pay_by_link(fake), await pay_by_link(fake)
        third = await check_out(fake, await create_link(fake, GUARANTEED_REQUEST, **CUSTOMER_ONLY), number="6213")
        methods = await fake.call("find_payment_methods", sample_messages.load("find_payment_methods")["saved"])
        name = "payment_method_identifier"
        payment = await fake.call("make_payment", PAYMENT, payment_method_identifier=third[name])
        return [first[name], second[name], third[name]], methods["accounts"], payment

    [first, second, third], accounts, payment = run_with_fake(scenario)

    assert first == second != third
    assert [account["payment_method_identifier"] for account in accounts] == [first, third]
    assert [(account["description"], account["number"]) for account in accounts] == [
        ("Demo Checking Account", "6576"),
        ("Demo Checking Account", "6213"),
    ]
    assert payment["status"] == "ok"


def test_an_order_of_nobody_s_has_always_the_same_made_up_payer() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> Any:
        for _ in range(2):
            await check_out(fake, await create_link(fake, GUARANTEED_REQUEST))
        return await fake.get("payments")

    first, second = run_with_fake(scenario)

    assert first["site_customer_identifier"] == second["site_customer_identifier"]
    assert first["payment_method_identifier"] == second["payment_method_identifier"]
    assert first["pnm_order_identifier"] == GUARANTEED_REQUEST["pnm_order_identifier"]


def test_a_reconnect_renews_the_bank_s_authorization_and_pays_nothing() -> None:
    merchant = AuthorizingMerchantStub()

    async def scenario(fake: FakePayNearMeDriver) -> list[Any]:
        await fake.command("expire", {"payment_method_identifier": METHOD})
        rejected = await fake.call("make_payment", PAYMENT)
        token = await create_link(fake, RECONNECT)
        response = await check_out(fake, token)
        payments_before = await fake.get("payments")
        submission = await fake.call("make_payment", PAYMENT)
        return [rejected["response_code"], response, payments_before, submission["status"]]

    code, response, payments_before, status = run_with_merchant(merchant, scenario)

    assert (code, payments_before, status) == ("6513", [], "ok")
    assert response == {
        "payment_method_identifier": METHOD,
        "pnm_payment_identifier": None,
        "authorization": None,
        "confirmation": None,
        "redirect_url": RECONNECT["flow_add_url"],
    }


@pytest.mark.parametrize(
    ("entered_amount", "link_amount", "expected_amount"),
    [("25", None, "25.00"), (None, "25", "25.00"), ("30.5", "25", "30.50")],
)
def test_the_amount_is_the_consumer_s_or_else_the_link_s(
    entered_amount: str | None, link_amount: str | None, expected_amount: str
) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> Any:
        token = await create_link(fake, GUARANTEED_REQUEST, payment_amount=link_amount)
        await check_out(fake, token, payment_amount=entered_amount)
        return await fake.get("payments")

    [payment] = run_with_fake(scenario)

    assert payment["payment_amount"] == expected_amount


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        pytest.param(PLAIN_REQUEST, {}, id="no bank in the flow"),
        pytest.param(GUARANTEED_REQUEST, {"payment_amount": None}, id="no amount"),
        pytest.param(GUARANTEED_REQUEST, {"payment_amount": "many"}, id="a malformed amount"),
        pytest.param(GUARANTEED_REQUEST, {"secure_smart_token": "made-up"}, id="an unknown token"),
        pytest.param(RECONNECT, {}, id="a reconnect of an unknown method"),
    ],
)
def test_a_link_that_leads_nowhere_is_refused(message: dict[str, Any], changes: dict[str, str | None]) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[int, Any]:
        body = {"secure_smart_token": await create_link(fake, message), **ACCOUNT, "payment_amount": "1000"}
        async with fake.session.post("/control/consumer", json={**body, **changes}) as response:
            return response.status, await fake.get("payments")

    assert run_with_fake(scenario) == (400, [])


def test_a_created_order_s_link_pays_when_it_was_made_for_a_bank() -> None:
    order_request = {**sample_messages.load("create_order")["guaranteed_ach"], "site_identifier": SITE}

    async def scenario(fake: FakePayNearMeDriver) -> Any:
        order = (await fake.call("create_order", order_request))["order"]
        order_identifier = order["pnm_order_identifier"]
        token = await create_link(fake, GUARANTEED_REQUEST, pnm_order_identifier=order_identifier)
        await check_out(fake, token)
        return await fake.get("payments")

    [payment] = run_with_fake(scenario)

    assert payment["site_customer_identifier"] == order_request["site_customer_identifier"]
    assert payment["site_order_identifier"] == order_request["site_order_identifier"]
