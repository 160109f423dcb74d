"""A stub of a merchant with given responses, and a sender of callbacks to it."""

import asyncio
from collections.abc import Callable, Mapping

from aiohttp import web

from paynearme.handlers.callback_response import callback_response
from paynearme.protocol.callbacks import ConfirmationResponse
from sandbox.clients import sample_messages
from sandbox.fake_paynearme.callback_sender import CallbackSender, Delivery, Kind
from sandbox.stack.sites import new_sites
from tests.support.http_server_fixture import serve

SITES = new_sites()["sites"]
CASH = sample_messages.load("authorization")["cash"]
ORDER = CASH["pnm_order_identifier"]
ACKNOWLEDGEMENT = callback_response(ConfirmationResponse(pnm_order_identifier=ORDER), "3.0", "json")["body"]


class MerchantStub:
    """Return the responses in order, and then the last one forever. Record the received requests."""

    def __init__(self, *responses: tuple[int, str]) -> None:
        self.responses = list(responses)
        self.received: list[tuple[str, str, str | None, str]] = []

    async def handle(self, request: web.Request) -> web.Response:
        body = (await request.text()) or request.rel_url.raw_query_string
        self.received.append((request.method, request.path, request.headers.get("Content-Type"), body))
        status, text = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        return web.Response(status=status, text=text, content_type="application/json")

    def runner(self) -> web.AppRunner:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.handle)
        return web.AppRunner(application, access_log=None)


def run_with_sender[T](merchant: MerchantStub, function: Callable[[CallbackSender], T]) -> T:
    """Return the result of ``function``. Its argument is a sender of callbacks to the merchant."""

    async def run() -> T:
        async with serve(merchant.runner()) as url:
            sender = CallbackSender(url, SITES)
            return await asyncio.to_thread(function, sender)

    return asyncio.run(run())


def validated(
    text: str, status: int = 200, kind: Kind = "confirm", message: Mapping[str, str | bool] = CASH
) -> Delivery:
    """Return the delivery with the response ``text``."""
    return run_with_sender(MerchantStub((status, text)), lambda sender: sender.deliver(kind, message, "json"))
