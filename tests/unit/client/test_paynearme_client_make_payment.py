"""Payments over real connections: each is sent at most once, and an unknown outcome is reported as unknown."""

import json
import threading
import traceback
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer

import pytest
from urllib3 import PoolManager
from urllib3.util.retry import Retry

from paynearme.client import paynearme_client as module
from paynearme.client.paynearme_client import PayNearMeClient
from paynearme.errors import (
    BankAuthorizationExpiredError,
    CredentialsRejectedError,
    PaymentOutcomeUnknownError,
    RequestNotAcceptedError,
    RequestRejectedError,
    ServiceError,
    UpstreamConnectTimeoutError,
)
from paynearme.platform.deadline import Deadline
from paynearme.protocol.make_payment import IDEMPOTENCY_KEY, extract_payment_identifier
from paynearme.protocol.signing import verify
from tests.support.client_stubs import FIND_REQUEST, NOW, PAYMENT_REQUEST, SITE_PAYMENT_IDENTIFIER, new_client
from tests.support.fake_clock import Clock
from tests.support.message_fixtures import SECRET, resolved_site
from tests.support.paynearme_server_stub import (
    MAX_SECONDS,
    PayNearMeServer,
    Responder,
    closing,
    hanging,
    refused_port,
    replying,
    resetting,
    short_deadline,
    truncating,
)
from tests.support.paynearme_stub import PayNearMeStub, http_response
from tests.support.samples import load_sample

# The fixture in addition to the mark, because it is set up after the fixture that disables sockets.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

VALID_RESPONSE = {"status": "ok", "pnm_payment_identifier": "943751749956"}
EXPIRED_RESPONSE = load_sample("make_payment_response", "expired")


def submit_payment(client: PayNearMeClient) -> str | None:
    return client.make_payment(resolved_site(), PAYMENT_REQUEST, SITE_PAYMENT_IDENTIFIER, short_deadline())


def error_of(paynearme: PayNearMeServer) -> ServiceError:
    with pytest.raises(ServiceError) as exc_info:
        paynearme.call_with_client(submit_payment)
    return exc_info.value


def test_make_payment_sent_once_with_identifier_and_signature() -> None:
    paynearme = PayNearMeServer(replying(200, VALID_RESPONSE))
    assert paynearme.call_with_client(submit_payment) == "943751749956"
    [body] = paynearme.received
    common_parameters = {"site_identifier": "S2155373459", "timestamp": str(int(NOW)), "version": "3.0"}
    document = load_sample("make_payment", "saved") | {"payment_amount": "1000.00"}
    added_parameters = {"site_payment_identifier": SITE_PAYMENT_IDENTIFIER, "signature": body["signature"]}
    assert body == document | common_parameters | added_parameters
    assert all(isinstance(value, str) for value in body.values())
    verify(body, body["signature"], [SECRET])
    assert paynearme.paths == ["/json-api/make_payment"]


def test_make_payment_idempotency_key_not_sent() -> None:
    paynearme = PayNearMeServer(replying(200, VALID_RESPONSE))
    paynearme.call_with_client(submit_payment)
    assert PAYMENT_REQUEST.idempotency_key not in json.dumps(paynearme.received + paynearme.headers)
    assert IDEMPOTENCY_KEY.lower() not in [name.lower() for name in paynearme.headers[0]]


