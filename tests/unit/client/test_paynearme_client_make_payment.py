"""Payments: an unknown outcome is reported as unknown, and no request uses a pooled connection."""

import asyncio
import json

import pytest
from aiohttp import web
from urllib3 import PoolManager

from paynearme.errors import (
    BankAuthorizationExpiredError,
    PaymentOutcomeUnknownError,
    ServiceError,
    UpstreamConnectTimeoutError,
)
from paynearme.platform.deadline import Deadline
from paynearme.protocol.make_payment import IDEMPOTENCY_KEY, extract_payment_identifier
from sandbox.clients.sample_messages import load
from tests.support.client_stubs import NOW, PAYMENT_REQUEST, RESPONSES, SITE_PAYMENT_IDENTIFIER, call, new_client
from tests.support.fake_clock import Clock
from tests.support.message_fixtures import resolved_site
from tests.support.paynearme_server_stub import MAX_SECONDS, EventDeadline, PayNearMeServer, replying
from tests.support.paynearme_stub import PayNearMeStub, Reply, http_response

VALID_RESPONSE = RESPONSES["make_payment"]
EXPIRED_RESPONSE = load("make_payment_response")["expired"]


async def hanging(_: web.Request) -> web.StreamResponse:
    """Return no response."""
    await asyncio.Event().wait()
    return web.Response()


def submit_payment(pool: PayNearMeStub, seconds: float = 6.5) -> object:
    return call(new_client(pool), "make_payment", resolved_site(), Clock().deadline(seconds))


def error_of(reply: Reply) -> ServiceError:
    with pytest.raises(ServiceError) as exc_info:
        submit_payment(PayNearMeStub(reply))
    return exc_info.value


def test_make_payment_sends_identifier_and_no_idempotency_key() -> None:
    pool = PayNearMeStub(http_response(200, VALID_RESPONSE))
    assert submit_payment(pool) == "943751749956"
    [body] = pool.sent
    common_parameters = {"site_identifier": "S2155373459", "timestamp": str(int(NOW)), "version": "3.0"}
    document = load("make_payment")["saved"] | {"payment_amount": "1000.00"}
    added_parameters = {"site_payment_identifier": SITE_PAYMENT_IDENTIFIER, "signature": body["signature"]}
    assert body == document | common_parameters | added_parameters
    sent = json.dumps([body, pool.requests[0]["headers"]])
    assert not [text for text in (PAYMENT_REQUEST.idempotency_key, IDEMPOTENCY_KEY) if text.lower() in sent.lower()]


@pytest.mark.parametrize(
    ("status", "content"),
    [
        *((status, VALID_RESPONSE) for status in (201, 301, 404, 500)),
        (500, {"status": "error", "response_code": "6513"}),
        *((200, content) for content in (b"", b"<html>Down</html>", b"\xff", [VALID_RESPONSE], None)),
        *((200, {**VALID_RESPONSE, "status": status}) for status in (None, "OK", "pending", True)),
        (200, {"pnm_payment_identifier": "943751749956"}),
    ],
)
def test_make_payment_unclear_response_outcome_unknown(status: int, content: object) -> None:
    error = error_of(http_response(status, content))
    assert type(error) is PaymentOutcomeUnknownError
    assert error.extensions() == {"site_payment_identifier": SITE_PAYMENT_IDENTIFIER}


@pytest.mark.enable_socket
@pytest.mark.usefixtures("real_connections")
def test_make_payment_no_response_outcome_unknown_no_retry() -> None:
    paynearme = PayNearMeServer(hanging)
    deadline = EventDeadline(event=paynearme.request_received)
    with pytest.raises(PaymentOutcomeUnknownError):
        paynearme.call(
            lambda http, url: call(new_client(http, base_url=url), "make_payment", resolved_site(), deadline)
        )
    assert len(paynearme.received) == 1


def test_make_payment_expired_bank_authorization_has_reconnect() -> None:
    error = error_of(http_response(200, {**EXPIRED_RESPONSE, "response_code": 6513}))
    assert type(error) is BankAuthorizationExpiredError
    assert error.extensions() == {
        "response_code": "6513",
        "errors": EXPIRED_RESPONSE["errors"],
        "payment_method_identifier": "76590ef5135ae",
        "reconnect": {
            "site_identifier": "S2155373459",
            "pnm_order_identifier": "84274665124",
            "flow_trustly": "true",
            "flow_trustly_reconnect": "76590ef5135ae",
        },
    }


def test_make_payment_short_deadline_sends_nothing() -> None:
    pool = PayNearMeStub(http_response(200, VALID_RESPONSE))
    with pytest.raises(UpstreamConnectTimeoutError):
        submit_payment(pool, 1.49)
    assert pool.requests == []
    assert submit_payment(pool, 1.5) == "943751749956"


@pytest.mark.enable_socket
@pytest.mark.usefixtures("real_connections")
def test_make_payment_opens_separate_connection() -> None:
    paynearme = PayNearMeServer(replying(200, {"status": "ok", "accounts": []}), replying(200, VALID_RESPONSE))

    def find_then_pay(http: PoolManager, url: str) -> None:
        for operation in ("find_payment_methods", "make_payment"):
            call(new_client(http, base_url=url), operation, resolved_site(), Deadline.after(MAX_SECONDS))

    paynearme.call(find_then_pay)
    assert len(paynearme.peer_names) == 2


@pytest.mark.parametrize(
    ("response", "identifier"),
    [
        ({"pnm_payment_identifier": "943751749956"}, "943751749956"),
        ({"pnm_payment_identifier": "1", "payment": {"pnm_payment_identifier": "2"}}, "1"),
        ({"pnm_payment_identifier": None, "payment": {"pnm_payment_identifier": 2}}, "2"),
        ({"pnm_payment_identifier": "", "payment": {"pnm_payment_identifier": "2"}}, "2"),
        ({"payment": [{"pnm_payment_identifier": "2"}]}, None),
        ({"pnm_payment_identifier": "1" * 64}, "1" * 64),
        *(({"pnm_payment_identifier": invalid}, None) for invalid in (True, ["1"], 1.5)),
        *(({"pnm_payment_identifier": invalid}, None) for invalid in ("1 2", "1\n", "é", "1" * 65, "a.b")),
        ({"payment": None}, None),
    ],
)
def test_payment_identifier_extracted_from_response(response: dict[str, object], identifier: str | None) -> None:
    assert extract_payment_identifier({"status": "ok"} | response) == identifier
