"""What must be true of payments, in plain Python: one customer after the other, nothing at once, no table."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

NOTHING = Decimal(0)
WINDOWS = ("day", "week", "month")


@dataclass(frozen=True)
class Limit:
    """The most in a window: with ``types``, or with all payment types if it is None."""

    window: str
    amount: Decimal
    types: frozenset[str] | None = None

    def holds_for(self, payment_type: str) -> bool:
        return self.types is None or payment_type in self.types


@dataclass(frozen=True)
class Rules:
    """A policy: its time zone, its limits, and the most chargebacks within so many days."""

    time_zone: str
    limits: tuple[Limit, ...] = ()
    chargebacks: tuple[int, int] | None = None

    def to_document(self) -> Mapping[str, object]:
        """Return it as a merchant would write it."""
        limits = [
            {"window": limit.window, "amount": str(limit.amount)}
            | ({} if limit.types is None else {"payment_types": sorted(limit.types)})
            for limit in self.limits
        ]
        some: dict[str, object] = {"time_zone": self.time_zone, "spending_limits": limits}
        if self.chargebacks:
            some["chargebacks"] = dict(zip(("max_count", "within_days"), self.chargebacks, strict=True))
        return {"defaults": {"unknown_order": "accept", "unknown_customer": "accept", **some}}


@dataclass(frozen=True)
class Told:
    """What a message says of a payment. ``payment_type`` is as policies name it."""

    amount: Decimal
    customer: str | None
    payment_type: str


@dataclass(frozen=True)
class Holds:
    """What a payment takes of its customer's windows, by the names that these have in the table."""

    customer: str
    amount: Decimal
    payment_type: str
    windows: tuple[str, ...]


@dataclass
class Payment:
    """A payment, real ones only."""

    asked: Told | None = None
    reason: str = ""
    outcome: str = ""
    confirmed: Told | None = None
    reservation: Holds | None = None
    released: bool = False
    pending_since: datetime | None = None
    unconfirmed: bool = False
    posted: Decimal = NOTHING
    debited_amount: Decimal = NOTHING
    came_back: Decimal = NOTHING
    reversals: set[object] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)


