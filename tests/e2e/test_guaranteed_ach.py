"""The guaranteed ACH guide (seed ``guaranteed_ach``), section by section, on the deployed stack."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from local.backend import Backend
from local.control import Control
from local.drive import Books
from local.events import Parameters, load
from tests.e2e.paying import PATHS, SITE, Player, new_key, new_player, save_method

SAVINGS, CHECKING = "76590ef5135ae", "23b9e4ba13242"
PERSONAL = ("Peter", "Venkman", "212", "Street", "10001")


@pytest.fixture
def player(backend: Backend, paynearme: Control) -> Player:
    """Create an order of a new player, as the guide's section on orders does."""
    assert paynearme.get("calls") == []
    return new_player(backend)


@pytest.fixture
def saved(paynearme: Control) -> Iterator[None]:
    """Have PayNearMe know the two methods that the guide's player has saved."""
    for identifier, number in ((SAVINGS, "6213"), (CHECKING, "6576")):
        save_method(paynearme, SITE, "184120000", payment_method_identifier=identifier, number=number)
    yield
    paynearme.post("settled")


def open_link(
    backend: Backend, paynearme: Control, request: Parameters, **consumer: str
) -> Mapping[str, Any]:
    """Have the player open the link of a new Smart Token, sign in at the bank, and submit."""
    reply = backend.post("/smart-tokens", request)
    assert reply.status == 200
    token = reply.content["orders"][0]["secure_smart_token"]
    bank = {"bank": "Demo Checking Account", "number": "6576"}
    done: Mapping[str, Any] = paynearme.post("consumer", {"secure_smart_token": token, **bank, **consumer})
    return done


def methods_of(backend: Backend, customer: str) -> list[Mapping[str, Any]]:
    request = {**load("find_payment_methods")["saved"], "site_customer_identifier": customer}
    reply = backend.post("/payment-methods/find", request)
    assert reply.status == 200
    accounts: list[Mapping[str, Any]] = reply.content["accounts"]
    return accounts


REQUESTS = [(operation, name) for operation in PATHS for name in load(operation)]


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize(("operation", "name"), REQUESTS)
def test_a_request_of_the_documents_is_taken_as_it_stands(
    backend: Backend, paynearme: Control, operation: str, name: str
) -> None:
    if (operation, name) == ("make_payment", "expired"):
        paynearme.post("expire", {"payment_method_identifier": CHECKING})

    reply = backend.post(PATHS[operation], load(operation)[name], new_key())

    assert reply.status == (409 if name == "expired" and operation == "make_payment" else 200), reply.content
    assert [call["operation"] for call in paynearme.get("calls")] == [operation]


def answered(backend: Backend, paynearme: Control, operation: str, name: str) -> Any:
    """Return our answer to a request of the guide that PayNearMe answers with the guide's own words."""
    answer = load(f"{operation}_answer")[name]
    paynearme.post("behaviour", {"mode": "answer", "answer": answer, "operation": operation})
    return backend.post(PATHS[operation], load(operation)[name], new_key())


def test_the_guides_order_is_trimmed_to_what_a_backend_needs(backend: Backend, paynearme: Control) -> None:
    reply = answered(backend, paynearme, "create_order", "guaranteed_ach")

    order = reply.content["order"]
    assert reply.status == 200
    assert order["pnm_order_identifier"] == "82882345534"
    assert order["site_order_identifier"] == "6969675870"
    assert order["pnm_customer_identifier"] == "U4557822272"
    assert order["order_amount"] == "500.00"
    assert order["order_is_standing"] is True
    assert order["secure_smart_link"].endswith(order["secure_smart_token"])
    assert [method["type"] for method in order["payment_methods"]][:3] == [
        "ach",
        "apple_pay_credit",
        "paypal",
    ]
    assert order["payment_methods"][2]["fee_amount"] == "10.00"
    assert not [
        text for text in PERSONAL if text in str({**order, "secure_smart_token": "", "secure_smart_link": ""})
    ]


def test_the_guides_token_reaches_the_backend(backend: Backend, paynearme: Control) -> None:
    reply = answered(backend, paynearme, "get_smart_token", "guaranteed_ach")

    printed = load("get_smart_token_answer")["guaranteed_ach"]["orders"]
    assert reply.content == {"orders": printed}


@pytest.mark.parametrize(("name", "methods"), [("saved", [SAVINGS, CHECKING]), ("expired", [CHECKING])])
def test_the_guides_accounts_are_recognised_as_guaranteed_ach(
    backend: Backend, paynearme: Control, name: str, methods: list[str]
) -> None:
    reply = answered(backend, paynearme, "find_payment_methods", name)

    accounts = reply.content["accounts"]
    assert [account["payment_method_identifier"] for account in accounts] == methods
    assert all(account["guaranteed_ach"] is True and account["pull_enabled"] is True for account in accounts)
    assert all(account["fee_amount"] == "0.00" for account in accounts)


