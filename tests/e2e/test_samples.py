"""PayNearMe's documented messages on the deployed stack."""

from decimal import Decimal

import pytest

from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import TRANSPORTS, build_confirmation, with_new_identifier

AUTHORIZATIONS = load("authorization")
CONFIRMATIONS = load("confirmation")
REVERSALS = load("reversal")
SAMPLE_FIELDS = {
    authorization["accept_payment"]: list(authorization)
    for document in load("authorization_response").values()
    for authorization in document["payment_authorization_response"].values()
    if isinstance(authorization, dict)
}


@pytest.mark.parametrize("name", AUTHORIZATIONS)
def test_sample_authorization_accepted_and_confirmed(
    sender: CallbackSender, ledger_reader: LedgerReader, name: str
) -> None:
    message = with_new_identifier(AUTHORIZATIONS[name]) | {"site_customer_identifier": f"customer-of-{name}"}
    # One third of the samples uses each transport.
    transport = TRANSPORTS[list(AUTHORIZATIONS).index(name) % len(TRANSPORTS)]

    authorized = sender.deliver("authorize", message, transport)
    confirmed = sender.deliver("confirm", build_confirmation(message), transport)

    assert authorized.accepted, authorized.reason
    assert authorized.fields is not None
    assert authorized.fields["accept_payment"] == "yes"
    assert list(authorized.fields) == SAMPLE_FIELDS["yes"]
    assert confirmed.accepted, confirmed.reason
    is_test = bool(message.get("test"))
    payment = ledger_reader.payment(message["site_identifier"], message["pnm_payment_identifier"], test=is_test)
    assert payment is not None
    assert (payment["decision"], payment["outcome"]) == ("accept", "payment")
    assert "anomalies" not in payment
    assert payment.get("posted_amount", 0) == (0 if is_test else Decimal(message["net_payment_amount"]))


def test_sample_authorization_declined_with_documented_fields(sender: CallbackSender) -> None:
    message = with_new_identifier(AUTHORIZATIONS["ach"]) | {"payment_currency": "CAD"}

    delivery = sender.deliver("authorize", message, "json")

    assert delivery.accepted, delivery.reason
    assert delivery.fields is not None
    assert delivery.fields["accept_payment"] == "no"
    assert list(delivery.fields) == SAMPLE_FIELDS["no"]


@pytest.mark.parametrize("name", CONFIRMATIONS)
def test_sample_confirmation_duplicate_posted_once_same_response(
    sender: CallbackSender, ledger_reader: LedgerReader, name: str
) -> None:
    message = with_new_identifier(CONFIRMATIONS[name])
    site, customer = message["site_identifier"], message["site_customer_identifier"]
    initial_balance = ledger_reader.balance(site, customer)

    first, duplicate = (sender.deliver("confirm", message, transport) for transport in ("query", "json"))

    assert first.accepted, first.reason
    assert duplicate.body == first.body
    assert first.fields == {"pnm_order_identifier": message["pnm_order_identifier"]}
    assert ledger_reader.balance(site, customer) - initial_balance == Decimal(message["net_payment_amount"])


@pytest.mark.parametrize("name", REVERSALS)
def test_sample_reversal_acknowledged_and_recorded(
    sender: CallbackSender, ledger_reader: LedgerReader, name: str
) -> None:
    reversal = with_new_identifier(REVERSALS[name])

    delivery = sender.deliver("reverse", reversal, "json")

    assert delivery.accepted, delivery.reason
    payment = ledger_reader.payment(reversal["site_identifier"], reversal["pnm_payment_identifier"])
    assert payment is not None
    assert payment["anomalies"] == {"reversed_unknown"}
