import asyncio
from collections.abc import Callable

import pytest
from aiohttp import web

from sandbox.clients.backend_client import BackendClient, Response
from tests.support.http_server_fixture import serve

pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]


def call_backend(call: Callable[[BackendClient], Response]) -> tuple[Response, list[str | None]]:
    """Return the response of a server with the path ``/dev``, and the parts of the received request."""
    received: list[str | None] = []

    async def handle(request: web.Request) -> web.Response:
        names = ("Content-Type", "Authorization")
        received.extend((request.method, request.raw_path, *map(request.headers.get, names), await request.text()))
        return web.json_response({"a": 1}, status=202)

    async def scenario() -> Response:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handle)
        async with serve(web.AppRunner(application, access_log=None)) as url:
            backend = BackendClient(f"{url}/dev", "us-east-1", "AKIDEXAMPLE", "secret")
            return await asyncio.to_thread(call, backend)

    return asyncio.run(scenario()), received


def test_backend_client_url_sent_with_given_encoding() -> None:
    response, (method, target, content_type, _, body) = call_backend(
        lambda backend: backend.get("/customers/S1/a%40b%20c%252F", test="a b")
    )

    assert (response.status, response.content) == (202, {"a": 1})
    assert (method, target) == ("GET", "/dev/customers/S1/a%40b%20c%252F?test=a+b")
    assert (content_type, body) == (None, "")


def test_backend_client_request_signed_for_api_of_region() -> None:
    _, (*_, content_type, authorization, body) = call_backend(lambda backend: backend.put("/x", {"a": 1}))

    assert (content_type, body) == ("application/json", '{"a": 1}')
    assert authorization is not None
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/us-east-1/execute-api/aws4_request" in authorization
