"""A model of the ledger in plain Python, without concurrency and without a table."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

ZERO = Decimal(0)
WINDOWS = ("day", "week", "month")


@dataclass(frozen=True)
class Limit:
    """The maximum spending in a window with ``types``, or with all payment types (``None``)."""

    window: str
    amount: Decimal
    types: frozenset[str] | None = None

    def applies_to(self, payment_type: str) -> bool:
        return self.types is None or payment_type in self.types


@dataclass(frozen=True)
class Rules:
    """A policy: time zone, limits, and ``chargebacks`` as maximum count and days."""

    time_zone: str
    limits: tuple[Limit, ...] = ()
    chargebacks: tuple[int, int] | None = None

    def to_document(self) -> Mapping[str, object]:
        """Return the policy document."""
        limits = [
            {"window": limit.window, "amount": str(limit.amount)}
            | ({} if limit.types is None else {"payment_types": sorted(limit.types)})
            for limit in self.limits
        ]
        fields: dict[str, object] = {"time_zone": self.time_zone, "spending_limits": limits}
        if self.chargebacks:
            fields["chargebacks"] = dict(zip(("max_count", "within_days"), self.chargebacks, strict=True))
        return {"defaults": {"unknown_order": "accept", "unknown_customer": "accept", **fields}}


@dataclass(frozen=True)
class Received:
    """The content of a message. ``payment_type`` is the policy's name of the type."""

    amount: Decimal
    customer: str | None
    payment_type: str


@dataclass(frozen=True)
class Reservation:
    """The reservation of a payment. ``windows`` are sort keys of the table."""

    customer: str
    amount: Decimal
    payment_type: str
    windows: tuple[str, ...]


@dataclass
class Payment:
    """A payment without ``test``."""

    authorized: Received | None = None
    reason: str = ""
    outcome: str = ""
    confirmed: Received | None = None
    reservation: Reservation | None = None
    released: bool = False
    pending_since: datetime | None = None
    unconfirmed: bool = False
    posted: Decimal = ZERO
    debited_amount: Decimal = ZERO
    reversed_amount: Decimal = ZERO
    reversals: set[object] = field(default_factory=set)
    anomalies: set[str] = field(default_factory=set)


