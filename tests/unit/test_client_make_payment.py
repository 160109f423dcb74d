"""A payment over real connections: whatever goes wrong, it is sent once, and what is told is true."""

import json
import threading
import traceback
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer

import pytest
from urllib3 import PoolManager
from urllib3.util.retry import Retry

from paynearme import client as module
from paynearme.client import PayNearMeClient
from paynearme.deadline import Deadline
from paynearme.errors import (
    BankAuthorizationExpiredError,
    CredentialsRejectedError,
    UpstreamConnectTimeoutError,
    RequestNotAcceptedError,
    PaymentOutcomeUnknownError,
    ServiceError,
    RequestRejectedError,
)
from paynearme.messages.make_payment import IDEMPOTENCY_KEY, payment_named_in
from paynearme.signing import verify
from tests.clock import Clock
from tests.documents import documented
from tests.messages import SECRET, known_site
from tests.unit.listening_paynearme import (
    LONGEST_SECONDS,
    Answer,
    PayNearMe,
    closing,
    cutting_half_way,
    hanging,
    nobody,
    resetting,
    saying,
    soon,
)
from tests.unit.paynearme_pool import FIND, NOW, OURS, PAYMENT, StubPool, answer_of, client_of

# The fixture beside the mark, because it is set up after the one that refuses sockets.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

OK = {"status": "ok", "pnm_payment_identifier": "943751749956"}
EXPIRED = documented("make_payment_answer", "expired")


def pay(client: PayNearMeClient) -> str | None:
    return client.make_payment(known_site(), PAYMENT, OURS, soon())


def error_of(paynearme: PayNearMe) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        paynearme.called(pay)
    return caught.value


def test_a_payment_is_sent_once_with_our_identifier_of_it_and_signed() -> None:
    paynearme = PayNearMe(saying(200, OK))
    assert paynearme.called(pay) == "943751749956"
    [body] = paynearme.received
    every_call = {"site_identifier": "S2155373459", "timestamp": str(int(NOW)), "version": "3.0"}
    document = documented("make_payment", "saved") | {"payment_amount": "1000.00"}
    ours = {"site_payment_identifier": OURS, "signature": body["signature"]}
    assert body == document | every_call | ours
    assert all(isinstance(value, str) for value in body.values())
    verify(body, body["signature"], [SECRET])
    assert paynearme.paths == ["/json-api/make_payment"]


def test_the_callers_key_stays_with_us() -> None:
    paynearme = PayNearMe(saying(200, OK))
    paynearme.called(pay)
    assert PAYMENT.idempotency_key not in json.dumps(paynearme.received + paynearme.headers)
    assert IDEMPOTENCY_KEY.lower() not in [name.lower() for name in paynearme.headers[0]]


@pytest.mark.parametrize(
    "answer",
    [
        *(saying(status, OK) for status in (201, 301, 404, 408, 500, 502, 503, 504)),
        *(saying(status, {"status": "error", "response_code": "6513"}) for status in (500, 503)),
        saying(307, OK, Location="/json-api/make_payment"),
        saying(503, b"", **{"Retry-After": "0"}),
        *(saying(200, content) for content in (b"", b"<html>Down</html>", b"\xff", [OK], "ok", None)),
        *(saying(200, {**OK, "status": status}) for status in (None, "OK", "pending", True, "")),
        saying(200, {"pnm_payment_identifier": "943751749956"}),
        cutting_half_way,
        resetting,
        closing,
    ],
)
def test_an_answer_that_tells_nothing_leaves_the_outcome_unknown_and_nothing_is_sent_again(
    answer: Answer,
) -> None:
    paynearme = PayNearMe(answer, saying(200, OK))
    error = error_of(paynearme)
    assert type(error) is PaymentOutcomeUnknownError
    assert error.members() == {"site_payment_identifier": OURS}
    assert len(paynearme.received) == 1


def test_an_answer_that_does_not_come_leaves_the_outcome_unknown_and_nothing_is_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # So that this need not last.
    monkeypatch.setattr(module, "_WORTH_PAYING_SECONDS", 0.1)
    paynearme = PayNearMe(hanging)

    def pay_quickly(client: PayNearMeClient) -> str | None:
        try:
            return client.make_payment(known_site(), PAYMENT, OURS, Deadline.after(0.5))
        finally:
            paynearme.arrived.wait(LONGEST_SECONDS)

    with pytest.raises(PaymentOutcomeUnknownError):
        paynearme.called(pay_quickly)
    assert len(paynearme.received) == 1


@pytest.mark.parametrize("content", [b"<html>", {"status": "error", "errors": ["x"]}, OK], ids=repr)
@pytest.mark.parametrize(
    ("status", "kind"), [(401, CredentialsRejectedError), (403, CredentialsRejectedError), (429, RequestNotAcceptedError)]
)
def test_a_payment_that_is_turned_away_was_not_made_and_is_not_sent_again(
    status: int, kind: type[Exception], content: object
) -> None:
    paynearme = PayNearMe(saying(status, content), saying(200, OK))
    error = error_of(paynearme)
    assert type(error) is kind
    assert isinstance(error, RequestNotAcceptedError)
    assert len(paynearme.received) == 1


