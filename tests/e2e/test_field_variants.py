"""Forms of PayNearMe's parameters that its samples do not have, on the deployed stack in each transport."""

import time
from collections.abc import Mapping
from decimal import Decimal

import pytest

from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender, Kind
from sandbox.fake_paynearme.messages import (
    TRANSPORTS,
    Parameters,
    Transport,
    build_confirmation,
    build_reversal,
    stringify_parameters,
)
from sandbox.fake_paynearme.signing import sign
from sandbox.stack.stack import Stack
from tests.support.payment_driver import authorize_and_confirm

VARIANTS: Mapping[str, Mapping[str, str]] = {
    "version 3": {"version": "3"},
    "version 3.1": {"version": "3.1"},
    "milliseconds": {"timestamp": "{seconds}123"},
    "fraction": {"timestamp": "{seconds}.5"},
    "text with a name": {"site_order_annotation": "App version3.0"},
    "Payment": {"status": " Payment"},
    "DECLINE": {"status": "DECLINE"},
}
"""The changes of the three messages of a payment. Only the confirmation has the ``status``."""

NULLS: Mapping[str, Mapping[str, str]] = {
    "null as name": {"site_payment_identifier": "", "agent_name": ""},
    "null omitted": {},
}
"""The signed form of parameters that JSON transports as null."""


def messages_of(authorization: Parameters, changes: Mapping[str, str]) -> dict[Kind, Parameters]:
    """Return the unsigned messages of a payment that is authorized, confirmed, and fully reversed."""
    seconds = int(time.time())
    forms = {"timestamp": "{seconds}", "version": "3.0", "status": "payment", **changes}
    common = {name: value.format(seconds=seconds) for name, value in forms.items()}
    status = common.pop("status")
    return {
        "authorize": {**authorization, **common},
        "confirm": build_confirmation(authorization, status=status, **common),
        "reverse": build_reversal(authorization, **common),
    }


def with_signature(message: Parameters, secret: str) -> Parameters:
    """Return the message with the signature of its own timestamp and version."""
    return message | {"signature": sign(stringify_parameters(message), secret, message["version"])}


def assert_processed(
    sender: CallbackSender, ledger_reader: LedgerReader, messages: Mapping[Kind, Parameters], transport: Transport
) -> None:
    """Send the messages of a payment. Each of them has its effect exactly once, without an anomaly."""
    confirmation = messages["confirm"]
    site, customer = confirmation["site_identifier"], confirmation["site_customer_identifier"]
    is_paid = "decline" not in confirmation["status"].lower()
    balances = {"confirm": Decimal(confirmation["net_payment_amount"])} if is_paid else {}
    for kind in ("authorize", "confirm", "reverse") if is_paid else ("authorize", "confirm"):
        delivery = sender.deliver(kind, messages[kind], transport)

        assert delivery.accepted, (kind, delivery.reason)
        assert delivery.fields is not None
        assert delivery.fields.get("accept_payment", "yes") == "yes"
        assert ledger_reader.balance(site, customer) == balances.get(kind, 0)
    payment = ledger_reader.payment(site, confirmation["pnm_payment_identifier"])
    assert payment is not None
    assert (payment["decision"], payment["outcome"]) == ("accept", "payment" if is_paid else "decline")
    assert payment.keys().isdisjoint({"anomalies", "quarantined_callbacks"})
    assert payment.get("reversed_amount", 0) == (Decimal(confirmation["payment_amount"]) if is_paid else 0)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", VARIANTS)
def test_callback_variant_processed(
    stack: Stack,
    sender: CallbackSender,
    ledger_reader: LedgerReader,
    authorization: Parameters,
    name: str,
    transport: Transport,
) -> None:
    own = {**authorization, "site_customer_identifier": f"{name} by {transport}"}
    secret = stack.sites[own["site_identifier"]]["secret"]
    messages = messages_of(own, VARIANTS[name])
    signed = {kind: with_signature(message, secret) for kind, message in messages.items()}

    assert_processed(sender, ledger_reader, signed, transport)


@pytest.mark.parametrize("name", NULLS)
def test_callback_with_nulls_processed(
    stack: Stack, sender: CallbackSender, ledger_reader: LedgerReader, authorization: Parameters, name: str
) -> None:
    absent = dict.fromkeys(NULLS["null as name"])
    own = {**authorization, "site_customer_identifier": name}
    base = {parameter: value for parameter, value in own.items() if parameter not in absent}
    secret = stack.sites[own["site_identifier"]]["secret"]
    messages = messages_of(base, {})
    signed = {kind: with_signature({**message, **NULLS[name]}, secret) | absent for kind, message in messages.items()}

    assert_processed(sender, ledger_reader, signed, "json")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_reversed_chargeback_changes_no_balance(
    sender: CallbackSender, ledger_reader: LedgerReader, authorization: Parameters, transport: Transport
) -> None:
    customer = f"chargeback-{transport}"
    confirmation = authorize_and_confirm(sender, authorization, customer)
    site, net = str(confirmation["site_identifier"]), Decimal(confirmation["net_payment_amount"])

    for reverse_type in ("Chargeback", "Chargeback Reversed"):
        reversal = build_reversal(confirmation, reverse_amount="100.00", reverse_type=reverse_type)
        assert sender.deliver("reverse", reversal, transport).accepted
        assert ledger_reader.balance(site, customer) == net - 100

    payment = ledger_reader.payment(site, str(confirmation["pnm_payment_identifier"]))
    assert payment is not None
    assert payment["anomalies"] == {"reversal_type_unknown"}
