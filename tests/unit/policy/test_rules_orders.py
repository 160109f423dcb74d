from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from paynearme.policy import OrderStatus, OrderType, Reason
from tests.support.policy_builders import NOW, case, decide_case

DECLINE_UNKNOWN_ORDERS = {"unknown_order": "decline"}


def decision_reason(order: dict[str, Any], **message: str | None) -> str:
    """Return the decision reason for a payment of 354.99 for ``order``."""
    return decide_case(case(order=order, message=message)).reason


def test_unknown_order_declined_only_if_policy_declines() -> None:
    assert decide_case(case(order=None, policy=DECLINE_UNKNOWN_ORDERS)).reason is Reason.ORDER_UNKNOWN
    assert decide_case(case(order=None, policy={"unknown_order": "accept"})).accept


def test_stored_order_accepted_if_policy_declines_unknown() -> None:
    assert decide_case(case(order={}, policy=DECLINE_UNKNOWN_ORDERS)).accept


def test_order_status_closed_declined_open_accepted() -> None:
    assert decision_reason({"status": OrderStatus.CLOSED}) is Reason.ORDER_CLOSED
    assert decision_reason({"status": OrderStatus.OPEN}) is Reason.ACCEPTED


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (timedelta(seconds=-1), Reason.ACCEPTED),
        (timedelta(microseconds=-1), Reason.ACCEPTED),
        (timedelta(0), Reason.ORDER_EXPIRED),
        (timedelta(seconds=1), Reason.ORDER_EXPIRED),
        (timedelta(days=400), Reason.ORDER_EXPIRED),
    ],
)
def test_order_declined_from_expiry_timestamp_on(later: timedelta, reason: Reason) -> None:
    assert decide_case(case(order={"expires_at": NOW}, now=NOW + later)).reason is reason


@pytest.mark.parametrize(("fold", "instant"), [(0, "2026-11-01T05:30:00Z"), (1, "2026-11-01T06:30:00Z")])
def test_order_expiry_in_ambiguous_dst_hour_respects_fold(fold: int, instant: str) -> None:
    expires_at = datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"), fold=fold)
    now = datetime.fromisoformat(instant)
    assert decide_case(case(order={"expires_at": expires_at}, now=now)).reason is Reason.ORDER_EXPIRED
    assert decide_case(case(order={"expires_at": expires_at}, now=now - timedelta(seconds=1))).accept


def test_order_without_expiry_accepted() -> None:
    assert decide_case(case(order={"expires_at": None}, now=NOW + timedelta(days=100_000))).accept


AMOUNTS = ["354.98", "354.99", "355.00"]


@pytest.mark.parametrize(
    ("order_type", "reasons"),
    [
        (OrderType.EXACT, [Reason.ORDER_AMOUNT_DIFFERS, Reason.ACCEPTED, Reason.ORDER_AMOUNT_DIFFERS]),
        (OrderType.UP_TO, [Reason.ACCEPTED, Reason.ACCEPTED, Reason.ORDER_AMOUNT_TOO_HIGH]),
        (OrderType.ANY, [Reason.ACCEPTED, Reason.ACCEPTED, Reason.ACCEPTED]),
    ],
)
def test_order_amount_rule_depends_on_order_type(order_type: OrderType, reasons: list[Reason]) -> None:
    order = {"order_type": order_type, "order_amount": Decimal("354.99")}
    assert [decision_reason(order, payment_amount=amount) for amount in AMOUNTS] == reasons


@pytest.mark.parametrize("order_type", [OrderType.UP_TO, OrderType.ANY])
def test_order_minimum_accepted_below_declined(order_type: OrderType) -> None:
    order = {"order_type": order_type, "order_amount": Decimal("500.00"), "minimum_payment_amount": Decimal("354.99")}
    reasons = [decision_reason(order, payment_amount=amount) for amount in AMOUNTS]
    assert reasons == [Reason.ORDER_AMOUNT_TOO_LOW, Reason.ACCEPTED, Reason.ACCEPTED]


def test_order_type_any_accepts_payment_above_order_amount() -> None:
    assert decision_reason({"order_type": OrderType.ANY, "order_amount": Decimal("100.00")}) is Reason.ACCEPTED


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({"order_type": OrderType.EXACT, "order_amount": Decimal("350.00")}, Reason.ORDER_AMOUNT_DIFFERS),
        ({"order_type": OrderType.UP_TO, "order_amount": Decimal("350.00")}, Reason.ORDER_AMOUNT_TOO_HIGH),
    ],
)
def test_order_amount_compared_with_net_amount(order: dict[str, Any], reason: Reason) -> None:
    assert decision_reason(order, payment_amount="354.99", net_payment_amount="350.00") is Reason.ACCEPTED
    assert decision_reason(order, payment_amount="354.99", net_payment_amount="350.01") is reason
    assert decision_reason(order, payment_amount="350.00", net_payment_amount=None) is Reason.ACCEPTED
    assert decision_reason(order, payment_amount="354.99", net_payment_amount=None) is reason


def test_order_minimum_compared_with_net_amount() -> None:
    order = {"minimum_payment_amount": Decimal("350.00")}
    assert decision_reason(order, net_payment_amount="350.00") is Reason.ACCEPTED
    assert decision_reason(order, net_payment_amount="349.99") is Reason.ORDER_AMOUNT_TOO_LOW
    assert decision_reason(order, net_payment_amount="0.00") is Reason.ORDER_AMOUNT_TOO_LOW


@pytest.mark.parametrize(
    "net",
    [
        {"net_payment_amount": "355.00"},
        {"net_payment_amount": "-5.00"},
        {"net_payment_amount": "350.00", "net_payment_currency": "CAD"},
    ],
    ids=str,
)
def test_order_amount_invalid_net_amount_uses_payment_amount(net: dict[str, str]) -> None:
    exact_net = {"order_type": OrderType.EXACT, "order_amount": Decimal(net["net_payment_amount"])}
    assert decide_case(case(order=exact_net, message=net)).reason is Reason.ORDER_AMOUNT_DIFFERS
    exact_gross = {"order_type": OrderType.EXACT, "order_amount": Decimal("354.99")}
    assert decide_case(case(order=exact_gross, message=net)).accept


def test_order_type_up_to_without_amount_declined() -> None:
    order = {"order_type": OrderType.UP_TO, "order_amount": None}
    assert decide_case(case(order=order)).reason is Reason.ORDER_AMOUNT_TOO_HIGH
