"""A PayNearMe that really listens, answers as it is told, and keeps what it received."""

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
"""So that a test whose subject hangs fails."""


def replying(status: int, content: object, **headers: str) -> Responder:
    """Answer with ``content``: bytes as they are, and all else as JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()

    async def respond(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return respond


async def truncating(request: web.Request) -> web.StreamResponse:
    """Say the half of a good answer, and then nothing any more."""
    response = web.StreamResponse(headers={"Content-Length": "100", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"status": "ok", ')
    abort_connection(request)
    return response


async def resetting(request: web.Request) -> web.StreamResponse:
    """Reset the connection in the place of an answer."""
    return abort_connection(request)


async def closing(request: web.Request) -> web.StreamResponse:
    """Close the connection in the place of an answer."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def hanging(_: web.Request) -> web.StreamResponse:
    """Answer nothing for as long as anybody waits."""
    await asyncio.Event().wait()
    return web.Response()


class PayNearMeServer:
    """Answers each call with the next of its answers, and with the last for ever."""

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
        """Return what listens for it."""
        application = web.Application()
        application.router.add_post("/json-api/{operation}", self._handle)
        # Nothing would end the wait for what hangs, because aiohttp takes 0 for no limit.
        return web.AppRunner(application, access_log=None, shutdown_timeout=0.01)

    def call_with_client[T](self, function: Callable[[PayNearMeClient], T], tokens: StubTokens | None = None) -> T:
        """Return what ``use`` returns, or raise what it raises; it is given a client of this PayNearMe."""
        return self.call_with_pool(lambda http, url: function(new_client(http, tokens, url)))

    def call_with_pool[T](self, function: Callable[[PoolManager, str], T]) -> T:
        """Return what ``use`` returns; it is given connections, and this PayNearMe's address."""

        async def run() -> T:
            async with asyncio.timeout(MAX_SECONDS), serve(self.runner()) as url:
                with PoolManager() as http:
                    return await asyncio.to_thread(function, http, url)

        return asyncio.run(run())


def refused_port() -> socket.socket:
    """Return a socket that has a port of 127.0.0.1 and does not listen: who connects to it is refused."""
    unbound_socket = socket.socket()
    unbound_socket.bind(("127.0.0.1", 0))
    return unbound_socket


def short_deadline() -> Deadline:
    """Return a deadline for what must not hang."""
    return Deadline.after(MAX_SECONDS / 2)
