from typing import Any

import pytest
from aiohttp import ClientSession

from tests.support.fault_proxy_fixture import UPDATE, UpstreamStub, call_proxy, run_with_proxy, set_fault

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

WRITE = "DynamoDB_20120810.TransactWriteItems"
GET = "DynamoDB_20120810.BatchGetItem"
WRITES = ["TransactWriteItems", "UpdateItem"]


async def status(session: ClientSession, target: str = UPDATE, body: bytes = b"{}") -> Any:
    return (await call_proxy(session, target, body))[0]  # type: ignore[index] # these faults send a response


async def statuses(session: ClientSession, *targets: str) -> list[Any]:
    return [await status(session, target) for target in targets]


def test_fault_every_third_request_forwards_two_before_each() -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> list[Any]:
        await set_fault(session, service="dynamodb", mode="throttle", every=3)
        return await statuses(session, *[UPDATE] * 7)

    assert run_with_proxy(scenario) == [200, 200, 400, 200, 200, 400, 200]


def test_fault_other_operations_not_counted_for_every_or_times() -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> list[Any]:
        await set_fault(session, service="dynamodb", mode="throttle", operations=WRITES, every=2, times=1)
        return await statuses(session, GET, WRITE, GET, GET, WRITE, WRITE, WRITE)

    assert run_with_proxy(scenario) == [200, 200, 200, 200, 400, 200, 200]


def test_faults_with_different_body_contains_are_independent() -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> list[Any]:
        await set_fault(session, service="dynamodb", mode="throttle", body_contains="100", times=1)
        await set_fault(session, service="dynamodb", mode="error500", body_contains="200")
        bodies = (b'{"pk": "300"}', b'{"pk": "200"}', b'{"pk": "100"}', b'{"pk": "100"}', b'{"pk": "200"}')
        results = [await status(session, body=body) for body in bodies]
        return [results, await (await session.get("/-/control/injections")).json()]

    assert run_with_proxy(scenario) == [[200, 500, 400, 200, 500], {"dynamodb": {"100": 1, "200": 2}}]


@pytest.mark.parametrize(
    "fault",
    [{"service": "dynamodb", "mode": "partial"}, {"service": "events", "mode": "partial", "operations": ["PutRule"]}],
    ids=str,
)
def test_fault_inconsistent_selection_rejected(fault: dict[str, object]) -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> int:
        async with session.post("/-/control/fault", json=fault) as response:
            return response.status

    assert run_with_proxy(scenario) == 400
