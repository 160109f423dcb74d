"""Send every sample message of PayNearMe's documentation to the deployed stack."""

from decimal import Decimal

import pytest

from paynearme.protocol.callbacks import AuthorizationResponse
from sandbox.clients.backend_client import BackendClient
from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import Transport, build_confirmation, with_new_identifier
from tests.e2e.conftest import TRANSPORTS

AUTHORIZATIONS = load("authorization")
CONFIRMATIONS = load("confirmation")
SAMPLE_RESPONSES = {
    document["payment_authorization_response"]["authorization"]["accept_payment"]: document
    for document in load("authorization_response").values()
}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", AUTHORIZATIONS)
def test_sample_authorization_accepted_with_documented_fields(
    sender: CallbackSender, name: str, transport: Transport
) -> None:
    delivery = sender.deliver("authorize", with_new_identifier(AUTHORIZATIONS[name]), transport)

    assert delivery.accepted, delivery.reason
    assert delivery.fields is not None
    sample = SAMPLE_RESPONSES["yes"]["payment_authorization_response"]["authorization"]
    assert delivery.fields["accept_payment"] == "yes"
    assert list(delivery.fields) == list(sample)
    assert delivery.fields["pnm_order_identifier"] == AUTHORIZATIONS[name]["pnm_order_identifier"]


@pytest.mark.parametrize("name", AUTHORIZATIONS)
def test_sample_authorization_declined_with_documented_fields(sender: CallbackSender, name: str) -> None:
    declined_message = with_new_identifier(AUTHORIZATIONS[name]) | {"payment_currency": "CAD"}

    delivery = sender.deliver("authorize", declined_message, "json")

    assert delivery.accepted, delivery.reason
    assert delivery.fields is not None
    sample = SAMPLE_RESPONSES["no"]["payment_authorization_response"]["authorization"]
    assert delivery.fields["accept_payment"] == "no"
    assert list(delivery.fields) == list(sample)


@pytest.mark.parametrize("document", load("authorization_response").values())
def test_sample_authorization_response_matches_response_model(document: dict[str, dict[str, object]]) -> None:
    content = document["payment_authorization_response"]["authorization"]

    response = AuthorizationResponse.model_validate(content)

    assert response.fields() == content


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", CONFIRMATIONS)
def test_sample_confirmation_duplicate_posted_once_same_response(
    sender: CallbackSender, ledger_reader: LedgerReader, name: str, transport: Transport
) -> None:
    message = with_new_identifier(CONFIRMATIONS[name])
    site, customer = message["site_identifier"], message["site_customer_identifier"]
    initial_balance = ledger_reader.balance(site, customer)

    first = sender.deliver("confirm", message, transport)
    duplicate = sender.deliver("confirm", message, transport)

    assert first.accepted, first.reason
    assert duplicate.body == first.body
    assert first.fields == {"pnm_order_identifier": message["pnm_order_identifier"]}
    assert ledger_reader.balance(site, customer) - initial_balance == Decimal(message["net_payment_amount"])


@pytest.mark.parametrize("name", AUTHORIZATIONS)
def test_sample_payment_confirmed_after_authorization_no_anomaly(
    sender: CallbackSender, ledger_reader: LedgerReader, name: str
) -> None:
    message = with_new_identifier(AUTHORIZATIONS[name]) | {"site_customer_identifier": f"customer-of-{name}"}
    site, identifier = message["site_identifier"], message["pnm_payment_identifier"]
    is_test = bool(message.get("test"))

    sender.deliver("authorize", message, "form")
    delivery = sender.deliver("confirm", build_confirmation(message), "query")

    assert delivery.accepted, delivery.reason
    payment = ledger_reader.payment(site, identifier, test=is_test)
    assert payment is not None
    assert payment["decision"] == "accept"
    assert payment["outcome"] == "payment"
    assert "anomalies" not in payment
    posted_amount = Decimal(0) if is_test else Decimal(message["net_payment_amount"])
    assert payment.get("posted_amount", Decimal(0)) == posted_amount


def test_sample_test_authorization_separate_from_confirmation(
    sender: CallbackSender, ledger_reader: LedgerReader
) -> None:
    authorization = with_new_identifier(AUTHORIZATIONS["guaranteed_ach_saved"])
    identifier = authorization["pnm_payment_identifier"]
    confirmation = CONFIRMATIONS["guaranteed_ach_saved"] | {"pnm_payment_identifier": identifier}

    sender.deliver("authorize", authorization, "json")
    sender.deliver("confirm", confirmation, "json")

    payment = ledger_reader.payment("S6404173951", identifier)
    test_payment = ledger_reader.payment("S6404173951", identifier, test=True)
    assert payment is not None
    assert test_payment is not None
    assert "decision" not in payment
    assert "outcome" not in test_payment


@pytest.mark.parametrize("name", load("get_smart_token"))
def test_sample_smart_token_request_returns_documented_fields(
    backend: BackendClient, paynearme: ControlClient, name: str
) -> None:
    request = load("get_smart_token")[name]
    sample = load("get_smart_token_response")["guaranteed_ach"]["orders"][0]

    response = backend.post("/smart-tokens", request)

    assert response.status == 200
    (order,) = response.content["orders"]
    assert order.keys() == sample.keys()
    assert order["pnm_order_identifier"] == request["pnm_order_identifier"]
    assert all(order.values())
    (call,) = paynearme.get("calls")
    assert call["operation"] == "get_smart_token"
