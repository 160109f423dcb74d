from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from paynearme.policy import OrderType, Reason
from tests.support.policy_builders import NOW, case, decide_case


def decision_reason(order: dict[str, Any], **message: str | None) -> str:
    """Return the decision reason for a payment of 354.99 for ``order``."""
    return decide_case(case(order=order, message=message)).reason


def test_unknown_order_declined_only_if_policy_declines() -> None:
    declining = {"unknown_order": "decline"}
    assert decide_case(case(order=None, policy=declining)).reason is Reason.ORDER_UNKNOWN
    assert decide_case(case(order=None)).accept
    assert decide_case(case(order={}, policy=declining)).accept


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (timedelta(microseconds=-1), Reason.ACCEPTED),
        (timedelta(0), Reason.ORDER_EXPIRED),
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


@pytest.mark.parametrize(
    ("order_type", "reasons"),
    [
        ("exact", [Reason.ORDER_AMOUNT_DIFFERS, Reason.ACCEPTED, Reason.ORDER_AMOUNT_DIFFERS]),
        ("up-to", [Reason.ACCEPTED, Reason.ACCEPTED, Reason.ORDER_AMOUNT_TOO_HIGH]),
        ("any", [Reason.ACCEPTED, Reason.ACCEPTED, Reason.ACCEPTED]),
    ],
)
def test_order_amount_rule_depends_on_order_type(order_type: str, reasons: list[Reason]) -> None:
    order = {"order_type": OrderType(order_type), "order_amount": Decimal("354.99")}
    assert [decision_reason(order, payment_amount=amount) for amount in ("354.98", "354.99", "355.00")] == reasons


@pytest.mark.parametrize(
    ("order", "other_net_amount", "reason"),
    [
        ({"order_type": OrderType.EXACT, "order_amount": Decimal(350)}, "350.01", Reason.ORDER_AMOUNT_DIFFERS),
        ({"order_type": OrderType.UP_TO, "order_amount": Decimal(350)}, "350.01", Reason.ORDER_AMOUNT_TOO_HIGH),
        ({"minimum_payment_amount": Decimal("350.00")}, "349.99", Reason.ORDER_AMOUNT_TOO_LOW),
        ({"minimum_payment_amount": Decimal("0.01")}, "0.00", Reason.ORDER_AMOUNT_TOO_LOW),
    ],
)
def test_order_amount_compared_with_net_amount(order: dict[str, Any], other_net_amount: str, reason: Reason) -> None:
    assert decision_reason(order, net_payment_amount="350.00") is Reason.ACCEPTED
    assert decision_reason(order, net_payment_amount=other_net_amount) is reason
    assert decision_reason(order, payment_amount="350.00") is Reason.ACCEPTED
    assert decision_reason(order, payment_amount=other_net_amount) in (reason, Reason.AMOUNT_NOT_POSITIVE)


@pytest.mark.parametrize(
    ("net_amount", "currency", "is_valid"),
    [
        ("355.00", None, False),
        ("354.99", "USD", True),
        ("0.00", "USD", True),
        ("-0.01", None, False),
        ("350.00", "CAD", False),
    ],
)
def test_order_amount_invalid_net_amount_uses_payment_amount(
    net_amount: str, currency: str | None, is_valid: bool
) -> None:
    net = {"net_payment_amount": net_amount, "net_payment_currency": currency}
    compared_amount = Decimal(net_amount if is_valid else "354.99")
    assert decision_reason({"order_type": OrderType.EXACT, "order_amount": compared_amount}, **net) is Reason.ACCEPTED


def test_order_type_up_to_without_amount_declined() -> None:
    assert decision_reason({"order_type": OrderType.UP_TO, "order_amount": None}) is Reason.ORDER_AMOUNT_TOO_HIGH
