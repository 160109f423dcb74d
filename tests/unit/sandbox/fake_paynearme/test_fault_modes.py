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


def run_with_fault(behaviour: Mapping[str, object], calls: int) -> list[object]:
    """Return the results of ``get_smart_token`` requests with a behaviour."""

    async def scenario(fake: FakePayNearMeDriver) -> list[object]:
        assert await fake.command("behaviour", behaviour) == 204
        return [await result_of(fake, "get_smart_token", PLAIN_REQUEST) for _ in range(calls)]

    return run_with_fake(scenario)


def test_fault_status_ends_after_given_times() -> None:
    results = run_with_fault({"mode": "status", "status": 503, "times": 2}, calls=3)

    assert [result[0] for result in results if isinstance(result, tuple)] == [503, 503, 200]


@pytest.mark.parametrize(
    ("mode", "error"), [("truncate", aiohttp.ClientPayloadError), ("abort", aiohttp.ClientOSError)]
)
def test_fault_truncate_or_abort_breaks_connection(mode: str, error: type[Exception]) -> None:
    [result, second] = run_with_fault({"mode": mode, "times": 1}, calls=2)

    assert isinstance(result, type)
    assert issubclass(result, error)
    assert isinstance(second, tuple)


def test_fault_with_body_contains_keeps_fault_of_other_requests() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[int]:
        await fake.command("behaviour", {"mode": "status", "status": 503, "body_contains": "84488215678"})
        await fake.command("behaviour", {"mode": "status", "status": 500})
        orders = ("84488215678", "84488215679")
        messages = [signed({**PLAIN_REQUEST, "pnm_order_identifier": order}) for order in orders]
        return [(await fake.send("get_smart_token", message))[0] for message in messages]

    assert run_with_fake(scenario) == [503, 500]


@pytest.mark.parametrize("behaviour", BROKEN, ids=lambda behaviour: str(behaviour["mode"]))
def test_fault_after_processing_payment_still_confirmed(behaviour: dict[str, object]) -> None:
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


def test_fault_before_processing_creates_no_payment() -> None:
    merchant = AuthorizingMerchantStub()

    async def scenario(fake: FakePayNearMeDriver) -> object:
        await fake.command("behaviour", {"mode": "abort"})
        await result_of(fake, "make_payment", PAYMENT)
        return await fake.command("settled")

    assert run_with_merchant(merchant, scenario) == []
    assert merchant.received == []
