from typing import Any

import pytest
from aiohttp import ClientSession

from tests.support.fault_proxy_driver import UPDATE, UpstreamStub, call_proxy, run_with_proxy, set_fault

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

WRITE = "DynamoDB_20120810.TransactWriteItems"
GET = "DynamoDB_20120810.BatchGetItem"
WRITES = ["TransactWriteItems", "UpdateItem"]


async def status(session: ClientSession, target: str = UPDATE, body: bytes = b"{}") -> Any:
    return (await call_proxy(session, target, body))[0]  # type: ignore[index] # these faults send a response


async def statuses(session: ClientSession, *targets: str) -> list[Any]:
    return [await status(session, target) for target in targets]


def test_a_table_that_refuses_writes_can_still_be_read() -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> list[Any]:
        await set_fault(session, service="dynamodb", mode="error500", operations=WRITES)
        return await statuses(session, WRITE, GET, UPDATE, GET)

    assert run_with_proxy(scenario) == [500, 200, 500, 200]


def test_a_fault_that_strikes_every_third_request_lets_two_through_before_each() -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> list[Any]:
        await set_fault(session, service="dynamodb", mode="throttle", every=3)
        return await statuses(session, *[UPDATE] * 7)

    assert run_with_proxy(scenario) == [200, 200, 400, 200, 200, 400, 200]


def test_requests_that_are_not_meant_neither_count_for_every_nor_for_times() -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> list[Any]:
        await set_fault(session, service="dynamodb", mode="throttle", operations=WRITES, every=2, times=1)
        return await statuses(session, GET, WRITE, GET, GET, WRITE, WRITE, WRITE)

    assert run_with_proxy(scenario) == [200, 200, 200, 200, 400, 200, 200]


def test_a_new_fault_counts_from_the_beginning() -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> list[Any]:
        results: list[Any] = []
        for _ in range(2):
            await set_fault(session, service="dynamodb", mode="throttle", every=2)
            results += await statuses(session, UPDATE, UPDATE, UPDATE)
        return results

    assert run_with_proxy(scenario) == [200, 400, 200] * 2


def test_faults_about_different_texts_strike_requests_with_theirs_side_by_side() -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> list[Any]:
        await set_fault(session, service="dynamodb", mode="throttle", body_contains="100", times=1)
        await set_fault(session, service="dynamodb", mode="error500", body_contains="200")
        bodies = (b'{"pk": "300"}', b'{"pk": "200"}', b'{"pk": "100"}', b'{"pk": "100"}', b'{"pk": "200"}')
        results = [await status(session, body=body) for body in bodies]
        return [results, await (await session.get("/-/control/injections")).json()]

    assert run_with_proxy(scenario) == [[200, 500, 400, 200, 500], {"dynamodb": {"100": 1, "200": 2}}]


def test_a_service_is_well_again_about_one_text_alone() -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> list[Any]:
        for body_text in ("100", "200"):
            await set_fault(session, service="dynamodb", mode="throttle", body_contains=body_text)
        await set_fault(session, service="dynamodb", mode="none", body_contains="100")
        return [await status(session, body=body) for body in (b"100", b"200")]

    assert run_with_proxy(scenario) == [200, 400]


@pytest.mark.parametrize(
    "fault",
    [
        {"service": "dynamodb", "mode": "throttle", "operations": []},
        {"service": "dynamodb", "mode": "throttle", "every": 0},
        {"service": "dynamodb", "mode": "partial"},
        {"service": "events", "mode": "partial", "operations": ["PutRule"]},
    ],
    ids=str,
)
def test_a_choice_that_makes_no_sense_is_refused(fault: dict[str, object]) -> None:
    async def scenario(session: ClientSession, upstream: UpstreamStub) -> int:
        async with session.post("/-/control/fault", json=fault) as response:
            return response.status

    assert run_with_proxy(scenario) == 400