@dataclass
class LedgerModel:
    """All payments, self-imposed limits and counts of reversals."""

    payments: dict[str, Payment] = field(default_factory=dict)
    self_imposed_limits: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    reversal_counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Counts of chargebacks and returns by customer and attribute name, which contains the day."""

    def authorize(self, payment_id: str, received: Received, rules: Rules, now: datetime) -> str:
        """Return the decision reason."""
        payment = self._payment(payment_id)
        if payment.authorized and payment.authorized != received:
            return "conflicts_with_earlier"
        if payment.authorized and not (payment.released and not payment.outcome):
            return payment.reason
        windows = windows_at(now, rules.time_zone)
        payment.reason = self._reason(received, rules, dict(zip(WINDOWS, windows, strict=True)), now, payment)
        payment.authorized, payment.released, payment.unconfirmed = received, False, False
        payment.pending_since = None if payment.reason != "accepted" or payment.outcome else now
        if payment.reason == "accepted" and received.customer and not payment.outcome:
            payment.reservation = Reservation(received.customer, received.amount, received.payment_type, windows)
        if payment.reason != "accepted" and payment.outcome == "payment":
            payment.anomalies.add("paid_after_decline")
        return payment.reason

    def confirm(
        self, payment_id: str, status: str, received: Received, net: Decimal, rules: Rules | None, now: datetime
    ) -> None:
        """Store the first outcome. A paid payment also replaces a decline."""
        payment = self._payment(payment_id)
        if payment.outcome and (payment.outcome, status) != ("decline", "payment"):
            return
        payment.outcome, payment.confirmed, payment.pending_since = status, received, None
        previous = payment.reservation
        if status == "decline":
            payment.reservation = previous and Reservation(
                previous.customer, ZERO, previous.payment_type, previous.windows
            )
            return
        customer = received.customer or (previous.customer if previous else None)
        windows = previous.windows if previous else rules and windows_at(now, rules.time_zone)
        if customer and windows:
            is_type_missing = received.payment_type == "none"
            payment_type = previous.payment_type if previous and is_type_missing else received.payment_type
            payment.reservation = Reservation(customer, received.amount, payment_type, windows)
        payment.posted = net
        payment.debited_amount = min(net, payment.reversed_amount) if received.customer else ZERO
        if payment.authorized and payment.reason != "accepted":
            payment.anomalies.add("paid_after_decline")
        if payment.released:
            payment.anomalies.add("paid_after_release")

    def release(self, payment_id: str) -> bool:
        """Return whether a reservation was released."""
        payment = self._payment(payment_id)
        reservation = payment.reservation
        payment.pending_since = None
        if payment.outcome or not reservation or not reservation.amount:
            return False
        payment.reservation = Reservation(reservation.customer, ZERO, reservation.payment_type, reservation.windows)
        payment.released = True
        return True

    def sweep(self, now: datetime, unconfirmed_after: timedelta, release_after: timedelta) -> None:
        """Mark overdue payments, and release long overdue ones."""
        for payment_id, payment in self.payments.items():
            if payment.pending_since and now - payment.pending_since >= unconfirmed_after:
                payment.unconfirmed = True
            if payment.pending_since and now - payment.pending_since >= release_after:
                self.release(payment_id)

    def reverse(self, payment_id: str, amount: Decimal, customer: str | None, kind: str, sent_at: datetime) -> bool:
        """Return whether the reversal is new."""
        payment = self._payment(payment_id)
        if (amount, customer, kind) in payment.reversals:
            return False
        payment.reversals.add((amount, customer, kind))
        payment.reversed_amount += amount
        if payment.outcome != "payment":
            payment.anomalies.add("reversed_unknown")
        elif payment.confirmed and payment.confirmed.customer:
            payment.debited_amount += min(amount, payment.posted - payment.debited_amount)
        customers = [received.customer for received in (payment.confirmed, payment.authorized) if received]
        counted_customer = next(filter(None, [*customers, customer]), None)
        if counted_customer and (counter := {"Chargeback": "chargebacks", "Bank Return": "returns"}.get(kind)):
            self.reversal_counts[counted_customer, f"{counter}_{sent_at.astimezone(UTC):%Y-%m-%d}"] += 1
        return True

    def total_spent(self, customer: str, window: str, types: Iterable[str] | None = None) -> Decimal:
        """Return a customer's spending in a window."""
        return self._total_spent(self.payments.values(), customer, window, types)

    def balances(self) -> dict[str, Decimal]:
        """Return the posted minus the debited amounts by customer."""
        balances: dict[str, Decimal] = {}
        for payment in self.payments.values():
            if payment.outcome == "payment" and payment.confirmed and payment.confirmed.customer:
                customer = payment.confirmed.customer
                balances.setdefault(customer, ZERO)
                balances[customer] += payment.posted - payment.debited_amount
        return balances

    def _payment(self, payment_id: str) -> Payment:
        return self.payments.setdefault(payment_id, Payment())

    def _reason(
        self, received: Received, rules: Rules, windows: Mapping[str, str], now: datetime, current: Payment
    ) -> str:
        customer = received.customer
        if customer is None:
            return "customer_unknown" if rules.limits or rules.chargebacks else "accepted"
        if rules.chargebacks:
            max_count, days = rules.chargebacks
            day_keys = [f"chargebacks_{now.astimezone(UTC) - timedelta(days_ago):%Y-%m-%d}" for days_ago in range(days)]
            if sum(self.reversal_counts[customer, day] for day in day_keys) > max_count:
                return "too_many_chargebacks"
        other_payments = [payment for payment in self.payments.values() if payment is not current]
        for window in WINDOWS:
            for limit in rules.limits:
                if limit.window == window and limit.applies_to(received.payment_type):
                    spent = self._total_spent(other_payments, customer, windows[window], limit.types)
                    if spent + received.amount > limit.amount:
                        return f"{window}_limit_exceeded"
        for window in WINDOWS:
            self_imposed_limit = self.self_imposed_limits.get(customer, {}).get(window)
            spent = self._total_spent(other_payments, customer, windows[window], None)
            if self_imposed_limit is not None and spent + received.amount > self_imposed_limit:
                return f"self_imposed_{window}_limit_exceeded"
        return "accepted"

    def _total_spent(
        self, payments: Iterable[Payment], customer: str, window: str, types: Iterable[str] | None
    ) -> Decimal:
        reservations = [payment.reservation for payment in payments if payment.reservation]
        amounts = [
            reservation.amount
            for reservation in reservations
            if reservation.customer == customer
            and window in reservation.windows
            and (types is None or reservation.payment_type in types)
        ]
        return sum(amounts, ZERO)


def windows_at(timestamp: datetime, time_zone: str) -> tuple[str, str, str]:
    """Return the sort keys of the day, week and month of a timestamp."""
    local_time = timestamp.astimezone(ZoneInfo(time_zone))
    year, week, _ = local_time.isocalendar()
    return (f"DAY#{local_time:%Y-%m-%d}", f"WEEK#{year}-W{week:02}", f"MONTH#{local_time:%Y-%m}")
