"""A stub of PayNearMe that listens on a port, returns given responses, and records the requests."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from ssl import SSLContext
from threading import Event
from typing import Any

from aiohttp import web
from urllib3 import PoolManager

from paynearme.platform.deadline import Deadline
from tests.support.http_server_fixture import serve

type Responder = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_SECONDS = 30
"""The maximum duration of a test whose request hangs."""


def replying(status: int, content: object, **headers: str) -> Responder:
    """Return ``content``, which is bytes, or a value that becomes JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()

    async def respond(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return respond


class PayNearMeServer:
    """Apply each responder to one request, and the last one to all further requests."""

    def __init__(self, *responders: Responder) -> None:
        self._responders = list(responders)
        self.request_received = Event()
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

    def call[T](self, function: Callable[[PoolManager, str], T], tls: SSLContext | None = None) -> T:
        """Start the server, and return the result of ``function`` with connections and the server's URL."""
        application = web.Application()
        application.router.add_post("/json-api/{operation}", self._handle)
        # Not 0, which aiohttp interprets as no limit.
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.01)

        async def run() -> T:
            async with asyncio.timeout(MAX_SECONDS), serve(runner, tls) as url:
                try:
                    with PoolManager() as http:
                        return await asyncio.to_thread(function, http, url)
                finally:
                    # Accept the connections that the client opened and closed, so that the end closes them.
                    for _ in range(10):
                        await asyncio.sleep(0)

        return asyncio.run(run())


@dataclass(frozen=True)
class EventDeadline(Deadline):
    """A deadline that passes when ``event`` is set, independent of time. ``attempts`` contains the running attempts."""

    ends_at: float = MAX_SECONDS
    clock: Callable[[], float] = float
    event: Event = field(default_factory=Event)
    attempts: list[Future[Any]] = field(default_factory=list)

    def run[T](self, function: Callable[[], T]) -> T:
        """Start ``function``. Raise ``TimeoutError`` after the event."""
        executor = ThreadPoolExecutor(1)
        self.attempts.append(executor.submit(function))
        executor.shutdown(wait=False)
        assert self.event.wait(MAX_SECONDS)
        raise TimeoutError
