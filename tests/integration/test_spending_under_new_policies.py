"""A policy that changes in the middle of a window counts what was spent before."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.deployed_policy import DeployedPolicy
from tests.integration.observed import Function, Stored
from tests.integration.payments_over_time import DAY, MONTH, WEEK, Payments, in_all, limit

type Deploy = Callable[..., Payments]


@pytest.fixture
def under(stored: Stored, deployed_policy: DeployedPolicy, cold_start: Callable[[str], Function]) -> Deploy:
    """Deploys a policy, and returns payments that are decided and confirmed under it."""

    def deploy(*limits: dict[str, Any], **changes: Any) -> Payments:
        deployed_policy.put_defaults(spending_limits=list(limits), **changes)
        return Payments(cold_start("authorize"), cold_start("confirm"), stored)

    return deploy


@pytest.mark.parametrize("window", ["day", "week", "month"])
@pytest.mark.parametrize("types", [[], ["cash", "credit"]], ids=["over all types", "over some types"])
def test_a_new_limit_counts_what_was_spent_before_it(under: Deploy, window: str, types: list[str]) -> None:
    before = under()
    before.ask("1")
    before.pay("2", payment_type="cash")

    after = under(limit(window, "250.00", *types))

    assert not after.ask("3", payment_amount="50.01")
    assert after.ask("4", payment_amount="50.00")


def test_a_new_limit_over_other_types_counts_what_was_spent_with_these(under: Deploy) -> None:
    before = under(limit("day", "300.00", "credit"))
    before.ask("1", payment_type="cash")
    before.ask("2", payment_type="debit")

    after = under(limit("day", "150.00", "cash", "credit"))

    assert not after.ask("3", payment_amount="50.01")
    assert after.ask("4", payment_amount="50.00")
    assert after.ask("5", payment_type="debit")


def test_a_lower_limit_declines_everything_once_more_than_it_was_spent(under: Deploy) -> None:
    under(limit("month", "500.00")).ask("1")

    after = under(limit("month", "50.00"))

    assert not after.ask("2", payment_amount="0.01")
    assert after.item("2")["reason"] == "month_limit_exceeded"


def test_spending_counts_while_there_is_no_limit(under: Deploy) -> None:
    under(limit("day", "100.00")).ask("1")
    without = under()
    assert without.ask("2")
    without.fail("1")

    after = under(limit("day", "150.00"))

    assert not after.ask("3", payment_amount="50.01")
    assert after.ask("4", payment_amount="50.00")


# 16:00 in New York: the same date in London, already the next in Tokyo.
AFTERNOON = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)


@pytest.mark.parametrize("window", ["day", "week", "month"])
def test_in_another_time_zone_a_window_of_the_same_name_goes_on(under: Deploy, window: str) -> None:
    under(limit(window, "100.00")).at(AFTERNOON).ask("1")

    after = under(limit(window, "100.00"), time_zone="Europe/London").at(AFTERNOON)

    assert not after.ask("2", payment_amount="0.01")


def test_in_another_time_zone_a_day_of_another_name_begins_anew_and_its_week_and_month_go_on(
    under: Deploy,
) -> None:
    under(limit("day", "100.00")).at(AFTERNOON).ask("1")

    after = under(limit("day", "100.00"), limit("week", "150.00"), time_zone="Asia/Tokyo").at(AFTERNOON)

    assert not after.ask("2")
    assert after.item("2")["reason"] == "week_limit_exceeded"
    assert after.ask("3", payment_amount="50.00")
    assert after.spent() == {
        **in_all("100.00", DAY),
        **in_all("50.00", "DAY#2026-11-21"),
        **in_all("150.00", WEEK, MONTH),
    }


@pytest.mark.parametrize("after_hours", [0, 24])
def test_what_was_reserved_in_one_time_zone_is_given_back_there(under: Deploy, after_hours: int) -> None:
    moment = AFTERNOON + timedelta(hours=after_hours)
    under().at(AFTERNOON).ask("1")
    under(time_zone="Asia/Tokyo").at(AFTERNOON).ask("2")

    replace(under(time_zone="Asia/Tokyo"), now=moment).fail("1")
    assert under().spent() == in_all("100.00", "DAY#2026-11-21", WEEK, MONTH)

    under().at(moment).fail("2")
    assert under().spent() == {}


@pytest.mark.parametrize("time_zone", ["America/New_York", "Europe/London", "Asia/Tokyo"])
def test_a_late_question_is_not_declined_by_its_own_payment_whatever_the_time_zone_by_then(
    under: Deploy, time_zone: str
) -> None:
    under().at(AFTERNOON).pay("1")
    limits = [limit(window, "100.00") for window in ("day", "week", "month")]

    after = under(*limits, time_zone=time_zone).at(AFTERNOON)

    assert after.ask("1")
    assert after.spent() == in_all("100.00")


def test_a_time_zone_in_which_the_week_is_another_counts_there(under: Deploy) -> None:
    sunday_evening = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    under(limit("week", "100.00")).at(sunday_evening).ask("1")

    after = under(limit("week", "100.00"), time_zone="Asia/Tokyo").at(sunday_evening)

    assert after.ask("2")
    assert after.spent()["WEEK#2026-W48"] == 100
