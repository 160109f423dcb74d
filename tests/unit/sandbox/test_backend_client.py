import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from aiohttp import web

from sandbox.clients.backend_client import BackendClient, Response
from tests.support.http_server_fixture import serve


@dataclass(frozen=True)
class ReceivedRequest:
    """A received request. ``target`` is the path with the query, percent-encoded."""

    method: str
    target: str
    body: str
    content_type: str | None
    authorization: str


def call_backend(
    call: Callable[[BackendClient], Response], response: str = '{"a": 1}'
) -> tuple[Response, ReceivedRequest]:
    """Return the response of a server with the path ``/dev`` to ``call``, and the received request."""
    received: list[ReceivedRequest] = []

    async def handle(request: web.Request) -> web.Response:
        headers = request.headers
        received.append(
            ReceivedRequest(
                request.method,
                request.raw_path,
                await request.text(),
                headers.get("Content-Type"),
                headers["Authorization"],
            )
        )
        return web.Response(status=202, text=response, content_type="application/json")

    async def scenario() -> Response:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handle)
        async with serve(web.AppRunner(application, access_log=None)) as url:
            backend = BackendClient(f"{url}/dev", "us-east-1", "AKIDEXAMPLE", "secret")
            return await asyncio.to_thread(call, backend)

    result = asyncio.run(scenario())
    [request] = received
    return result, request


pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]


def test_a_get_has_its_query_and_no_body() -> None:
    result, request = call_backend(lambda backend: backend.get("/payments/S1/2", test="true"))

    assert (result.status, result.content) == (202, {"a": 1})
    assert (request.method, request.target) == ("GET", "/dev/payments/S1/2?test=true")
    assert (request.body, request.content_type) == ("", None)


def test_a_put_has_its_content_as_json() -> None:
    result, request = call_backend(lambda backend: backend.put("/orders/S1/2", {"status": "closed"}))

    assert result.status == 202
    assert (request.method, request.target) == ("PUT", "/dev/orders/S1/2")
    assert (request.body, request.content_type) == ('{"status": "closed"}', "application/json")


def test_a_post_has_its_text_as_it_is() -> None:
    _, request = call_backend(lambda backend: backend.post_text("/smart-tokens", "{"))

    assert (request.method, request.target, request.body) == ("POST", "/dev/smart-tokens", "{")


def test_an_address_is_sent_as_it_is_encoded() -> None:
    _, request = call_backend(lambda backend: backend.get("/customers/S1/a%40b%20c%252F", test="a b"))

    assert request.target == "/dev/customers/S1/a%40b%20c%252F?test=a+b"


@pytest.mark.parametrize("method", ["get", "put", "post"])
def test_each_call_is_signed_for_the_api_of_the_region(method: str) -> None:
    _, request = call_backend(
        lambda backend: backend.get("/x") if method == "get" else getattr(backend, method)("/x", {})
    )

    assert request.authorization.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/us-east-1/execute-api/aws4_request" in request.authorization


def test_an_answer_that_is_no_json_has_no_content() -> None:
    result, _ = call_backend(lambda backend: backend.get("/x"), response="<html>")

    assert (result.status, result.content) == (202, None)