@pytest.mark.parametrize(
    "response",
    [
        *(replying(status, VALID_RESPONSE) for status in (201, 301, 404, 408, 500, 502, 503, 504)),
        *(replying(status, {"status": "error", "response_code": "6513"}) for status in (500, 503)),
        replying(307, VALID_RESPONSE, Location="/json-api/make_payment"),
        replying(503, b"", **{"Retry-After": "0"}),
        *(replying(200, content) for content in (b"", b"<html>Down</html>", b"\xff", [VALID_RESPONSE], "ok", None)),
        *(replying(200, {**VALID_RESPONSE, "status": status}) for status in (None, "OK", "pending", True, "")),
        replying(200, {"pnm_payment_identifier": "943751749956"}),
        truncating,
        resetting,
        closing,
    ],
)
def test_make_payment_unclear_response_outcome_unknown_no_retry(response: Responder) -> None:
    paynearme = PayNearMeServer(response, replying(200, VALID_RESPONSE))
    error = error_of(paynearme)
    assert type(error) is PaymentOutcomeUnknownError
    assert error.extensions() == {"site_payment_identifier": SITE_PAYMENT_IDENTIFIER}
    assert len(paynearme.received) == 1


def test_make_payment_no_response_outcome_unknown_no_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    # A short budget makes the test fast.
    monkeypatch.setattr(module, "_MIN_PAYMENT_BUDGET_SECONDS", 0.1)
    paynearme = PayNearMeServer(hanging)

    def submit_with_short_deadline(client: PayNearMeClient) -> str | None:
        try:
            return client.make_payment(resolved_site(), PAYMENT_REQUEST, SITE_PAYMENT_IDENTIFIER, Deadline.after(0.5))
        finally:
            paynearme.request_received.wait(MAX_SECONDS)

    with pytest.raises(PaymentOutcomeUnknownError):
        paynearme.call_with_client(submit_with_short_deadline)
    assert len(paynearme.received) == 1


@pytest.mark.parametrize("content", [b"<html>", {"status": "error", "errors": ["x"]}, VALID_RESPONSE], ids=repr)
@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, CredentialsRejectedError), (403, CredentialsRejectedError), (429, RequestNotAcceptedError)],
)
def test_make_payment_not_accepted_no_retry(status: int, kind: type[Exception], content: object) -> None:
    paynearme = PayNearMeServer(replying(status, content), replying(200, VALID_RESPONSE))
    error = error_of(paynearme)
    assert type(error) is kind
    assert isinstance(error, RequestNotAcceptedError)
    assert len(paynearme.received) == 1


@pytest.mark.parametrize("status", [200, 400, 422])
def test_make_payment_rejection_has_code_and_no_retry(status: int) -> None:
    paynearme = PayNearMeServer(replying(status, {**EXPIRED_RESPONSE, "response_code": "6501"}))
    error = error_of(paynearme)
    assert type(error) is RequestRejectedError
    assert error.response_code == "6501"
    assert error.descriptions == [EXPIRED_RESPONSE["errors"][0]["description"]]
    assert len(paynearme.received) == 1


@pytest.mark.parametrize("code", ["6513", 6513])
def test_make_payment_expired_bank_authorization_has_reconnect(code: object) -> None:
    paynearme = PayNearMeServer(replying(200, {**EXPIRED_RESPONSE, "response_code": code}))
    error = error_of(paynearme)
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
    assert len(paynearme.received) == 1


def test_make_payment_closed_port_retried_then_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    sleeps: list[Retry] = []
    monkeypatch.setattr(Retry, "sleep", lambda retries, response=None: sleeps.append(retries))
    with refused_port() as unbound_socket, PoolManager() as http, pytest.raises(RequestNotAcceptedError) as exc_info:
        submit_payment(new_client(http, base_url=f"http://127.0.0.1:{unbound_socket.getsockname()[1]}"))
    assert type(exc_info.value) is RequestNotAcceptedError
    assert len(sleeps) == 2


class _AcceptingHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(VALID_RESPONSE).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_make_payment_retry_reaches_late_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with TCPServer(("127.0.0.1", 0), _AcceptingHandler, bind_and_activate=False) as late_server, PoolManager() as http:
        late_server.server_bind()
        server_thread = threading.Thread(target=late_server.handle_request)

        def start_server(*_: object) -> None:
            late_server.server_activate()
            server_thread.start()

        monkeypatch.setattr(Retry, "sleep", start_server)
        payment_identifier = submit_payment(
            new_client(http, base_url=f"http://127.0.0.1:{late_server.server_address[1]}")
        )
        server_thread.join(MAX_SECONDS)
    assert payment_identifier == "943751749956"


