"""Spending limits: the policy's and the self-imposed ones."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paynearme.policy import (
    MerchantCustomer,
    Reason,
    TypeName,
    WindowKind,
    WindowTotals,
    applicable_limits,
    payment_type_name,
)
from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.parsing import read_message
from paynearme.protocol.types import PaymentType
from tests.support.message_fixtures import valid_confirmation
from tests.support.policy_builders import authorization, case, decide_case, policy, totals

CASH, ACH = PaymentType.CASH, PaymentType.ACH
WINDOW_REASONS = [
    (WindowKind.DAY, Reason.DAY_LIMIT_EXCEEDED, Reason.SELF_IMPOSED_DAY_LIMIT_EXCEEDED),
    (WindowKind.WEEK, Reason.WEEK_LIMIT_EXCEEDED, Reason.SELF_IMPOSED_WEEK_LIMIT_EXCEEDED),
    (WindowKind.MONTH, Reason.MONTH_LIMIT_EXCEEDED, Reason.SELF_IMPOSED_MONTH_LIMIT_EXCEEDED),
]
# The spending before a payment of 354.99, and whether both are within a limit of 1,000.00.
EDGES = [("645.00", True), ("645.01", True), ("645.02", False), ("1000.00", False), ("0.00", True)]


def limit(window: str, amount: str, *types: str) -> dict[str, Any]:
    """Return a spending limit of a policy document."""
    return {"window": window, "amount": amount, **({"payment_types": list(types)} if types else {})}


def self_imposed(**amounts: str) -> dict[str, Any]:
    """Return a customer with self-imposed limits."""
    return {"self_imposed_limits": {WindowKind(window): Decimal(amount) for window, amount in amounts.items()}}


def by_type(window: WindowKind, **amounts: str) -> dict[WindowKind, WindowTotals]:
    """Return the spending in a window by payment type."""
    names: dict[str, TypeName] = {**{name.value: name for name in PaymentType}, "none": "none", "other": "other"}
    limits = {names[name]: Decimal(amount) for name, amount in amounts.items()}
    return {window: WindowTotals(sum(limits.values(), Decimal(0)), limits)}


@pytest.mark.parametrize(("window", "reason", "_self_imposed_reason"), WINDOW_REASONS)
@pytest.mark.parametrize(("spent_before", "accepted"), EDGES)
def test_policy_limit_accepts_exact_amount_declines_above(
    window: WindowKind, reason: Reason, _self_imposed_reason: Reason, spent_before: str, accepted: bool
) -> None:
    limits = {"spending_limits": [limit(window, "1000.00")]}
    decision = decide_case(case(policy=limits, spending=totals(**{window: spent_before})))
    assert decision.reason is (Reason.ACCEPTED if accepted else reason)


@pytest.mark.parametrize(("window", "_policy_reason", "reason"), WINDOW_REASONS)
@pytest.mark.parametrize(("spent_before", "accepted"), EDGES)
def test_self_imposed_limit_accepts_exact_amount_declines_above(
    window: WindowKind, _policy_reason: Reason, reason: Reason, spent_before: str, accepted: bool
) -> None:
    customer = self_imposed(**{window: "1000.00"})
    decision = decide_case(case(customer=customer, spending=totals(**{window: spent_before})))
    assert decision.reason is (Reason.ACCEPTED if accepted else reason)


@pytest.mark.parametrize("amount", ["354.98", "354.99", "355.00"])
def test_policy_limit_single_payment_above_declined(amount: str) -> None:
    decision = decide_case(case(policy={"spending_limits": [limit("day", amount)]}))
    assert decision.reason is (Reason.DAY_LIMIT_EXCEEDED if amount == "354.98" else Reason.ACCEPTED)


@pytest.mark.parametrize("window", WindowKind)
def test_limit_ignores_spending_in_other_windows(window: WindowKind) -> None:
    limits = {"spending_limits": [limit(window, "1000.00")]}
    other_windows = totals(**{other: "99999.00" for other in WindowKind if other is not window})
    assert decide_case(case(policy=limits, spending=other_windows)).accept
    assert decide_case(case(customer=self_imposed(**{window: "1000.00"}), spending=other_windows)).accept


def test_limit_counts_payment_amount_with_fees() -> None:
    limits = {"spending_limits": [limit("day", "354.98")]}
    evaluation = case(policy=limits, message={"payment_amount": "354.99", "net_payment_amount": "350.00"})
    assert decide_case(evaluation).reason is Reason.DAY_LIMIT_EXCEEDED
    evaluation = case(policy=limits, message={"payment_amount": "354.98", "net_payment_amount": "400.00"})
    assert decide_case(evaluation).accept
    evaluation = case(customer=self_imposed(day="354.98"), message={"net_payment_amount": "350.00"})
    assert decide_case(evaluation).reason is Reason.SELF_IMPOSED_DAY_LIMIT_EXCEEDED


# Limits for some payment types.


@pytest.mark.parametrize(
    ("limited_types", "payment_type", "is_limited"),
    [
        (["cash"], "cash", True),
        (["cash", "ach"], "ach", True),
        (["cash"], "ach", False),
        (["cash"], None, False),
        (["none"], None, True),
        (["none"], "none", False),
        (["other"], "new", True),
        (["other"], "none", True),
        (["other"], "cash", False),
    ],
)
def test_typed_limit_applies_only_to_listed_payment_types(
    limited_types: list[str], payment_type: str | None, is_limited: bool
) -> None:
    limits = {"spending_limits": [limit("day", "300.00", *limited_types)]}
    decision = decide_case(case(policy=limits, message={"payment_type": payment_type}))
    assert decision.reason is (Reason.DAY_LIMIT_EXCEEDED if is_limited else Reason.ACCEPTED)


def test_typed_limit_counts_spending_of_listed_types_only() -> None:
    limits = {"spending_limits": [limit("week", "1000.00", "cash", "none")]}
    message = {"payment_type": "cash"}
    within_limit = by_type(WindowKind.WEEK, cash="300.00", none="345.01", ach="9999.00", other="9999.00")
    assert decide_case(case(policy=limits, message=message, spending=within_limit)).accept
    above_limit = by_type(WindowKind.WEEK, cash="300.00", none="345.02")
    assert decide_case(case(policy=limits, message=message, spending=above_limit)).reason is Reason.WEEK_LIMIT_EXCEEDED


def test_untyped_limit_counts_spending_of_all_types() -> None:
    limits = {"spending_limits": [limit("week", "1000.00")]}
    message = {"payment_type": "cash"}
    within_limit = by_type(WindowKind.WEEK, ach="300.00", other="345.01")
    assert decide_case(case(policy=limits, message=message, spending=within_limit)).accept
    above_limit = by_type(WindowKind.WEEK, ach="300.00", other="345.02")
    assert decide_case(case(policy=limits, message=message, spending=above_limit)).reason is Reason.WEEK_LIMIT_EXCEEDED


@pytest.mark.parametrize("tight_limit", [0, 1, 2])
def test_limits_of_one_window_all_evaluated(tight_limit: int) -> None:
    limits = [limit("day", "1000.00"), limit("day", "1000.00", "cash"), limit("day", "1000.00", "cash", "ach")]
    spending = by_type(WindowKind.DAY, cash="100.00")
    message = {"payment_type": "cash"}
    assert decide_case(case(policy={"spending_limits": limits}, spending=spending, message=message)).accept
    limits[tight_limit]["amount"] = "454.98"
    decision = decide_case(case(policy={"spending_limits": limits}, spending=spending, message=message))
    assert decision.reason is Reason.DAY_LIMIT_EXCEEDED


# Self-imposed limits.


@pytest.mark.parametrize(
    ("policy_limit", "self_imposed_limit", "reason"),
    [
        ("1000.00", "300.00", Reason.SELF_IMPOSED_DAY_LIMIT_EXCEEDED),
        ("300.00", "1000.00", Reason.DAY_LIMIT_EXCEEDED),
        ("300.00", "300.00", Reason.DAY_LIMIT_EXCEEDED),
        ("300.00", "200.00", Reason.DAY_LIMIT_EXCEEDED),
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


def test_self_imposed_limit_zero_declines_one_cent() -> None:
    evaluation = case(customer=self_imposed(month="0.00"), message={"payment_amount": "0.01"})
    assert decide_case(evaluation).reason is Reason.SELF_IMPOSED_MONTH_LIMIT_EXCEEDED


def test_policy_limit_applies_to_unknown_customer() -> None:
    limits = {"spending_limits": [limit("day", "1000.00")]}
    spending = totals(day="645.02")
    evaluation = case(policy=limits, customer=None, spending=spending)
    assert decide_case(evaluation).reason is Reason.DAY_LIMIT_EXCEEDED
    assert decide_case(case(policy=limits, customer=None, spending=totals(day="645.01"))).accept


# The limits of a payment, the spending, and the payment type.


def test_limit_order_policy_then_self_imposed() -> None:
    limits = [
        limit("month", "5.00"),
        limit("day", "2.00", "cash", "ach"),
        limit("week", "3.00", "ach"),
        limit("week", "4.00"),
        limit("day", "1.00"),
    ]
    customer = MerchantCustomer(**self_imposed(month="8.00", day="6.00", week="7.00"))
    limits_found = list(applicable_limits(policy(spending_limits=limits), customer, CASH))
    assert [
        (found_limit.window, found_limit.amount, found_limit.types, found_limit.reason) for found_limit in limits_found
    ] == [
        (WindowKind.DAY, Decimal(2), {CASH, ACH}, Reason.DAY_LIMIT_EXCEEDED),
        (WindowKind.DAY, Decimal(1), None, Reason.DAY_LIMIT_EXCEEDED),
        (WindowKind.WEEK, Decimal(4), None, Reason.WEEK_LIMIT_EXCEEDED),
        (WindowKind.MONTH, Decimal(5), None, Reason.MONTH_LIMIT_EXCEEDED),
        (WindowKind.DAY, Decimal(6), None, Reason.SELF_IMPOSED_DAY_LIMIT_EXCEEDED),
        (WindowKind.WEEK, Decimal(7), None, Reason.SELF_IMPOSED_WEEK_LIMIT_EXCEEDED),
        (WindowKind.MONTH, Decimal(8), None, Reason.SELF_IMPOSED_MONTH_LIMIT_EXCEEDED),
    ]


@pytest.mark.parametrize("customer", [None, MerchantCustomer()])
def test_applicable_limits_none_configured_empty(customer: MerchantCustomer | None) -> None:
    assert list(applicable_limits(policy(), customer, CASH)) == []


cents = st.integers(0, 10**14 - 1).map(lambda cents_value: Decimal(cents_value) / 100)


@given(st.dictionaries(st.sampled_from(WindowKind), cents), cents.filter(bool))
def test_self_imposed_limits_accept_iff_none_exceeded(limits: dict[WindowKind, Decimal], amount: Decimal) -> None:
    half_totals = {window: WindowTotals(max_amount / 2) for window, max_amount in limits.items()}
    evaluation = case(
        customer={"self_imposed_limits": limits}, spending=half_totals, message={"payment_amount": f"{amount:.2f}"}
    )
    assert decide_case(evaluation).accept == all(
        half_totals[window].total + amount <= max_amount for window, max_amount in limits.items()
    )


def test_window_totals_total_for_payment_types() -> None:
    spending = WindowTotals(Decimal("100.03"), {CASH: Decimal("0.10"), ACH: Decimal("0.20"), "none": Decimal(7)})
    assert spending.total_for(None) == Decimal("100.03")
    assert spending.total_for([CASH, ACH]) == Decimal("0.30")
    assert spending.total_for(["none", "other"]) == Decimal(7)
    assert spending.total_for([PaymentType.PAYPAL]) == Decimal(0)
    assert spending.total_for([]) == Decimal(0)
    assert WindowTotals().total_for(None) == WindowTotals().total_for([CASH]) == Decimal(0)


@pytest.mark.parametrize(
    ("payment_type", "name"),
    [
        *((name.value, name) for name in PaymentType),
        (None, "none"),
        ("", "none"),
        ("none", "other"),
        ("other", "other"),
        ("CASH", "other"),
        ("crypto", "other"),
    ],
)
def test_payment_type_name_maps_missing_and_undocumented(payment_type: str | None, name: TypeName) -> None:
    confirmation = read_message(Confirmation, valid_confirmation(payment_type=payment_type))
    evaluation: Authorization = authorization(payment_type=payment_type)
    assert payment_type_name(evaluation) == payment_type_name(confirmation) == name
