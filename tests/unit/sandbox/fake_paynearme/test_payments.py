from typing import Any

import pytest

from paynearme.protocol.signing import verify
from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages
from tests.support.fake_paynearme_driver import (
    CHECKING,
    NOW,
    ORDER,
    SITE,
    SITES,
    AuthorizingMerchantStub,
    FakePayNearMeDriver,
    make_payment_and_settle,
    run_with_merchant,
)

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

AUTHORIZED = sample_messages.load("authorization")["guaranteed_ach_saved"]
CONFIRMED = sample_messages.load("confirmation")["guaranteed_ach_saved"]
RUN_SPECIFIC = {"pnm_payment_identifier", "site_order_identifier", "payment_date", "timestamp"}
EXPIRED_RESPONSE = sample_messages.load("make_payment_response")["expired"]


def test_payment_accepted_is_authorized_and_confirmed() -> None:
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
    assert (payment["state"], payment["authorization"], payment["confirmations"]) == ("confirmed", "yes", 1)
    for message in (authorization_message, confirmation_message):
        verify(messages.stringify_parameters(message), message["signature"], [SITES[SITE]["secret"]])


@pytest.mark.parametrize(("decision", "authorization"), [("no", "no"), ("perhaps", "none")])
def test_payment_declined_or_undecided_voided_not_confirmed(decision: str, authorization: str) -> None:
    merchant = AuthorizingMerchantStub(decision)

    response, [payment] = run_with_merchant(merchant, make_payment_and_settle)

    assert (response["status"], response["response_code"]) == ("error", "9410")
    assert (payment["state"], payment["authorization"], payment["confirmations"]) == ("voided", authorization, 0)
    assert merchant.messages_of("confirm") == []


def test_confirmation_retried_unchanged_until_acknowledged() -> None:
    merchant = AuthorizingMerchantStub(rejections=3)

    _, [payment] = run_with_merchant(merchant, make_payment_and_settle)

    assert (payment["state"], payment["confirmations"]) == ("confirmed", 4)
    first, *others = merchant.messages_of("confirm")
    assert others == [first] * 3


def test_confirmation_never_acknowledged_ends_after_40_attempts() -> None:
    merchant = AuthorizingMerchantStub(rejections=1000)

    _, [payment] = run_with_merchant(merchant, make_payment_and_settle)

    assert (payment["state"], payment["confirmations"]) == ("captured", 40)


def test_confirmation_deferred_sent_for_each_command() -> None:
    merchant = AuthorizingMerchantStub()

    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
        _, [payment] = await make_payment_and_settle(fake)
        assert merchant.messages_of("confirm") == []
        reference = {"pnm_payment_identifier": payment["pnm_payment_identifier"]}
        assert [(await fake.command("confirm", reference))["accepted"] for _ in range(2)] == [True, True]
        return payment["state"], await fake.get("payments")

    state, [payment] = run_with_merchant(merchant, scenario, defer_confirmations=True)

    assert (state, payment["state"], payment["confirmations"]) == ("captured", "confirmed", 2)


def test_expired_bank_authorization_rejected_without_payment() -> None:
    merchant = AuthorizingMerchantStub()
    method = {"payment_method_identifier": CHECKING["payment_method_identifier"]}

    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
        assert await fake.command("expire", method) == 204
        return await make_payment_and_settle(fake)

    response, payments = run_with_merchant(merchant, scenario)

    assert response.keys() == EXPIRED_RESPONSE.keys()
    assert (response["status"], response["response_code"]) == ("error", "6513")
    [error], [sample_error] = response["errors"], EXPIRED_RESPONSE["errors"]
    assert error.keys() == sample_error.keys()
    assert error["description"][:-13] == sample_error["description"][:-13]
    assert error["description"][-13:-1].isdecimal()
    assert (payments, merchant.received) == ([], [])


@pytest.mark.parametrize("test", [True, False])
def test_authorization_message_matches_sample_with_test_setting(test: bool) -> None:
    merchant = AuthorizingMerchantStub()

    run_with_merchant(merchant, make_payment_and_settle, test=test)

    [message] = merchant.messages_of("authorize")
    expected = {**AUTHORIZED, "payment_bank_name": "Demo Checking Account", "payment_bank_last4": "6576"}
    names = [name for name in expected if test or name != "test"]
    assert list(message) == [*names, "signature"]
    assert {n: message[n] for n in names if n not in RUN_SPECIFIC} == {
        n: expected[n] for n in names if n not in RUN_SPECIFIC
    }
    assert message["payment_date"] == message["timestamp"] == str(NOW)


def test_confirmation_message_matches_sample() -> None:
    merchant = AuthorizingMerchantStub(site_payment_identifier="992761bd-e5eb-4a40-a53b-68de6e90dbf7")

    run_with_merchant(merchant, make_payment_and_settle)

    [message] = merchant.messages_of("confirm")
    expected = {**CONFIRMED, "payment_bank_name": "Demo Checking Account ", "payment_bank_last4": "6576"}
    assert list(message) == [*expected, "signature"]
    run_specific = RUN_SPECIFIC | {"payment_timestamp", "signature"}
    assert {n: v for n, v in message.items() if n not in run_specific} == {
        n: v for n, v in expected.items() if n not in run_specific
    }
    assert message["payment_timestamp"] == "2027-01-15 01:00:00 -0700"


@pytest.mark.parametrize(
    ("submitted", "authorized", "confirmed"),
    [("SPI-1", None, "SPI-1"), ("SPI-1", "SPI-2", "SPI-1"), (None, "SPI-2", "SPI-2"), (None, None, None)],
)
def test_confirmation_prefers_submitted_site_payment_identifier(
    submitted: str | None, authorized: str | None, confirmed: str | None
) -> None:
    merchant = AuthorizingMerchantStub(site_payment_identifier=authorized)

    response, _ = run_with_merchant(
        merchant, lambda fake: make_payment_and_settle(fake, site_payment_identifier=submitted)
    )

    assert merchant.messages_of("confirm")[0].get("site_payment_identifier") == confirmed
    assert response["payment"].get("site_payment_identifier") == submitted
