"""Requests over real connections: a cancelled request sends no body."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from urllib3 import BaseHTTPResponse, PoolManager, Retry
from urllib3.util import connection

from paynearme.client import paynearme_client as client_module
from paynearme.client.http_client import post
from paynearme.client.paynearme_client import PayNearMeClient
from paynearme.errors import (
    PaymentOutcomeUnknownError,
    RequestNotAcceptedError,
    ServiceError,
    UpstreamConnectTimeoutError,
    UpstreamError,
    UpstreamTimeoutError,
)
from paynearme.platform.deadline import Deadline
from tests.support.client_stubs import (
    PAYMENT_REQUEST,
    RESPONSES,
    SITE_PAYMENT_IDENTIFIER,
    SMART_TOKEN_REQUEST,
    new_client,
)
from tests.support.fake_clock import Clock
from tests.support.message_fixtures import resolved_site
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
from tests.support.silent_server_stub import SilentServer, TrackingPool

# The fixture in addition to the mark, because it is set up after the fixture that disables sockets.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

CONTENT = b'{"canary": "canary-41c7"}'
RETRIES = Retry(total=2, connect=2, read=2, other=2, allowed_methods={"POST"}, backoff_factor=0)


def post_payload(
    http: PoolManager, url: str, deadline: Deadline | None = None, retries: Retry | bool = False
) -> BaseHTTPResponse:
    return post(http, f"{url}/json-api/x", CONTENT, {"Accept": "x"}, retries, 5.0, deadline or short_deadline())


@pytest.fixture
def silent_server() -> Iterator[SilentServer]:
    silent_server = SilentServer()
    with silent_server.socket:
        yield silent_server


type Interrupt = Callable[[Callable[[], object]], None]


@pytest.fixture(
    params=[(socket, "getaddrinfo"), (connection, "create_connection"), (http.client.HTTPConnection, "endheaders")],
    ids=["name lookup", "connect", "headers"],
)
def interrupt_before(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    """Return a function that runs a callback before a step that precedes the body."""
    owner, name = request.param
    original = getattr(owner, name)

    def interrupt(wait: Callable[[], object]) -> None:
        def delayed(*arguments: Any, **options: Any) -> Any:
            wait()
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, delayed)

    return interrupt


@pytest.mark.parametrize("retries", [False, RETRIES], ids=["no retry", "retries"])
def test_http_request_cancelled_before_body_sends_no_body(
    silent_server: SilentServer, interrupt_before: Interrupt, retries: Retry | bool
) -> None:
    cancelled = threading.Event()
    interrupt_before(lambda: cancelled.wait(MAX_SECONDS))
    # The clock does not advance, so only the cancellation withholds the body.
    deadline = Clock().deadline(0.05)
    with TrackingPool() as pool:
        with pytest.raises(UpstreamConnectTimeoutError):
            post_payload(pool, silent_server.url, deadline, retries)
        cancelled.set()
        assert pool.call_ended.wait(MAX_SECONDS)
    assert CONTENT not in silent_server.received()


@pytest.mark.parametrize("retries", [False, RETRIES], ids=["no retry", "retries"])
def test_http_request_after_deadline_sends_no_body(
    silent_server: SilentServer, interrupt_before: Interrupt, retries: Retry | bool
) -> None:
    clock = Clock()
    interrupt_before(lambda: clock.advance(6))
    with TrackingPool() as pool:
        with pytest.raises((UpstreamConnectTimeoutError, RequestNotAcceptedError)):
            post_payload(pool, silent_server.url, clock.deadline(5), retries)
        assert pool.call_ended.wait(MAX_SECONDS)
    assert CONTENT not in silent_server.received()


def test_http_request_within_deadline_sends_body(silent_server: SilentServer) -> None:
    with TrackingPool() as pool:
        with pytest.raises(UpstreamTimeoutError) as exc_info:
            post_payload(pool, silent_server.url, Deadline.after(1))
        assert type(exc_info.value) is UpstreamTimeoutError
        assert pool.call_ended.wait(MAX_SECONDS)
    assert silent_server.received().endswith(CONTENT)


def test_http_request_cancelled_after_body_times_out() -> None:
    paynearme = PayNearMeServer(hanging)

    def post_and_cancel(pool: PoolManager, url: str) -> BaseHTTPResponse:
        try:
            return post_payload(pool, url, Deadline.after(1))
        finally:
            paynearme.request_received.wait(MAX_SECONDS)

    with pytest.raises(UpstreamTimeoutError) as exc_info:
        paynearme.call_with_pool(post_and_cancel)
    assert type(exc_info.value) is UpstreamTimeoutError


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_http_request_without_time_opens_no_connection(silent_server: SilentServer, seconds: float) -> None:
    with PoolManager() as pool, pytest.raises(UpstreamConnectTimeoutError):
        post_payload(pool, silent_server.url, Clock().deadline(seconds))
    assert silent_server.received() == b""


@pytest.mark.parametrize("retries", [False, RETRIES], ids=["no retry", "retries"])
def test_http_request_closed_port_not_accepted(retries: Retry | bool) -> None:
    with refused_port() as unbound_socket, PoolManager() as pool, pytest.raises(RequestNotAcceptedError):
        post_payload(pool, f"http://127.0.0.1:{unbound_socket.getsockname()[1]}", None, retries)


@pytest.mark.parametrize("retries", [False, RETRIES], ids=["no retry", "retries"])
def test_http_request_slow_connect_raises_connect_timeout(
    silent_server: SilentServer, monkeypatch: pytest.MonkeyPatch, retries: Retry | bool
) -> None:
    def connect(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket.socket, "connect", connect)
    with PoolManager() as pool, pytest.raises(UpstreamConnectTimeoutError):
        post_payload(pool, silent_server.url, None, retries)


def test_http_request_unknown_host_not_accepted(silent_server: SilentServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_lookup(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", fail_lookup)
    with PoolManager() as pool, pytest.raises(RequestNotAcceptedError):
        post_payload(pool, silent_server.url)


@pytest.mark.parametrize("retries", [False, RETRIES], ids=["no retry", "retries"])
def test_http_request_tls_failure_not_accepted(retries: Retry | bool) -> None:
    paynearme = PayNearMeServer(replying(200, {}))
    with pytest.raises(RequestNotAcceptedError):
        paynearme.call_with_pool(lambda pool, url: post_payload(pool, url.replace("http:", "https:"), None, retries))
    assert paynearme.received == []


@pytest.mark.parametrize("retries", [False, RETRIES], ids=["no retry", "retries"])
@pytest.mark.parametrize("response", [resetting, truncating, closing])
def test_http_request_lost_response_upstream_error(response: Responder, retries: Retry | bool) -> None:
    paynearme = PayNearMeServer(response)
    with pytest.raises(ServiceError) as exc_info:
        paynearme.call_with_pool(lambda pool, url: post_payload(pool, url, None, retries))
    assert type(exc_info.value) is UpstreamError
    assert len(paynearme.received) == (1 if retries is False else 3)


def test_http_request_retry_unreachable_upstream_error() -> None:
    # The server receives the first attempt and refuses the connection of the second.
    paynearme = PayNearMeServer(closing)

    def call(pool: PoolManager, url: str) -> BaseHTTPResponse:
        original, connections = connection.create_connection, list[object]()

        def connect_once(*arguments: Any, **options: Any) -> socket.socket:
            if connections:
                raise ConnectionRefusedError
            connections.append(None)
            return original(*arguments, **options)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(connection, "create_connection", connect_once)
            return post_payload(pool, url, None, RETRIES)

    with pytest.raises(ServiceError) as exc_info:
        paynearme.call_with_pool(call)
    assert type(exc_info.value) is UpstreamError
    assert len(paynearme.received) == 1


@pytest.mark.parametrize("lost_response", [resetting, closing, replying(503, b"")], ids=["reset", "closed", "503"])
def test_http_request_retries_send_complete_body(lost_response: Responder) -> None:
    paynearme = PayNearMeServer(lost_response, lost_response, replying(200, RESPONSES["get_smart_token"]))
    paynearme.call_with_client(
        lambda client: client.get_smart_token(resolved_site(), SMART_TOKEN_REQUEST, short_deadline())
    )
    first, *others = paynearme.received
    assert others == [first] * 2
    for headers in paynearme.headers:
        assert int(headers["Content-Length"]) == len(json.dumps(first).encode())
        assert "Transfer-Encoding" not in headers


def test_http_request_redirect_not_followed() -> None:
    paynearme = PayNearMeServer(replying(307, b"", Location="/json-api/y"))
    assert paynearme.call_with_pool(post_payload).status == 307
    assert paynearme.paths == ["/json-api/x"]


def submit_payment(client: PayNearMeClient, seconds: float) -> str | None:
    return client.make_payment(resolved_site(), PAYMENT_REQUEST, SITE_PAYMENT_IDENTIFIER, Deadline.after(seconds))


def test_payment_cancelled_before_body_not_sent(
    silent_server: SilentServer, interrupt_before: Interrupt, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A short budget makes the test fast.
    monkeypatch.setattr(client_module, "_MIN_PAYMENT_BUDGET_SECONDS", 0.01)
    cancelled = threading.Event()
    interrupt_before(lambda: cancelled.wait(MAX_SECONDS))
    with TrackingPool() as pool:
        with pytest.raises(UpstreamConnectTimeoutError):
            submit_payment(new_client(pool, base_url=silent_server.url), 0.1)
        cancelled.set()
        assert pool.call_ended.wait(MAX_SECONDS)
    assert SITE_PAYMENT_IDENTIFIER.encode() not in silent_server.received()


def test_payment_cancelled_after_body_outcome_unknown(
    silent_server: SilentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_MIN_PAYMENT_BUDGET_SECONDS", 0.01)
    with TrackingPool() as pool:
        with pytest.raises(PaymentOutcomeUnknownError):
            submit_payment(new_client(pool, base_url=silent_server.url), 1)
        assert pool.call_ended.wait(MAX_SECONDS)
    assert SITE_PAYMENT_IDENTIFIER.encode() in silent_server.received()
