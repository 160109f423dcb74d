import asyncio
import gzip
from io import BytesIO
from typing import Any

import aiohttp
import pytest
import urllib3
from aiohttp import ClientSession, web
from yarl import URL

from local import faults
from tests.unit.faulty_endpoint import UPDATE, Upstream, call, proxied
from tests.unit.listening import listening

# The fixture beside the mark, because it is set up after the one that refuses sockets.
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

    async def talk(session: ClientSession, upstream: Upstream) -> list[Any]:
        url = URL(f"{upstream.proxy_url}{path}", encoded=True)
        async with session.put(url, data=body, headers=headers, skip_auto_headers=["Accept"]) as answer:
            assert answer.status == 200
        return upstream.received

    [(method, raw_path, received, content)] = proxied(talk)

    assert (method, raw_path, content) == ("PUT", path, body)
    sent = {**headers, "Content-Length": str(len(body)), "Accept-Encoding": "gzip, deflate"}
    assert {name: value for name, value in received if name not in ("Connection", "Accept-Encoding")} == {
        name: value for name, value in sent.items() if name != "Accept-Encoding"
    }


def test_headers_for_one_connection_only_are_not_forwarded() -> None:
    headers = {"Connection": "keep-alive, X-Mine", "X-Mine": "1", "TE": "trailers", "X-Kept": "1"}

    async def talk(session: ClientSession, upstream: Upstream) -> list[Any]:
        await session.get("/", headers=headers)
        return upstream.received

    [(_, _, received, _)] = proxied(talk)

    names = {name.lower() for name, _ in received}
    assert "x-kept" in names
    assert not names & {"x-mine", "te"}


def test_an_answer_comes_back_unchanged() -> None:
    body = gzip.compress(b"gone")

    async def talk(session: ClientSession, upstream: Upstream) -> tuple[int, str | None, Any, bytes]:
        headers = [
            ("Content-Encoding", "gzip"),
            ("X-Amzn-RequestId", "r"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
        ]
        upstream.answer = lambda: web.Response(status=307, reason="Elsewhere", headers=headers, body=body)
        async with session.get("/", allow_redirects=False) as answer:
            return answer.status, answer.reason, answer.headers.copy(), await answer.read()

    status, reason, headers, content = proxied(talk)

    assert (status, reason, content) == (307, "Elsewhere", body)
    assert (headers["Content-Encoding"], headers["X-Amzn-RequestId"]) == ("gzip", "r")
    assert headers.getall("Set-Cookie") == ["a=1", "b=2"]


def test_the_length_of_what_a_head_request_asks_for_comes_back() -> None:
    async def talk(session: ClientSession, upstream: Upstream) -> str:
        upstream.answer = lambda: web.Response(headers={"Content-Length": "42"})
        async with session.head("/") as answer:
            return answer.headers["Content-Length"]

    assert proxied(talk) == "42"


def test_a_body_of_megabytes_passes_both_ways() -> None:
    body = b"x" * 3_000_000

    async def talk(session: ClientSession, upstream: Upstream) -> tuple[bytes, bytes]:
        upstream.answer = lambda: web.Response(body=body)
        async with session.put("/", data=BytesIO(body)) as answer:
            return upstream.received[0][-1], await answer.read()

    assert proxied(talk) == (body, body)


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_a_request_whose_answer_the_upstream_loses_is_sent_once_and_aborted(method: str) -> None:
    def request(url: str) -> None:
        # Not with aiohttp's client, which would repeat a GET and a PUT by itself.
        with urllib3.PoolManager(retries=False) as http, pytest.raises(urllib3.exceptions.ProtocolError):
            http.request(method, url, headers={"X-Break": "1"})

    async def talk(session: ClientSession, upstream: Upstream) -> int:
        await asyncio.to_thread(request, upstream.proxy_url)
        return len(upstream.received)

    assert proxied(talk) == 1


def test_an_upstream_that_is_not_there_means_an_aborted_connection() -> None:
    async def scenario() -> object:
        upstream = Upstream()
        async with listening(upstream.runner()) as behind:
            pass
        async with listening(faults.runner(behind)) as url, ClientSession(url) as session:
            return await call(session)

    result = asyncio.run(scenario())

    assert isinstance(result, type)
    assert issubclass(result, aiohttp.ClientError)
