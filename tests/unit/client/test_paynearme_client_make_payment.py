"""Payments: an unknown outcome is reported as unknown, and no request uses a pooled connection."""

import asyncio
import json

import pytest
from aiohttp import web
from urllib3 import PoolManager

from paynearme.errors import (
    BankAuthorizationExpiredError,
    PaymentFailedError,
    PaymentOutcomeUnknownError,
    RequestRejectedError,
    ServiceError,
    UpstreamConnectTimeoutError,
)
from paynearme.platform.deadline import Deadline
from paynearme.protocol.make_payment import IDEMPOTENCY_KEY
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
        *((status, VALID_RESPONSE) for status in (301, 400, 404, 500)),
        (500, {"status": "error", "response_code": "6513"}),
        *((200, content) for content in (b"", b"<html>Down</html>", b"\xff", [VALID_RESPONSE], None)),
        (400, b"Declined"),
        (200, {**VALID_RESPONSE, "payment_status": "canceled"}),
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


@pytest.mark.parametrize(
    ("status", "changes"),
    [(200, {}), (200, {"payment": {"payment_status": "Rejected"}, "status": "ok"}), (400, {"status": None})],
    ids=["error", "declined payment", "400"],
)
def test_make_payment_expired_bank_authorization_has_reconnect(status: int, changes: dict[str, object]) -> None:
    error = error_of(http_response(status, {**EXPIRED_RESPONSE, "response_code": 6513, **changes}))
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


def test_make_payment_declined_payment_failed_with_code() -> None:
    payment = {"pnm_payment_identifier": 943751749956, "payment_status": "rejected", "payment_amount": 1000}
    content = {"status": "ok", "response_code": 1007, "errors": ["CVV"], "payment": payment}
    error = error_of(http_response(202, content))
    assert type(error) is PaymentFailedError
    assert error.extensions() == {
        "response_code": "1007",
        "errors": [{"description": "CVV"}],
        "site_payment_identifier": SITE_PAYMENT_IDENTIFIER,
        "pnm_payment_identifier": "943751749956",
    }


def test_make_payment_400_with_code_is_rejection() -> None:
    error = error_of(http_response(400, {"response_code": "1007", "errors": [{"description": "declined"}]}))
    assert type(error) is RequestRejectedError
    assert error.extensions() == {"response_code": "1007", "errors": [{"description": "declined"}]}


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
