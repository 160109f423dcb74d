"""Spending limits: the policy's and the self-imposed ones."""

from decimal import Decimal
from typing import Any

import pytest

from paynearme.policy import MerchantCustomer, Reason, TypeName, WindowKind, WindowTotals, applicable_limits
from paynearme.protocol.types import PaymentType
from tests.support.policy_builders import case, decide_case, policy, totals

CASH, ACH = PaymentType.CASH, PaymentType.ACH


def limit(window: str, amount: str, *types: str) -> dict[str, Any]:
    """Return a spending limit of a policy document."""
    return {"window": window, "amount": amount, **({"payment_types": list(types)} if types else {})}


def self_imposed(**amounts: str) -> dict[str, Any]:
    """Return a customer with self-imposed limits."""
    return {"self_imposed_limits": {WindowKind(window): Decimal(amount) for window, amount in amounts.items()}}


def by_type(window: WindowKind, **amounts: str) -> dict[WindowKind, WindowTotals]:
    """Return the spending in a window by payment type."""
    names: dict[str, TypeName] = {"cash": CASH, "ach": ACH, "none": "none", "other": "other"}
    limits = {names[name]: Decimal(amount) for name, amount in amounts.items()}
    return {window: WindowTotals(sum(limits.values(), Decimal(0)), limits)}


@pytest.mark.parametrize(
    ("window", "reason", "self_imposed_reason"),
    [
        ("day", Reason.DAY_LIMIT_EXCEEDED, Reason.SELF_IMPOSED_DAY_LIMIT_EXCEEDED),
        ("week", Reason.WEEK_LIMIT_EXCEEDED, Reason.SELF_IMPOSED_WEEK_LIMIT_EXCEEDED),
        ("month", Reason.MONTH_LIMIT_EXCEEDED, Reason.SELF_IMPOSED_MONTH_LIMIT_EXCEEDED),
    ],
)
def test_limit_accepts_exact_amount_declines_above(window: str, reason: Reason, self_imposed_reason: Reason) -> None:
    limits, customer = {"spending_limits": [limit(window, "1000.00")]}, self_imposed(**{window: "1000.00"})
    other_windows = totals(**{other: "99999.00" for other in WindowKind if other != window})
    within_limit = other_windows | totals(**{window: "645.01"})
    above_limit = other_windows | totals(**{window: "645.02"})
    for spending in (other_windows, within_limit):
        assert decide_case(case(policy=limits, customer=customer, spending=spending)).accept
    assert decide_case(case(policy=limits, customer=customer, spending=above_limit)).reason is reason
    assert decide_case(case(customer=customer, spending=above_limit)).reason is self_imposed_reason


def test_limit_counts_payment_amount_with_fees() -> None:
    limits = {"spending_limits": [limit("day", "354.98")]}
    evaluation = case(policy=limits, message={"payment_amount": "354.99", "net_payment_amount": "350.00"})
    assert decide_case(evaluation).reason is Reason.DAY_LIMIT_EXCEEDED
    evaluation = case(policy=limits, message={"payment_amount": "354.98", "net_payment_amount": "400.00"})
    assert decide_case(evaluation).accept


# Limits for some payment types.


@pytest.mark.parametrize(
    ("limited_types", "payment_type", "is_limited"),
    [
        (["cash", "ach"], "ach", True),
        (["cash"], "ach", False),
        (["cash"], None, False),
        (["none"], None, True),
        (["none"], "none", False),
        (["other"], "new", True),
    ],
)
def test_typed_limit_applies_only_to_listed_payment_types(
    limited_types: list[str], payment_type: str | None, is_limited: bool
) -> None:
    limits = {"spending_limits": [limit("day", "300.00", *limited_types)]}
    decision = decide_case(case(policy=limits, message={"payment_type": payment_type}))
    assert decision.reason is (Reason.DAY_LIMIT_EXCEEDED if is_limited else Reason.ACCEPTED)


@pytest.mark.parametrize(
    ("types", "other_spending"), [(["cash", "none"], {"ach": "9999.00", "other": "9999.00"}), ([], {})]
)
def test_limit_counts_spending_of_its_payment_types(types: list[str], other_spending: dict[str, str]) -> None:
    parts: dict[str, Any] = {
        "policy": {"spending_limits": [limit("week", "1000.00", *types)]},
        "message": {"payment_type": "cash"},
    }
    within_limit = by_type(WindowKind.WEEK, cash="300.00", none="345.01", **other_spending)
    above_limit = by_type(WindowKind.WEEK, cash="300.00", none="345.02", **other_spending)
    assert decide_case(case(**parts, spending=within_limit)).accept
    assert decide_case(case(**parts, spending=above_limit)).reason is Reason.WEEK_LIMIT_EXCEEDED


# Self-imposed limits.


@pytest.mark.parametrize(
    ("policy_limit", "self_imposed_limit", "reason"),
    [
        ("1000.00", "300.00", Reason.SELF_IMPOSED_DAY_LIMIT_EXCEEDED),
        ("300.00", "1000.00", Reason.DAY_LIMIT_EXCEEDED),
        ("300.00", "200.00", Reason.DAY_LIMIT_EXCEEDED),
        ("1000.00", "0.00", Reason.SELF_IMPOSED_DAY_LIMIT_EXCEEDED),
        ("1000.00", "354.99", Reason.ACCEPTED),
    ],
)
def test_self_imposed_limit_lowers_but_never_raises_policy_limit(
    policy_limit: str, self_imposed_limit: str, reason: Reason
) -> None:
    limits = {"spending_limits": [limit("day", policy_limit)]}
    assert decide_case(case(policy=limits, customer=self_imposed(day=self_imposed_limit))).reason is reason


def test_self_imposed_limit_counts_all_payment_types() -> None:
    limits = {"spending_limits": [limit("day", "1000.00", "cash")]}
    spending = by_type(WindowKind.DAY, ach="300.00")
    evaluation = case(
        policy=limits, customer=self_imposed(day="500.00"), spending=spending, message={"payment_type": "cash"}
    )
    assert decide_case(evaluation).reason is Reason.SELF_IMPOSED_DAY_LIMIT_EXCEEDED


def test_applicable_limits_order_policy_then_self_imposed() -> None:
    limits = [
        limit("month", "5.00"),
        limit("day", "2.00", "cash", "ach"),
        limit("week", "3.00", "ach"),
        limit("week", "4.00"),
        limit("day", "1.00"),
    ]
    customer = MerchantCustomer(**self_imposed(month="8.00", day="6.00", week="7.00"))
    limits_found = applicable_limits(policy(spending_limits=limits), customer, CASH)
    assert [(found.window, found.amount, found.types, found.reason) for found in limits_found] == [
        (WindowKind.DAY, Decimal(2), {CASH, ACH}, Reason.DAY_LIMIT_EXCEEDED),
        (WindowKind.DAY, Decimal(1), None, Reason.DAY_LIMIT_EXCEEDED),
        (WindowKind.WEEK, Decimal(4), None, Reason.WEEK_LIMIT_EXCEEDED),
        (WindowKind.MONTH, Decimal(5), None, Reason.MONTH_LIMIT_EXCEEDED),
        (WindowKind.DAY, Decimal(6), None, Reason.SELF_IMPOSED_DAY_LIMIT_EXCEEDED),
        (WindowKind.WEEK, Decimal(7), None, Reason.SELF_IMPOSED_WEEK_LIMIT_EXCEEDED),
        (WindowKind.MONTH, Decimal(8), None, Reason.SELF_IMPOSED_MONTH_LIMIT_EXCEEDED),
    ]
