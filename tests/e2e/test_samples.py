"""PayNearMe's documented messages on the deployed stack."""

from decimal import Decimal

import pytest

from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender, Delivery
from sandbox.fake_paynearme.messages import TRANSPORTS, Transport, build_confirmation, with_new_identifier

AUTHORIZATIONS = load("authorization")
CONFIRMATIONS = load("confirmation")
REVERSALS = load("reversal")
RESPONSE_FIELDS = [
    (fields["accept_payment"], list(fields))
    for document in load("authorization_response").values()
    for fields in [document["payment_authorization_response"]["authorization"]]
]
"""The decision and the names of the fields in each documented response."""


@pytest.mark.parametrize("name", AUTHORIZATIONS)
def test_sample_authorization_accepted_and_confirmed(
    sender: CallbackSender, ledger_reader: LedgerReader, name: str
) -> None:
    for transport in TRANSPORTS:
        message = with_new_identifier(AUTHORIZATIONS[name]) | {"site_customer_identifier": f"{name} by {transport}"}

        authorized = sender.deliver("authorize", message, transport)
        confirmed = sender.deliver("confirm", build_confirmation(message), transport)

        assert_documented_fields(authorized, "yes")
        assert confirmed.accepted, confirmed.reason
        is_test = bool(message.get("test"))
        payment = ledger_reader.payment(message["site_identifier"], message["pnm_payment_identifier"], test=is_test)
        assert payment is not None
        assert (payment["decision"], payment["outcome"]) == ("accept", "payment")
        assert payment.keys().isdisjoint({"anomalies", "quarantined_callbacks"})
        assert payment.get("posted_amount", 0) == (0 if is_test else Decimal(message["net_payment_amount"]))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_sample_authorization_declined_with_documented_fields(sender: CallbackSender, transport: Transport) -> None:
    message = with_new_identifier(AUTHORIZATIONS["ach"]) | {"payment_currency": "CAD"}

    assert_documented_fields(sender.deliver("authorize", message, transport), "no")


@pytest.mark.parametrize("name", CONFIRMATIONS)
def test_sample_confirmation_duplicate_posted_once_same_response(
    sender: CallbackSender, ledger_reader: LedgerReader, name: str
) -> None:
    for first_transport in TRANSPORTS:
        message = with_new_identifier(CONFIRMATIONS[name])
        site, customer = message["site_identifier"], message["site_customer_identifier"]
        initial_balance = ledger_reader.balance(site, customer)

        first, duplicate = (sender.deliver("confirm", message, transport) for transport in (first_transport, "json"))

        assert first.accepted, first.reason
        assert duplicate.body == first.body
        assert first.fields == {"pnm_order_identifier": message["pnm_order_identifier"]}
        assert ledger_reader.balance(site, customer) - initial_balance == Decimal(message["net_payment_amount"])


@pytest.mark.parametrize("name", REVERSALS)
def test_sample_reversal_acknowledged_and_recorded(
    sender: CallbackSender, ledger_reader: LedgerReader, name: str
) -> None:
    for transport in TRANSPORTS:
        reversal = with_new_identifier(REVERSALS[name])

        delivery = sender.deliver("reverse", reversal, transport)

        assert delivery.accepted, delivery.reason
        assert delivery.fields == {"pnm_order_identifier": reversal["pnm_order_identifier"]}
        payment = ledger_reader.payment(reversal["site_identifier"], reversal["pnm_payment_identifier"])
        assert payment is not None
        assert payment["anomalies"] == {"reversed_unknown"}


def assert_documented_fields(delivery: Delivery, accept_payment: str) -> None:
    """Expect this decision, with the fields of each documented response that has it."""
    assert delivery.accepted, delivery.reason
    assert delivery.fields is not None
    assert delivery.fields["accept_payment"] == accept_payment
    documented = [names for decision, names in RESPONSE_FIELDS if decision == accept_payment]
    assert documented == [list(delivery.fields)] * 9
