"""A stub of PayNearMe that listens on a port, returns given responses, and records the requests."""

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from urllib3 import PoolManager

from paynearme.client.paynearme_client import PayNearMeClient
from paynearme.platform.deadline import Deadline
from sandbox.faults.fault_proxy import abort_connection
from tests.support.client_stubs import StubTokens, new_client
from tests.support.http_server_fixture import serve

type Responder = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_SECONDS = 20
"""The maximum duration of a test whose request hangs."""


def replying(status: int, content: object, **headers: str) -> Responder:
    """Return ``content``, which is bytes, or a value that becomes JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()

    async def respond(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return respond


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


async def hanging(_: web.Request) -> web.StreamResponse:
    """Return no response."""
    await asyncio.Event().wait()
    return web.Response()


class PayNearMeServer:
    """Apply each responder to one request, and the last one to all further requests."""

    def __init__(self, *responders: Responder) -> None:
        self._responders = list(responders)
        self.request_received = threading.Event()
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.received: list[dict[str, Any]] = []
        self.peer_names: set[object] = set()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        self.headers.append(dict(request.headers))
        self.received.append(await request.json())
        if request.transport is not None:
            self.peer_names.add(request.transport.get_extra_info("peername"))
        self.request_received.set()
        responder = self._responders.pop(0) if len(self._responders) > 1 else self._responders[0]
        return await responder(request)

    def runner(self) -> web.AppRunner:
        """Return the runner of the HTTP server."""
        application = web.Application()
        application.router.add_post("/json-api/{operation}", self._handle)
        # Not 0, which aiohttp interprets as no limit.
        return web.AppRunner(application, access_log=None, shutdown_timeout=0.01)

    def call_with_client[T](self, function: Callable[[PayNearMeClient], T], tokens: StubTokens | None = None) -> T:
        """Start the server, and return the result of ``function`` with a client of it."""
        return self.call_with_pool(lambda http, url: function(new_client(http, tokens, url)))

    def call_with_pool[T](self, function: Callable[[PoolManager, str], T]) -> T:
        """Start the server, and return the result of ``function`` with connections and the server's URL."""

        async def run() -> T:
            async with asyncio.timeout(MAX_SECONDS), serve(self.runner()) as url:
                with PoolManager() as http:
                    return await asyncio.to_thread(function, http, url)

        return asyncio.run(run())


def refused_port() -> socket.socket:
    """Return a bound socket that does not listen, so that the port refuses connections."""
    unbound_socket = socket.socket()
    unbound_socket.bind(("127.0.0.1", 0))
    return unbound_socket


def short_deadline() -> Deadline:
    """Return a deadline that ends before ``MAX_SECONDS``."""
    return Deadline.after(MAX_SECONDS / 2)
