"""A faulty endpoint: a reverse proxy between the functions and the AWS emulator that fails when told to.

It forwards every request unchanged, all headers included, because the emulator checks signatures over
them; one of which it lets a part through is signed anew. It counts what it receives, and repeats nothing
by itself. What was forwarded happens, whether or not the client still waits for the answer. Control is
under ``/-/control``, a path that no AWS service has:

- ``POST /-/control/fault`` with a ``Fault`` as JSON replaces the service's fault about the same text;
- ``GET /-/control/injections`` returns how often each fault in force struck, by the text that it is about
  (empty without one) under its service;
- ``GET /-/control/counts`` returns the requests received per operation, named as in ``X-Amz-Target``
  (``DynamoDB_20120810.UpdateItem``, ``AppConfigData.GetLatestConfiguration``); ``DELETE`` forgets them;
- ``POST /-/control/reset`` takes away faults and counts, and lets go what hangs.
"""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from io import BytesIO

from aiohttp import (
    ClientError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
    web,
)
from multidict import CIMultiDict
from pydantic import ValidationError
from yarl import URL

from sandbox.faults.aws_services import CONTENT_TYPES, operation_of, server_error_for, throttling_error_for
from sandbox.faults.fault_selection import Fault, Faults
from sandbox.faults.partial_put_events import re_sign, split_batch

GRACE_SECONDS = 0.25
"""How long a server that stops waits for its last answers; what hangs is let go before."""

_CONTROL = "/-/control"
_MAX_BYTES = 256 * 1024 * 1024
_HOP_BY_HOP = {
    "connection",
    # Answered here already, before the body was read.
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
_ADDED_BY_AIOHTTP = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class _UpstreamGoneError(ClientError):
    """The upstream broke the connection."""


async def _send_once(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    # aiohttp repeats a GET or a PUT after these two errors, and only after these two.
    try:
        return await send(request)
    except (ClientOSError, ServerDisconnectedError) as error:
        raise _UpstreamGoneError from error


def abort_connection(request: web.BaseRequest) -> web.Response:
    """Reset the TCP connection of ``request``; return what a handler returns when nobody listens."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        # Without lingering, closing sends a reset, not an orderly end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


class FaultProxy:
    """The proxy's state and its handlers. All of it lives in one event loop."""

    def __init__(self, upstream: str) -> None:
        """Take the emulator's address, without a path."""
        self._upstream = upstream.rstrip("/")
        self._counts: Counter[str] = Counter()
        self._faults = Faults()
        self._entry_count = 0
        self._release = asyncio.Event()
        self._session: ClientSession

    def application(self) -> web.Application:
        """Return the web application, to be run once."""
        application = web.Application(client_max_size=_MAX_BYTES)
        application.router.add_post(f"{_CONTROL}/fault", self._set_fault)
        application.router.add_get(f"{_CONTROL}/counts", self._get_counts)
        application.router.add_get(f"{_CONTROL}/injections", self._get_injections)
        application.router.add_delete(f"{_CONTROL}/counts", self._delete_counts)
        application.router.add_post(f"{_CONTROL}/reset", self._reset)
        application.router.add_route("*", "/{path:.*}", self._handle)
        application.cleanup_ctx.append(self._open_session)
        application.on_shutdown.append(self._release_waiters)
        return application

    async def _open_session(self, application: web.Application) -> AsyncIterator[None]:
        # A connection of its own for each request: none can have gone stale.
        async with ClientSession(
            connector=TCPConnector(limit=0, force_close=True),
            cookie_jar=DummyCookieJar(),
            skip_auto_headers=_ADDED_BY_AIOHTTP,
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
            middlewares=(_send_once,),
        ) as self._session:
            yield

    async def _release_waiters(self, application: web.Application) -> None:
        self._release.set()

    async def _set_fault(self, request: web.Request) -> web.Response:
        try:
            fault = Fault.model_validate_json(await request.read())
        except ValidationError as error:
            return web.Response(status=400, text=error.json(), content_type="application/json")
        self._faults.put(fault)
        self._entry_count = 0
        return web.Response(status=204)

    async def _get_counts(self, request: web.Request) -> web.Response:
        return web.json_response(self._counts)

    async def _get_injections(self, request: web.Request) -> web.Response:
        return web.json_response(self._faults.injection_counts())

    async def _delete_counts(self, request: web.Request) -> web.Response:
        self._counts.clear()
        return web.Response(status=204)

    async def _reset(self, request: web.Request) -> web.Response:
        self._counts.clear()
        self._faults.clear()
        self._release.set()
        self._release = asyncio.Event()
        return web.Response(status=204)

    async def _handle(self, request: web.Request) -> web.Response:
        # Read first: a connection that is cut while bytes are under way would look like another fault.
        body = await request.read()
        operation = operation_of(request)
        self._counts[operation] += 1
        fault = self._faults.next_fault(operation, body)
        match fault:
            case None:
                return await self._forward(request, body)
            case Fault(mode="slow"):
                response = await self._forward(request, body)
                await self._wait(fault.seconds)
                return response
            case Fault(mode="lost"):
                await self._forward(request, body)
            case Fault(mode="partial"):
                return await self._forward_partially(request, body)
            case Fault(mode="throttle"):
                return throttling_error_for(fault.service)
            case Fault(mode="error500"):
                return server_error_for(fault.service)
            case Fault(mode="hang"):
                await self._wait(None)
        return abort_connection(request)

    async def _wait(self, seconds: float | None) -> None:
        """Wait for ``seconds``, None for ever, or until everything is let go."""
        try:
            async with asyncio.timeout(seconds):
                await self._release.wait()
        except TimeoutError:
            return

    async def _forward_partially(self, request: web.Request, body: bytes) -> web.Response:
        batch = split_batch(body, self._entry_count)
        self._entry_count += len(batch.fail)
        response_body: bytes | None = None
        if batch.body:
            response = await self._forward(request, batch.body, re_sign(request, batch.body))
            if response.status != HTTPStatus.OK or not isinstance(response.body, bytes):
                return response
            response_body = response.body
        return web.Response(body=batch.merge(response_body), content_type=CONTENT_TYPES["events"])

    async def _forward(
        self, request: web.Request, body: bytes, headers: Mapping[str, str] | None = None
    ) -> web.Response:
        """Send on ``request`` with ``body``, and with ``headers`` in place of its own; return the answer."""
        # As it was spelled: the signature covers the path and the query.
        url = URL(self._upstream + request.raw_path, encoded=True)
        headers = _end_to_end(headers or request.headers)
        content = BytesIO(body) if body else None
        try:
            async with self._session.request(
                request.method, url, headers=headers, data=content, allow_redirects=False
            ) as response:
                return web.Response(
                    status=response.status,
                    reason=response.reason,
                    headers=_end_to_end(response.headers),
                    body=await response.read(),
                )
        except ClientError:
            return abort_connection(request)


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return the headers without those that are for one connection only."""
    connection_headers = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP | connection_headers
    )


def runner(upstream: str) -> web.AppRunner:
    """Return the proxy before ``upstream``, ready to be set up and given an address to listen on."""
    # Bodies stay compressed, because their signatures cover them so; and nothing of them is logged.
    return web.AppRunner(
        FaultProxy(upstream).application(),
        auto_decompress=False,
        access_log=None,
        shutdown_timeout=GRACE_SECONDS,
    )
