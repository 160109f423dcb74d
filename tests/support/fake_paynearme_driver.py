"""Run the fake PayNearMe on a port, with a client and with a merchant that receives its callbacks."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import ClientSession, web

from sandbox.fake_paynearme import api, messages
from sandbox.stack.sites import new_sites
from tests.support.fake_clock import Clock
from tests.support.http_server_fixture import serve

NOW = 1800000000
SITES = new_sites()["sites"]
SITE = "S6404173951"
CUSTOMER = "184120000"
ORDER = "84274665124"
CHECKING = {
    "site_identifier": SITE,
    "site_customer_identifier": CUSTOMER,
    "description": "Demo Checking Account",
    "number": "6576",
    "payment_method_identifier": "23b9e4ba13242",
}
PAYMENT = {
    "site_identifier": SITE,
    "payment_method_identifier": "23b9e4ba13242",
    "payment_amount": "1000",
    "payment_currency": "USD",
    "site_channel": "consumer",
    "pnm_order_identifier": ORDER,
}


def signed(message: Mapping[str, Any], **changes: str | bool | None) -> dict[str, str]:
    """Return the message with ``changes``, signed by its site at ``NOW``."""
    identifier = str(changes.get("site_identifier") or message["site_identifier"])
    site = SITES.get(identifier, {"secret": "unknown", "version": "3.0"})
    return messages.signed(message, site.get("api_secret") or site["secret"], site["version"], NOW, **changes)


class FakePayNearMeDriver:
    """A client of the fake PayNearMe."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session

    async def call(self, operation: str, message: Mapping[str, Any], **changes: str | None) -> Any:
        """Return the content of the response to a signed request."""
        return (await self.send(operation, signed(message, **changes)))[1]

    async def send(self, operation: str, body: object, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """Return status and content of the response to an unchanged request."""
        async with self.session.post(f"/json-api/{operation}", json=body, headers=headers) as response:
            return response.status, await response.json()

    async def command(self, path: str, body: object = None) -> Any:
        """Return the content of a control endpoint's response, or its status without content."""
        async with self.session.post(f"/control/{path}", json=body) as response:
            return await response.json() if response.content_type == "application/json" else response.status

    async def get(self, path: str) -> Any:
        """Return the content of a control endpoint."""
        async with self.session.get(f"/control/{path}") as response:
            return await response.json()


def run_with_fake[T](scenario: Callable[[FakePayNearMeDriver], Awaitable[T]]) -> T:
    """Run ``scenario`` with a new fake PayNearMe. Its clock does not advance."""

    async def run() -> T:
        runner = api.runner(SITES, Clock(NOW))
        # The timeout ends a test whose request hangs.
        async with asyncio.timeout(60), serve(runner) as url, ClientSession(url) as session:
            return await scenario(FakePayNearMeDriver(session))

    return asyncio.run(run())


class AuthorizingMerchantStub:
    """A merchant that responds to authorizations with ``decision``, and rejects the first ``rejections`` confirmations.

    ``decision`` is ``yes``, ``no``, or the text of an invalid response. An authorization waits for ``may_respond``.
    ``received`` contains the kind and the message of each callback.
    """

    def __init__(self, decision: str = "yes", rejections: int = 0, site_payment_identifier: str | None = None) -> None:
        self.decision = decision
        self.rejections = rejections
        self.site_payment_identifier = site_payment_identifier
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.may_respond = asyncio.Event()
        self.may_respond.set()

    def messages_of(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of one kind."""
        return [message for name, message in self.received if name == kind]

    async def _handle(self, request: web.Request) -> web.Response:
        kind, message = request.match_info["kind"], await request.json()
        self.received.append((kind, message))
        fields = {"pnm_order_identifier": message["pnm_order_identifier"]}
        element = "confirmation"
        if kind == "authorize":
            await self.may_respond.wait()
            if self.decision not in ("yes", "no"):
                return web.Response(text=self.decision)
            element, fields["accept_payment"] = "authorization", self.decision
            if self.site_payment_identifier:
                fields["site_payment_identifier"] = self.site_payment_identifier
        elif len(self.messages_of("confirm")) <= self.rejections:
            return web.Response(status=500)
        return web.json_response({f"payment_{element}_response": {"version": "3.0", element: fields}})

    def runner(self) -> web.AppRunner:
        """Return the runner of the HTTP server."""
        application = web.Application()
        application.router.add_post("/callbacks/{kind}", self._handle)
        return web.AppRunner(application, access_log=None, shutdown_timeout=0.01)


def run_with_merchant[T](
    merchant: AuthorizingMerchantStub, scenario: Callable[[FakePayNearMeDriver], Awaitable[T]], **settings: float | bool
) -> T:
    """Run ``scenario`` with a fake PayNearMe that sends callbacks to ``merchant`` and has the method ``CHECKING``."""

    async def run(fake: FakePayNearMeDriver) -> T:
        async with serve(merchant.runner()) as url:
            assert await fake.command("callbacks", {"url": url, "retry_interval": 0, **settings}) == 204
            await fake.command("methods", CHECKING)
            result = await scenario(fake)
            # A stopping server would wait for a new connection.
            await fake.command("settled")
            return result

    return run_with_fake(run)
