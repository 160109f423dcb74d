"""Reserve customers' spending in calendar windows.

A payment's item contains its reservation. A transaction that changes it also changes the windows, so a window always
contains the sum of its payments' reservations.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

from paynearme.ledger.schema import ZERO
from paynearme.platform.dynamodb import Item, Key, Update
from paynearme.policy import Limit, TypeName, Window, WindowKind, WindowTotals
from paynearme.policy.calendar import windows_of
from paynearme.protocol.types import PaymentType

WINDOW_TTL = timedelta(days=400)
"""DynamoDB deletes a window's item this long after its last change (time to live)."""

_TYPES: tuple[TypeName, ...] = (*PaymentType, *get_args(get_args(TypeName.__value__)[1]))


@dataclass(frozen=True)
class Reservation:
    """The amount of a payment in its customer's windows, which contain ``day``, the local date of the policy."""

    customer: str
    amount: Decimal
    type_name: TypeName
    day: date

    @property
    def windows(self) -> tuple[str, ...]:
        """Return the sort keys of the windows' items."""
        return sort_keys(windows_of(self.day))

    def values(self) -> Item:
        """Return the attributes of the payment's item that store the reservation."""
        return {
            "reservation_customer": self.customer,
            "reservation_amount": self.amount,
            "reservation_type": str(self.type_name),
            "reservation_day": self.day.isoformat(),
        }

    @property
    def condition(self) -> str:
        """Return the condition that the payment's item stores this reservation. Its values are ``values()``."""
        return " AND ".join(f"{name} = :{name}" for name in self.values())


NEVER_RESERVED = "attribute_not_exists(reservation_amount)"
"""The condition that a payment never had a reservation."""


def reservation_of(payment: Item) -> Reservation | None:
    """Return the reservation of a payment's item, or ``None`` if it never had one."""
    if "reservation_amount" not in payment:
        return None
    return Reservation(
        payment["reservation_customer"],
        payment["reservation_amount"],
        payment["reservation_type"],
        date.fromisoformat(payment["reservation_day"]),
    )


def sort_keys(windows: Iterable[Window]) -> tuple[str, ...]:
    """Return the sort keys of the windows' items."""
    return tuple(f"{window.kind.upper()}#{window.name}" for window in windows)


def window_key(site_id: str, customer: str, sort_key: str) -> Key:
    """Return the key of a window's item.

    Its partition differs from the account's: a permission to reserve must not include the balance.
    """
    return (f"SPENDING#{site_id}#{customer}", sort_key)


def window_totals(item: Item, excluding: Reservation | None = None) -> WindowTotals:
    """Return the totals of a window's item, without the reservation ``excluding``."""
    by_type = {name: item[f"spent_{name}"] for name in _TYPES if f"spent_{name}" in item}
    total = item.get("spent", ZERO)
    if excluding and item.get("sk") in excluding.windows:
        total -= excluding.amount
        by_type[excluding.type_name] = by_type.get(excluding.type_name, ZERO) - excluding.amount
    return WindowTotals(total, by_type)


def reservation_changes(
    site_id: str, previous: Reservation | None, next_: Reservation | None, now: datetime
) -> list[Update]:
    """Return the changes of the windows when a payment's reservation changes from ``previous`` to ``next_``."""
    changes: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for reservation, sign in ((previous, -1), (next_, 1)):
        if reservation is None:
            continue
        for window in reservation.windows:
            amounts = changes[reservation.customer, window]
            amounts["spent"] += sign * reservation.amount
            amounts[f"spent_{reservation.type_name}"] += sign * reservation.amount
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
    """Return the updates that store ``reservation``, one for each window, on the condition that it fits the limits.

    ``observed`` are the totals of the decision, which are within ``limits``. Concurrent payments can increase the
    totals. A limit on all payment types still accepts the reservation while it fits. A limit on some types causes a
    conflict if another of these types has increased.
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
    """Return the condition that ``reservation`` fits ``limits``, and its values."""
    bounds: dict[str, Decimal] = {}

    def bound(attribute: str, max_amount: Decimal) -> None:
        bounds[attribute] = min(max_amount, bounds.get(attribute, max_amount))

    for limit in limits:
        if limit.types is None:
            bound("spent", limit.amount - reservation.amount)
            continue
        other_types = limit.types - {reservation.type_name}
        for name in other_types:
            bound(f"spent_{name}", observed.total_for([name]))
        bound(f"spent_{reservation.type_name}", limit.amount - reservation.amount - observed.total_for(other_types))
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
    return Update(
        *window_key(site_id, customer, window),
        {"expires_at_epoch": int((now + WINDOW_TTL).timestamp())},
        increments=amounts,
        condition=condition,
        condition_values=condition_values or {},
    )
