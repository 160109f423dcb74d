"""The decision context: the order, the customer and the spending that the rules read."""

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
"""A payment type in a policy: ``other`` for an undocumented type, ``none`` for a payment without a type."""


class OrderStatus(StrEnum):
    """Whether an order accepts payments. The merchant sets it."""

    OPEN = "open"
    CLOSED = "closed"


class OrderType(StrEnum):
    """The payable amount of an order (PayNearMe's ``order_type``)."""

    EXACT = "exact"
    UP_TO = "up-to"
    ANY = "any"


class CustomerStatus(StrEnum):
    """Whether a customer may pay. The merchant sets it."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


@dataclass(frozen=True)
class MerchantOrder:
    """An order from the backend API. Amounts are in dollars. ``expires_at`` is an aware time.

    ``exact`` and ``up-to`` orders have an ``order_amount``.
    """

    status: OrderStatus = OrderStatus.OPEN
    order_type: OrderType = OrderType.ANY
    order_amount: Decimal | None = None
    minimum_payment_amount: Decimal | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class MerchantCustomer:
    """A customer from the backend API. ``self_imposed_limits`` are in dollars."""

    status: CustomerStatus = CustomerStatus.ACTIVE
    suspended_reason: str | None = None
    self_imposed_limits: Mapping[WindowKind, Decimal] = field(default_factory=dict)


@dataclass(frozen=True)
class WindowTotals:
    """A customer's spending in a window, in dollars: accepted payments that did not fail."""

    total: Decimal = Decimal(0)
    by_type: Mapping[TypeName, Decimal] = field(default_factory=dict)

    def total_for(self, types: Iterable[TypeName] | None) -> Decimal:
        """Return the spending with ``types``. ``None`` means all types."""
        if types is None:
            return self.total
        return sum((self.by_type.get(name, Decimal(0)) for name in types), Decimal(0))


@dataclass(frozen=True)
class DecisionContext:
    """The input of a decision in addition to the message and the policy.

    ``order`` and ``customer`` are ``None`` if the backend API did not receive them. ``chargebacks`` and ``returns``
    are counts by the UTC day of PayNearMe's reverse callback.
    """

    order: MerchantOrder | None = None
    customer: MerchantCustomer | None = None
    spending: Mapping[WindowKind, WindowTotals] = field(default_factory=dict)
    chargebacks: Mapping[date, int] = field(default_factory=dict)
    returns: Mapping[date, int] = field(default_factory=dict)


def payment_type_name(message: Authorization | Confirmation) -> TypeName:
    """Return the name of the message's payment type in a policy."""
    if message.payment_type is None:
        return "none"
    return message.payment_type if isinstance(message.payment_type, PaymentType) else "other"
