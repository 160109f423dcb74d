import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import boto3
import pytest
from aiohttp import ClientConnectionError, ClientSession, web
from botocore.config import Config
from botocore.exceptions import ClientError as AwsError

from paynearme.platform.aws_clients import is_retryable
from sandbox.faults import fault_proxy
from tests.support.http_server_fixture import SOCKET_MARKS, serve

pytestmark = SOCKET_MARKS

UPDATE = "DynamoDB_20120810.UpdateItem"
QUEUE = "https://sqs.us-east-1.amazonaws.com/000000000000/q"
CALLS: dict[str, Callable[[Any], object]] = {
    "dynamodb": lambda client: client.list_tables(),
    "secretsmanager": lambda client: client.get_secret_value(SecretId="s"),
    "appconfigdata": lambda client: client.get_latest_configuration(ConfigurationToken="t"),
    "events": lambda client: put_events(client, "a"),
    "sqs": lambda client: client.send_message(QueueUrl=QUEUE, MessageBody="m"),
}


class UpstreamStub:
    """A stub of the emulator. It records headers and bodies, and accepts all events."""

    def __init__(self) -> None:
        self.proxy_url = ""
        self.received: list[tuple[dict[str, str], bytes]] = []

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.received.append((dict(request.headers), body))
        if "PutEvents" in request.headers.get("X-Amz-Target", ""):
            entries = [{"EventId": entry["DetailType"]} for entry in json.loads(body)["Entries"]]
            return web.json_response({"FailedEntryCount": 0, "Entries": entries})
        return web.Response(body=b"{}")


def run_with_proxy[T](scenario: Callable[[ClientSession, UpstreamStub], Awaitable[T]]) -> T:
    """Run ``scenario`` with a new proxy and a new upstream."""

    async def run() -> T:
        upstream = UpstreamStub()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", upstream.handle)
        async with (
            # The timeout ends a test whose request hangs.
            asyncio.timeout(60),
            serve(web.AppRunner(application, access_log=None)) as upstream_url,
            serve(fault_proxy.runner(upstream_url)) as upstream.proxy_url,
            ClientSession(upstream.proxy_url) as session,
        ):
            return await scenario(session, upstream)

    return asyncio.run(run())


async def set_fault(session: ClientSession, **fault: object) -> None:
    async with session.post("/-/control/fault", json=fault) as response:
        assert response.status == 204


def put_events(client: Any, names: str) -> object:
    """Send an event of each type in one batch."""
    return client.put_events(Entries=[{"Source": "s", "DetailType": name, "Detail": "{}"} for name in names])


async def send_update(session: ClientSession) -> tuple[int, bytes] | None:
    """Return status and body of the response, or None for a broken connection."""
    try:
        async with session.post("/", data=b"{}", headers={"X-Amz-Target": UPDATE}) as response:
            return response.status, await response.read()
    except ClientConnectionError:
        return None


def call_aws(url: str, service: str, call: Callable[[Any], object]) -> Any:
    """Return the result of ``call``. Its argument is a client of boto3 with the keys of a role."""
    client: Any = boto3.client(  # type: ignore[call-overload] # the service is a variable
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="ASIAOFAROLE",
        aws_secret_access_key="another-key",
        aws_session_token="session-token",
        config=Config(retries={"total_max_attempts": 1}),
    )
    try:
        return call(client)
    finally:
        client.close()


# The upstream processes a request whose response is lost.
@pytest.mark.parametrize(("mode", "forwarded_count"), [("abort", 0), ("lost", 1)])
def test_fault_abort_or_lost_breaks_connection(mode: str, forwarded_count: int) -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> tuple[Any, int, Any]:
        await set_fault(session, service="dynamodb", mode=mode, times=1)
        return await send_update(session), len(upstream.received), await send_update(session)

    assert run_with_proxy(scenario) == (None, forwarded_count, (200, b"{}"))


@pytest.mark.parametrize(
    ("service", "throttled", "failed"),
    [
        ("dynamodb", "ProvisionedThroughputExceededException", "InternalServerError"),
        ("secretsmanager", "ThrottlingException", "InternalServiceError"),
        ("appconfigdata", "ThrottlingException", "InternalServerException"),
        ("events", "ThrottlingException", "InternalException"),
        ("sqs", "RequestThrottled", "InternalError"),
    ],
)
def test_fault_raises_retryable_boto3_error(service: str, throttled: str, failed: str) -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> list[AwsError]:
        errors = []
        for mode in ("throttle", "error500"):
            await set_fault(session, service=service, mode=mode)
            with pytest.raises(AwsError) as exc_info:
                await asyncio.to_thread(call_aws, upstream.proxy_url, service, CALLS[service])
            errors.append(exc_info.value)
        return errors

    errors = run_with_proxy(scenario)

    assert [error.response["Error"]["Code"] for error in errors] == [throttled, failed]
    assert all(map(is_retryable, errors))


def test_fault_partial_every_second_event_fails() -> None:
    def put_batches(url: str) -> list[Any]:
        return [call_aws(url, "events", partial(put_events, names=names)) for names in ("abcde", "f", "f")]

    async def scenario(session: ClientSession, upstream: UpstreamStub) -> tuple[list[Any], Any]:
        await set_fault(session, service="events", mode="partial")
        return await asyncio.to_thread(put_batches, upstream.proxy_url), upstream.received

    outputs, received = run_with_proxy(scenario)

    forwarded = [[entry["DetailType"] for entry in json.loads(body)["Entries"]] for _, body in received]
    assert forwarded == [["a", "c", "e"], ["f"]]
    assert [output["FailedEntryCount"] for output in outputs] == [2, 1, 0]
    first, second, third = (
        [entry.get("EventId") or entry["ErrorCode"] for entry in output["Entries"]] for output in outputs
    )
    assert first == ["a", "InternalError", "c", "ThrottlingException", "e"]
    assert (second, third) == (["InternalError"], ["f"])
    # The emulator verifies the signature of the changed body. The proxy has the keys of the root user only.
    headers, body = received[0]
    assert "Credential=test/" in headers["Authorization"]
    assert "X-Amz-Security-Token" not in headers
    assert headers["Content-Length"] == str(len(body))
