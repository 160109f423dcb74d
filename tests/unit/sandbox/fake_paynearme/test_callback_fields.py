import pytest

from sandbox.clients import sample_messages
from tests.support.fake_paynearme_driver import (
    CHECKING,
    NOW,
    AuthorizingMerchantStub,
    make_payment_and_settle,
    run_with_merchant,
)

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

AUTHORIZED = sample_messages.load("authorization")["guaranteed_ach_saved"]
CONFIRMED = sample_messages.load("confirmation")["guaranteed_ach_saved"]
RUN_SPECIFIC = {"pnm_payment_identifier", "site_order_identifier", "payment_date", "timestamp"}


@pytest.mark.parametrize("test", [True, False])
def test_the_authorization_is_the_guide_s_and_a_test_only_when_told(test: bool) -> None:
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


def test_an_authorization_names_payment_and_method_if_the_call_named_the_payment() -> None:
    merchant = AuthorizingMerchantStub()

    run_with_merchant(merchant, lambda fake: make_payment_and_settle(fake, site_payment_identifier="SPI-1"))

    [message] = merchant.messages_of("authorize")
    assert message.keys() - AUTHORIZED.keys() == {"site_payment_identifier", "payment_method_identifier", "signature"}
    assert message["site_payment_identifier"] == "SPI-1"
    assert message["payment_method_identifier"] == CHECKING["payment_method_identifier"]


def test_the_confirmation_is_the_guide_s() -> None:
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
def test_the_confirmation_names_the_payment_as_the_call_did_or_else_the_merchant(
    submitted: str | None, authorized: str | None, confirmed: str | None
) -> None:
    merchant = AuthorizingMerchantStub(site_payment_identifier=authorized)

    response, _ = run_with_merchant(
        merchant, lambda fake: make_payment_and_settle(fake, site_payment_identifier=submitted)
    )

    assert merchant.messages_of("confirm")[0].get("site_payment_identifier") == confirmed
    assert response["payment"].get("site_payment_identifier") == submitted


@pytest.mark.parametrize(
    ("amount", "fee", "net_amount"), [("1000", "20.20", "979.80"), ("0.01", "0.00", "0.01"), ("12.5", "0.25", "12.25")]
)
def test_the_money_in_a_callback_adds_up(amount: str, fee: str, net_amount: str) -> None:
    merchant = AuthorizingMerchantStub()

    run_with_merchant(merchant, lambda fake: make_payment_and_settle(fake, payment_amount=amount))

    for _, message in merchant.received:
        assert (message["pnm_withheld_amount"], message["due_to_site_amount"]) == (fee, net_amount)
