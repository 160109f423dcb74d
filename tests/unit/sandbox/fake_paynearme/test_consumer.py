from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.clients import sample_messages
from tests.support.fake_paynearme_driver import (
    CHECKING,
    CUSTOMER,
    NOW,
    PAYMENT,
    AuthorizingMerchantStub,
    FakePayNearMeDriver,
    run_with_merchant,
)

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

GUARANTEED_REQUEST = sample_messages.load("get_smart_token")["guaranteed_ach"]
RECONNECT = sample_messages.load("get_smart_token")["guaranteed_ach_reconnect"]
AUTHORIZED = sample_messages.load("authorization")["guaranteed_ach_first"]
CONFIRMED = sample_messages.load("confirmation")["guaranteed_ach_first"]
METHOD = CHECKING["payment_method_identifier"]


async def check_out(fake: FakePayNearMeDriver, message: Mapping[str, Any], **changes: str | None) -> Any:
    """Return the result of a consumer with a new link."""
    [order] = (await fake.call("get_smart_token", message, **changes))["orders"]
    parameters = {"secure_smart_token": order["secure_smart_token"], "payment_amount": "1000"}
    return await fake.command("consumer", parameters)


async def pay_by_link(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
    """Return the result of the first payment of the samples, and the payments when no task is running."""
    customer = {"pnm_order_identifier": None, "site_customer_identifier": CUSTOMER}
    return await check_out(fake, GUARANTEED_REQUEST, **customer), await fake.command("settled")


def test_first_payment_messages_match_samples() -> None:
    merchant = AuthorizingMerchantStub()

    response, [payment] = run_with_merchant(merchant, pay_by_link)

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


def test_reconnect_renews_bank_authorization_without_payment() -> None:
    merchant = AuthorizingMerchantStub()

    async def scenario(fake: FakePayNearMeDriver) -> list[Any]:
        await fake.command("expire", {"payment_method_identifier": METHOD})
        rejected = await fake.call("make_payment", PAYMENT)
        response = await check_out(fake, RECONNECT)
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
