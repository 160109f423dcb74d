"""Requests over real connections: nothing is sent any more that nobody waits for."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from urllib3 import BaseHTTPResponse, PoolManager, Retry
from urllib3.util import connection

from paynearme import client as client_module
from paynearme.client import PayNearMeClient
from paynearme.deadline import Deadline
from paynearme.errors import (
    UpstreamConnectTimeoutError,
    RequestNotAcceptedError,
    PaymentOutcomeUnknownError,
    ServiceError,
    UpstreamError,
    UpstreamTimeoutError,
)
from paynearme.sending import post
from tests.clock import Clock
from tests.messages import known_site
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
from tests.unit.listening_silently import Silent, Watched
from tests.unit.paynearme_pool import ANSWERS, OURS, PAYMENT, TOKEN, client_of

# The fixture beside the mark, because it is set up after the one that refuses sockets.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

CONTENT = b'{"canary": "canary-41c7"}'
SEVERAL = Retry(total=2, connect=2, read=2, other=2, allowed_methods={"POST"}, backoff_factor=0)


def posted(
    http: PoolManager, url: str, deadline: Deadline | None = None, repeat: Retry | bool = False
) -> BaseHTTPResponse:
    return post(http, f"{url}/json-api/x", CONTENT, {"Accept": "x"}, repeat, 5.0, deadline or soon())


@pytest.fixture
def silent() -> Iterator[Silent]:
    silent = Silent()
    with silent.socket:
        yield silent


type Hold = Callable[[Callable[[], object]], None]


@pytest.fixture(
    params=[
        (socket, "getaddrinfo"),
        (connection, "create_connection"),
        (http.client.HTTPConnection, "endheaders"),
    ],
    ids=["look-up", "connecting", "headers"],
)
def hold(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Hold:
    """Lets something happen before a step on the way to the body is done."""
    place, name = request.param
    usual = getattr(place, name)

    def before(wait: Callable[[], object]) -> None:
        def late(*arguments: Any, **options: Any) -> Any:
            wait()
            return usual(*arguments, **options)

        monkeypatch.setattr(place, name, late)

    return before


@pytest.mark.parametrize("repeat", [False, SEVERAL], ids=["once", "repeated"])
def test_a_call_that_was_given_up_before_its_body_never_sends_it(
    silent: Silent, hold: Hold, repeat: Retry | bool
) -> None:
    given_up = threading.Event()
    hold(lambda: given_up.wait(LONGEST_SECONDS))
    # Its clock stands still: that the call was given up is all that keeps the body back.
    deadline = Clock().deadline(0.05)
    with Watched() as pool:
        with pytest.raises(UpstreamConnectTimeoutError):
            posted(pool, silent.url, deadline, repeat)
        given_up.set()
        assert pool.ended.wait(LONGEST_SECONDS)
    assert CONTENT not in silent.received()


@pytest.mark.parametrize("repeat", [False, SEVERAL], ids=["once", "repeated"])
def test_after_the_deadline_no_body_is_sent_even_if_nobody_gave_the_call_up(
    silent: Silent, hold: Hold, repeat: Retry | bool
) -> None:
    clock = Clock()
    hold(lambda: clock.work(6))
    with Watched() as pool:
        with pytest.raises((UpstreamConnectTimeoutError, RequestNotAcceptedError)):
            posted(pool, silent.url, clock.deadline(5), repeat)
        assert pool.ended.wait(LONGEST_SECONDS)
    assert CONTENT not in silent.received()


def test_a_call_that_was_not_held_back_sends_its_body(silent: Silent) -> None:
    with Watched() as pool:
        with pytest.raises(UpstreamTimeoutError) as caught:
            posted(pool, silent.url, Deadline.after(1))
        assert type(caught.value) is UpstreamTimeoutError
        assert pool.ended.wait(LONGEST_SECONDS)
    assert silent.received().endswith(CONTENT)


def test_a_call_that_was_given_up_after_its_body_is_a_time_out() -> None:
    paynearme = PayNearMe(hanging)

    def give_up(pool: PoolManager, url: str) -> BaseHTTPResponse:
        try:
            return posted(pool, url, Deadline.after(1))
        finally:
            paynearme.arrived.wait(LONGEST_SECONDS)

    with pytest.raises(UpstreamTimeoutError) as caught:
        paynearme.reached(give_up)
    assert type(caught.value) is UpstreamTimeoutError


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_without_time_left_nobody_connects(silent: Silent, seconds: float) -> None:
    with PoolManager() as pool, pytest.raises(UpstreamConnectTimeoutError):
        posted(pool, silent.url, Clock().deadline(seconds))
    assert silent.received() == b""


@pytest.mark.parametrize("repeat", [False, SEVERAL], ids=["once", "repeated"])
def test_a_connection_that_is_refused_is_not_taken(repeat: Retry | bool) -> None:
    with nobody() as bound, PoolManager() as pool, pytest.raises(RequestNotAcceptedError):
        posted(pool, f"http://127.0.0.1:{bound.getsockname()[1]}", None, repeat)


@pytest.mark.parametrize("repeat", [False, SEVERAL], ids=["once", "repeated"])
def test_a_connection_that_is_too_slow_is_not_reached_in_time(
    silent: Silent, monkeypatch: pytest.MonkeyPatch, repeat: Retry | bool
) -> None:
    def connect(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket.socket, "connect", connect)
    with PoolManager() as pool, pytest.raises(UpstreamConnectTimeoutError):
        posted(pool, silent.url, None, repeat)


def test_an_unknown_host_is_not_taken(silent: Silent, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with PoolManager() as pool, pytest.raises(RequestNotAcceptedError):
        posted(pool, silent.url)


@pytest.mark.parametrize("repeat", [False, SEVERAL], ids=["once", "repeated"])
def test_a_failure_of_tls_is_not_taken(repeat: Retry | bool) -> None:
    paynearme = PayNearMe(saying(200, {}))
    with pytest.raises(RequestNotAcceptedError):
        paynearme.reached(lambda pool, url: posted(pool, url.replace("http:", "https:"), None, repeat))
    assert paynearme.received == []


@pytest.mark.parametrize("repeat", [False, SEVERAL], ids=["once", "repeated"])
@pytest.mark.parametrize("answer", [resetting, cutting_half_way, closing])
def test_an_answer_that_is_lost_is_a_fault_of_which_nobody_knows_the_effect(
    answer: Answer, repeat: Retry | bool
) -> None:
    paynearme = PayNearMe(answer)
    with pytest.raises(ServiceError) as caught:
        paynearme.reached(lambda pool, url: posted(pool, url, None, repeat))
    assert type(caught.value) is UpstreamError
    assert len(paynearme.received) == (1 if repeat is False else 3)


def test_a_repeat_that_finds_nobody_is_not_without_effect() -> None:
    # The first attempt arrived, and only then was nobody there.
    paynearme = PayNearMe(closing)

    def call(pool: PoolManager, url: str) -> BaseHTTPResponse:
        usual, connected = connection.create_connection, list[object]()

        def once(*arguments: Any, **options: Any) -> socket.socket:
            if connected:
                raise ConnectionRefusedError
            connected.append(None)
            return usual(*arguments, **options)

        with pytest.MonkeyPatch.context() as during:
            during.setattr(connection, "create_connection", once)
            return posted(pool, url, None, SEVERAL)

    with pytest.raises(ServiceError) as caught:
        paynearme.reached(call)
    assert type(caught.value) is UpstreamError
    assert len(paynearme.received) == 1


@pytest.mark.parametrize("lost", [resetting, closing, saying(503, b"")], ids=["reset", "closed", "503"])
def test_each_repeat_sends_the_whole_body_with_its_length(lost: Answer) -> None:
    paynearme = PayNearMe(lost, lost, saying(200, ANSWERS["get_smart_token"]))
    paynearme.called(lambda client: client.get_smart_token(known_site(), TOKEN, soon()))
    first, *more = paynearme.received
    assert more == [first] * 2
    for headers in paynearme.headers:
        assert int(headers["Content-Length"]) == len(json.dumps(first).encode())
        assert "Transfer-Encoding" not in headers


def test_a_redirect_is_not_followed() -> None:
    paynearme = PayNearMe(saying(307, b"", Location="/json-api/y"))
    assert paynearme.reached(posted).status == 307
    assert paynearme.paths == ["/json-api/x"]


def pay(client: PayNearMeClient, seconds: float) -> str | None:
    return client.make_payment(known_site(), PAYMENT, OURS, Deadline.after(seconds))


def test_a_payment_given_up_before_its_body_was_not_asked_for(
    silent: Silent, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that this need not last.
    monkeypatch.setattr(client_module, "_WORTH_PAYING_SECONDS", 0.01)
    given_up = threading.Event()
    hold(lambda: given_up.wait(LONGEST_SECONDS))
    with Watched() as pool:
        with pytest.raises(UpstreamConnectTimeoutError):
            pay(client_of(pool, address=silent.url), 0.1)
        given_up.set()
        assert pool.ended.wait(LONGEST_SECONDS)
    assert OURS.encode() not in silent.received()


def test_of_a_payment_given_up_after_its_body_nobody_knows_the_outcome(
    silent: Silent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_WORTH_PAYING_SECONDS", 0.01)
    with Watched() as pool:
        with pytest.raises(PaymentOutcomeUnknownError):
            pay(client_of(pool, address=silent.url), 1)
        assert pool.ended.wait(LONGEST_SECONDS)
    assert OURS.encode() in silent.received()
