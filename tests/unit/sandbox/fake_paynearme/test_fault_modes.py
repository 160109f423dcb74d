import asyncio
import json
from collections.abc import Mapping

import aiohttp
import pytest

from sandbox.clients import sample_messages
from tests.support.fake_paynearme_driver import (
    PAYMENT,
    AuthorizingMerchantStub,
    FakePayNearMeDriver,
    run_with_fake,
    run_with_merchant,
    signed,
)

# The mark alone is not sufficient, because another fixture disables sockets first.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

PLAIN_REQUEST = sample_messages.load("get_smart_token")["plain"]
PATH = "/json-api/get_smart_token"
BROKEN: list[dict[str, object]] = [
    {"mode": "status", "status": 500},
    {"mode": "html"},
    {"mode": "reject"},
    {"mode": "truncate"},
    {"mode": "abort"},
]


async def result_of(
    fake: FakePayNearMeDriver, operation: str, message: Mapping[str, str]
) -> tuple[int, str] | type[Exception]:
    """Return status and text of the response, or the type of the error."""
    try:
        async with fake.session.post(f"/json-api/{operation}", json=signed(message)) as response:
            return response.status, await response.text()
    except aiohttp.ClientError as error:
        return type(error)


def run_with_fault(behaviour: Mapping[str, object], calls: int = 1) -> list[object]:
    """Return the results of ``get_smart_token`` requests with a behaviour."""

    async def scenario(fake: FakePayNearMeDriver) -> list[object]:
        assert await fake.command("behaviour", behaviour) == 204
        return [await result_of(fake, "get_smart_token", PLAIN_REQUEST) for _ in range(calls)]

    return run_with_fake(scenario)


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_it_fails_with_a_status_as_often_as_it_is_told(status: int) -> None:
    results = run_with_fault({"mode": "status", "status": status, "times": 2}, calls=3)

    assert [result[0] for result in results if isinstance(result, tuple)] == [status, status, 200]


def test_it_answers_with_what_it_is_told() -> None:
    [result] = run_with_fault({"mode": "response", "response": {"status": "ok", "orders": []}})

    assert isinstance(result, tuple)
    assert (result[0], json.loads(result[1])) == (200, {"status": "ok", "orders": []})


def test_it_answers_with_a_page_when_told() -> None:
    [result] = run_with_fault({"mode": "html"})

    assert isinstance(result, tuple)
    assert result[0] == 200
    assert result[1].startswith("<!DOCTYPE html>")


def test_it_refuses_with_a_response_code_when_told() -> None:
    [result] = run_with_fault({"mode": "reject", "response_code": "1234"})

    assert isinstance(result, tuple)
    assert json.loads(result[1])["response_code"] == "1234"


@pytest.mark.parametrize(
    ("mode", "error"), [("truncate", aiohttp.ClientPayloadError), ("abort", aiohttp.ClientOSError)]
)
def test_it_breaks_the_connection_when_told(mode: str, error: type[Exception]) -> None:
    [result, second] = run_with_fault({"mode": mode, "times": 1}, calls=2)

    assert isinstance(result, type)
    assert issubclass(result, error)
    assert isinstance(second, tuple)


@pytest.mark.parametrize("mode", ["hang", "slow"])
def test_what_is_told_to_wait_waits_until_it_is_let_go(mode: str) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> tuple[bool, object]:
        await fake.command("behaviour", {"mode": mode, "seconds": 3600})
        pending = asyncio.create_task(fake.session.post(PATH, json=signed(PLAIN_REQUEST)))
        while not await fake.get("calls"):
            await asyncio.sleep(0)
        done_before = pending.done()
        await fake.command("reset")
        [result] = await asyncio.gather(pending, return_exceptions=True)
        return done_before, result

    done_before, result = run_with_fake(scenario)

    assert not done_before
    if mode == "hang":
        assert isinstance(result, aiohttp.ClientError)
    else:
        assert isinstance(result, aiohttp.ClientResponse)
        assert result.status == 200


def test_it_is_slow_for_the_given_time_and_then_answers() -> None:
    [result] = run_with_fault({"mode": "slow", "seconds": 0})

    assert isinstance(result, tuple)
    assert result[0] == 200


def test_a_fault_of_one_operation_meets_no_other_and_leaves_the_faults_of_others() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[object]:
        await fake.command("behaviour", {"mode": "status", "status": 503, "operation": "make_payment"})
        await fake.command("behaviour", {"mode": "status", "status": 429, "operation": "access_token"})
        statuses: list[object] = []
        for operation in ("get_smart_token", "make_payment"):
            statuses.append((await fake.send(operation, signed(PLAIN_REQUEST)))[0])
        async with fake.session.post("/oauth/token") as response:
            statuses.append(response.status)
        await fake.command("behaviour", {})
        statuses.append((await fake.send("make_payment", signed(PLAIN_REQUEST)))[0])
        return statuses

    assert run_with_fake(scenario) == [200, 503, 429, 200]


