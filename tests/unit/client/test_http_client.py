"""Requests over real connections: a cancelled request sends no body."""

import http.client
import json
import socket
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from aiohttp import web
from urllib3 import BaseHTTPResponse, PoolManager, Retry

from paynearme.client.http_client import post
from paynearme.client.paynearme_client import _retry_policy
from paynearme.errors import (
    RequestNotAcceptedError,
    ServiceError,
    UpstreamConnectTimeoutError,
    UpstreamError,
)
from paynearme.platform.deadline import Deadline
from sandbox.faults.fault_proxy import abort_connection
from tests.support.fake_clock import Clock
from tests.support.paynearme_server_stub import (
    MAX_SECONDS,
    EventDeadline,
    PayNearMeServer,
    Responder,
    replying,
)
from tests.support.paynearme_stub import PayNearMeStub

# The fixture in addition to the mark, because it is set up after the fixture that disables sockets.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("real_connections")]

CONTENT = {"canary": "canary-41c7"}
RETRYING = _retry_policy(retry_responses=True).new(backoff_factor=0, backoff_jitter=0)
NOT_RETRYING = _retry_policy(retry_responses=False).new(backoff_factor=0, backoff_jitter=0)

for_each_policy = pytest.mark.parametrize("retries", [False, NOT_RETRYING], ids=["no retry", "retries"])
for_each_step = pytest.mark.parametrize(
    ("owner", "name"),
    [(socket, "getaddrinfo"), (socket.socket, "connect"), (http.client.HTTPConnection, "endheaders")],
    ids=["name lookup", "connect", "headers"],
)


async def truncating(request: web.Request) -> web.StreamResponse:
    """Return half of a valid response, and close the connection."""
    response = web.StreamResponse(headers={"Content-Length": "100", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"status": "ok", ')
    abort_connection(request)
    return response


async def resetting(request: web.Request) -> web.StreamResponse:
    """Reset the connection without a response."""
    return abort_connection(request)


async def closing(request: web.Request) -> web.StreamResponse:
    """Close the connection without a response."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def post_content(
    pool: PoolManager, url: str, deadline: Deadline | None = None, retries: Retry | bool = False
) -> BaseHTTPResponse:
    body = json.dumps(CONTENT).encode()
    deadline = deadline or Deadline.after(MAX_SECONDS)
    return post(pool, f"{url}/json-api/x", body, {"Accept": "x"}, retries, MAX_SECONDS, deadline)


def run_before(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, callback: Callable[[], object]) -> None:
    """Run ``callback`` before a step of a request."""
    original = getattr(owner, name)

    def step(*arguments: Any, **options: Any) -> Any:
        callback()
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, step)


@for_each_step
def test_http_request_cancelled_before_body_sends_no_body(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The deadline's clock does not advance, so only the cancellation withholds the body.
    paynearme, deadline, cancelled = PayNearMeServer(replying(200, {})), EventDeadline(), Event()

    def wait_for_cancellation() -> None:
        deadline.event.set()
        cancelled.wait(MAX_SECONDS)

    def post_and_cancel(pool: PoolManager, url: str) -> None:
        run_before(monkeypatch, owner, name, wait_for_cancellation)
        with pytest.raises(UpstreamConnectTimeoutError):
            post_content(pool, url, deadline, RETRYING)
        cancelled.set()
        assert deadline.attempts[0].exception(MAX_SECONDS)

    paynearme.call(post_and_cancel)
    assert paynearme.received == []


@for_each_step
def test_http_request_after_deadline_sends_no_body(owner: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    paynearme, clock = PayNearMeServer(replying(200, {})), Clock()
    # The attempt continues after the deadline, as after a freeze of the process.
    monkeypatch.setattr(Deadline, "run", lambda _, send: send())

    def post_late(pool: PoolManager, url: str) -> None:
        run_before(monkeypatch, owner, name, lambda: clock.advance(MAX_SECONDS + 1))
        with pytest.raises((UpstreamConnectTimeoutError, RequestNotAcceptedError)):
            post_content(pool, url, clock.deadline(MAX_SECONDS), RETRYING)

    paynearme.call(post_late)
    assert paynearme.received == []


def test_http_request_without_time_opens_no_connection() -> None:
    pool: Any = PayNearMeStub()
    with pytest.raises(UpstreamConnectTimeoutError):
        post_content(pool, "https://api.example.com", Clock().deadline(0))
    assert pool.requests == []


@for_each_policy
@pytest.mark.parametrize(
    ("owner", "name", "error", "kind"),
    [
        (socket.socket, "connect", TimeoutError, UpstreamConnectTimeoutError),
        (socket.socket, "connect", ConnectionRefusedError, RequestNotAcceptedError),
        (socket, "getaddrinfo", socket.gaierror, RequestNotAcceptedError),
    ],
    ids=["slow connect", "refused", "unknown host"],
)
def test_http_request_without_connection_not_accepted(
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    error: type[OSError],
    kind: type[ServiceError],
    retries: Retry | bool,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(owner, name, fail)
    with PoolManager() as pool, pytest.raises(kind):
        post_content(pool, "http://127.0.0.1:9", None, retries)


@pytest.mark.parametrize(
    ("retries", "attempts"), [(False, 1), (NOT_RETRYING, 1), (RETRYING, 3)], ids=["no retry", "not retrying", "retries"]
)
@pytest.mark.parametrize("response", [resetting, truncating, closing])
def test_http_request_lost_response_upstream_error(response: Responder, retries: Retry | bool, attempts: int) -> None:
    paynearme = PayNearMeServer(response)
    with pytest.raises(ServiceError) as exc_info:
        paynearme.call(lambda pool, url: post_content(pool, url, None, retries))
    assert type(exc_info.value) is UpstreamError
    assert paynearme.received == [CONTENT] * attempts


@pytest.mark.parametrize("lost_response", [closing, replying(503, b"")], ids=["closed", "503"])
def test_http_request_retries_send_complete_body(lost_response: Responder) -> None:
    paynearme = PayNearMeServer(lost_response, lost_response, replying(200, {}))
    assert paynearme.call(lambda pool, url: post_content(pool, url, None, RETRYING)).status == 200
    assert paynearme.received == [CONTENT] * 3
    for headers in paynearme.headers:
        assert int(headers["Content-Length"]) == len(json.dumps(CONTENT).encode())
        assert "Transfer-Encoding" not in headers


def test_http_request_redirect_not_followed() -> None:
    paynearme = PayNearMeServer(replying(307, b"", Location="/json-api/y"))
    assert paynearme.call(lambda pool, url: post_content(pool, url, None, Retry(redirect=1))).status == 307
    assert paynearme.paths == ["/json-api/x"]
