import asyncio
import gzip
from io import BytesIO
from typing import Any

import aiohttp
import pytest
import urllib3
from aiohttp import ClientSession, web
from yarl import URL

from sandbox.faults import fault_proxy
from tests.support.fault_proxy_driver import UPDATE, UpstreamStub, call_proxy, run_with_proxy
from tests.support.http_server_fixture import serve

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]


def test_a_request_is_forwarded_as_it_was_spelled_with_all_its_headers() -> None:
    body = gzip.compress(b"{}")
    headers = {
        "Host": "dynamodb.us-east-1.amazonaws.com",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20261120/us-east-1/dynamodb/aws4_request",
        "X-Amz-Target": UPDATE,
        "X-Amz-Security-Token": "t",
        "Content-Type": "application/x-amz-json-1.0",
        "Content-Encoding": "gzip",
        "User-Agent": "Boto3",
        "Cookie": "a=b",
    }
    path = "/a%2fb//%7Ec%20d?x=1&x=%2b&y="

    async def scenario(session: ClientSession, upstream: UpstreamStub) -> list[Any]:
        url = URL(f"{upstream.proxy_url}{path}", encoded=True)
        async with session.put(url, data=body, headers=headers, skip_auto_headers=["Accept"]) as response:
            assert response.status == 200
        return upstream.received

    [(method, raw_path, received, content)] = run_with_proxy(scenario)

    assert (method, raw_path, content) == ("PUT", path, body)
    expected_headers = {**headers, "Content-Length": str(len(body)), "Accept-Encoding": "gzip, deflate"}
    assert {name: value for name, value in received if name not in ("Connection", "Accept-Encoding")} == {
        name: value for name, value in expected_headers.items() if name != "Accept-Encoding"
    }


def test_headers_for_one_connection_only_are_not_forwarded() -> None:
    headers = {"Connection": "keep-alive, X-Hop", "X-Hop": "1", "TE": "trailers", "X-End": "1"}

    async def scenario(session: ClientSession, upstream: UpstreamStub) -> list[Any]:
        await session.get("/", headers=headers)
        return upstream.received

    [(_, _, received, _)] = run_with_proxy(scenario)

    names = {name.lower() for name, _ in received}
    assert "x-end" in names
    assert not names & {"x-hop", "te"}


def test_an_answer_comes_back_unchanged() -> None:
    body = gzip.compress(b"gone")

    async def scenario(session: ClientSession, upstream: UpstreamStub) -> tuple[int, str | None, Any, bytes]:
        headers = [
            ("Content-Encoding", "gzip"),
            ("X-Amzn-RequestId", "r"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
        ]
        upstream.respond = lambda: web.Response(status=307, reason="Elsewhere", headers=headers, body=body)
        async with session.get("/", allow_redirects=False) as response:
            return response.status, response.reason, response.headers.copy(), await response.read()

    status, reason, headers, content = run_with_proxy(scenario)

    assert (status, reason, content) == (307, "Elsewhere", body)
    assert (headers["Content-Encoding"], headers["X-Amzn-RequestId"]) == ("gzip", "r")
    assert headers.getall("Set-Cookie") == ["a=1", "b=2"]


def test_the_length_of_what_a_head_request_asks_for_comes_back() -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> str:
        upstream.respond = lambda: web.Response(headers={"Content-Length": "42"})
        async with session.head("/") as response:
            return response.headers["Content-Length"]

    assert run_with_proxy(scenario) == "42"


def test_a_body_of_megabytes_passes_both_ways() -> None:
    body = b"x" * 3_000_000

    async def scenario(session: ClientSession, upstream: UpstreamStub) -> tuple[bytes, bytes]:
        upstream.respond = lambda: web.Response(body=body)
        async with session.put("/", data=BytesIO(body)) as response:
            return upstream.received[0][-1], await response.read()

    assert run_with_proxy(scenario) == (body, body)


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_a_request_whose_answer_the_upstream_loses_is_sent_once_and_aborted(method: str) -> None:
    def request(url: str) -> None:
        # Not by aiohttp's client, because it retries a GET and a PUT.
        with urllib3.PoolManager(retries=False) as http, pytest.raises(urllib3.exceptions.ProtocolError):
            http.request(method, url, headers={"X-Abort": "1"})

    async def scenario(session: ClientSession, upstream: UpstreamStub) -> int:
        await asyncio.to_thread(request, upstream.proxy_url)
        return len(upstream.received)

    assert run_with_proxy(scenario) == 1


def test_an_upstream_that_is_not_there_means_an_aborted_connection() -> None:
    async def scenario() -> object:
        upstream = UpstreamStub()
        async with serve(upstream.runner()) as upstream_url:
            pass
        async with serve(fault_proxy.runner(upstream_url)) as url, ClientSession(url) as session:
            return await call_proxy(session)

    result = asyncio.run(scenario())

    assert isinstance(result, type)
    assert issubclass(result, aiohttp.ClientError)
