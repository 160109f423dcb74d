"""What the ledger knows about a payment's order and customer when a decision is due."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from paynearme.policy.calendar import WindowKind
from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.types import PaymentType

type TypeName = PaymentType | Literal["other", "none"]
"""A payment type as policies name it: ``other`` is not documented, ``none`` stands for no type at all."""


class OrderStatus(StrEnum):
    """Whether an order can be paid. The merchant says so."""

    OPEN = "open"
    CLOSED = "closed"


class OrderType(StrEnum):
    """How much of an order must be paid (PayNearMe's ``order_type``)."""

    EXACT = "exact"
    UP_TO = "up-to"
    ANY = "any"


class CustomerStatus(StrEnum):
    """Whether a customer may pay. The merchant says so."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


@dataclass(frozen=True)
class MerchantOrder:
    """An order as the merchant fed it. Amounts are in dollars; ``expires_at`` is an aware time.

    ``exact`` and ``up-to`` orders have an ``order_amount``.
    """

    status: OrderStatus = OrderStatus.OPEN
    order_type: OrderType = OrderType.ANY
    order_amount: Decimal | None = None
    minimum_payment_amount: Decimal | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class MerchantCustomer:
    """A customer as the merchant fed it. ``self_imposed_limits`` are those that the customer set, in dollars."""

    status: CustomerStatus = CustomerStatus.ACTIVE
    suspended_reason: str | None = None
    self_imposed_limits: Mapping[WindowKind, Decimal] = field(default_factory=dict)


@dataclass(frozen=True)
class WindowTotals:
    """What a customer spent in a window, in dollars: decided and not failed, whether confirmed or not yet."""

    total: Decimal = Decimal(0)
    by_type: Mapping[TypeName, Decimal] = field(default_factory=dict)

    def total_for(self, types: Iterable[TypeName] | None) -> Decimal:
        """Return what was spent with ``types``; with all types if it is None."""
        if types is None:
            return self.total
        return sum((self.by_type.get(name, Decimal(0)) for name in types), Decimal(0))


@dataclass(frozen=True)
class DecisionContext:
    """All that a decision depends on beside the message and the policy.

    ``order`` and ``customer`` are None where the merchant fed none. ``chargebacks`` and ``returns`` count
    by the UTC day on which PayNearMe told of them.
    """

    order: MerchantOrder | None = None
    customer: MerchantCustomer | None = None
    spending: Mapping[WindowKind, WindowTotals] = field(default_factory=dict)
    chargebacks: Mapping[date, int] = field(default_factory=dict)
    returns: Mapping[date, int] = field(default_factory=dict)


def payment_type_name(message: Authorization | Confirmation) -> TypeName:
    """Return the payment type of ``message``, as policies name it."""
    if message.payment_type is None:
        return "none"
    return message.payment_type if isinstance(message.payment_type, PaymentType) else "other"