def test_a_fault_of_any_operation_meets_the_token_address_too() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> int:
        await fake.command("behaviour", {"mode": "status", "status": 503})
        async with fake.session.post("/oauth/token") as response:
            return response.status

    assert run_with_fake(scenario) == 503


def test_a_fault_about_a_text_meets_calls_that_hold_it_and_leaves_the_fault_of_all_others() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[list[int]]:
        async def statuses() -> list[int]:
            orders = ("84488215678", "84488215679", "84488215670")
            messages = [signed({**PLAIN_REQUEST, "pnm_order_identifier": order}) for order in orders]
            return [(await fake.send("get_smart_token", message))[0] for message in messages]

        await fake.command("behaviour", {"mode": "status", "status": 503, "body_contains": "84488215678"})
        await fake.command("behaviour", {"mode": "status", "status": 429, "body_contains": "84488215679", "times": 1})
        observed = [await statuses(), await statuses()]
        await fake.command("behaviour", {"mode": "status", "status": 500})
        observed.append(await statuses())
        await fake.command("behaviour", {"body_contains": "84488215678"})
        observed.append(await statuses())
        await fake.command("behaviour", {})
        return [*observed, await statuses()]

    assert run_with_fake(scenario) == [
        [503, 429, 200],
        [503, 200, 200],
        [503, 500, 500],
        [200, 500, 500],
        [200, 200, 200],
    ]


def test_of_faults_about_a_text_the_operations_own_comes_first_and_one_of_any_operation_replaces_it() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[int]:
        async def status() -> int:
            status_code: int = (await fake.send("get_smart_token", signed(PLAIN_REQUEST)))[0]
            return status_code

        scoped_fault = {"mode": "status", "body_contains": PLAIN_REQUEST["pnm_order_identifier"]}
        await fake.command("behaviour", {"mode": "status", "status": 500})
        await fake.command("behaviour", {**scoped_fault, "status": 503})
        await fake.command("behaviour", {**scoped_fault, "status": 429, "operation": "get_smart_token"})
        observed = [await status()]
        await fake.command("behaviour", {**scoped_fault, "status": 502})
        return [*observed, await status()]

    assert run_with_fake(scenario) == [429, 502]


@pytest.mark.parametrize("behaviour", BROKEN, ids=lambda behaviour: str(behaviour["mode"]))
def test_a_call_that_was_carried_out_before_its_fault_is_confirmed_all_the_same(behaviour: dict[str, object]) -> None:
    merchant = AuthorizingMerchantStub()

    async def scenario(fake: FakePayNearMeDriver) -> list[dict[str, object]]:
        fault = {**behaviour, "operation": "make_payment", "process_first": True, "times": 1}
        await fake.command("behaviour", fault)
        merchant.may_respond.clear()
        result = await result_of(fake, "make_payment", PAYMENT)
        assert not isinstance(result, tuple) or '"status": "ok"' not in result[1]
        # The request has ended before the merchant's decision.
        merchant.may_respond.set()
        payments: list[dict[str, object]] = await fake.command("settled")
        return payments

    [payment] = run_with_merchant(merchant, scenario)

    assert (payment["state"], payment["authorization"], payment["confirmations"]) == ("confirmed", "yes", 1)


@pytest.mark.parametrize(
    "behaviour",
    [behaviour for behaviour in BROKEN if behaviour["mode"] != "truncate"],
    ids=lambda behaviour: str(behaviour["mode"]),
)
def test_a_call_that_failed_before_it_was_carried_out_makes_no_payment(behaviour: dict[str, object]) -> None:
    merchant = AuthorizingMerchantStub()

    async def scenario(fake: FakePayNearMeDriver) -> object:
        await fake.command("behaviour", behaviour)
        await result_of(fake, "make_payment", PAYMENT)
        return await fake.command("settled")

    assert run_with_merchant(merchant, scenario) == []
    assert merchant.received == []


def test_a_call_that_hangs_after_it_was_carried_out_is_confirmed_meanwhile() -> None:
    merchant = AuthorizingMerchantStub()

    async def scenario(fake: FakePayNearMeDriver) -> tuple[bool, object]:
        await fake.command("behaviour", {"mode": "hang", "operation": "make_payment", "process_first": True})
        pending = asyncio.create_task(result_of(fake, "make_payment", PAYMENT))
        while not await fake.get("payments"):
            await asyncio.sleep(0)
        [payment] = await fake.command("settled")
        is_done = pending.done()
        await fake.command("reset")
        await pending
        return is_done, payment["state"]

    assert run_with_merchant(merchant, scenario) == (False, "confirmed")
