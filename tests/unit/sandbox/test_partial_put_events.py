import asyncio
import json
from typing import Any

import boto3
import pytest
from aiohttp import ClientSession, web
from botocore.config import Config

from tests.support.fault_proxy_fixture import UpstreamStub, run_with_proxy, set_fault

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]


def put_events(url: str, *names: str) -> Any:
    """Send events with these types by boto3, with the keys of a role."""
    client = boto3.client(
        "events",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="ASIAOFAROLE",
        aws_secret_access_key="another-key",
        aws_session_token="session-token",
        config=Config(read_timeout=2, retries={"total_max_attempts": 1}),
    )
    entries: Any = [{"Source": "s", "DetailType": name, "Detail": "{}"} for name in names]
    try:
        return client.put_events(Entries=entries)
    finally:
        client.close()


def received(upstream: UpstreamStub) -> list[list[str]]:
    """Return the types of the events of each forwarded request."""
    bodies = [json.loads(body) for *_, body in upstream.received]
    return [[entry["DetailType"] for entry in body["Entries"]] for body in bodies]


def accept_all(upstream: UpstreamStub) -> None:
    """Accept all entries, with the type as the identifier of an event."""

    def respond() -> web.Response:
        entries = [{"EventId": name} for name in received(upstream)[-1]]
        return web.json_response({"FailedEntryCount": 0, "Entries": entries})

    upstream.respond = respond


def test_partial_put_events_every_second_entry_fails() -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> tuple[Any, Any]:
        accept_all(upstream)
        await set_fault(session, service="events", mode="partial")
        return await asyncio.to_thread(put_events, upstream.proxy_url, *"abcde"), received(upstream)

    output, entries = run_with_proxy(scenario)

    assert entries == [["a", "c", "e"]]
    assert output["FailedEntryCount"] == 2
    assert [entry.get("EventId") for entry in output["Entries"]] == ["a", None, "c", None, "e"]
    codes = [entry["ErrorCode"] for entry in output["Entries"] if "EventId" not in entry]
    assert codes == ["InternalError", "ThrottlingException"]
    assert all(entry["ErrorMessage"] for entry in output["Entries"] if "EventId" not in entry)


def test_partial_put_events_single_entry_succeeds_on_retry() -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> tuple[list[int], Any]:
        accept_all(upstream)
        await set_fault(session, service="events", mode="partial")
        results = [await asyncio.to_thread(put_events, upstream.proxy_url, name) for name in "abcd"]
        return [result["FailedEntryCount"] for result in results], received(upstream)

    assert run_with_proxy(scenario) == ([0, 1, 0, 1], [["a"], ["c"]])


def test_partial_put_events_forwarded_with_new_root_signature() -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> dict[str, str]:
        accept_all(upstream)
        await set_fault(session, service="events", mode="partial")
        await asyncio.to_thread(put_events, upstream.proxy_url, "a", "b")
        [(_, _, headers, body)] = upstream.received
        return {"length": str(len(body)), **{name.lower(): value for name, value in headers}}

    headers = run_with_proxy(scenario)

    assert "Credential=test/" in headers["authorization"]
    assert "x-amz-security-token" not in headers
    assert headers["x-amz-target"] == "AWSEvents.PutEvents"
    assert headers["content-length"] == headers["length"]
