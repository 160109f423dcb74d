from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from paynearme.policy import CustomerStatus, Reason
from tests.support.policy_builders import NOW, case, decide_case

WITHOUT_CUSTOMER = {"site_customer_identifier": None}
CUSTOMER_RULES: list[dict[str, Any]] = [
    {"chargebacks": {"max_count": 5, "within_days": 30}},
    {"returns": {"max_count": 5, "within_days": 30}},
    {"spending_limits": [{"window": "month", "amount": "9999.00"}]},
]


def test_unknown_customer_declined_only_if_policy_declines() -> None:
    assert decide_case(case(customer=None, policy={"unknown_customer": "decline"})).reason is Reason.CUSTOMER_UNKNOWN
    assert decide_case(case(customer=None, policy={"unknown_customer": "accept"})).accept


def test_stored_customer_accepted_if_policy_declines_unknown() -> None:
    assert decide_case(case(customer={}, policy={"unknown_customer": "decline"})).accept


@pytest.mark.parametrize("rule", CUSTOMER_RULES, ids=lambda rule: str(*rule))
def test_missing_customer_identifier_with_customer_rule_declined(rule: dict[str, Any]) -> None:
    assert decide_case(case(customer=None, message=WITHOUT_CUSTOMER, policy=rule)).reason is Reason.CUSTOMER_UNKNOWN
    assert decide_case(case(customer=None, policy=rule)).accept


def test_missing_customer_identifier_no_customer_rule_accepted() -> None:
    policy = {"amounts": {"none": {"maximum": "500.00"}}, "payment_types": ["none"], "spending_limits": []}
    assert decide_case(case(customer=None, message=WITHOUT_CUSTOMER, policy=policy)).accept


def test_missing_customer_identifier_treated_as_unknown_customer() -> None:
    declining = {"unknown_customer": "decline"}
    assert (
        decide_case(case(customer=None, message=WITHOUT_CUSTOMER, policy=declining)).reason is Reason.CUSTOMER_UNKNOWN
    )


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (CustomerStatus.ACTIVE, Reason.ACCEPTED),
        (CustomerStatus.SUSPENDED, Reason.CUSTOMER_SUSPENDED),
        (CustomerStatus.CLOSED, Reason.CUSTOMER_CLOSED),
    ],
)
def test_customer_status_only_active_accepted(status: CustomerStatus, reason: Reason) -> None:
    assert decide_case(case(customer={"status": status})).reason is reason


def test_suspended_reason_absent_from_decision() -> None:
    customer = {"status": CustomerStatus.SUSPENDED, "suspended_reason": "sanctions"}
    assert "sanctions" not in str(decide_case(case(customer=customer)))


COUNT_RULES = [("chargebacks", Reason.TOO_MANY_CHARGEBACKS), ("returns", Reason.TOO_MANY_RETURNS)]


def reason_for_counts(
    kind: str, counts: Mapping[date, int], max_count: int, days: int, now: datetime = NOW, zone: str = "UTC"
) -> str:
    """Return the decision reason for a customer with ``counts`` of chargebacks or returns."""
    policy = {kind: {"max_count": max_count, "within_days": days}, "time_zone": zone}
    parts: dict[str, Any] = {"policy": policy, "now": now, kind: counts}
    return decide_case(case(**parts)).reason


@pytest.mark.parametrize(("kind", "reason"), COUNT_RULES)
@pytest.mark.parametrize("max_count", [0, 1, 5])
def test_reversal_count_above_max_count_declined(kind: str, reason: Reason, max_count: int) -> None:
    today = NOW.date()
    assert reason_for_counts(kind, {}, max_count, 30) is Reason.ACCEPTED
    assert reason_for_counts(kind, {today: max_count}, max_count, 30) is Reason.ACCEPTED
    assert reason_for_counts(kind, {today: max_count + 1}, max_count, 30) is reason
    assert reason_for_counts(kind, {today: max_count, today - timedelta(days=7): 1}, max_count, 30) is reason


@pytest.mark.parametrize(("kind", "reason"), COUNT_RULES)
@pytest.mark.parametrize("days", [1, 2, 30, 365])
def test_reversal_count_covers_within_days_including_today(kind: str, reason: Reason, days: int) -> None:
    first = NOW.date() - timedelta(days=days - 1)
    assert reason_for_counts(kind, {first: 1}, 0, days) is reason
    assert reason_for_counts(kind, {first - timedelta(days=1): 1}, 0, days) is Reason.ACCEPTED


@pytest.mark.parametrize(("kind", "reason"), COUNT_RULES)
@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati", "Etc/GMT+12"])
def test_reversal_count_days_change_at_midnight_utc(kind: str, reason: Reason, zone: str) -> None:
    counts = {date(2026, 11, 20): 1}
    last = datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)
    assert reason_for_counts(kind, counts, 0, 1, last, zone) is reason
    assert reason_for_counts(kind, counts, 0, 1, last + timedelta(seconds=1), zone) is Reason.ACCEPTED


def test_chargebacks_and_bank_returns_counted_separately() -> None:
    policy = {"chargebacks": {"max_count": 1, "within_days": 30}, "returns": {"max_count": 1, "within_days": 30}}
    counts = {NOW.date(): 1}
    assert decide_case(case(policy=policy, chargebacks=counts, returns=counts)).accept


def test_reversal_counts_without_policy_rule_accepted() -> None:
    counts = {NOW.date(): 1000}
    assert decide_case(case(chargebacks=counts, returns=counts)).accept


def test_unknown_customer_with_chargebacks_declined() -> None:
    policy = {"chargebacks": {"max_count": 0, "within_days": 30}}
    decision = decide_case(case(customer=None, policy=policy, chargebacks={NOW.date(): 1}))
    assert decision.reason is Reason.TOO_MANY_CHARGEBACKS
