"""A model of the ledger in plain Python. Each committed write is one step, in the order of the commits."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from paynearme.platform.dynamodb import Item
from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.merchant_input import CustomerInput, OrderInput
from paynearme.protocol.reversals import Reversal
from tests.simulation.traffic import REASONS, TYPES, WINDOWS, Delivery, Message, Received, windows_of

ZERO = Decimal(0)
ALL_TYPES = tuple(TYPES.values())
UNCONFIRMED_AFTER, RELEASE_AFTER = timedelta(minutes=10), timedelta(hours=1)


@dataclass(frozen=True)
class Reservation:
    """The reservation of a payment, in the windows of ``day``."""

    customer: str
    amount: Decimal
    payment_type: str
    day: date


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
    quarantined: set[str] = field(default_factory=set)
    """The unresolved callbacks in the quarantine."""

    @property
    def customer(self) -> str | None:
        """Return the confirmed customer, or else the authorized one."""
        customers = (received.customer for received in (self.confirmed, self.authorized) if received)
        return next(filter(None, customers), None)

    def clear_reservation(self) -> None:
        previous = self.reservation
        if previous:
            self.reservation = Reservation(previous.customer, ZERO, previous.payment_type, previous.day)

    def mismatches(self) -> set[str]:
        """Return the anomalies of a paid outcome, compared with the authorization."""
        authorized, paid = self.authorized, self.confirmed
        if self.outcome != "payment" or not authorized or not paid:
            return set()
        are_nets_different = authorized.net is not None and authorized.net != paid.net
        checks = {
            "paid_after_decline": self.reason != "accepted",
            "paid_after_release": self.released,
            "amount_differs": authorized.amount != paid.amount or are_nets_different,
            "order_differs": authorized.order != paid.order,
            "customer_differs": None is not authorized.customer != paid.customer is not None,
        }
        return {anomaly for anomaly, is_present in checks.items() if is_present}


type Effect = tuple[str, set[str]]
"""The effect of a change of a payment: the type of its event, or an empty text, and its anomalies."""


@dataclass
class Model:
    """All payments, the merchant's data and the counts of reversals."""

    payments: dict[str, Payment] = field(default_factory=lambda: defaultdict(Payment))
    merchant_data: dict[str, list[CustomerInput | OrderInput]] = field(default_factory=lambda: defaultdict(list))
    """The values that were stored, by the identifier of the customer or the order, oldest first."""
    reversal_counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Counts of chargebacks and returns by customer and attribute name, which contains the day."""
    spending_days: dict[str, set[date]] = field(default_factory=lambda: defaultdict(set))
    """The days of all reservations, by customer."""
    decisions: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """All committed reasons by payment."""
    quarantined: dict[str, Message] = field(default_factory=dict)
    """All messages in the quarantine by fingerprint."""
    resolved: set[str] = field(default_factory=set)
    """The fingerprints of the resolved messages."""

    def unresolved(self) -> list[str]:
        """Return the fingerprints of the unresolved messages in the quarantine."""
        return [callback_id for callback_id in self.quarantined if callback_id not in self.resolved]

    def observe(self, delivery: Delivery) -> None:
        """Store the possible decisions of an authorization in the current state."""
        customer = self.put_by_merchant(delivery.message.received.customer)
        delivery.customers.append(customer)
        others = self._other_violations(delivery)
        delivery.constant_reasons &= others | self._limit_violations(delivery, customer)
        # A decision after a conflict has the spending of the conflict, but the customer of the read.
        delivery.allowed_reasons |= others.union(*(self._limit_violations(delivery, c) for c in delivery.customers))

    def commit(self, delivery: Delivery, old: Item, new: Item) -> Effect:
        """Apply a change of the message's payment. Return its effect."""
        payment = self.payments[delivery.message.payment_id]
        match delivery.message.content:
            case Authorization():
                effect = self._authorize(delivery, payment, new, new.get("decided_at") != old.get("decided_at"))
            case Confirmation() as content:
                effect = self._confirm(
                    delivery, payment, str(content.status), new.get("confirmed_at") != old.get("confirmed_at")
                )
            case Reversal() as content:
                sent_at = min(datetime.fromtimestamp(content.timestamp or 0, UTC), delivery.now)
                effect = self._reverse(delivery.message, content, payment, sent_at)
        payment.anomalies |= effect[1]
        return effect

    def commit_sweep(self, payment: Payment, old: Item, new: Item, now: datetime) -> str:
        """Apply the change of a payment by a sweep. Return the type of its event."""
        assert payment.pending_since, "a sweep changed a payment that is not pending"
        age = now - payment.pending_since
        if new.get("released_at") != old.get("released_at"):
            assert age >= RELEASE_AFTER, "a release came too early"
            assert not payment.quarantined, "a release in spite of a quarantined callback"
            assert payment.reservation, "a release without a reservation"
            payment.clear_reservation()
            payment.released, payment.pending_since = True, None
            return "ReservationReleased"
        if "unconfirmed_at" in new and "unconfirmed_at" not in old:
            assert age >= UNCONFIRMED_AFTER, "a payment was marked too early"
            payment.unconfirmed = True
            return "PaymentUnconfirmed"
        assert age >= RELEASE_AFTER, "a payment left the index too early"
        assert not payment.reservation, "a payment left the index with a reservation"
        payment.pending_since = None
        return ""

    def is_durable(self, message: Message) -> bool:
        """Return whether the effect of a message is committed."""
        payment = self.payments[message.payment_id]
        match message.content:
            case Confirmation() as content:
                return payment.outcome in ("payment", str(content.status))
            case Reversal():
                return message.identity in payment.reversals
        return payment.authorized is not None

    def balances(self) -> dict[str, Decimal]:
        """Return the posted minus the debited amounts by customer."""
        balances: dict[str, Decimal] = defaultdict(Decimal)
        for payment in self.payments.values():
            if payment.outcome == "payment" and payment.confirmed and payment.confirmed.customer:
                balances[payment.confirmed.customer] += payment.posted - payment.debited_amount
        return balances

    def put_by_merchant(self, name: str | None) -> CustomerInput | OrderInput | None:
        puts = self.merchant_data.get(name or "")
        return puts[-1] if puts else None

    def _authorize(self, delivery: Delivery, payment: Payment, new: Item, is_decision: bool) -> Effect:
        received, policy, now, reason = delivery.message.received, delivery.policy, delivery.now, new["reason"]
        if not is_decision:
            assert payment.authorized not in (None, received), "a duplicate changed the payment"
            return "", {"authorization_conflict"}
        assert policy, "a decision without a policy"
        if payment.authorized:
            assert payment.released and not payment.outcome, "a second decision"
            assert payment.authorized == received, "a second decision about other content"
        accepted = reason == "accepted"
        if accepted:
            assert not delivery.constant_reasons, f"accepted in spite of {delivery.constant_reasons}"
            # ADR 7: a paid payment counts also above a limit.
            violations = set() if payment.outcome else self._limit_violations(delivery)
            assert not violations, f"accepted in spite of {violations}"
        else:
            assert reason in delivery.allowed_reasons, f"declined with {reason}"
            earlier = delivery.constant_reasons.intersection(REASONS[: REASONS.index(reason)])
            assert not earlier, f"declined with {reason} instead of {earlier}"
        payment.reason, payment.authorized, payment.released, payment.unconfirmed = reason, received, False, False
        payment.pending_since = now if accepted and not payment.outcome else None
        if accepted and received.customer and not payment.outcome:
            day = self._spending_day(received.customer, delivery)
            self._reserve(payment, Reservation(received.customer, received.amount, received.payment_type, day))
        self.decisions[delivery.message.payment_id].add(reason)
        return "PaymentAuthorized" if accepted else "AuthorizationDeclined", payment.mismatches()

    def _confirm(self, delivery: Delivery, payment: Payment, status: str, is_outcome: bool) -> Effect:
        received, policy = delivery.message.received, delivery.policy
        if not is_outcome:
            assert payment.outcome, "the outcome is missing"
            return "", {"outcome_contradicted"}
        assert (payment.outcome, status) in (("", status), ("decline", "payment")), "a second outcome"
        anomalies = {"outcome_contradicted"} if payment.outcome else set()
        payment.outcome, payment.confirmed, payment.pending_since = status, received, None
        if status == "decline":
            payment.clear_reservation()
            return "PaymentFailed", anomalies
        previous, net = payment.reservation, received.net or ZERO
        customer = received.customer or (previous.customer if previous else None)
        day = previous.day if previous else policy and delivery.local_day
        if customer and day:
            is_type_missing = received.payment_type == "none"
            payment_type = previous.payment_type if previous and is_type_missing else received.payment_type
            self._reserve(payment, Reservation(customer, received.amount, payment_type, day))
        payment.posted = net
        payment.debited_amount = min(net, payment.reversed_amount) if received.customer else ZERO
        anomalies |= {"spending_not_counted"} if customer and not day else set()
        anomalies |= set() if received.customer else {"customer_missing"}
        anomalies |= {"net_exceeds_amount"} if net > received.amount else set()
        return "PaymentConfirmed", anomalies | payment.mismatches()

    def _reverse(self, message: Message, content: Reversal, payment: Payment, sent_at: datetime) -> Effect:
        received, kind = message.received, content.reverse_type or ""
        assert not self.is_durable(message), "a second effect of a reversal"
        payment.reversals.add(message.identity)
        is_undone = kind == "Chargeback won"
        paid = payment.confirmed if payment.outcome == "payment" else None
        if not is_undone:
            payment.reversed_amount += received.amount
            if paid and paid.customer:
                payment.debited_amount += min(received.amount, payment.posted - payment.debited_amount)
        customer = payment.customer or received.customer
        if customer and (counter := {"Chargeback": "chargebacks", "Bank Return": "returns"}.get(kind)):
            self.reversal_counts[customer, f"{counter}_{sent_at.astimezone(UTC):%Y-%m-%d}"] += 1
        checks = {
            "reversed_unknown": not paid and not is_undone,
            "reversed_too_much": paid and not is_undone and payment.reversed_amount > paid.amount,
            "reversal_type_unknown": is_undone or kind == "Adjustment",
            "order_differs": paid and paid.order != received.order,
            "customer_differs": received.customer is not None and received.customer != customer,
        }
        event_type = "" if is_undone else "PaymentReversed"
        return event_type, {anomaly for anomaly, is_present in checks.items() if is_present}

    def _reserve(self, payment: Payment, reservation: Reservation) -> None:
        payment.reservation = reservation
        if reservation.amount:
            self.spending_days[reservation.customer].add(reservation.day)

    def _spending_day(self, customer: str, delivery: Delivery) -> date:
        """Return the day in whose windows an authorization counts: never before the latest two days."""
        valid = sorted(self.spending_days[customer])[-2:]
        return max(delivery.local_day, valid[0]) if len(valid) == 2 else delivery.local_day

    def _other_violations(self, delivery: Delivery) -> set[str]:
        received, policy = delivery.message.received, delivery.policy
        if policy is None:
            return set()
        order, customer = self.put_by_merchant(received.order), self.put_by_merchant(received.customer)
        has_customer_rules = any(policy.get(name) for name in ("spending_limits", "chargebacks", "returns"))
        checks = {
            "order_unknown": not order and policy["unknown_order"] == "decline",
            "order_closed": order and order.status == "closed",
            "customer_unknown": (not customer and policy["unknown_customer"] == "decline")
            or (not received.customer and has_customer_rules),
            "customer_suspended": customer and customer.status == "suspended",
        }
        for counter in ("chargebacks", "returns"):
            rule = policy.get(counter, {"max_count": 10**9, "within_days": 1})
            # A reversal can have a later day, because the clocks of two invocations differ.
            first = delivery.now.astimezone(UTC) - timedelta(days=rule["within_days"] - 1)
            counts = [
                count
                for (name, day), count in self.reversal_counts.items()
                if name == received.customer and day.startswith(counter) and day >= f"{counter}_{first:%Y-%m-%d}"
            ]
            checks[f"too_many_{counter}"] = sum(counts) > rule["max_count"]
        return {reason for reason, is_violated in checks.items() if is_violated}

    def _limit_violations(self, delivery: Delivery, customer: object = None) -> set[str]:
        """Return the reasons of limits that the payment would exceed, with the limits of ``customer``."""
        received, policy = delivery.message.received, delivery.policy
        if received.customer is None or policy is None:
            return set()
        day = self._spending_day(received.customer, delivery)
        windows = dict(zip(WINDOWS, windows_of(day), strict=True))
        limits: list[tuple[str, str, Decimal, Sequence[str]]] = [
            (f"{limit['window']}_limit_exceeded", limit["window"], Decimal(limit["amount"]), types)
            for limit in policy.get("spending_limits", ())
            if received.payment_type in (types := limit["payment_types"] or ALL_TYPES)
        ]
        for window in WINDOWS:
            if (amount := getattr(customer, f"self_imposed_{window}_limit", None)) is not None:
                limits.append((f"self_imposed_{window}_limit_exceeded", window, amount, ALL_TYPES))
        others = [payment.reservation for name, payment in self.payments.items() if name != delivery.message.payment_id]
        return {
            reason
            for reason, window, max_amount, types in limits
            if sum(
                reservation.amount
                for reservation in others
                if reservation
                and (reservation.customer == received.customer and windows[window] in windows_of(reservation.day))
                and reservation.payment_type in types
            )
            + received.amount
            > max_amount
        }
