"""The list of rules, their order, and the rules that read only the message."""

import copy
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest

from paynearme.policy import RULES, CustomerStatus, OrderStatus, OrderType, Reason
from paynearme.protocol.types import PaymentType, SiteChannel, SiteSubchannel
from tests.support.policy_builders import NOW, case, decide_case, full_document, parse_document, totals

LIMITS = {"spending_limits": [{"window": window, "amount": "1000.00"} for window in ("month", "week", "day")]}
SELF_IMPOSED_LIMITS = {"self_imposed_limits": dict.fromkeys(("month", "week", "day"), Decimal("500.00"))}
FREQUENCY = {"max_count": 0, "within_days": 1}
TODAY = NOW.date()

# For each reason, the change of an accepted payment of 354.99 that causes only this reason.
VIOLATIONS: dict[Reason, dict[str, Any]] = {
    Reason.CURRENCY_NOT_ACCEPTED: {"message": {"payment_currency": "CAD"}},
    Reason.AMOUNT_NOT_POSITIVE: {"message": {"payment_amount": "0.00"}},
    Reason.PAYMENT_TYPE_NOT_ACCEPTED: {"policy": {"payment_types": ["cash"]}},
    Reason.CHANNEL_NOT_ACCEPTED: {"policy": {"channels": ["consumer"]}},
    Reason.SUBCHANNEL_NOT_ACCEPTED: {"policy": {"subchannels": ["scheduled_one_time"]}},
    Reason.ORDER_UNKNOWN: {"policy": {"unknown_order": "decline"}, "order": None},
    Reason.ORDER_CLOSED: {"order": {"status": OrderStatus.CLOSED}},
    Reason.ORDER_EXPIRED: {"order": {"expires_at": NOW}},
    Reason.ORDER_AMOUNT_DIFFERS: {
        "order": {"order_type": OrderType.EXACT, "order_amount": Decimal("300.00")},
        "message": {"net_payment_amount": "350.00"},
    },
    Reason.ORDER_AMOUNT_TOO_LOW: {
        "order": {"minimum_payment_amount": Decimal("400.00")},
        "message": {"net_payment_amount": "350.00"},
    },
    Reason.ORDER_AMOUNT_TOO_HIGH: {
        "order": {"order_type": OrderType.UP_TO, "order_amount": Decimal("300.00")},
        "message": {"net_payment_amount": "350.00"},
    },
    Reason.CUSTOMER_UNKNOWN: {"policy": {"unknown_customer": "decline"}, "customer": None},
    Reason.CUSTOMER_SUSPENDED: {"customer": {"status": CustomerStatus.SUSPENDED}},
    Reason.CUSTOMER_CLOSED: {"customer": {"status": CustomerStatus.CLOSED}},
    Reason.AMOUNT_TOO_LOW: {"policy": {"amounts": {"none": {"minimum": "400.00"}}}},
    Reason.AMOUNT_TOO_HIGH: {"policy": {"amounts": {"none": {"maximum": "300.00"}}}},
    Reason.TOO_MANY_CHARGEBACKS: {"policy": {"chargebacks": FREQUENCY}, "chargebacks": {TODAY: 1}},
    Reason.TOO_MANY_RETURNS: {"policy": {"returns": FREQUENCY}, "returns": {TODAY: 1}},
    Reason.DAY_LIMIT_EXCEEDED: {"policy": LIMITS, "spending": totals(day="1000.01")},
    Reason.WEEK_LIMIT_EXCEEDED: {"policy": LIMITS, "spending": totals(week="1000.01")},
    Reason.MONTH_LIMIT_EXCEEDED: {"policy": LIMITS, "spending": totals(month="1000.01")},
    Reason.SELF_IMPOSED_DAY_LIMIT_EXCEEDED: {"customer": SELF_IMPOSED_LIMITS, "spending": totals(day="500.01")},
    Reason.SELF_IMPOSED_WEEK_LIMIT_EXCEEDED: {"customer": SELF_IMPOSED_LIMITS, "spending": totals(week="500.01")},
    Reason.SELF_IMPOSED_MONTH_LIMIT_EXCEEDED: {"customer": SELF_IMPOSED_LIMITS, "spending": totals(month="500.01")},
}
SPENDING_REASONS = {reason for reason in VIOLATIONS if "limit" in reason}