@pytest.mark.parametrize("status", [200, 400, 422])
def test_a_refusal_is_handed_on(status: int) -> None:
    paynearme = PayNearMe(saying(status, {**EXPIRED, "response_code": "6501"}))
    error = error_of(paynearme)
    assert type(error) is RequestRejectedError
    assert error.response_code == "6501"
    assert error.descriptions == [EXPIRED["errors"][0]["description"]]
    assert len(paynearme.received) == 1


@pytest.mark.parametrize("code", ["6513", 6513])
def test_an_expired_authorization_is_told_with_what_reconnects_its_method(code: object) -> None:
    paynearme = PayNearMe(saying(200, {**EXPIRED, "response_code": code}))
    error = error_of(paynearme)
    assert type(error) is BankAuthorizationExpiredError
    assert error.members() == {
        "response_code": "6513",
        "errors": EXPIRED["errors"],
        "payment_method_identifier": "76590ef5135ae",
        "reconnect": {
            "site_identifier": "S2155373459",
            "pnm_order_identifier": "84274665124",
            "flow_trustly": "true",
            "flow_trustly_reconnect": "76590ef5135ae",
        },
    }
    assert len(paynearme.received) == 1


def test_a_connection_that_is_refused_is_tried_again_and_nothing_was_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[Retry] = []
    monkeypatch.setattr(Retry, "sleep", lambda retries, response=None: waits.append(retries))
    with nobody() as bound, PoolManager() as http, pytest.raises(RequestNotAcceptedError) as caught:
        pay(client_of(http, address=f"http://127.0.0.1:{bound.getsockname()[1]}"))
    assert type(caught.value) is RequestNotAcceptedError
    assert len(waits) == 2


class _Takes(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(OK).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_a_payment_is_made_if_somebody_listens_after_all(monkeypatch: pytest.MonkeyPatch) -> None:
    with TCPServer(("127.0.0.1", 0), _Takes, bind_and_activate=False) as late, PoolManager() as http:
        late.server_bind()
        taking = threading.Thread(target=late.handle_request)

        def listen_at_last(*_: object) -> None:
            late.server_activate()
            taking.start()

        monkeypatch.setattr(Retry, "sleep", listen_at_last)
        paid = pay(client_of(http, address=f"http://127.0.0.1:{late.server_address[1]}"))
        taking.join(LONGEST_SECONDS)
    assert paid == "943751749956"


@pytest.mark.parametrize("seconds", [1.49, 0.0, -1.0])
def test_with_too_little_time_left_nothing_is_sent(seconds: float) -> None:
    pool = StubPool(answer_of(200, OK))
    with pytest.raises(UpstreamConnectTimeoutError):
        client_of(pool).make_payment(known_site(), PAYMENT, OURS, Clock().deadline(seconds))
    assert pool.requests == []


def test_with_just_enough_time_left_it_is_sent() -> None:
    pool = StubPool(answer_of(200, OK))
    assert client_of(pool).make_payment(known_site(), PAYMENT, OURS, Clock().deadline(1.5)) == "943751749956"
    assert len(pool.requests) == 1


def test_a_payment_takes_a_connection_of_its_own() -> None:
    paynearme = PayNearMe(saying(200, {"status": "ok", "accounts": []}), saying(200, OK))

    def find_and_pay(client: PayNearMeClient) -> str | None:
        client.find_payment_methods(known_site(), FIND, soon())
        return pay(client)

    assert paynearme.called(find_and_pay) == "943751749956"
    assert len(paynearme.callers) == 2


@pytest.mark.parametrize(
    ("answer", "identifier"),
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
        *(({"pnm_payment_identifier": wrong}, None) for wrong in ("1 2", "1\n", "é", "1" * 65, "a.b")),
        ({"payment": None}, None),
        ({}, None),
    ],
)
def test_paynearmes_identifier_is_found_where_it_may_stand(answer: object, identifier: str | None) -> None:
    assert isinstance(answer, dict)
    assert payment_named_in({"status": "ok"} | answer) == identifier


def test_a_payment_without_paynearmes_identifier_was_made_all_the_same() -> None:
    paynearme = PayNearMe(saying(200, {"status": "ok"}))
    assert paynearme.called(pay) is None


@pytest.mark.parametrize(
    "answer",
    [
        saying(500, {"echo": SECRET}),
        saying(401, {"echo": SECRET}),
        saying(200, SECRET.encode()),
        saying(200, {"status": SECRET}),
        resetting,
    ],
)
def test_no_error_tells_what_was_sent_or_received(answer: Answer) -> None:
    error = error_of(PayNearMe(answer))
    told = "".join([str(error), repr(error), *traceback.format_exception(error)])
    assert SECRET not in told
    assert PAYMENT.payment_method_identifier not in told
    assert PAYMENT.idempotency_key not in told
