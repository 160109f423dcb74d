"""Run the fault proxy in front of a stub of the emulator, with a client."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp import ClientSession, web

from sandbox.faults import fault_proxy
from tests.support.http_server_fixture import serve

UPDATE = "DynamoDB_20120810.UpdateItem"
GET_SECRET = "secretsmanager.GetSecretValue"
MAX_SECONDS = 20
"""The maximum duration of a test whose request hangs."""


class UpstreamStub:
    """A stub of the emulator. It records requests, and returns ``respond()`` or, with ``X-Abort``, no response."""

    def __init__(self) -> None:
        self.proxy_url = ""
        self.received: list[tuple[str, str, list[tuple[str, str]], bytes]] = []
        self.respond: Callable[[], web.Response] = lambda: web.Response(body=b"{}")

    async def handle(self, request: web.Request) -> web.Response:
        headers = [(name, value) for name, value in request.headers.items()]
        self.received.append((request.method, request.raw_path, headers, await request.read()))
        if request.headers.get("X-Abort"):
            return fault_proxy.abort_connection(request)
        return self.respond()

    def runner(self) -> web.AppRunner:
        application = web.Application(client_max_size=4_000_000)
        application.router.add_route("*", "/{path:.*}", self.handle)
        return web.AppRunner(application, auto_decompress=False, access_log=None)


def run_with_proxy[T](scenario: Callable[[ClientSession, UpstreamStub], Awaitable[T]]) -> T:
    """Run ``scenario`` with a new proxy and a new upstream."""

    async def run() -> T:
        upstream = UpstreamStub()
        async with (
            asyncio.timeout(MAX_SECONDS),
            serve(upstream.runner()) as upstream_url,
            serve(fault_proxy.runner(upstream_url)) as upstream.proxy_url,
            ClientSession(upstream.proxy_url, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()) as session,
        ):
            return await scenario(session, upstream)

    return asyncio.run(run())


async def set_fault(session: ClientSession, **fault: object) -> None:
    async with session.post("/-/control/fault", json=fault) as response:
        assert response.status == 204


async def call_proxy(
    session: ClientSession, target: str = UPDATE, body: bytes = b"{}"
) -> tuple[int, bytes] | type[Exception]:
    """Return status and body of the response, or the type of the error."""
    try:
        async with session.post("/", data=body, headers={"X-Amz-Target": target}) as response:
            return response.status, await response.read()
    except aiohttp.ClientError as error:
        return type(error)