# Reasons that cannot have a common payment. ``test_rules_limits`` has the two limits of a window.
INCOMPATIBLE: dict[Reason, set[Reason]] = {
    Reason.AMOUNT_NOT_POSITIVE: {Reason.AMOUNT_TOO_HIGH, Reason.ORDER_AMOUNT_TOO_HIGH},
    Reason.ORDER_UNKNOWN: {reason for reason in Reason if reason.startswith("order_")},
    Reason.ORDER_AMOUNT_DIFFERS: {Reason.ORDER_AMOUNT_TOO_HIGH},
    Reason.CUSTOMER_UNKNOWN: {
        Reason.CUSTOMER_SUSPENDED,
        Reason.CUSTOMER_CLOSED,
        Reason.SELF_IMPOSED_DAY_LIMIT_EXCEEDED,
        Reason.SELF_IMPOSED_WEEK_LIMIT_EXCEEDED,
        Reason.SELF_IMPOSED_MONTH_LIMIT_EXCEEDED,
    },
    Reason.CUSTOMER_SUSPENDED: {Reason.CUSTOMER_CLOSED},
    Reason.AMOUNT_TOO_LOW: {Reason.AMOUNT_TOO_HIGH},
    Reason.DAY_LIMIT_EXCEEDED: {Reason.SELF_IMPOSED_DAY_LIMIT_EXCEEDED},
    Reason.WEEK_LIMIT_EXCEEDED: {Reason.SELF_IMPOSED_WEEK_LIMIT_EXCEEDED},
    Reason.MONTH_LIMIT_EXCEEDED: {Reason.SELF_IMPOSED_MONTH_LIMIT_EXCEEDED},
}
PAIRS = [pair for pair in combinations(VIOLATIONS, 2) if pair[1] not in INCOMPATIBLE.get(pair[0], set())]


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes of both. Fails if they contradict each other."""
    result = dict(first)
    for part_name, changes in second.items():
        if part_name not in result:
            result[part_name] = changes
            continue
        existing = result[part_name]
        assert existing is not None
        assert changes is not None
        assert all(existing[name] == changes[name] for name in existing.keys() & changes.keys())
        result[part_name] = {**existing, **changes}
    return result


def test_rules_no_violation_accepted() -> None:
    decision = decide_case(case())
    assert decision.accept
    assert decision.reason is Reason.ACCEPTED


def test_rule_reasons_all_have_violations_in_order() -> None:
    first, *rule_reasons, conflict_reason, undecidable_reason = Reason
    assert first is Reason.ACCEPTED
    assert {conflict_reason, undecidable_reason} == {Reason.CONFLICTS_WITH_EARLIER, Reason.CANNOT_DECIDE_NOW}
    assert list(VIOLATIONS) == rule_reasons


def test_reason_code_is_lowercase_name() -> None:
    assert [str(reason) for reason in Reason] == [reason.name.lower() for reason in Reason]


def test_order_and_customer_enums_match_stored_values() -> None:
    assert [OrderStatus("open"), OrderStatus("closed")] == list(OrderStatus)
    assert [OrderType("exact"), OrderType("up-to"), OrderType("any")] == list(OrderType)
    statuses = [CustomerStatus("active"), CustomerStatus("suspended"), CustomerStatus("closed")]
    assert statuses == list(CustomerStatus)


@pytest.mark.parametrize("reason", VIOLATIONS)
def test_decide_violation_declines_with_its_reason(reason: Reason) -> None:
    decision = decide_case(case(**VIOLATIONS[reason]))
    assert not decision.accept
    assert decision.reason is reason
    assert decision.decline_reason


@pytest.mark.parametrize("reason", VIOLATIONS)
def test_rules_violation_matches_exactly_one_rule(reason: Reason) -> None:
    evaluation = case(**VIOLATIONS[reason])
    assert [returned_reason for rule in RULES if (returned_reason := rule(evaluation)) is not None] == [reason]


def test_rules_order_matches_reason_order() -> None:
    matching_rules = [next(rule for rule in RULES if rule(case(**VIOLATIONS[reason]))) for reason in VIOLATIONS]
    assert list(dict.fromkeys(matching_rules)) == list(RULES)


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=lambda reason: str(reason))
def test_decide_two_violations_first_reason_returned(first: Reason, second: Reason) -> None:
    evaluation = case(**merged(VIOLATIONS[first], VIOLATIONS[second]))
    reasons = {rule(evaluation) for rule in RULES}
    # One rule evaluates all limits, so it returns one of their reasons.
    assert {first, second} <= (reasons | SPENDING_REASONS if reasons & SPENDING_REASONS else reasons)
    assert decide_case(evaluation).reason is first


@pytest.mark.parametrize("reason", [None, *VIOLATIONS], ids=str)
def test_decide_deterministic_and_inputs_unchanged(reason: Reason | None) -> None:
    evaluation = case(**VIOLATIONS[reason] if reason else {})
    original = copy.deepcopy(
        (evaluation.message.model_dump(), evaluation.context, evaluation.policy.model_dump(), evaluation.now)
    )
    assert decide_case(evaluation) == decide_case(evaluation) == decide_case(copy.deepcopy(evaluation))
    assert (
        evaluation.message.model_dump(),
        evaluation.context,
        evaluation.policy.model_dump(),
        evaluation.now,
    ) == original


def test_decide_independent_of_time_zone_of_now() -> None:
    evaluation = case(
        order={"expires_at": NOW + timedelta(seconds=1)},
        now=NOW.astimezone(parse_document(full_document()).defaults.zone),
    )
    assert decide_case(evaluation) == decide_case(case(order={"expires_at": NOW + timedelta(seconds=1)}))


# The message's currency and amount.


@pytest.mark.parametrize("currency", ["CAD", "EUR", "USN", "XXX"])
def test_currency_other_than_usd_declined(currency: str) -> None:
    assert decide_case(case(message={"payment_currency": currency})).reason is Reason.CURRENCY_NOT_ACCEPTED


@pytest.mark.parametrize("amount", ["0", "0.00", "-0", "-0.01", "-354.99"])
def test_payment_amount_zero_or_negative_declined(amount: str) -> None:
    assert decide_case(case(message={"payment_amount": amount})).reason is Reason.AMOUNT_NOT_POSITIVE


@pytest.mark.parametrize("amount", ["0.01", "999999999999.99"])
def test_payment_amount_minimum_and_maximum_accepted(amount: str) -> None:
    assert decide_case(case(message={"payment_amount": amount})).accept


def test_net_amount_zero_accepted() -> None:
    assert decide_case(case(message={"net_payment_amount": "0.00", "net_payment_currency": "USD"})).accept


# Payment types, channels and sub-channels: listed, undocumented and missing values.

LISTS = [
    ("payment_types", "payment_type", list(PaymentType), Reason.PAYMENT_TYPE_NOT_ACCEPTED),
    ("channels", "site_channel", list(SiteChannel), Reason.CHANNEL_NOT_ACCEPTED),
    ("subchannels", "site_subchannel", list(SiteSubchannel), Reason.SUBCHANNEL_NOT_ACCEPTED),
]


@pytest.mark.parametrize(("field", "parameter", "documented_values", "reason"), LISTS)
def test_policy_list_accepts_only_listed_values(
    field: str, parameter: str, documented_values: list[str], reason: Reason
) -> None:
    for allowed in documented_values:
        for payment_value in [*documented_values, None, "new"]:
            decision = decide_case(case(policy={field: [allowed]}, message={parameter: payment_value}))
            assert decision.reason is (Reason.ACCEPTED if payment_value == allowed else reason)


@pytest.mark.parametrize(("field", "parameter", "documented_values", "reason"), LISTS)
def test_policy_list_none_matches_missing_parameter(
    field: str, parameter: str, documented_values: list[str], reason: Reason
) -> None:
    policy = {field: ["none"]}
    for missing in (None, ""):
        assert decide_case(case(policy=policy, message={parameter: missing})).accept
    for payment_value in (*documented_values, "new", "none", "None"):
        assert decide_case(case(policy=policy, message={parameter: payment_value})).reason is reason


@pytest.mark.parametrize(("field", "parameter", "documented_values", "reason"), LISTS)
def test_policy_list_other_matches_undocumented_values(
    field: str, parameter: str, documented_values: list[str], reason: Reason
) -> None:
    policy = {field: ["other"]}
    for payment_value in ("new", "other", "none", documented_values[0].upper()):
        assert decide_case(case(policy=policy, message={parameter: payment_value})).accept
    for value in (*documented_values, None):
        assert decide_case(case(policy=policy, message={parameter: value})).reason is reason


@pytest.mark.parametrize(("field", "parameter", "documented_values", "_reason"), LISTS)
def test_policy_list_absent_accepts_all_values(
    field: str, parameter: str, documented_values: list[str], _reason: Reason
) -> None:
    for payment_value in (*documented_values, None, "new"):
        assert decide_case(case(policy={field: None}, message={parameter: payment_value})).accept


# The bounds of a payment type.


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ("19.99", Reason.AMOUNT_TOO_LOW),
        ("20.00", Reason.ACCEPTED),
        ("20.01", Reason.ACCEPTED),
        ("499.99", Reason.ACCEPTED),
        ("500.00", Reason.ACCEPTED),
        ("500.01", Reason.AMOUNT_TOO_HIGH),
    ],
)
def test_amount_bounds_inclusive(amount: str, reason: Reason) -> None:
    policy = {"amounts": {"cash": {"minimum": "20.00", "maximum": "500.00"}}}
    message = {"payment_type": "cash", "payment_amount": amount}
    assert decide_case(case(policy=policy, message=message)).reason is reason


@pytest.mark.parametrize(
    ("bounded_type", "payment_type"), [("cash", "cash"), ("cash_app", "cash_app"), ("other", "new"), ("none", None)]
)
def test_amount_bounds_apply_to_their_payment_type_only(bounded_type: str, payment_type: str | None) -> None:
    amounts: dict[str, Any] = {"cash": {}, "cash_app": {}, "other": {}, "none": {}}
    for name in amounts:
        policy = {"amounts": {**amounts, name: {"maximum": "300.00"}}}
        decision = decide_case(case(policy=policy, message={"payment_type": payment_type}))
        assert decision.reason is (Reason.AMOUNT_TOO_HIGH if name == bounded_type else Reason.ACCEPTED)


@pytest.mark.parametrize(("bound", "reason"), [("minimum", Reason.AMOUNT_TOO_LOW), ("maximum", Reason.AMOUNT_TOO_HIGH)])
def test_amount_bounds_compare_payment_amount_with_fees(bound: str, reason: Reason) -> None:
    policy = {"amounts": {"none": {bound: "354.99"}}}
    cent = Decimal("0.01") if bound == "maximum" else Decimal("-0.01")
    message = {"net_payment_amount": str(Decimal("354.99") + cent)}
    assert decide_case(case(policy=policy, message=message)).accept
    mismatched = {"payment_amount": str(Decimal("354.99") + cent), "net_payment_amount": "354.99"}
    assert decide_case(case(policy=policy, message=mismatched)).reason is reason