def test_the_guides_expired_authorization_says_what_to_send_to_reconnect(
    backend: Backend, paynearme: Control
) -> None:
    reply = answered(backend, paynearme, "make_payment", "expired")

    printed = load("make_payment_answer")["expired"]
    assert reply.status == 409
    assert reply.content["type"].endswith("bank-authorization-expired")
    assert reply.content["response_code"] == "6513"
    assert reply.content["errors"] == printed["errors"]
    assert reply.content["payment_method_identifier"] == CHECKING
    assert reply.content["reconnect"]["flow_trustly_reconnect"] == CHECKING


def test_an_order_that_was_created_is_known_to_authorizations(backend: Backend, player: Player) -> None:
    known = backend.get(f"/orders/{SITE}/{player.order}")

    assert known.status == 200
    assert (known.content["status"], known.content["order_type"]) == ("open", "any")
    assert known.content["order_amount"] == "500.00"


def test_the_first_guaranteed_ach_payment(
    backend: Backend, paynearme: Control, books: Books, player: Player
) -> None:
    request = {**load("get_smart_token")["guaranteed_ach"], "pnm_order_identifier": player.order}

    done = open_link(backend, paynearme, request, payment_amount="1000.00")

    assert done["authorization"]["accepted"]
    assert done["authorization"]["fields"]["pnm_order_identifier"] == player.order
    assert done["redirect_url"] == request["flow_pay_url"].strip()
    assert done["confirmation"] == {"acknowledged": True}
    assert books.balance(SITE, player.customer) == Decimal("1000.00")
    story = backend.get(f"/payments/{SITE}/{done['pnm_payment_identifier']}").content
    assert (story["decision"], story["outcome"]) == ("accept", "payment")


def test_a_payment_with_saved_bank_details(
    backend: Backend, paynearme: Control, books: Books, player: Player
) -> None:
    first = {**load("get_smart_token")["guaranteed_ach"], "pnm_order_identifier": player.order}
    open_link(backend, paynearme, first, payment_amount="25.00")
    (method,) = methods_of(backend, player.customer)
    assert method["guaranteed_ach"] is True

    reply = player.pay(new_key(), payment_method_identifier=method["payment_method_identifier"])

    assert reply.status == 200
    assert reply.content["status"] == "submitted"
    payments = {payment["pnm_payment_identifier"]: payment for payment in paynearme.post("settled")}
    payment = payments[reply.content["pnm_payment_identifier"]]
    assert payment["site_payment_identifier"] == reply.content["site_payment_identifier"]
    assert (payment["state"], payment["authorization"]) == ("confirmed", "yes")
    assert books.balance(SITE, player.customer) == Decimal("1025.00")


def test_an_expired_bank_authorization_is_reconnected_and_paid_with(
    backend: Backend, paynearme: Control, books: Books, player: Player
) -> None:
    first = {**load("get_smart_token")["guaranteed_ach"], "pnm_order_identifier": player.order}
    open_link(backend, paynearme, first, payment_amount="25.00")

    # Steps 1 and 2: the saved methods.
    (method,) = methods_of(backend, player.customer)
    identifier = method["payment_method_identifier"]
    paynearme.post("expire", {"payment_method_identifier": identifier})
    # Steps 3 and 4: the payment, and that the authorization has expired.
    refused = player.pay(new_key(), payment_method_identifier=identifier)
    assert refused.status == 409
    # Step 5: a token to reconnect, without what says who the player is.
    addresses = {
        name: value
        for name, value in load("get_smart_token")["guaranteed_ach_reconnect"].items()
        if name.endswith("_url")
    }
    reconnect = {"site_identifier": SITE, **addresses, **refused.content["reconnect"]}
    # Step 6: the player signs in again, pays nothing, and comes back.
    done = open_link(backend, paynearme, reconnect)
    assert done["pnm_payment_identifier"] is None
    assert done["redirect_url"] == addresses["flow_add_url"]
    assert books.balance(SITE, player.customer) == Decimal("25.00")
    # Steps 7 to 12: the payment again, which is another one.
    paid = player.pay(new_key(), payment_method_identifier=identifier)
    assert paid.status == 200
    (payment,) = [
        known
        for known in paynearme.post("settled")
        if known["pnm_payment_identifier"] == paid.content["pnm_payment_identifier"]
    ]
    assert (payment["authorization"], payment["state"]) == ("yes", "confirmed")
    assert books.balance(SITE, player.customer) == Decimal("1025.00")


def test_a_payment_that_the_merchant_declines_is_refused_and_stays_so(
    backend: Backend, paynearme: Control, books: Books, player: Player
) -> None:
    method = save_method(paynearme, SITE, player.customer)
    assert backend.put(f"/orders/{SITE}/{player.order}", {"status": "closed"}).status == 200
    key = new_key()

    replies = [player.pay(key, payment_method_identifier=method) for _ in range(2)]

    assert [reply.status for reply in replies] == [422, 422]
    assert replies[0].content == replies[1].content
    assert books.balance(SITE, player.customer) == 0
