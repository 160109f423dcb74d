"""One payment for each transport on the deployed stack, and fixed responses to invalid callbacks."""

import json
from decimal import Decimal
from typing import get_args

import pytest
from urllib3 import PoolManager

from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender, Kind
from sandbox.fake_paynearme.messages import (
    TRANSPORTS,
    Parameters,
    Transport,
    build_confirmation,
    build_reversal,
    signed,
)
from sandbox.stack.sites import VERSION_2_SITE, XML_SITE
from sandbox.stack.stack import Stack

KINDS: tuple[Kind, ...] = get_args(Kind.__value__)
SITES = {"json": "", "xml": XML_SITE, "version-2": VERSION_2_SITE}


@pytest.fixture
def http() -> PoolManager:
    return PoolManager(retries=False, timeout=60)


@pytest.mark.parametrize(
    ("transport", "site"),
    [*((transport, "json") for transport in TRANSPORTS), ("query", "version-2"), ("form", "xml")],
)
def test_payment_authorized_confirmed_and_reversed_once(
    sender: CallbackSender, ledger_reader: LedgerReader, authorization: Parameters, transport: Transport, site: str
) -> None:
    customer = f"customer-{site}-{transport}"
    message = {**authorization, "site_identifier": SITES[site] or authorization["site_identifier"]}
    message["site_customer_identifier"] = customer
    confirmation = build_confirmation(message)
    messages: dict[Kind, Parameters] = {
        "authorize": message,
        "confirm": confirmation,
        "reverse": build_reversal(confirmation, reverse_amount="100.00"),
    }
    net = Decimal(message["net_payment_amount"])
    balances = {"authorize": Decimal(0), "confirm": net, "reverse": net - 100}
    for kind, content in messages.items():
        first, duplicate = (sender.deliver(kind, content, transport) for _ in range(2))

        assert first.accepted, first.reason
        assert first.content_type.startswith("application/json" if site == "json" else "application/xml")
        assert duplicate.body == first.body
        assert first.fields is not None
        assert first.fields["pnm_order_identifier"] == message["pnm_order_identifier"]
        assert ledger_reader.balance(message["site_identifier"], customer) == balances[kind]
    payment = ledger_reader.payment(message["site_identifier"], message["pnm_payment_identifier"])
    assert payment is not None
    assert (payment["decision"], payment["outcome"]) == ("accept", "payment")
    assert "anomalies" not in payment


@pytest.mark.parametrize("kind", KINDS)
def test_callback_malformed_request_gets_fixed_response(stack: Stack, http: PoolManager, kind: Kind) -> None:
    url = f"{stack.callback_url}/callbacks/{kind}"

    malformed_json = http.request("POST", url, body=b'{"site_identifier": "marker-value"')
    assert malformed_json.status == 400
    assert malformed_json.json()["type"].endswith(":malformed-request")
    assert b"marker" not in malformed_json.data
    assert http.request("POST", url, body=b"name=%FF").status == 400
    assert http.request("GET", f"{url}?a=1&a=2&signature=0").status == 400
    assert http.request("POST", url, body=b"a=" + b"x" * 65_536).status == 413
    unsupported_method = http.request("PUT", url, body=b"marker=value")
    assert unsupported_method.status == 403
    assert b"marker" not in unsupported_method.data


@pytest.mark.parametrize("kind", KINDS)
def test_callback_not_authentic_gets_identical_401_response(
    stack: Stack, http: PoolManager, sender: CallbackSender, authorization: Parameters, kind: Kind
) -> None:
    message = {**authorization, "status": "payment"}
    secret = stack.sites[message["site_identifier"]]["secret"]
    valid_message = signed(message, secret)
    forgeries = [
        {**valid_message, "signature": "0" * 64},
        {**valid_message, "payment_amount": "1.00"},
        signed({**message, "site_identifier": "S0000000000"}, secret),
        # The key is correct, but another version is a downgrade.
        signed(message, secret, version="2.0"),
    ]

    deliveries = [sender.deliver(kind, forgery, "json") for forgery in forgeries]

    assert {delivery.status for delivery in deliveries} == {401}
    assert len({delivery.body for delivery in deliveries}) == 1
    url = f"{stack.callback_url}/callbacks/{kind}"
    assert http.request("POST", url, body=json.dumps(authorization)).data.decode() == deliveries[0].body


@pytest.mark.parametrize("kind", KINDS)
def test_callback_without_order_named_in_400_response(
    stack: Stack, sender: CallbackSender, ledger_reader: LedgerReader, authorization: Parameters, kind: Kind
) -> None:
    secret = stack.sites[authorization["site_identifier"]]["secret"]
    message = signed(authorization, secret, pnm_order_identifier=None, site_order_annotation="marker-value")

    delivery = sender.deliver(kind, message, "json")

    assert delivery.status == 400
    assert delivery.content_type.startswith("application/problem+json")
    assert json.loads(delivery.body)["parameters"] == ["pnm_order_identifier"]
    assert "marker-value" not in delivery.body
    payment = ledger_reader.payment(message["site_identifier"], message["pnm_payment_identifier"])
    assert payment is not None
    assert payment.keys().isdisjoint({"decision", "outcome"})
