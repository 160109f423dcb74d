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
from tests.support.http_server_fixture import SOCKET_MARKS

pytestmark = SOCKET_MARKS

PLAIN_REQUEST = sample_messages.load("get_smart_token")["plain"]


async def result_of(
    fake: FakePayNearMeDriver, operation: str = "get_smart_token", message: Mapping[str, str] = PLAIN_REQUEST
) -> str:
    """Return status and text of the response, or the name of the error."""
    try:
        async with fake.session.post(f"/json-api/{operation}", json=signed(message)) as response:
            return f"{response.status} {await response.text()}"
    except aiohttp.ClientPayloadError:
        return "truncated"
    except aiohttp.ClientOSError:
        return "aborted"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"mode": "status", "status": 503}, '503 {"status": "error"'),
        ({"mode": "html"}, "200 <!DOCTYPE html>"),
        ({"mode": "reject"}, '200 {"response_code": "6513"'),
        ({"mode": "response", "response": {"a": 1}}, '200 {"a": 1}'),
        ({"mode": "response", "response": {"a": 1}, "status": 400}, '400 {"a": 1}'),
        ({"mode": "truncate"}, "truncated"),
        ({"mode": "abort"}, "aborted"),
    ],
)
def test_fault_injected_until_given_times(fault: dict[str, object], expected: str) -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[str]:
        assert await fake.command("behaviour", {**fault, "times": 2}) == 204
        return [await result_of(fake) for _ in range(3)]

    first, second, last = run_with_fake(scenario)

    assert first.startswith(expected)
    assert second == first
    assert last.startswith('200 {"status": "ok"')


def test_fault_applies_to_its_operation_and_body_only() -> None:
    async def scenario(fake: FakePayNearMeDriver) -> list[str]:
        await fake.command("behaviour", {"mode": "status", "status": 503, "body_contains": "84488215678"})
        await fake.command("behaviour", {"mode": "status", "status": 500, "operation": "get_smart_token"})
        requests = [{**PLAIN_REQUEST, "pnm_order_identifier": order} for order in ("84488215678", "84488215679")]
        results = [await result_of(fake, message=request) for request in requests]
        return [result[:3] for result in (*results, await result_of(fake, "make_payment", PAYMENT))]

    assert run_with_fake(scenario) == ["503", "500", "200"]


@pytest.mark.parametrize(
    ("mode", "process_first"),
    [*((mode, True) for mode in ("status", "html", "reject", "truncate", "abort")), ("abort", False)],
)
def test_fault_after_processing_payment_still_confirmed(mode: str, *, process_first: bool) -> None:
    merchant = AuthorizingMerchantStub()

    async def scenario(fake: FakePayNearMeDriver) -> list[dict[str, object]]:
        await fake.command("behaviour", {"mode": mode, "operation": "make_payment", "process_first": process_first})
        merchant.may_respond.clear()
        # The request ends before the merchant's decision.
        assert '"status": "ok"' not in await result_of(fake, "make_payment", PAYMENT)
        merchant.may_respond.set()
        payments: list[dict[str, object]] = await fake.command("settled")
        return payments

    payments = run_with_merchant(merchant, scenario)

    assert [(payment["state"], payment["authorization"], payment["confirmations"]) for payment in payments] == (
        [("confirmed", "yes", 1)] if process_first else []
    )
