import asyncio
import json
from collections.abc import Mapping

import aiohttp
import pytest

from local import events
from tests.unit.paynearme_side import PAYMENT, Merchant, Side, paying, signed, talking

# The fixture beside the mark, because it is set up after the one that refuses sockets.
pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]

PLAIN = events.load("get_smart_token")["plain"]
CALL = "/json-api/get_smart_token"
BROKEN: list[dict[str, object]] = [
    {"mode": "status", "status": 500},
    {"mode": "html"},
    {"mode": "refuse"},
    {"mode": "cut"},
    {"mode": "abort"},
]


async def result_of(
    side: Side, operation: str, message: Mapping[str, str]
) -> tuple[int, str] | type[Exception]:
    """Return what comes of a call: status and text, or the error's type."""
    try:
        async with side.session.post(f"/json-api/{operation}", json=signed(message)) as answer:
            return answer.status, await answer.text()
    except aiohttp.ClientError as error:
        return type(error)


def with_behaviour(behaviour: Mapping[str, object], calls: int = 1) -> list[object]:
    """Return what comes of get_smart_token calls after a change of behaviour."""

    async def talk(side: Side) -> list[object]:
        assert await side.command("behaviour", behaviour) == 204
        return [await result_of(side, "get_smart_token", PLAIN) for _ in range(calls)]

    return talking(talk)


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_it_fails_with_a_status_as_often_as_it_is_told(status: int) -> None:
    results = with_behaviour({"mode": "status", "status": status, "times": 2}, calls=3)

    assert [result[0] for result in results if isinstance(result, tuple)] == [status, status, 200]


def test_it_answers_with_what_it_is_told() -> None:
    [result] = with_behaviour({"mode": "answer", "answer": {"status": "ok", "orders": []}})

    assert isinstance(result, tuple)
    assert (result[0], json.loads(result[1])) == (200, {"status": "ok", "orders": []})


def test_it_answers_with_a_page_when_told() -> None:
    [result] = with_behaviour({"mode": "html"})

    assert isinstance(result, tuple)
    assert result[0] == 200
    assert result[1].startswith("<!DOCTYPE html>")


def test_it_refuses_with_a_response_code_when_told() -> None:
    [result] = with_behaviour({"mode": "refuse", "response_code": "1234"})

    assert isinstance(result, tuple)
    assert json.loads(result[1])["response_code"] == "1234"


@pytest.mark.parametrize(
    ("mode", "error"), [("cut", aiohttp.ClientPayloadError), ("abort", aiohttp.ClientOSError)]
)
def test_it_breaks_the_connection_when_told(mode: str, error: type[Exception]) -> None:
    [result, after] = with_behaviour({"mode": mode, "times": 1}, calls=2)

    assert isinstance(result, type)
    assert issubclass(result, error)
    assert isinstance(after, tuple)


@pytest.mark.parametrize("mode", ["hang", "slow"])
def test_what_is_told_to_wait_waits_until_it_is_let_go(mode: str) -> None:
    async def talk(side: Side) -> tuple[bool, object]:
        await side.command("behaviour", {"mode": mode, "seconds": 3600})
        waiting = asyncio.create_task(side.session.post(CALL, json=signed(PLAIN)))
        while not await side.ask("calls"):
            await asyncio.sleep(0)
        answered_before = waiting.done()
        await side.command("reset")
        [result] = await asyncio.gather(waiting, return_exceptions=True)
        return answered_before, result

    answered_before, result = talking(talk)

    assert not answered_before
    if mode == "hang":
        assert isinstance(result, aiohttp.ClientError)
    else:
        assert isinstance(result, aiohttp.ClientResponse)
        assert result.status == 200


def test_it_is_slow_for_the_given_time_and_then_answers() -> None:
    [result] = with_behaviour({"mode": "slow", "seconds": 0})

    assert isinstance(result, tuple)
    assert result[0] == 200


def test_a_fault_of_one_operation_meets_no_other_and_leaves_the_faults_of_others() -> None:
    async def talk(side: Side) -> list[object]:
        await side.command("behaviour", {"mode": "status", "status": 503, "operation": "make_payment"})
        await side.command("behaviour", {"mode": "status", "status": 429, "operation": "token"})
        statuses: list[object] = []
        for operation in ("get_smart_token", "make_payment"):
            statuses.append((await side.told(operation, signed(PLAIN)))[0])
        async with side.session.post("/oauth/token") as answer:
            statuses.append(answer.status)
        await side.command("behaviour", {})
        statuses.append((await side.told("make_payment", signed(PLAIN)))[0])
        return statuses

    assert talking(talk) == [200, 503, 429, 200]


