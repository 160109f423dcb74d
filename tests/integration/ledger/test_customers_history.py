from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.api_driver import ApiDriver, customer_path
from tests.support.callback_driver import NOON, CallbackDriver, reversal, send_at, unix_time
from tests.support.callback_fixtures import SITE, SITE_OF_3_0_IN_XML
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import AwsCallRecorder, LambdaFunction


@pytest.fixture
def api_driver(cold_start: Callable[[str], LambdaFunction]) -> ApiDriver:
    return ApiDriver(cold_start).at(NOON)


def window(name: str, spent: str = "0.00", **by_type: str) -> dict[str, Any]:
    return {"window": name, "spent": spent, "by_payment_type": by_type}


def test_get_customer_spending_per_current_window_and_type(
    api_driver: ApiDriver, callback_driver: CallbackDriver
) -> None:
    days = [datetime(2026, 11, day, 17, tzinfo=UTC) for day in (1, 15, 16, 20)]
    amounts = ["1000.01", "100.02", "10.03", "1.04"]
    for payment_id, (day, amount) in enumerate(zip(days, amounts, strict=True)):
        callback_driver.at(day).authorize(str(payment_id), payment_amount=amount)
    callback_driver.authorize("9", payment_amount="0.90", payment_type="cash")
    callback_driver.authorize("10", payment_amount="0.09", payment_type="barter")
    callback_driver.authorize("11", payment_amount="7000.00", payment_type="ach")
    callback_driver.decline("11", payment_amount="7000.00", payment_type="ach")

    assert api_driver.get(customer_path()).content["spending"] == {
        "time_zone": "America/New_York",
        "day": window("2026-11-20", "2.03", credit="1.04", cash="0.90", other="0.09"),
        "week": window("2026-W47", "12.06", credit="11.07", cash="0.90", other="0.09"),
        "month": window("2026-11", "1112.09", credit="1111.10", cash="0.90", other="0.09"),
    }


def test_spending_day_follows_policy_time_zone(
    api_driver: ApiDriver, callback_driver: CallbackDriver, deployed_policy: FakeAppConfig
) -> None:
    last_second = datetime(2026, 11, 21, 4, 59, 59, tzinfo=UTC)
    callback_driver.at(last_second).authorize()

    returned = [api_driver.at(last_second + timedelta(seconds=s)).get(customer_path()).content for s in (0, 1)]
    assert [content["spending"]["day"] for content in returned] == [
        window("2026-11-20", "100.00", credit="100.00"),
        window("2026-11-21"),
    ]


def send_reversal(reverse: LambdaFunction, now: datetime, payment_id: str, **changes: str) -> None:
    """Send a reversal at ``now``."""
    message = reversal(pnm_payment_identifier=payment_id, timestamp=unix_time(now), **changes)
    assert send_at(now, reverse, message).status == 200


def test_reversal_counts_within_policy_days(
    api_driver: ApiDriver, reverse: LambdaFunction, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(
        chargebacks={"max_count": 0, "within_days": 350}, returns={"max_count": 0, "within_days": 2}
    )
    # The oldest counted reversal is in the previous year.
    for days in (0, 1, 2, 349, 350, 400):
        day = NOON - timedelta(days=days)
        send_reversal(reverse, day, f"{days}r")
        send_reversal(reverse, day, f"{days}c", reverse_type="Chargeback", reverse_code="4853")
        send_reversal(reverse, day, f"{days}o", reverse_type="Refund", reverse_code="1")

    returned = api_driver.get(customer_path()).content
    assert returned["chargebacks"] == {"count": 4, "within_days": 350}
    assert returned["returns"] == {"count": 2, "within_days": 2}


def test_reversal_counts_without_policy_rule_within_365_days(api_driver: ApiDriver, reverse: LambdaFunction) -> None:
    for days in (0, 200, 364, 365):
        send_reversal(reverse, NOON - timedelta(days=days), str(days))

    assert api_driver.get(customer_path()).content["returns"] == {"count": 3, "within_days": 365}


def test_get_customer_uses_policy_of_its_site(api_driver: ApiDriver, deployed_policy: FakeAppConfig) -> None:
    defaults = {"unknown_order": "accept", "unknown_customer": "accept", "time_zone": "Asia/Tokyo"}
    deployed_policy.put({"defaults": defaults, "sites": {SITE: {"time_zone": "America/Chicago"}}})

    time_zones = [
        api_driver.put(customer_path(site=site)).content["spending"]["time_zone"] for site in (SITE, SITE_OF_3_0_IN_XML)
    ]
    assert time_zones == ["America/Chicago", "Asia/Tokyo"]


def test_get_customer_long_history_one_dynamodb_request(
    api_driver: ApiDriver, callback_driver: CallbackDriver, aws_calls: AwsCallRecorder
) -> None:
    for payment_id in range(20):
        callback_driver.at(NOON - timedelta(days=payment_id)).confirm(str(payment_id))

    assert aws_calls.calls_during(lambda: api_driver.get(customer_path())) == ["BatchGetItem"]
