"""The list of rules, their order, and the rules that read only the message."""

from decimal import Decimal
from typing import Any

import pytest

from paynearme.policy import RULES, CustomerStatus, OrderStatus, OrderType, Reason
from paynearme.protocol.types import PaymentType, SiteChannel, SiteSubchannel
from tests.support.policy_builders import NOW, case, decide_case, totals

LIMITS = {"spending_limits": [{"window": window, "amount": "1000.00"} for window in ("month", "week", "day")]}
SELF_IMPOSED_LIMITS = {"self_imposed_limits": dict.fromkeys(("month", "week", "day"), Decimal("500.00"))}
FREQUENCY = {"max_count": 0, "within_days": 1}
TODAY = NOW.date()

# For each reason, the change of an accepted payment of 354.99 that causes only this reason.
VIOLATIONS: dict[Reason, dict[str, Any]] = {
    Reason.PAYMENTS_PAUSED: {"policy": {"pause_payments": True}},
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


def test_decide_no_violation_accepted() -> None:
    decision = decide_case(case())
    assert decision.accept
    assert decision.reason is Reason.ACCEPTED
    assert decision.decline_reason is None


def test_rule_reasons_all_have_violations_in_order() -> None:
    assert list(VIOLATIONS) == list(Reason)[1:-4]


@pytest.mark.parametrize("reason", VIOLATIONS)
def test_decide_violation_declines_with_reason_of_one_rule(reason: Reason) -> None:
    evaluation = case(**VIOLATIONS[reason])
    assert [returned_reason for rule in RULES if (returned_reason := rule(evaluation)) is not None] == [reason]
    decision = decide_case(evaluation)
    assert not decision.accept
    assert decision.reason is reason
    assert decision.decline_reason


def test_rules_order_matches_reason_order() -> None:
    matching_rules = [next(rule for rule in RULES if rule(case(**VIOLATIONS[reason]))) for reason in VIOLATIONS]
    assert list(dict.fromkeys(matching_rules)) == list(RULES)


def test_decide_several_violations_first_reason_returned() -> None:
    order, customer = {"status": OrderStatus.CLOSED}, {"status": CustomerStatus.CLOSED}
    assert decide_case(case(order=order, customer=customer)).reason is Reason.ORDER_CLOSED
    assert decide_case(case(policy=LIMITS, customer=customer, spending=totals(day="9999"))).reason == "customer_closed"


# The message's currency and amount.


@pytest.mark.parametrize("currency", ["CAD", "USN"])
def test_currency_other_than_usd_declined(currency: str) -> None:
    assert decide_case(case(message={"payment_currency": currency})).reason is Reason.CURRENCY_NOT_ACCEPTED


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ("-0.01", Reason.AMOUNT_NOT_POSITIVE),
        ("-0", Reason.AMOUNT_NOT_POSITIVE),
        ("0.01", Reason.ACCEPTED),
        ("999999999999.99", Reason.ACCEPTED),
    ],
)
def test_payment_amount_not_positive_declined(amount: str, reason: Reason) -> None:
    assert decide_case(case(message={"payment_amount": amount})).reason is reason


# Payment types, channels and sub-channels: listed, undocumented and missing values.


@pytest.mark.parametrize(
    ("field", "parameter", "documented_values", "reason"),
    [
        ("payment_types", "payment_type", list(PaymentType), Reason.PAYMENT_TYPE_NOT_ACCEPTED),
        ("channels", "site_channel", list(SiteChannel), Reason.CHANNEL_NOT_ACCEPTED),
        ("subchannels", "site_subchannel", list(SiteSubchannel), Reason.SUBCHANNEL_NOT_ACCEPTED),
    ],
)
def test_policy_list_accepts_only_listed_values(
    field: str, parameter: str, documented_values: list[str], reason: Reason
) -> None:
    names: dict[str | None, str] = {None: "none", "": "none"}
    names.update((value, str(value)) for value in documented_values)
    names.update((value, "other") for value in ("new", "other", "none", documented_values[0].upper()))
    for allowed in set(names.values()):
        for payment_value, name in names.items():
            decision = decide_case(case(policy={field: [allowed]}, message={parameter: payment_value}))
            assert decision.reason is (Reason.ACCEPTED if name == allowed else reason)


# The bounds of a payment type.


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ("19.99", Reason.AMOUNT_TOO_LOW),
        ("20.00", Reason.ACCEPTED),
        ("500.00", Reason.ACCEPTED),
        ("500.01", Reason.AMOUNT_TOO_HIGH),
    ],
)
def test_amount_bounds_inclusive_with_fees(amount: str, reason: Reason) -> None:
    policy = {"amounts": {"cash": {"minimum": "20.00", "maximum": "500.00"}}}
    message = {"payment_type": "cash", "payment_amount": amount}
    for net_amount in (None, "19.00", "20.00"):
        assert decide_case(case(policy=policy, message={**message, "net_payment_amount": net_amount})).reason is reason


@pytest.mark.parametrize(
    ("bounded_type", "payment_type"), [("cash", "cash"), ("cash_app", "cash_app"), ("other", "new"), ("none", None)]
)
def test_amount_bounds_apply_to_their_payment_type_only(bounded_type: str, payment_type: str | None) -> None:
    amounts: dict[str, Any] = {"cash": {}, "cash_app": {}, "other": {}, "none": {}}
    for bounds, reason in (
        ({"maximum": "354.98"}, Reason.AMOUNT_TOO_HIGH),
        ({"minimum": "355.00"}, Reason.AMOUNT_TOO_LOW),
    ):
        for name in amounts:
            policy = {"amounts": {**amounts, name: bounds}}
            decision = decide_case(case(policy=policy, message={"payment_type": payment_type}))
            assert decision.reason is (reason if name == bounded_type else Reason.ACCEPTED)