def test_a_fault_of_any_operation_meets_the_token_address_too() -> None:
    async def talk(side: Side) -> int:
        await side.command("behaviour", {"mode": "status", "status": 503})
        async with side.session.post("/oauth/token") as answer:
            return answer.status

    assert talking(talk) == 503


def test_a_fault_about_a_text_meets_calls_that_hold_it_and_leaves_the_fault_of_all_others() -> None:
    async def talk(side: Side) -> list[list[int]]:
        async def statuses() -> list[int]:
            orders = ("84488215678", "84488215679", "84488215670")
            messages = [signed({**PLAIN, "pnm_order_identifier": order}) for order in orders]
            return [(await side.told("get_smart_token", message))[0] for message in messages]

        await side.command("behaviour", {"mode": "status", "status": 503, "about": "84488215678"})
        await side.command("behaviour", {"mode": "status", "status": 429, "about": "84488215679", "times": 1})
        met = [await statuses(), await statuses()]
        await side.command("behaviour", {"mode": "status", "status": 500})
        met.append(await statuses())
        await side.command("behaviour", {"about": "84488215678"})
        met.append(await statuses())
        await side.command("behaviour", {})
        return [*met, await statuses()]

    assert talking(talk) == [
        [503, 429, 200],
        [503, 200, 200],
        [503, 500, 500],
        [200, 500, 500],
        [200, 200, 200],
    ]


def test_of_faults_about_a_text_the_operations_own_comes_first_and_one_of_any_operation_replaces_it() -> None:
    async def talk(side: Side) -> list[int]:
        async def status() -> int:
            answered: int = (await side.told("get_smart_token", signed(PLAIN)))[0]
            return answered

        about = {"mode": "status", "about": PLAIN["pnm_order_identifier"]}
        await side.command("behaviour", {"mode": "status", "status": 500})
        await side.command("behaviour", {**about, "status": 503})
        await side.command("behaviour", {**about, "status": 429, "operation": "get_smart_token"})
        met = [await status()]
        await side.command("behaviour", {**about, "status": 502})
        return [*met, await status()]

    assert talking(talk) == [429, 502]


@pytest.mark.parametrize("behaviour", BROKEN, ids=lambda behaviour: str(behaviour["mode"]))
def test_a_call_that_was_carried_out_before_its_fault_is_confirmed_all_the_same(
    behaviour: dict[str, object],
) -> None:
    merchant = Merchant()

    async def talk(side: Side) -> list[dict[str, object]]:
        fault = {**behaviour, "operation": "make_payment", "taken": True, "times": 1}
        await side.command("behaviour", fault)
        merchant.may_answer.clear()
        result = await result_of(side, "make_payment", PAYMENT)
        assert not isinstance(result, tuple) or '"status": "ok"' not in result[1]
        # The answer came, or broke, while the merchant was still thinking.
        merchant.may_answer.set()
        payments: list[dict[str, object]] = await side.command("settled")
        return payments

    [payment] = paying(merchant, talk)

    assert (payment["state"], payment["authorization"], payment["confirmations"]) == ("confirmed", "yes", 1)


@pytest.mark.parametrize(
    "behaviour",
    [behaviour for behaviour in BROKEN if behaviour["mode"] != "cut"],
    ids=lambda behaviour: str(behaviour["mode"]),
)
def test_a_call_that_failed_before_it_was_carried_out_makes_no_payment(behaviour: dict[str, object]) -> None:
    merchant = Merchant()

    async def talk(side: Side) -> object:
        await side.command("behaviour", behaviour)
        await result_of(side, "make_payment", PAYMENT)
        return await side.command("settled")

    assert paying(merchant, talk) == []
    assert merchant.received == []


def test_a_call_that_hangs_after_it_was_carried_out_is_confirmed_meanwhile() -> None:
    merchant = Merchant()

    async def talk(side: Side) -> tuple[bool, object]:
        await side.command("behaviour", {"mode": "hang", "operation": "make_payment", "taken": True})
        waiting = asyncio.create_task(result_of(side, "make_payment", PAYMENT))
        while not await side.ask("payments"):
            await asyncio.sleep(0)
        [payment] = await side.command("settled")
        answered = waiting.done()
        await side.command("reset")
        await waiting
        return answered, payment["state"]

    assert paying(merchant, talk) == (False, "confirmed")
