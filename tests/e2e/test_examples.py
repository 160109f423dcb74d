"""Every example of PayNearMe's documents, through the deployed stack."""

from decimal import Decimal
from typing import get_args

import pytest

from local.backend import Backend
from local.callbacks import CallbackSender
from local.control import Control
from local.drive import Books, confirmation_of
from local.events import Transport, load, with_fresh_payment
from paynearme.messages import AuthorizationResponse

TRANSPORTS: tuple[Transport, ...] = get_args(Transport.__value__)
AUTHORIZATIONS = load("authorization")
CONFIRMATIONS = load("confirmation")
DOCUMENTED_ANSWERS = {
    document["payment_authorization_response"]["authorization"]["accept_payment"]: document
    for document in load("authorization_answer").values()
}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", AUTHORIZATIONS)
def test_each_documented_authorization_is_accepted_in_the_documented_shape(
    sender: CallbackSender, name: str, transport: Transport
) -> None:
    delivery = sender.deliver("authorize", with_fresh_payment(AUTHORIZATIONS[name]), transport)

    assert delivery.accepted, delivery.reason
    assert delivery.fields is not None
    documented = DOCUMENTED_ANSWERS["yes"]["payment_authorization_response"]["authorization"]
    assert delivery.fields["accept_payment"] == "yes"
    assert list(delivery.fields) == list(documented)
    assert delivery.fields["pnm_order_identifier"] == AUTHORIZATIONS[name]["pnm_order_identifier"]


@pytest.mark.parametrize("name", AUTHORIZATIONS)
def test_a_declined_authorization_is_answered_in_the_documented_shape(
    sender: CallbackSender, name: str
) -> None:
    declined = with_fresh_payment(AUTHORIZATIONS[name]) | {"payment_currency": "CAD"}

    delivery = sender.deliver("authorize", declined, "json")

    assert delivery.accepted, delivery.reason
    assert delivery.fields is not None
    documented = DOCUMENTED_ANSWERS["no"]["payment_authorization_response"]["authorization"]
    assert delivery.fields["accept_payment"] == "no"
    assert list(delivery.fields) == list(documented)


@pytest.mark.parametrize("document", load("authorization_answer").values())
def test_each_documented_answer_is_one_that_we_could_give(document: dict[str, dict[str, object]]) -> None:
    inside = document["payment_authorization_response"]["authorization"]

    answer = AuthorizationResponse.model_validate(inside)

    assert answer.fields() == inside


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", CONFIRMATIONS)
def test_each_documented_confirmation_is_posted_once_and_acknowledged(
    sender: CallbackSender, books: Books, name: str, transport: Transport
) -> None:
    message = with_fresh_payment(CONFIRMATIONS[name])
    site, customer = message["site_identifier"], message["site_customer_identifier"]
    before = books.balance(site, customer)

    first = sender.deliver("confirm", message, transport)
    repeat = sender.deliver("confirm", message, transport)

    assert first.accepted, first.reason
    assert repeat.body == first.body
    assert first.fields == {"pnm_order_identifier": message["pnm_order_identifier"]}
    assert books.balance(site, customer) - before == Decimal(message["net_payment_amount"])


@pytest.mark.parametrize("name", AUTHORIZATIONS)
def test_each_documented_payment_is_confirmed_after_its_authorization(
    sender: CallbackSender, books: Books, name: str
) -> None:
    message = with_fresh_payment(AUTHORIZATIONS[name]) | {"site_customer_identifier": f"customer-of-{name}"}
    site, identifier = message["site_identifier"], message["pnm_payment_identifier"]
    is_test = bool(message.get("test"))

    sender.deliver("authorize", message, "form")
    delivery = sender.deliver("confirm", confirmation_of(message), "query")

    assert delivery.accepted, delivery.reason
    payment = books.payment(site, identifier, test=is_test)
    assert payment is not None
    assert payment["decision"] == "accept"
    assert payment["outcome"] == "payment"
    assert "anomalies" not in payment
    posted = Decimal(0) if is_test else Decimal(message["net_payment_amount"])
    assert payment.get("posted_amount", Decimal(0)) == posted


def test_the_guides_test_authorization_and_its_unmarked_confirmation_do_not_meet(
    sender: CallbackSender, books: Books
) -> None:
    authorization = with_fresh_payment(AUTHORIZATIONS["guaranteed_ach_saved"])
    identifier = authorization["pnm_payment_identifier"]
    confirmation = CONFIRMATIONS["guaranteed_ach_saved"] | {"pnm_payment_identifier": identifier}

    sender.deliver("authorize", authorization, "json")
    sender.deliver("confirm", confirmation, "json")

    live = books.payment("S6404173951", identifier)
    rehearsed = books.payment("S6404173951", identifier, test=True)
    assert live is not None
    assert rehearsed is not None
    assert "decision" not in live
    assert "outcome" not in rehearsed


@pytest.mark.parametrize("name", load("get_smart_token"))
def test_each_documented_token_request_gives_the_documented_answer(
    backend: Backend, paynearme: Control, name: str
) -> None:
    request = load("get_smart_token")[name]
    documented = load("get_smart_token_answer")["guaranteed_ach"]["orders"][0]

    reply = backend.post("/smart-tokens", request)

    assert reply.status == 200
    (order,) = reply.content["orders"]
    assert order.keys() == documented.keys()
    assert order["pnm_order_identifier"] == request["pnm_order_identifier"]
    assert all(order.values())
    (call,) = paynearme.get("calls")
    assert call["operation"] == "get_smart_token"