@pytest.mark.parametrize("seconds", [1.49, 0.0, -1.0])
def test_make_payment_short_deadline_sends_nothing(seconds: float) -> None:
    pool = PayNearMeStub(http_response(200, VALID_RESPONSE))
    with pytest.raises(UpstreamConnectTimeoutError):
        new_client(pool).make_payment(
            resolved_site(), PAYMENT_REQUEST, SITE_PAYMENT_IDENTIFIER, Clock().deadline(seconds)
        )
    assert pool.requests == []


def test_make_payment_minimum_deadline_sends_request() -> None:
    pool = PayNearMeStub(http_response(200, VALID_RESPONSE))
    assert (
        new_client(pool).make_payment(resolved_site(), PAYMENT_REQUEST, SITE_PAYMENT_IDENTIFIER, Clock().deadline(1.5))
        == "943751749956"
    )
    assert len(pool.requests) == 1


def test_make_payment_opens_separate_connection() -> None:
    paynearme = PayNearMeServer(replying(200, {"status": "ok", "accounts": []}), replying(200, VALID_RESPONSE))

    def find_then_pay(client: PayNearMeClient) -> str | None:
        client.find_payment_methods(resolved_site(), FIND_REQUEST, short_deadline())
        return submit_payment(client)

    assert paynearme.call_with_client(find_then_pay) == "943751749956"
    assert len(paynearme.peer_names) == 2


@pytest.mark.parametrize(
    ("response", "identifier"),
    [
        ({"pnm_payment_identifier": "943751749956"}, "943751749956"),
        ({"pnm_payment_identifier": 943751749956}, "943751749956"),
        ({"payment": {"pnm_payment_identifier": "943751749956"}}, "943751749956"),
        ({"payment": {"pnm_payment_identifier": 943751749956}}, "943751749956"),
        ({"pnm_payment_identifier": "1", "payment": {"pnm_payment_identifier": "2"}}, "1"),
        ({"pnm_payment_identifier": None, "payment": {"pnm_payment_identifier": "2"}}, "2"),
        ({"pnm_payment_identifier": "", "payment": {"pnm_payment_identifier": "2"}}, "2"),
        ({"payment": [{"pnm_payment_identifier": "2"}]}, None),
        ({"pnm_payment_identifier": True}, None),
        ({"pnm_payment_identifier": ["1"]}, None),
        ({"pnm_payment_identifier": 1.5}, None),
        *(({"pnm_payment_identifier": invalid}, None) for invalid in ("1 2", "1\n", "é", "1" * 65, "a.b")),
        ({"payment": None}, None),
        ({}, None),
    ],
)
def test_payment_identifier_extracted_from_response(response: object, identifier: str | None) -> None:
    assert isinstance(response, dict)
    assert extract_payment_identifier({"status": "ok"} | response) == identifier


def test_make_payment_response_without_identifier_returns_none() -> None:
    paynearme = PayNearMeServer(replying(200, {"status": "ok"}))
    assert paynearme.call_with_client(submit_payment) is None


@pytest.mark.parametrize(
    "response",
    [
        replying(500, {"echo": SECRET}),
        replying(401, {"echo": SECRET}),
        replying(200, SECRET.encode()),
        replying(200, {"status": SECRET}),
        resetting,
    ],
)
def test_make_payment_errors_contain_no_sent_or_received_values(response: Responder) -> None:
    error = error_of(PayNearMeServer(response))
    error_text = "".join([str(error), repr(error), *traceback.format_exception(error)])
    assert SECRET not in error_text
    assert PAYMENT_REQUEST.payment_method_identifier not in error_text
    assert PAYMENT_REQUEST.idempotency_key not in error_text
