import pytest

from local import events
from tests.unit.paynearme_side import CHECKING, NOW, Merchant, paid, paying

# The fixture beside the mark, because it is set up after the one that refuses sockets.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

AUTHORIZED = events.load("authorization")["guaranteed_ach_saved"]
CONFIRMED = events.load("confirmation")["guaranteed_ach_saved"]
OF_THE_RUN = {"pnm_payment_identifier", "site_order_identifier", "payment_date", "timestamp"}


@pytest.mark.parametrize("test", [True, False])
def test_the_authorization_is_the_guide_s_and_a_test_only_when_told(test: bool) -> None:
    merchant = Merchant()

    paying(merchant, paid, test=test)

    [message] = merchant.heard("authorize")
    expected = {**AUTHORIZED, "payment_bank_name": "Demo Checking Account", "payment_bank_last4": "6576"}
    names = [name for name in expected if test or name != "test"]
    assert list(message) == [*names, "signature"]
    assert {n: message[n] for n in names if n not in OF_THE_RUN} == {
        n: expected[n] for n in names if n not in OF_THE_RUN
    }
    assert message["payment_date"] == message["timestamp"] == str(NOW)


def test_an_authorization_names_payment_and_method_if_the_call_named_the_payment() -> None:
    merchant = Merchant()

    paying(merchant, lambda side: paid(side, site_payment_identifier="SPI-1"))

    [message] = merchant.heard("authorize")
    assert message.keys() - AUTHORIZED.keys() == {
        "site_payment_identifier",
        "payment_method_identifier",
        "signature",
    }
    assert message["site_payment_identifier"] == "SPI-1"
    assert message["payment_method_identifier"] == CHECKING["payment_method_identifier"]


def test_the_confirmation_is_the_guide_s() -> None:
    merchant = Merchant(named="992761bd-e5eb-4a40-a53b-68de6e90dbf7")

    paying(merchant, paid)

    [message] = merchant.heard("confirm")
    expected = {**CONFIRMED, "payment_bank_name": "Demo Checking Account ", "payment_bank_last4": "6576"}
    assert list(message) == [*expected, "signature"]
    own = OF_THE_RUN | {"payment_timestamp", "signature"}
    assert {n: v for n, v in message.items() if n not in own} == {
        n: v for n, v in expected.items() if n not in own
    }
    assert message["payment_timestamp"] == "2027-01-15 01:00:00 -0700"


@pytest.mark.parametrize(
    ("called", "answered", "confirmed"),
    [("SPI-1", None, "SPI-1"), ("SPI-1", "SPI-2", "SPI-1"), (None, "SPI-2", "SPI-2"), (None, None, None)],
)
def test_the_confirmation_names_the_payment_as_the_call_did_or_else_the_merchant(
    called: str | None, answered: str | None, confirmed: str | None
) -> None:
    merchant = Merchant(named=answered)

    answer, _ = paying(merchant, lambda side: paid(side, site_payment_identifier=called))

    assert merchant.heard("confirm")[0].get("site_payment_identifier") == confirmed
    assert answer["payment"].get("site_payment_identifier") == called


@pytest.mark.parametrize(
    ("amount", "withheld", "due"),
    [("1000", "20.20", "979.80"), ("0.01", "0.00", "0.01"), ("12.5", "0.25", "12.25")],
)
def test_the_money_in_a_callback_adds_up(amount: str, withheld: str, due: str) -> None:
    merchant = Merchant()

    paying(merchant, lambda side: paid(side, payment_amount=amount))

    for _, message in merchant.received:
        assert (message["pnm_withheld_amount"], message["due_to_site_amount"]) == (withheld, due)
