"""The fault proxy: a reverse proxy between the functions and the AWS emulator that injects faults.

It forwards requests and headers unchanged, because the emulator verifies their signatures. Only a partial batch is
signed again. It counts requests and sends no retries. A forwarded request is processed even if the client closes the
connection. The control endpoints are below ``/-/control``, a path that no AWS service has:

- ``POST /-/control/fault`` with a ``Fault`` as JSON: replace the fault with the same service and ``body_contains``
- ``GET /-/control/injections``: the number of injections of each active fault, by service and ``body_contains`` (an
  empty text without one)
- ``GET /-/control/counts``: the number of requests by operation, as in ``X-Amz-Target``
  (``DynamoDB_20120810.UpdateItem``, ``AppConfigData.GetLatestConfiguration``). ``DELETE`` sets them to zero
- ``POST /-/control/reset``: remove faults and counts, and release the waiting requests
"""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
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

from sandbox.faults.aws_services import CONTENT_TYPES, error_response, operation_of
from sandbox.faults.fault_selection import Fault, Faults
from sandbox.faults.partial_put_events import re_sign, split_batch

_SHUTDOWN_SECONDS = 0.25
_CONTROL = "/-/control"
_MAX_BYTES = 256 * 1024 * 1024
_HOP_BY_HOP = {
    "connection",
    # aiohttp responds to this header before it reads the body.
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
    """The upstream closed the connection."""


async def _send_once(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    # aiohttp retries a GET or a PUT after these two errors only.
    try:
        return await send(request)
    except (ClientOSError, ServerDisconnectedError) as error:
        raise _UpstreamGoneError from error


def abort_connection(request: web.BaseRequest) -> web.Response:
    """Reset the TCP connection of ``request``, and return the response that aiohttp discards."""
    transport = request.transport
    if transport is not None:
        # Without lingering, the close sends a reset.
        option = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        transport.abort()
    return web.Response()


class FaultProxy:
    """The state and the handlers of the proxy. They belong to one event loop."""

    def __init__(self, upstream: str) -> None:
        """Create a proxy of ``upstream``, the emulator's URL without a path."""
        self._upstream = upstream.rstrip("/")
        self._counts: Counter[str] = Counter()
        self._faults = Faults()
        self._entry_count = 0
        self._release = asyncio.Event()
        self._session: ClientSession

    def application(self) -> web.Application:
        """Return the web application. It runs once."""
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
        # One connection for each request, so that no connection is stale.
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
        # First, because a connection that breaks during the upload is another fault for the client.
        body = await request.read()
        operation = operation_of(request)
        self._counts[operation] += 1
        match fault := self._faults.next_fault(operation, body):
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
            case Fault(mode="throttle" | "error500" as mode):
                return error_response(fault.service, mode)
            case Fault(mode="hang"):
                await self._wait(None)
        return abort_connection(request)

    async def _wait(self, seconds: float | None) -> None:
        """Wait for ``seconds`` (None: without a limit), or until the release."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._release.wait()

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
        """Forward ``request`` with ``body``, and return the response. ``headers`` replace the request's headers."""
        # Without a new encoding, because the signature covers the path and the query.
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
    """Return the headers without the hop-by-hop headers."""
    connection_headers = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP | connection_headers
    )


def runner(upstream: str) -> web.AppRunner:
    """Return the runner of a proxy of ``upstream``."""
    # Signatures cover the compressed bodies.
    return web.AppRunner(
        FaultProxy(upstream).application(), auto_decompress=False, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS
    )