@dataclass
class Books:
    """All payments, and the limits that customers set for themselves."""

    payments: dict[str, Payment] = field(default_factory=dict)
    self_imposed_limits: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    counted_back: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Chargebacks and returns, by customer and by the name that a day of them has in the table."""

    def ask(self, number: str, told: Told, rules: Rules, now: datetime) -> str:
        """Return the reason of the answer: ``accepted``, or why not."""
        payment = self._payment(number)
        if payment.asked and payment.asked != told:
            return "conflicts_with_earlier"
        if payment.asked and not (payment.released and not payment.outcome):
            return payment.reason
        windows = windows_at(now, rules.time_zone)
        payment.reason = self._reason(told, rules, dict(zip(WINDOWS, windows, strict=True)), now, payment)
        payment.asked, payment.released, payment.unconfirmed = told, False, False
        payment.pending_since = None if payment.reason != "accepted" or payment.outcome else now
        if payment.reason == "accepted" and told.customer and not payment.outcome:
            payment.reservation = Holds(told.customer, told.amount, told.payment_type, windows)
        if payment.reason != "accepted" and payment.outcome == "payment":
            payment.marks.add("paid_after_decline")
        return payment.reason

    def confirm(
        self, number: str, status: str, told: Told, net: Decimal, rules: Rules | None, now: datetime
    ) -> None:
        """Keep the first outcome; but a payment is believed even after a decline."""
        payment = self._payment(number)
        if payment.outcome and (payment.outcome, status) != ("decline", "payment"):
            return
        payment.outcome, payment.confirmed, payment.pending_since = status, told, None
        before = payment.reservation
        if status == "decline":
            payment.reservation = before and Holds(before.customer, NOTHING, before.payment_type, before.windows)
            return
        customer = told.customer or (before.customer if before else None)
        windows = before.windows if before else rules and windows_at(now, rules.time_zone)
        if customer and windows:
            left_out = told.payment_type == "none"
            payment_type = before.payment_type if before and left_out else told.payment_type
            payment.reservation = Holds(customer, told.amount, payment_type, windows)
        payment.posted = net
        payment.debited_amount = min(net, payment.came_back) if told.customer else NOTHING
        if payment.asked and payment.reason != "accepted":
            payment.marks.add("paid_after_decline")
        if payment.released:
            payment.marks.add("paid_after_release")

    def release(self, number: str) -> bool:
        """Return whether there was something to give back."""
        payment = self._payment(number)
        reservation = payment.reservation
        payment.pending_since = None
        if payment.outcome or not reservation or not reservation.amount:
            return False
        payment.reservation = Holds(reservation.customer, NOTHING, reservation.payment_type, reservation.windows)
        payment.released = True
        return True

    def watch(self, now: datetime, overdue: timedelta, long_overdue: timedelta) -> None:
        """Mark what has been awaited for long, and release what has been for much longer."""
        for number, payment in self.payments.items():
            if payment.pending_since and now - payment.pending_since >= overdue:
                payment.unconfirmed = True
            if payment.pending_since and now - payment.pending_since >= long_overdue:
                self.release(number)

    def reverse(self, number: str, amount: Decimal, customer: str | None, kind: str, sent: datetime) -> bool:
        """Return whether that is news."""
        payment = self._payment(number)
        if (amount, customer, kind) in payment.reversals:
            return False
        payment.reversals.add((amount, customer, kind))
        payment.came_back += amount
        if payment.outcome != "payment":
            payment.marks.add("reversed_unknown")
        elif payment.confirmed and payment.confirmed.customer:
            payment.debited_amount += min(amount, payment.posted - payment.debited_amount)
        named = [told.customer for told in (payment.confirmed, payment.asked) if told]
        whose = next(filter(None, [*named, customer]), None)
        if whose and (what := {"Chargeback": "chargebacks", "Bank Return": "returns"}.get(kind)):
            self.counted_back[whose, f"{what}_{sent.astimezone(UTC):%Y-%m-%d}"] += 1
        return True

    def spent(self, customer: str, window: str, types: Iterable[str] | None = None) -> Decimal:
        """Return what a customer's payments hold of a window."""
        return self._spent(self.payments.values(), customer, window, types)

    def balances(self) -> dict[str, Decimal]:
        """Return what was posted to customers and did not come back."""
        balances: dict[str, Decimal] = {}
        for payment in self.payments.values():
            if payment.outcome == "payment" and payment.confirmed and payment.confirmed.customer:
                customer = payment.confirmed.customer
                balances.setdefault(customer, NOTHING)
                balances[customer] += payment.posted - payment.debited_amount
        return balances

    def _payment(self, number: str) -> Payment:
        return self.payments.setdefault(number, Payment())

    def _reason(
        self, told: Told, rules: Rules, windows: Mapping[str, str], now: datetime, own: Payment
    ) -> str:
        customer = told.customer
        if customer is None:
            return "customer_unknown" if rules.limits or rules.chargebacks else "accepted"
        if rules.chargebacks:
            max_count, days = rules.chargebacks
            counted_on = [
                f"chargebacks_{now.astimezone(UTC) - timedelta(ago):%Y-%m-%d}" for ago in range(days)
            ]
            if sum(self.counted_back[customer, day] for day in counted_on) > max_count:
                return "too_many_chargebacks"
        others = [payment for payment in self.payments.values() if payment is not own]
        for window in WINDOWS:
            for limit in rules.limits:
                if limit.window == window and limit.holds_for(told.payment_type):
                    spent = self._spent(others, customer, windows[window], limit.types)
                    if spent + told.amount > limit.amount:
                        return f"{window}_limit_exceeded"
        for window in WINDOWS:
            self_imposed_limit = self.self_imposed_limits.get(customer, {}).get(window)
            spent = self._spent(others, customer, windows[window], None)
            if self_imposed_limit is not None and spent + told.amount > self_imposed_limit:
                return f"self_imposed_{window}_limit_exceeded"
        return "accepted"

    def _spent(
        self, payments: Iterable[Payment], customer: str, window: str, types: Iterable[str] | None
    ) -> Decimal:
        held = [payment.reservation for payment in payments if payment.reservation]
        counted = [
            reservation.amount
            for reservation in held
            if reservation.customer == customer
            and window in reservation.windows
            and (types is None or reservation.payment_type in types)
        ]
        return sum(counted, NOTHING)


def windows_at(moment: datetime, time_zone: str) -> tuple[str, str, str]:
    """Return the names, in the table, of the day, the week and the month in which a moment lies."""
    local = moment.astimezone(ZoneInfo(time_zone))
    year, week, _ = local.isocalendar()
    return (f"DAY#{local:%Y-%m-%d}", f"WEEK#{year}-W{week:02}", f"MONTH#{local:%Y-%m}")
