"""The faulty endpoint before an upstream that stands in for the emulator, and its client."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp import ClientSession, web

from local import faults
from tests.unit.listening import listening

UPDATE = "DynamoDB_20120810.UpdateItem"
READ = "secretsmanager.GetSecretValue"
LONGEST_SECONDS = 20
"""So that a test whose subject hangs fails."""


class Upstream:
    """Stands in for the emulator: keeps what it receives; answers as it is set to, or breaks."""

    def __init__(self) -> None:
        self.proxy_url = ""
        self.received: list[tuple[str, str, list[tuple[str, str]], bytes]] = []
        self.breaks = False
        self.answer: Callable[[], web.Response] = lambda: web.Response(body=b"{}")

    async def handle(self, request: web.Request) -> web.Response:
        headers = [(name, value) for name, value in request.headers.items()]
        self.received.append((request.method, request.raw_path, headers, await request.read()))
        if self.breaks or request.headers.get("X-Break"):
            return faults.abort_connection(request)
        return self.answer()

    def runner(self) -> web.AppRunner:
        application = web.Application(client_max_size=4_000_000)
        application.router.add_route("*", "/{path:.*}", self.handle)
        return web.AppRunner(application, auto_decompress=False, access_log=None)


def proxied[T](talk: Callable[[ClientSession, Upstream], Awaitable[T]]) -> T:
    """Let ``talk`` talk to a new proxy before a new upstream."""

    async def scenario() -> T:
        upstream = Upstream()
        async with (
            asyncio.timeout(LONGEST_SECONDS),
            listening(upstream.runner()) as behind,
            listening(faults.runner(behind)) as upstream.proxy_url,
            ClientSession(
                upstream.proxy_url, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            ) as session,
        ):
            return await talk(session, upstream)

    return asyncio.run(scenario())


async def set_fault(session: ClientSession, **fault: object) -> None:
    async with session.post("/-/control/fault", json=fault) as answer:
        assert answer.status == 204


async def call(
    session: ClientSession, target: str = UPDATE, body: bytes = b"{}"
) -> tuple[int, bytes] | type[Exception]:
    """Return what comes of one call: status and body, or the error's type."""
    try:
        async with session.post("/", data=body, headers={"X-Amz-Target": target}) as answer:
            return answer.status, await answer.read()
    except aiohttp.ClientError as error:
        return type(error)
