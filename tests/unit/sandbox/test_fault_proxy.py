import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import boto3
import pytest
from aiohttp import ClientSession
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError

from paynearme.platform.aws_clients import is_retryable
from tests.support.fault_proxy_fixture import GET_SECRET, UPDATE, UpstreamStub, call_proxy, run_with_proxy, set_fault

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

COUNTS = "/-/control/counts"
POLL = "AppConfigData.GetLatestConfiguration"
START = "AppConfigData.StartConfigurationSession"
PUT_EVENTS = "AWSEvents.PutEvents"
SEND = "AmazonSQS.SendMessage"
QUEUE = "https://sqs.us-east-1.amazonaws.com/000000000000/q"
CALLS: dict[str, Callable[[Any], object]] = {
    "DynamoDB_20120810.ListTables": lambda client: client.list_tables(),
    "secretsmanager.GetSecretValue": lambda client: client.get_secret_value(SecretId="s"),
    START: lambda client: client.start_configuration_session(
        ApplicationIdentifier="a", EnvironmentIdentifier="e", ConfigurationProfileIdentifier="p"
    ),
    POLL: lambda client: client.get_latest_configuration(ConfigurationToken="t"),
    PUT_EVENTS: lambda client: client.put_events(Entries=[{"Source": "s", "DetailType": "d", "Detail": "{}"}]),
    SEND: lambda client: client.send_message(QueueUrl=QUEUE, MessageBody="m"),
}
SERVICES = {"AWSEvents": "events", "AmazonSQS": "sqs"}


def service_of(operation: str) -> str:
    """Return boto3's name of the service of ``operation``."""
    prefix = operation.partition(".")[0]
    return SERVICES.get(prefix) or prefix.removesuffix("_20120810").lower()


def call_aws(url: str, operation: str) -> object:
    """Call ``operation`` once by boto3, and return its result. Raises boto3's errors."""
    client: Any = boto3.client(  # type: ignore[call-overload] # the service is a variable
        service_of(operation),
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(read_timeout=0.2, retries={"total_max_attempts": 1}),
    )
    try:
        return CALLS[operation](client)
    finally:
        client.close()


@pytest.mark.parametrize("mode", ["abort", "throttle"])
def test_fault_limited_to_its_service_and_times(mode: str) -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> list[Any]:
        await set_fault(session, service="dynamodb", mode=mode, times=2)
        return [
            await call_proxy(session, target) for target in (GET_SECRET, UPDATE, UPDATE, UPDATE)
        ] + upstream.received

    other_result, first, second, last, *received = run_with_proxy(scenario)

    ok = (200, b"{}")
    assert (other_result, last) == (ok, ok)
    assert ok not in (first, second)
    assert len(received) == 2


@pytest.mark.parametrize("mode", ["abort", "lost"])
def test_fault_abort_or_lost_breaks_connection(mode: str) -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> tuple[Any, int]:
        await set_fault(session, service="secretsmanager", mode=mode)
        return await call_proxy(session, GET_SECRET), len(upstream.received)

    result, forwarded_count = run_with_proxy(scenario)

    assert isinstance(result, type)
    assert issubclass(result, aiohttp.ClientError)
    # The upstream has processed a request whose response is lost.
    assert forwarded_count == (1 if mode == "lost" else 0)


@pytest.mark.parametrize(("mode", "forwarded_count"), [("hang", 0), ("slow", 1)])
def test_fault_hang_or_slow_delays_response_until_reset(mode: str, forwarded_count: int) -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> tuple[bool, int, Any]:
        await set_fault(session, service="dynamodb", mode=mode, seconds=3600)
        pending = asyncio.create_task(call_proxy(session))
        while UPDATE not in await (await session.get(COUNTS)).json() or len(upstream.received) < forwarded_count:
            await asyncio.sleep(0)
        done_before = pending.done()
        async with session.post("/-/control/reset") as response:
            assert response.status == 204
        return done_before, len(upstream.received), await pending

    done_before, received, result = run_with_proxy(scenario)

    assert not done_before
    assert received == forwarded_count
    assert result == (200, b"{}") if mode == "slow" else issubclass(result, aiohttp.ClientError)


@pytest.mark.parametrize(
    ("operation", "mode", "code"),
    [
        ("DynamoDB_20120810.ListTables", "throttle", "ProvisionedThroughputExceededException"),
        ("DynamoDB_20120810.ListTables", "error500", "InternalServerError"),
        ("secretsmanager.GetSecretValue", "throttle", "ThrottlingException"),
        ("secretsmanager.GetSecretValue", "error500", "InternalServiceError"),
        (START, "throttle", "ThrottlingException"),
        (START, "error500", "InternalServerException"),
        (POLL, "throttle", "ThrottlingException"),
        (POLL, "error500", "InternalServerException"),
        ("DynamoDB_20120810.ListTables", "abort", None),
        ("secretsmanager.GetSecretValue", "lost", None),
        ("DynamoDB_20120810.ListTables", "hang", None),
        (PUT_EVENTS, "throttle", "ThrottlingException"),
        (PUT_EVENTS, "error500", "InternalException"),
        (SEND, "throttle", "RequestThrottled"),
        (SEND, "error500", "InternalError"),
    ],
)
def test_fault_raises_retryable_boto3_error(operation: str, mode: str, code: str | None) -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> Exception:
        await set_fault(session, service=service_of(operation), mode=mode)
        with pytest.raises((ClientError, HTTPClientError)) as exc_info:
            await asyncio.to_thread(call_aws, upstream.proxy_url, operation)
        return exc_info.value

    error = run_with_proxy(scenario)

    assert is_retryable(error)
    if code is not None:
        assert isinstance(error, ClientError)
        assert error.response["Error"]["Code"] == code
