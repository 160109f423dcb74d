"""Invalid callbacks on the deployed stack: fixed responses that contain no input."""

import json
from typing import get_args

import pytest
from urllib3 import PoolManager

from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender, Kind
from sandbox.fake_paynearme.messages import Parameters, Transport, signed
from sandbox.stack.sites import VERSION_2_SITE
from sandbox.stack.stack import Stack
from tests.e2e.conftest import TRANSPORTS

KINDS: tuple[Kind, ...] = get_args(Kind.__value__)


@pytest.fixture
def http() -> PoolManager:
    return PoolManager(retries=False, timeout=10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "body",
    [
        b'{"site_identifier": ',
        b'{"site_identifier": "\xff\xfe"}',
        b'{"test": "true", "test": "false"}',
        b'{"nested": {"a": "b"}}',
        b'{"list": ["a"]}',
        b'{"Upper": "case"}',
        b"name=one&name=two",
        b"name=%FF",
        b"[" * 10_000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_callback_malformed_body_returns_400(stack: Stack, http: PoolManager, kind: Kind, body: bytes) -> None:
    response = http.request("POST", f"{stack.callback_url}/callbacks/{kind}", body=body)

    assert response.status == 400
    assert response.json()["type"].endswith(":malformed-request")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("query", ["a=1&a=2", "Bad=1", "a=%FF"])
def test_callback_malformed_query_returns_400(stack: Stack, http: PoolManager, kind: Kind, query: str) -> None:
    url = f"{stack.callback_url}/callbacks/{kind}?{query}&signature=0"

    assert http.request("GET", url).status == 400


@pytest.mark.parametrize("kind", KINDS)
def test_callback_body_over_64_kib_returns_413(stack: Stack, http: PoolManager, kind: Kind) -> None:
    response = http.request("POST", f"{stack.callback_url}/callbacks/{kind}", body=b"a=" + b"x" * 65_536)

    assert response.status == 413


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", KINDS)
def test_callback_not_authentic_gets_identical_401_response(
    stack: Stack, sender: CallbackSender, authorization: Parameters, kind: Kind, transport: Transport
) -> None:
    message = {**authorization, "status": "payment"}
    secret = stack.sites[message["site_identifier"]]["secret"]
    valid_message = signed(message, secret)
    forgeries = [
        {**valid_message, "signature": "0" * 64},
        {**valid_message, "signature": ""},
        {**valid_message, "payment_amount": "1.00"},
        {**valid_message, "added": "parameter"},
        signed(message, "another-secret"),
        signed({**message, "site_identifier": "S0000000000"}, secret),
        # The key is correct, but another version is a downgrade.
        signed(message, secret, version="2.0"),
        {name: value for name, value in valid_message.items() if name != "site_identifier"},
    ]
    if kind == "authorize":
        forgeries += [signed(message, secret, timestamp=1_700_000_000), signed(message, secret, timestamp=4 * 10**9)]

    deliveries = [sender.deliver(kind, forgery, transport) for forgery in forgeries]

    assert {delivery.status for delivery in deliveries} == {401}
    assert len({delivery.body for delivery in deliveries}) == 1


def test_confirmation_without_signature_returns_401(stack: Stack, http: PoolManager, authorization: Parameters) -> None:
    response = http.request("POST", f"{stack.callback_url}/callbacks/confirm", body=json.dumps(authorization))

    assert response.status == 401


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_authorization_invalid_parameters_named_in_400_response(
    sender: CallbackSender, ledger_reader: LedgerReader, authorization: Parameters, transport: Transport
) -> None:
    invalid_message = {**authorization, "payment_amount": "4.999", "payment_currency": "dollars"}

    delivery = sender.deliver("authorize", invalid_message, transport)

    assert delivery.status == 400
    assert json.loads(delivery.body)["parameters"] == ["payment_amount", "payment_currency"]
    assert "dollars" not in delivery.body
    assert "4.999" not in delivery.body
    assert ledger_reader.payment(invalid_message["site_identifier"], invalid_message["pnm_payment_identifier"]) is None


def test_confirmation_old_timestamp_acknowledged(
    stack: Stack, sender: CallbackSender, authorization: Parameters
) -> None:
    secret = stack.sites[authorization["site_identifier"]]["secret"]
    stale_message = signed(authorization, secret, timestamp=1_600_000_000, status="payment")

    assert sender.deliver("confirm", stale_message, "json").accepted


def test_version_2_site_authorization_response_is_xml(sender: CallbackSender, authorization: Parameters) -> None:
    message = {**authorization, "site_identifier": VERSION_2_SITE}

    delivery = sender.deliver("authorize", message, "query")

    assert delivery.accepted, delivery.reason
    assert delivery.content_type.startswith("application/xml")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_callback_unsupported_method_returns_403(stack: Stack, http: PoolManager, method: str) -> None:
    response = http.request(method, f"{stack.callback_url}/callbacks/authorize", body=b"marker=value")

    assert response.status == 403
    assert b"marker" not in response.data
