"""What customers spend in calendar windows: reserved with a decision, exact under any number at once.

A payment's own item says what it holds of which windows. Whatever changes that changes the windows in the
same transaction, so the windows always hold the sum of what their payments hold.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

from paynearme.platform.dynamodb import Item, Key, Update
from paynearme.policy import Limit, TypeName, Window, WindowKind, WindowTotals
from paynearme.protocol.types import PaymentType

WINDOW_TTL = timedelta(days=400)
"""How long a window's item outlives its last change. DynamoDB deletes it then (time to live)."""

_TYPES: tuple[TypeName, ...] = (*PaymentType, *get_args(get_args(TypeName.__value__)[1]))
_ZERO = Decimal(0)


@dataclass(frozen=True)
class Reservation:
    """What a payment holds of its customer's windows. ``windows`` are the sort keys of their items."""

    customer: str
    amount: Decimal
    type_name: TypeName
    windows: tuple[str, ...]

    def values(self) -> Item:
        """Return the attributes of the payment's item that say so."""
        return {
            "reservation_customer": self.customer,
            "reservation_amount": self.amount,
            "reservation_type": str(self.type_name),
            "reservation_windows": list(self.windows),
        }

    @property
    def condition(self) -> str:
        """Return the condition that the payment's item says so; for ``condition_values``."""
        return " AND ".join(f"{name} = :{name}" for name in self.values())


NEVER_RESERVED = "attribute_not_exists(reservation_amount)"
"""The condition that a payment's item holds nothing and never did."""


def reservation_of(payment: Item) -> Reservation | None:
    """Return what a payment holds, or None if it never held anything."""
    if "reservation_amount" not in payment:
        return None
    return Reservation(
        payment["reservation_customer"],
        payment["reservation_amount"],
        payment["reservation_type"],
        tuple(payment["reservation_windows"]),
    )


def sort_keys(windows: Iterable[Window]) -> tuple[str, ...]:
    """Return the sort keys of the windows' items."""
    return tuple(f"{window.kind.upper()}#{window.name}" for window in windows)


def window_key(site_id: str, customer: str, sort_key: str) -> Key:
    """Return the key of a window's item.

    In a partition apart from the account: the right to reserve must not reach a balance.
    """
    return (f"SPENDING#{site_id}#{customer}", sort_key)


def window_totals(item: Item, excluding: Reservation | None = None) -> WindowTotals:
    """Return what a window's item says was spent, but for what the payment that is looked at holds of it."""
    by_type = {name: item[f"spent_{name}"] for name in _TYPES if f"spent_{name}" in item}
    total = item.get("spent", _ZERO)
    if excluding and item.get("sk") in excluding.windows:
        total -= excluding.amount
        by_type[excluding.type_name] = by_type.get(excluding.type_name, _ZERO) - excluding.amount
    return WindowTotals(total, by_type)


def reservation_changes(
    site_id: str, previous: Reservation | None, next_: Reservation | None, now: datetime
) -> list[Update]:
    """Return the changes of windows when a payment that held ``before`` comes to hold ``after``."""
    changes: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    signed_reservations = [(reservation, sign) for reservation, sign in ((previous, -1), (next_, 1)) if reservation]
    for held, sign in signed_reservations:
        for window in held.windows:
            amounts = changes[held.customer, window]
            amounts["spent"] += sign * held.amount
            amounts[f"spent_{held.type_name}"] += sign * held.amount
    updates = []
    for (customer, window), amounts in changes.items():
        if nonzero := {name: amount for name, amount in amounts.items() if amount}:
            updates.append(_window_update(site_id, customer, window, nonzero, now))
    return updates


def reservation_updates(
    site_id: str,
    reservation: Reservation,
    limits: Iterable[Limit],
    observed: Mapping[WindowKind, WindowTotals],
    now: datetime,
) -> list[Update]:
    """Return the changes that reserve ``held``, one for each window, each on the condition that it fits.

    ``ceilings`` were kept by what was ``seen`` of the windows. A condition on all payment types holds however
    much was spent since; one on some types holds while no other of these types was spent more.
    """
    updates = []
    by_window = {kind: [limit for limit in limits if limit.window is kind] for kind in WindowKind}
    for kind, window in zip(WindowKind, reservation.windows, strict=True):
        amounts = {"spent": reservation.amount, f"spent_{reservation.type_name}": reservation.amount}
        condition, values = _limit_condition(reservation, by_window[kind], observed[kind])
        updates.append(_window_update(site_id, reservation.customer, window, amounts, now, condition, values))
    return updates


def _limit_condition(
    reservation: Reservation, limits: Iterable[Limit], observed: WindowTotals
) -> tuple[str, dict[str, Decimal]]:
    """Return the condition that ``held`` fits under ``ceilings``, and its values."""
    bounds: dict[str, Decimal] = {}

    def bound(attribute: str, max_amount: Decimal) -> None:
        bounds[attribute] = min(max_amount, bounds.get(attribute, max_amount))

    for limit in limits:
        if limit.types is None:
            bound("spent", limit.amount - reservation.amount)
            continue
        others = limit.types - {reservation.type_name}
        for other in others:
            bound(f"spent_{other}", observed.total_for([other]))
        bound(f"spent_{reservation.type_name}", limit.amount - reservation.amount - observed.total_for(others))
    parts = [f"(attribute_not_exists({name}) OR {name} <= :max_{name})" for name in bounds]
    return " AND ".join(parts), {f"max_{name}": max_amount for name, max_amount in bounds.items()}


def _window_update(
    site_id: str,
    customer: str,
    window: str,
    amounts: Mapping[str, Decimal],
    now: datetime,
    condition: str = "",
    condition_values: Mapping[str, Any] | None = None,
) -> Update:
    pk, sk = window_key(site_id, customer, window)
    return Update(
        pk,
        sk,
        {"expires_at_epoch": int((now + WINDOW_TTL).timestamp())},
        increments=amounts,
        condition=condition,
        condition_values=condition_values or {},
    )
