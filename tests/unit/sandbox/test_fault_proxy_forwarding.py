import asyncio
import gzip
from typing import Any

import pytest
import urllib3
from aiohttp import ClientSession
from yarl import URL

from tests.support.fault_proxy_fixture import UPDATE, UpstreamStub, run_with_proxy

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]


def test_proxy_forwards_request_path_headers_and_body_unchanged() -> None:
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


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_proxy_lost_upstream_response_request_sent_once(method: str) -> None:
    def request(url: str) -> None:
        # Not by aiohttp's client, because it retries a GET and a PUT.
        with urllib3.PoolManager(retries=False) as http, pytest.raises(urllib3.exceptions.ProtocolError):
            http.request(method, url, headers={"X-Abort": "1"})

    async def scenario(session: ClientSession, upstream: UpstreamStub) -> int:
        await asyncio.to_thread(request, upstream.proxy_url)
        return len(upstream.received)

    assert run_with_proxy(scenario) == 1
