import asyncio
import json
from typing import Any

import aiohttp
import boto3
import pytest
from aiohttp import ClientSession, web
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError

from local import faults
from paynearme.aws import is_transient
from tests.unit.faulty_endpoint import READ, UPDATE, Upstream, call, proxied, set_fault

# The fixture beside the mark, because it is set up after the one that refuses sockets.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

COUNTS = "/-/control/counts"


def test_requests_are_counted_per_target_until_the_counts_are_deleted() -> None:
    async def talk(session: ClientSession, upstream: Upstream) -> list[Any]:
        for target in (UPDATE, READ, UPDATE):
            await call(session, target)
        await session.get("/")
        counted = await (await session.get(COUNTS)).json()
        await session.delete(COUNTS)
        return [counted, await (await session.get(COUNTS)).json()]

    assert proxied(talk) == [{UPDATE: 2, READ: 1, faults.OTHER: 1}, {}]


@pytest.mark.parametrize("mode", ["refuse", "throttle", "error500"])
def test_a_fault_strikes_its_service_alone_and_as_often_as_it_is_told(mode: str) -> None:
    async def talk(session: ClientSession, upstream: Upstream) -> list[Any]:
        await set_fault(session, service="dynamodb", mode=mode, times=2)
        return [await call(session, target) for target in (READ, UPDATE, UPDATE, UPDATE)] + upstream.received

    other, first, second, after, *received = proxied(talk)

    well = (200, b"{}")
    assert (other, after) == (well, well)
    assert well not in (first, second)
    assert len(received) == 2


def test_a_fault_stays_until_the_service_is_well_again() -> None:
    async def talk(session: ClientSession, upstream: Upstream) -> list[Any]:
        await set_fault(session, service="dynamodb", mode="throttle")
        results = [await call(session) for _ in range(3)]
        await set_fault(session, service="dynamodb", mode="none")
        return [*results, await call(session)]

    assert [status for status, _ in proxied(talk)] == [400, 400, 400, 200]


@pytest.mark.parametrize("mode", ["refuse", "lost"])
def test_a_connection_is_aborted_instead_of_answered(mode: str) -> None:
    async def talk(session: ClientSession, upstream: Upstream) -> tuple[Any, int]:
        await set_fault(session, service="secretsmanager", mode=mode)
        return await call(session, READ), len(upstream.received)

    result, forwarded = proxied(talk)

    assert isinstance(result, type)
    assert issubclass(result, aiohttp.ClientError)
    # A lost answer is one to something that has happened.
    assert forwarded == (1 if mode == "lost" else 0)


@pytest.mark.parametrize(("mode", "forwarded"), [("hang", 0), ("slow", 1)])
def test_an_answer_is_held_back_until_everything_is_let_go(mode: str, forwarded: int) -> None:
    async def talk(session: ClientSession, upstream: Upstream) -> tuple[bool, int, Any]:
        await set_fault(session, service="dynamodb", mode=mode, seconds=3600)
        waiting = asyncio.create_task(call(session))
        while UPDATE not in await (await session.get(COUNTS)).json() or len(upstream.received) < forwarded:
            await asyncio.sleep(0)
        answered_before = waiting.done()
        async with session.post("/-/control/reset") as answer:
            assert answer.status == 204
        return answered_before, len(upstream.received), await waiting

    answered_before, received, result = proxied(talk)

    assert not answered_before
    assert received == forwarded
    assert result == (200, b"{}") if mode == "slow" else issubclass(result, aiohttp.ClientError)


def test_a_slow_answer_comes_after_its_time() -> None:
    async def talk(session: ClientSession, upstream: Upstream) -> Any:
        await set_fault(session, service="dynamodb", mode="slow", seconds=0)
        return await call(session)

    assert proxied(talk) == (200, b"{}")


def test_a_reset_takes_away_faults_and_counts() -> None:
    async def talk(session: ClientSession, upstream: Upstream) -> tuple[Any, Any]:
        await set_fault(session, service="dynamodb", mode="throttle")
        await call(session)
        await session.post("/-/control/reset")
        return await (await session.get(COUNTS)).json(), await call(session)

    assert proxied(talk) == ({}, (200, b"{}"))


@pytest.mark.parametrize(
    "fault", [{"service": "s3", "mode": "hang"}, {"service": "dynamodb", "mode": "x"}, {}]
)
def test_a_fault_that_does_not_exist_is_refused(fault: dict[str, str]) -> None:
    async def talk(session: ClientSession, upstream: Upstream) -> int:
        async with session.post("/-/control/fault", json=fault) as answer:
            return answer.status

    assert proxied(talk) == 400


def test_64_connections_at_once_are_served_and_used_again() -> None:
    async def talk(session: ClientSession, upstream: Upstream) -> tuple[set[Any], Any]:
        results = [await asyncio.gather(*[call(session) for _ in range(64)]) for _ in range(3)]
        return {result for round_ in results for result in round_}, await (await session.get(COUNTS)).json()

    assert proxied(talk) == ({(200, b"{}")}, {UPDATE: 192})


@pytest.mark.parametrize(
    ("service", "mode", "code"),
    [
        ("dynamodb", "throttle", "ProvisionedThroughputExceededException"),
        ("dynamodb", "error500", "InternalServerError"),
        ("secretsmanager", "throttle", "ThrottlingException"),
        ("secretsmanager", "error500", "InternalServiceError"),
        ("dynamodb", "refuse", None),
        ("secretsmanager", "lost", None),
        ("dynamodb", "hang", None),
    ],
)
def test_what_aws_s_client_makes_of_a_fault_is_what_the_layer_tries_again(
    service: str, mode: str, code: str | None
) -> None:
    def call_aws(url: str) -> Exception:
        client: Any = boto3.client(  # type: ignore[call-overload] # the service is a variable here
            service,
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(read_timeout=0.2, retries={"total_max_attempts": 1}),
        )
        try:
            with pytest.raises((ClientError, HTTPClientError)) as caught:
                client.list_tables() if service == "dynamodb" else client.get_secret_value(SecretId="s")
        finally:
            client.close()
        return caught.value

    async def talk(session: ClientSession, upstream: Upstream) -> Exception:
        upstream.answer = lambda: web.Response(body=json.dumps({}).encode())
        await set_fault(session, service=service, mode=mode)
        return await asyncio.to_thread(call_aws, upstream.proxy_url)

    error = proxied(talk)

    assert is_transient(error)
    if code is not None:
        assert isinstance(error, ClientError)
        assert error.response["Error"]["Code"] == code
