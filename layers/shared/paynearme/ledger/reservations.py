"""Reserve customers' spending in calendar windows.

A payment's item contains its reservation. A transaction that changes it also changes the customer's spending item, so a
valid window always contains the sum of its payments' reservations.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from paynearme.ledger import schema
from paynearme.ledger.schema import ZERO
from paynearme.ledger.spending import Spending, spending_key, window_attributes
from paynearme.platform.dynamodb import Item, Update
from paynearme.policy import Limit, TypeName

SPENDING_TTL = timedelta(days=400)
"""DynamoDB deletes a spending item this long after its last change (time to live)."""


@dataclass(frozen=True)
class Reservation:
    """The amount of a payment in its customer's windows, which contain ``day``."""

    customer: str
    amount: Decimal
    type_name: TypeName
    day: date

    def values(self) -> Item:
        """Return the attributes of the payment's item that store the reservation."""
        return {
            "reservation_customer": self.customer,
            "reservation_amount": self.amount,
            "reservation_type": str(self.type_name),
            "reservation_day": self.day.isoformat(),
        }

    @property
    def amounts(self) -> dict[str, Decimal]:
        """Return the amounts by attribute of the customer's spending item."""
        windows = window_attributes(self.day).values()
        return {name: self.amount for window in windows for name in (window, f"{window}_{self.type_name}")}

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


def reservation_changes(
    site_id: str, previous: Reservation | None, next_: Reservation | None, now: datetime
) -> list[Update]:
    """Return the changes of spending items when a payment's reservation changes from ``previous`` to ``next_``."""
    changes: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for reservation, sign in ((previous, -1), (next_, 1)):
        if reservation is not None:
            for name, amount in reservation.amounts.items():
                changes[reservation.customer][name] += sign * amount
    expiry = {"expires_at_epoch": int((now + SPENDING_TTL).timestamp())}
    updates = []
    for customer, amounts in changes.items():
        if nonzero := {name: amount for name, amount in amounts.items() if amount}:
            increments = {"revision": Decimal(1), **nonzero}
            updates.append(Update(*spending_key(site_id, customer), expiry, increments=increments))
    return updates


def reservation_update(
    site_id: str, reservation: Reservation, limits: Iterable[Limit], spending: Spending, now: datetime
) -> Update:
    """Return the addition of ``reservation``, on the condition that it fits ``limits``.

    It fits ``spending``, and its day is a day that ``spending.day_for`` returned. Concurrent payments can increase the
    totals. The first payment in a window causes a conflict for every concurrent one.
    """
    [update] = reservation_changes(site_id, None, reservation, now)
    condition, values = _limit_condition(reservation, limits, spending)
    return replace(update, removes=spending.outdated(reservation.day), condition=condition, condition_values=values)


def _limit_condition(reservation: Reservation, limits: Iterable[Limit], spending: Spending) -> tuple[str, Item]:
    windows = window_attributes(reservation.day)
    if not spending.item.keys() >= {*windows.values()}:
        return schema.unchanged(spending.item, ["revision"])
    bounds: dict[str, Decimal] = {}
    parts: list[str] = []
    for limit in limits:
        window, maximum = windows[limit.window], limit.amount - reservation.amount
        maxima = {window: maximum}
        if limit.types is not None:
            # A concurrent payment of a later day can remove the window.
            parts.append(f"attribute_exists({window})")
            # A conflict occurs if the total of another type of the limit has increased.
            others = {f"{window}_{name}" for name in limit.types - {reservation.type_name}}
            maxima = {name: spending.item.get(name, ZERO) for name in others}
            maxima[f"{window}_{reservation.type_name}"] = maximum - sum(maxima.values())
        for name, maximum in maxima.items():
            bounds[name] = min(maximum, bounds.get(name, maximum))
    absent = {name: f"attribute_not_exists({name}) OR " for name in bounds.keys() - spending.item.keys()}
    parts.extend(f"({absent.get(name, '')}{name} <= :{name})" for name in bounds)
    return " AND ".join(dict.fromkeys(parts)), bounds
