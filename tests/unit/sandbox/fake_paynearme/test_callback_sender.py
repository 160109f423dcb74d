import asyncio
import json
from collections.abc import Callable

import pytest
from aiohttp import web

from paynearme.handlers.callback_response import callback_response
from paynearme.platform.http_request import from_body
from paynearme.protocol.callbacks import ConfirmationResponse
from paynearme.protocol.signing import verify
from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages
from sandbox.fake_paynearme.callback_sender import CallbackSender, Kind
from sandbox.fake_paynearme.messages import Transport
from sandbox.stack.sites import XML_SITE, new_sites
from tests.support.http_server_fixture import SOCKET_MARKS, serve

pytestmark = SOCKET_MARKS

SITES = new_sites()["sites"]
CASH = sample_messages.load("authorization")["cash"]
SITE = CASH["site_identifier"]
ORDER = CASH["pnm_order_identifier"]
CONFIRMATION = ConfirmationResponse(pnm_order_identifier=ORDER)
ACKNOWLEDGEMENT: str = callback_response(CONFIRMATION, "3.0", "json")["body"]
XML: str = callback_response(CONFIRMATION, "3.0", "xml")["body"]


def response(kind: str = "authorization", element: str | None = None, **fields: str) -> str:
    content = {"version": "3.0", element or kind: {"pnm_order_identifier": ORDER, **fields}}
    return json.dumps({f"payment_{kind}_response": content})


class MerchantStub:
    """Return the responses in order, and then the last one forever. Record the received requests."""

    def __init__(self, *responses: tuple[int, str]) -> None:
        self.responses = list(responses)
        self.received: list[tuple[str, str, str | None, str]] = []

    async def _handle(self, request: web.Request) -> web.Response:
        body = (await request.text()) or request.rel_url.raw_query_string
        self.received.append((request.method, request.path, request.headers.get("Content-Type"), body))
        status, text = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        return web.Response(status=status, text=text)

    def call[T](self, function: Callable[[CallbackSender], T]) -> T:
        """Return the result of ``function``. Its argument is a sender of callbacks to the merchant."""

        async def run() -> T:
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", self._handle)
            async with serve(web.AppRunner(application, access_log=None)) as url:
                return await asyncio.to_thread(function, CallbackSender(url, SITES))

        return asyncio.run(run())


@pytest.mark.parametrize(
    ("kind", "transport", "method", "content_type"),
    [
        ("authorize", "query", "GET", None),
        ("confirm", "form", "POST", "application/x-www-form-urlencoded"),
        ("reverse", "json", "POST", "application/json"),
    ],
)
def test_callback_signed_with_site_key_in_each_transport(
    kind: Kind, transport: Transport, method: str, content_type: str | None
) -> None:
    message = sample_messages.load("authorization")["guaranteed_ach_saved"]
    merchant = MerchantStub((200, ""))

    merchant.call(lambda sender: sender.deliver(kind, message, transport))

    [(*transport_fields, text)] = merchant.received
    assert transport_fields == [method, f"/callbacks/{kind}", content_type]
    received = {name: value or "" for name, value in from_body({"body": text}).items()}
    sample = messages.stringify_parameters(message)
    assert {**received, "timestamp": sample["timestamp"]}.items() >= sample.items()
    verify(received, received["signature"], [SITES["S6404173951"]["secret"]])


@pytest.mark.parametrize(
    ("kind", "site", "text", "reason", "status"),
    [
        *(("confirm", SITE, ACKNOWLEDGEMENT, f"status {status}", status) for status in (201, 302, 500)),
        ("confirm", SITE, ACKNOWLEDGEMENT, None, 200),
        ("confirm", SITE, XML, "not JSON", 200),
        ("confirm", SITE, response(accept_payment="yes"), "another envelope", 200),
        ("confirm", SITE, ACKNOWLEDGEMENT.replace("3.0", "2.0"), "another version", 200),
        ("confirm", SITE, ACKNOWLEDGEMENT.replace(ORDER, "1"), "another pnm_order_identifier", 200),
        ("confirm", XML_SITE, XML, None, 200),
        ("confirm", XML_SITE, ACKNOWLEDGEMENT, "not XML", 200),
        ("confirm", XML_SITE, XML.replace("v3_0", "v2_0"), "another envelope", 200),
        ("confirm", XML_SITE, XML.replace(ORDER, "1"), "another pnm_order_identifier", 200),
        ("authorize", SITE, response(accept_payment="no"), None, 200),
        ("authorize", SITE, response(accept_payment="maybe"), "accept_payment is neither yes nor no", 200),
        ("authorize", SITE, response(accept_payment="yes", receipt="x" * 3001), "the receipt is too long", 200),
        ("reverse", SITE, response("reverse", "reverse_payment"), None, 200),
        ("reverse", SITE, response("reversal"), "another envelope", 200),
    ],
)
def test_response_invalid_for_site_not_accepted(
    kind: Kind, site: str, text: str, reason: str | None, status: int
) -> None:
    message = {**CASH, "site_identifier": site}

    delivery = MerchantStub((status, text)).call(lambda sender: sender.deliver(kind, message, "json"))

    assert (delivery.status, delivery.reason) == (status, reason)
