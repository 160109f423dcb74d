"""Run the fault proxy in front of a stub of the emulator, with a client."""

import asyncio
import json
from collections.abc import Awaitable, Callable

from aiohttp import ClientSession, web

from sandbox.faults import fault_proxy
from tests.support.http_server_fixture import serve


class UpstreamStub:
    """A stub of the emulator. It records headers and bodies, and accepts all events."""

    def __init__(self) -> None:
        self.proxy_url = ""
        self.received: list[tuple[dict[str, str], bytes]] = []

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.received.append((dict(request.headers), body))
        if "PutEvents" in request.headers.get("X-Amz-Target", ""):
            entries = [{"EventId": entry["DetailType"]} for entry in json.loads(body)["Entries"]]
            return web.json_response({"FailedEntryCount": 0, "Entries": entries})
        return web.Response(body=b"{}")


def run_with_proxy[T](scenario: Callable[[ClientSession, UpstreamStub], Awaitable[T]]) -> T:
    """Run ``scenario`` with a new proxy and a new upstream."""

    async def run() -> T:
        upstream = UpstreamStub()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", upstream.handle)
        async with (
            # The timeout ends a test whose request hangs.
            asyncio.timeout(60),
            serve(web.AppRunner(application, access_log=None)) as upstream_url,
            serve(fault_proxy.runner(upstream_url)) as upstream.proxy_url,
            ClientSession(upstream.proxy_url) as session,
        ):
            return await scenario(session, upstream)

    return asyncio.run(run())


async def set_fault(session: ClientSession, **fault: object) -> None:
    async with session.post("/-/control/fault", json=fault) as response:
        assert response.status == 204
