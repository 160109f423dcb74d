"""Apply a new policy to spending under the previous policy."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.callback_driver import DAY, MONTH, WEEK, CallbackDriver, limit, total
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import LambdaFunction

type Deploy = Callable[..., CallbackDriver]


@pytest.fixture
def deploy_policy(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, cold_start: Callable[[str], LambdaFunction]
) -> Deploy:
    """Deploy a policy, and return a driver with functions that use it."""

    def deploy(*limits: dict[str, Any], **changes: Any) -> CallbackDriver:
        deployed_policy.put_defaults(spending_limits=list(limits), **changes)
        return replace(
            callback_driver, authorize_function=cold_start("authorize"), confirm_function=cold_start("confirm")
        )

    return deploy


@pytest.mark.parametrize("window", ["day", "week", "month"])
@pytest.mark.parametrize("types", [[], ["cash", "credit"]], ids=["all types", "some types"])
def test_new_limit_counts_earlier_spending(deploy_policy: Deploy, window: str, types: list[str]) -> None:
    payments_before = deploy_policy()
    payments_before.authorize("1")
    payments_before.confirm("2", payment_type="cash")

    payments_after = deploy_policy(limit(window, "250.00", *types))

    assert not payments_after.authorize("3", payment_amount="50.01")
    assert payments_after.authorize("4", payment_amount="50.00")


def test_new_limit_other_payment_types_counts_earlier_spending(deploy_policy: Deploy) -> None:
    payments_before = deploy_policy(limit("day", "300.00", "credit"))
    payments_before.authorize("1", payment_type="cash")
    payments_before.authorize("2", payment_type="debit")

    payments_after = deploy_policy(limit("day", "150.00", "cash", "credit"))

    assert not payments_after.authorize("3", payment_amount="50.01")
    assert payments_after.authorize("4", payment_amount="50.00")
    assert payments_after.authorize("5", payment_type="debit")


def test_lower_limit_below_spending_declines_all(deploy_policy: Deploy) -> None:
    deploy_policy(limit("month", "500.00")).authorize("1")

    payments_after = deploy_policy(limit("month", "50.00"))

    assert not payments_after.authorize("2", payment_amount="0.01")
    assert payments_after.item("2")["reason"] == "month_limit_exceeded"


def test_spending_counted_while_no_limit(deploy_policy: Deploy) -> None:
    deploy_policy(limit("day", "100.00")).authorize("1")
    without_limit = deploy_policy()
    assert without_limit.authorize("2")
    without_limit.decline("1")

    payments_after = deploy_policy(limit("day", "150.00"))

    assert not payments_after.authorize("3", payment_amount="50.01")
    assert payments_after.authorize("4", payment_amount="50.00")


# 16:00 in New York. The date is the same in London and the next in Tokyo.
AFTERNOON = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)


@pytest.mark.parametrize("window", ["day", "week", "month"])
def test_time_zone_change_same_date_window_continues(deploy_policy: Deploy, window: str) -> None:
    deploy_policy(limit(window, "100.00")).at(AFTERNOON).authorize("1")

    payments_after = deploy_policy(limit(window, "100.00"), time_zone="Europe/London").at(AFTERNOON)

    assert not payments_after.authorize("2", payment_amount="0.01")


def test_time_zone_change_resets_day_keeps_week_and_month(deploy_policy: Deploy) -> None:
    deploy_policy(limit("day", "100.00")).at(AFTERNOON).authorize("1")

    payments_after = deploy_policy(limit("day", "100.00"), limit("week", "150.00"), time_zone="Asia/Tokyo").at(
        AFTERNOON
    )

    assert not payments_after.authorize("2")
    assert payments_after.item("2")["reason"] == "week_limit_exceeded"
    assert payments_after.authorize("3", payment_amount="50.00")
    assert payments_after.spent() == {
        **total("100.00", DAY),
        **total("50.00", "DAY#2026-11-21"),
        **total("150.00", WEEK, MONTH),
    }


@pytest.mark.parametrize("hours_later", [0, 24])
def test_time_zone_change_release_uses_original_windows(deploy_policy: Deploy, hours_later: int) -> None:
    timestamp = AFTERNOON + timedelta(hours=hours_later)
    deploy_policy().at(AFTERNOON).authorize("1")
    deploy_policy(time_zone="Asia/Tokyo").at(AFTERNOON).authorize("2")

    replace(deploy_policy(time_zone="Asia/Tokyo"), now=timestamp).decline("1")
    assert deploy_policy().spent() == total("100.00", "DAY#2026-11-21", WEEK, MONTH)

    deploy_policy().at(timestamp).decline("2")
    assert deploy_policy().spent() == {}


@pytest.mark.parametrize("time_zone", ["America/New_York", "Europe/London", "Asia/Tokyo"])
def test_late_authorize_excludes_own_payment(deploy_policy: Deploy, time_zone: str) -> None:
    deploy_policy().at(AFTERNOON).confirm("1")
    limits = [limit(window, "100.00") for window in ("day", "week", "month")]

    payments_after = deploy_policy(*limits, time_zone=time_zone).at(AFTERNOON)

    assert payments_after.authorize("1")
    assert payments_after.spent() == total("100.00")


def test_time_zone_change_other_week_starts_new_window(deploy_policy: Deploy) -> None:
    sunday_evening = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    deploy_policy(limit("week", "100.00")).at(sunday_evening).authorize("1")

    payments_after = deploy_policy(limit("week", "100.00"), time_zone="Asia/Tokyo").at(sunday_evening)

    assert payments_after.authorize("2")
    assert payments_after.spent()["WEEK#2026-W48"] == 100
