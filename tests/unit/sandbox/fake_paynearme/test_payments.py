from collections.abc import Mapping
from typing import Any

import pytest

from paynearme.protocol.signing import verify
from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages
from tests.support.fake_paynearme_driver import (
    CHECKING,
    NOW,
    ORDER,
    PAYMENT,
    SITE,
    SITES,
    AuthorizingMerchantStub,
    FakePayNearMeDriver,
    run_with_merchant,
)
from tests.support.http_server_fixture import SOCKET_MARKS

pytestmark = SOCKET_MARKS

RUN_SPECIFIC = {"pnm_payment_identifier", "site_order_identifier", "payment_date", "payment_timestamp", "timestamp"}


async def make_payment_and_settle(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
    """Return the response to ``make_payment``, and the payments when no task is running."""
    return await fake.call("make_payment", PAYMENT), await fake.command("settled")


def assert_matches(message: Mapping[str, Any], sample: Mapping[str, Any]) -> None:
    """Compare the order of the names, and the values that are equal in each run. Verify the signature."""
    assert list(message) == [*sample, "signature"]
    excluded = {*RUN_SPECIFIC, "signature"}
    assert {n: v for n, v in message.items() if n not in excluded} == {
        n: v for n, v in sample.items() if n not in excluded
    }
    verify(messages.stringify_parameters(message), message["signature"], [SITES[SITE]["secret"]])
    assert message["timestamp"] == str(NOW)


@pytest.mark.parametrize("test", [True, False])
def test_payment_accepted_messages_match_samples(*, test: bool) -> None:
    merchant = AuthorizingMerchantStub(site_payment_identifier="992761bd-e5eb-4a40-a53b-68de6e90dbf7")

    response, [payment] = run_with_merchant(merchant, make_payment_and_settle, test=test)

    [authorization], [confirmation] = merchant.messages_of("authorize"), merchant.messages_of("confirm")
    sample = {
        **sample_messages.load("authorization")["guaranteed_ach_saved"],
        "payment_bank_name": "Demo Checking Account",
    }
    if not test:
        del sample["test"]
    assert_matches(authorization, {**sample, "payment_bank_last4": "6576"})
    bank = {"payment_bank_name": "Demo Checking Account ", "payment_bank_last4": "6576"}
    assert_matches(confirmation, sample_messages.load("confirmation")["guaranteed_ach_saved"] | bank)
    assert confirmation["payment_timestamp"] == "2027-01-15 01:00:00 -0700"
    assert response == {
        "status": "ok",
        "payment": {
            "pnm_payment_identifier": authorization["pnm_payment_identifier"],
            "pnm_order_identifier": ORDER,
            "payment_amount": "1000.00",
            "payment_currency": "USD",
            "payment_status": "authorized",
        },
    }
    assert confirmation["pnm_payment_identifier"] == authorization["pnm_payment_identifier"]
    assert (payment["state"], payment["authorization"], payment["confirmations"]) == ("confirmed", "yes", 1)


@pytest.mark.parametrize(("decision", "authorization"), [("no", "no"), ("perhaps", "none")])
def test_payment_declined_or_undecided_voided_not_confirmed(decision: str, authorization: str) -> None:
    merchant = AuthorizingMerchantStub(decision)

    response, [payment] = run_with_merchant(merchant, make_payment_and_settle)

    assert (response["status"], response["response_code"]) == ("error", "9410")
    assert (payment["state"], payment["authorization"], payment["confirmations"]) == ("voided", authorization, 0)
    assert merchant.messages_of("confirm") == []


@pytest.mark.parametrize(("rejections", "state", "count"), [(3, "confirmed", 4), (1000, "captured", 40)])
def test_confirmation_retried_unchanged_until_acknowledged(rejections: int, state: str, count: int) -> None:
    merchant = AuthorizingMerchantStub(rejections=rejections)

    _, [payment] = run_with_merchant(merchant, make_payment_and_settle)

    assert (payment["state"], payment["confirmations"]) == (state, count)
    confirmations = merchant.messages_of("confirm")
    assert confirmations == confirmations[:1] * count


def test_bank_authorization_expired_rejected_without_payment() -> None:
    merchant = AuthorizingMerchantStub()

    async def scenario(fake: FakePayNearMeDriver) -> tuple[Any, Any]:
        await fake.command("expire", {"payment_method_identifier": CHECKING["payment_method_identifier"]})
        return await make_payment_and_settle(fake)

    response, payments = run_with_merchant(merchant, scenario)

    sample = sample_messages.load("make_payment_response")["expired"]
    assert (response.keys(), response["status"], response["response_code"]) == (sample.keys(), "error", "6513")
    [error], [sample_error] = response["errors"], sample["errors"]
    # A number ends the description.
    assert error["description"][:-13] == sample_error["description"][:-13]
    assert (payments, merchant.received) == ([], [])
