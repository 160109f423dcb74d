from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from paynearme.policy import CustomerStatus, Reason
from tests.support.policy_builders import NOW, case, decide_case

WITHOUT_CUSTOMER = {"site_customer_identifier": None}
for_each_count = pytest.mark.parametrize(
    ("kind", "reason"), [("chargebacks", Reason.TOO_MANY_CHARGEBACKS), ("returns", Reason.TOO_MANY_RETURNS)]
)


def test_unknown_customer_declined_only_if_policy_declines() -> None:
    declining = {"unknown_customer": "decline"}
    assert decide_case(case(customer=None, policy=declining)).reason is Reason.CUSTOMER_UNKNOWN
    assert decide_case(case(customer=None)).accept
    assert decide_case(case(customer={}, policy=declining)).accept


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"chargebacks": {"max_count": 5, "within_days": 30}}, Reason.CUSTOMER_UNKNOWN),
        ({"returns": {"max_count": 5, "within_days": 30}}, Reason.CUSTOMER_UNKNOWN),
        ({"spending_limits": [{"window": "month", "amount": "9999.00"}]}, Reason.CUSTOMER_UNKNOWN),
        ({"spending_limits": [], "payment_types": ["none"]}, Reason.ACCEPTED),
    ],
    ids=str,
)
def test_missing_customer_identifier_with_customer_rule_declined(rule: dict[str, Any], reason: Reason) -> None:
    assert decide_case(case(customer=None, message=WITHOUT_CUSTOMER, policy=rule)).reason is reason
    assert decide_case(case(customer=None, policy=rule)).accept


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("active", Reason.ACCEPTED),
        ("suspended", Reason.CUSTOMER_SUSPENDED),
        ("closed", Reason.CUSTOMER_CLOSED),
    ],
)
def test_customer_status_only_active_accepted(status: str, reason: Reason) -> None:
    decision = decide_case(case(customer={"status": CustomerStatus(status), "suspended_reason": "sanctions"}))
    assert decision.reason is reason
    assert "sanctions" not in str(decision)


def reason_for_counts(kind: str, counts: Mapping[date, int], max_count: int, days: int, now: datetime = NOW) -> str:
    """Return the decision reason for a customer with ``counts`` of chargebacks or returns."""
    policy = {kind: {"max_count": max_count, "within_days": days}, "time_zone": "Pacific/Kiritimati"}
    parts: dict[str, Any] = {"policy": policy, "now": now, kind: counts}
    return decide_case(case(**parts)).reason


@for_each_count
@pytest.mark.parametrize("max_count", [0, 5])
def test_reversal_count_above_max_count_declined(kind: str, reason: Reason, max_count: int) -> None:
    today = NOW.date()
    assert reason_for_counts(kind, {}, max_count, 30) is Reason.ACCEPTED
    assert reason_for_counts(kind, {today: max_count}, max_count, 30) is Reason.ACCEPTED
    assert reason_for_counts(kind, {today: max_count, today - timedelta(days=7): 1}, max_count, 30) is reason


@for_each_count
@pytest.mark.parametrize("days", [1, 30])
def test_reversal_count_covers_within_days_including_today(kind: str, reason: Reason, days: int) -> None:
    first = NOW.date() - timedelta(days=days - 1)
    assert reason_for_counts(kind, {first: 1}, 0, days) is reason
    assert reason_for_counts(kind, {first - timedelta(days=1): 1}, 0, days) is Reason.ACCEPTED


@for_each_count
def test_reversal_count_days_change_at_midnight_utc(kind: str, reason: Reason) -> None:
    counts = {date(2026, 11, 20): 1}
    last = datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)
    assert reason_for_counts(kind, counts, 0, 1, last) is reason
    assert reason_for_counts(kind, counts, 0, 1, last + timedelta(seconds=1)) is Reason.ACCEPTED
