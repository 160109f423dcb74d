"""EventBridge takes a part of the entries: what AWS's client is told, and what the emulator receives."""

import asyncio
import json
from typing import Any

import boto3
import pytest
from aiohttp import ClientSession, web
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError

from tests.unit.faulty_endpoint import Upstream, call, proxied, set_fault

# The fixture beside the mark, because it is set up after the one that refuses sockets.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]


def put(url: str, *names: str) -> Any:
    """Let AWS's own client send events of these names, with the keys of some function's role."""
    client = boto3.client(
        "events",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="ASIAOFAROLE",
        aws_secret_access_key="unknown here",
        aws_session_token="of the role",
        config=Config(read_timeout=2, retries={"total_max_attempts": 1}),
    )
    entries: Any = [{"Source": "s", "DetailType": name, "Detail": "{}"} for name in names]
    try:
        return client.put_events(Entries=entries)
    finally:
        client.close()


def received(upstream: Upstream) -> list[list[str]]:
    """Return the names of the events of each request that came through."""
    bodies = [json.loads(body) for *_, body in upstream.received]
    return [[entry["DetailType"] for entry in body["Entries"]] for body in bodies]


def taking_all(upstream: Upstream) -> None:
    """Let the emulator give every event its name as its identifier, as one that takes whatever comes."""

    def answer() -> web.Response:
        entries = [{"EventId": name} for name in received(upstream)[-1]]
        return web.json_response({"FailedEntryCount": 0, "Entries": entries})

    upstream.answer = answer


def test_every_second_entry_fails_and_the_others_arrive_in_their_order() -> None:
    async def talk(session: ClientSession, upstream: Upstream) -> tuple[Any, Any]:
        taking_all(upstream)
        await set_fault(session, service="events", mode="partial")
        return await asyncio.to_thread(put, upstream.proxy_url, *"abcde"), received(upstream)

    told, arrived = proxied(talk)

    assert arrived == [["a", "c", "e"]]
    assert told["FailedEntryCount"] == 2
    assert [entry.get("EventId") for entry in told["Entries"]] == ["a", None, "c", None, "e"]
    codes = [entry["ErrorCode"] for entry in told["Entries"] if "EventId" not in entry]
    assert codes == ["InternalError", "ThrottlingException"]
    assert all(entry["ErrorMessage"] for entry in told["Entries"] if "EventId" not in entry)


def test_an_entry_that_is_sent_alone_again_and_again_gets_through() -> None:
    async def talk(session: ClientSession, upstream: Upstream) -> tuple[list[int], Any]:
        taking_all(upstream)
        await set_fault(session, service="events", mode="partial")
        answers = [await asyncio.to_thread(put, upstream.proxy_url, name) for name in "abcd"]
        return [answer["FailedEntryCount"] for answer in answers], received(upstream)

    assert proxied(talk) == ([0, 1, 0, 1], [["a"], ["c"]])


def test_what_arrives_in_part_is_signed_by_the_root_for_what_it_is_now() -> None:
    async def talk(session: ClientSession, upstream: Upstream) -> dict[str, str]:
        taking_all(upstream)
        await set_fault(session, service="events", mode="partial")
        await asyncio.to_thread(put, upstream.proxy_url, "a", "b")
        [(_, _, headers, body)] = upstream.received
        return {"length": str(len(body)), **{name.lower(): value for name, value in headers}}

    headers = proxied(talk)

    assert "Credential=test/" in headers["authorization"]
    assert "x-amz-security-token" not in headers
    assert headers["x-amz-target"] == "AWSEvents.PutEvents"
    assert headers["content-length"] == headers["length"]


def test_failures_of_the_emulators_own_are_counted_too() -> None:
    async def talk(session: ClientSession, upstream: Upstream) -> Any:
        refused = {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "no"}
        answer = {"FailedEntryCount": 1, "Entries": [refused]}
        upstream.answer = lambda: web.json_response(answer)
        await set_fault(session, service="events", mode="partial")
        return await asyncio.to_thread(put, upstream.proxy_url, "a", "b")

    assert proxied(talk)["FailedEntryCount"] == 2


@pytest.mark.parametrize("broken", [True, False])
def test_a_refusal_or_a_broken_connection_of_the_emulators_is_passed_on(broken: bool) -> None:
    async def talk(session: ClientSession, upstream: Upstream) -> str:
        await set_fault(session, service="events", mode="partial")
        upstream.answer = lambda: web.json_response({"__type": "ValidationException"}, status=400)
        upstream.breaks = broken
        with pytest.raises((ClientError, HTTPClientError)) as caught:
            await asyncio.to_thread(put, upstream.proxy_url, "a", "b")
        return type(caught.value).__name__

    assert proxied(talk) == ("ConnectionClosedError" if broken else "ClientError")


def test_other_operations_of_eventbridges_have_no_parts() -> None:
    async def talk(session: ClientSession, upstream: Upstream) -> Any:
        await set_fault(session, service="events", mode="partial")
        return await call(session, "AWSEvents.PutRule")

    assert proxied(talk) == (200, b"{}")
