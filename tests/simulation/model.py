"""The expected state. Each committed write is one step of ``LedgerModel``, in the order of the commits."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from paynearme.platform.dynamodb import Item
from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.merchant_input import CustomerInput, OrderInput
from paynearme.protocol.reversals import Reversal
from tests.support.ledger_model import WINDOWS, LedgerModel, Payment, Received, Reservation, Rules, windows_at

UNCONFIRMED_AFTER = timedelta(minutes=10)
RELEASE_AFTER = timedelta(hours=1)


@dataclass(eq=False)
class Message:
    """A callback of PayNearMe. ``acknowledged``: PayNearMe does not send it again by itself."""

    payment_id: str
    received: Received
    content: Authorization | Confirmation | Reversal
    available_at: float = 0.0
    acknowledged: bool = False

    def is_related(self, other: "Message") -> bool:
        """Return whether both messages are about one payment, or authorize payments of one customer."""
        if self.payment_id == other.payment_id:
            return True
        are_authorizations = all(isinstance(message.content, Authorization) for message in (self, other))
        return are_authorizations and self.received.customer == other.received.customer is not None


@dataclass(eq=False)
class Delivery:
    """One invocation for a message. ``rules`` is ``None`` without a policy."""

    message: Message
    rules: Rules | None
    now: datetime
    allowed_reasons: set[str] = field(default_factory=set)
    """Reasons for a decline that applied at one of the invocation's requests."""
    constant_reasons: set[str] | None = None
    """Reasons for a decline that applied at all of the invocation's requests."""


@dataclass
class SimulationModel:
    """The ledger's model, the merchant's data, and the expected events by payment."""

    ledger: LedgerModel = field(default_factory=LedgerModel)
    suspended: set[str] = field(default_factory=set)
    closed_orders: set[str] = field(default_factory=set)
    decisions: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """All committed reasons by payment."""
    event_types: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The types of the expected events by payment, without anomalies."""

    def payment(self, payment_id: str) -> Payment:
        return self.ledger.payments.setdefault(payment_id, Payment())

    def observe(self, delivery: Delivery) -> None:
        """Store the possible decisions of an authorization in the current state."""
        reasons = self._limit_violations(delivery) | self._other_violations(delivery)
        delivery.allowed_reasons |= reasons
        constant_reasons = delivery.constant_reasons
        delivery.constant_reasons = reasons if constant_reasons is None else constant_reasons & reasons

    def commit(self, delivery: Delivery, old: Item, new: Item) -> bool:
        """Apply a change of the message's payment. Return whether it is the effect of the message."""
        message, payment_id = delivery.message, delivery.message.payment_id
        payment, received, content = self.payment(payment_id), message.received, message.content
        match content:
            case Authorization():
                if new.get("decided_at") == old.get("decided_at"):
                    assert payment.authorized not in (None, received), "a duplicate changed the payment"
                    return False
                self._authorize(delivery, payment, new["reason"])
            case Confirmation():
                if new.get("confirmed_at") == old.get("confirmed_at"):
                    assert payment.outcome, "the outcome is missing"
                    return False
                status, net = str(content.status), content.net_payment_amount or Decimal(0)
                assert (payment.outcome, status) in (("", status), ("decline", "payment")), "a second outcome"
                self.ledger.confirm(payment_id, status, received, net, delivery.rules, delivery.now)
                self._expect(payment_id, "PaymentConfirmed" if status == "payment" else "PaymentFailed")
            case Reversal():
                sent_at = min(datetime.fromtimestamp(content.timestamp, UTC), delivery.now)
                kind = content.reverse_type or ""
                is_new = self.ledger.reverse(payment_id, received.amount, received.customer, kind, sent_at)
                assert is_new, "a second effect of a reversal"
                self._expect(payment_id, "PaymentReversed")
        return True

    def commit_sweep(self, payment_id: str, old: Item, new: Item, now: datetime) -> None:
        """Apply the change of a payment by a sweep."""
        payment = self.payment(payment_id)
        assert payment.pending_since, "a sweep changed a payment that is not pending"
        age = now - payment.pending_since
        if new.get("released_at") != old.get("released_at"):
            assert age >= RELEASE_AFTER, "a release came too early"
            assert self.ledger.release(payment_id), "a release without a reservation"
            self._expect(payment_id, "ReservationReleased")
        elif "unconfirmed_at" in new and "unconfirmed_at" not in old:
            assert age >= UNCONFIRMED_AFTER, "a payment was marked too early"
            payment.unconfirmed = True
            self._expect(payment_id, "PaymentUnconfirmed")
        else:
            assert age >= RELEASE_AFTER, "a payment left the index too early"
            assert not payment.reservation, "a payment left the index with a reservation"
            payment.pending_since = None

    def contains(self, put_input: CustomerInput | OrderInput) -> bool:
        """Return whether the merchant's values are stored."""
        if isinstance(put_input, OrderInput):
            return (put_input.pnm_order_identifier in self.closed_orders) is (put_input.status == "closed")
        customer = put_input.site_customer_identifier
        stored = (customer in self.suspended, self.ledger.self_imposed_limits.get(customer))
        return stored == (put_input.status == "suspended", _self_imposed_limits(put_input))

    def put(self, put_input: CustomerInput | OrderInput) -> None:
        """Store the merchant's values."""
        if isinstance(put_input, OrderInput):
            _set_member(self.closed_orders, put_input.pnm_order_identifier, put_input.status == "closed")
            return
        customer = put_input.site_customer_identifier
        self.ledger.self_imposed_limits[customer] = _self_imposed_limits(put_input)
        _set_member(self.suspended, customer, put_input.status == "suspended")

    def needs_new_decision(self, message: Message) -> bool:
        """Return whether the message authorizes a payment after its release."""
        payment = self.payment(message.payment_id)
        return isinstance(message.content, Authorization) and payment.released and not payment.outcome

    def is_durable(self, message: Message) -> bool:
        """Return whether the effect of a confirmation or a reversal is committed."""
        payment = self.payment(message.payment_id)
        if isinstance(message.content, Confirmation):
            return payment.outcome in ("payment", str(message.content.status))
        if isinstance(message.content, Reversal):
            received = message.received
            return (received.amount, received.customer, message.content.reverse_type) in payment.reversals
        return payment.authorized is not None

    def _expect(self, payment_id: str, event_type: str) -> None:
        self.event_types[payment_id].append(event_type)

    def _authorize(self, delivery: Delivery, payment: Payment, reason: str) -> None:
        received, rules, now = delivery.message.received, delivery.rules, delivery.now
        assert rules, "a decision without a policy"
        if payment.authorized:
            assert payment.released and not payment.outcome, "a second decision"
            assert payment.authorized == received, "a second decision about other content"
        accepted = reason == "accepted"
        if accepted:
            assert not delivery.constant_reasons, f"accepted in spite of {delivery.constant_reasons}"
            # ADR 7: a paid payment counts also above a limit.
            violations = set() if payment.outcome else self._limit_violations(delivery, self_imposed=False)
            assert not violations, f"accepted in spite of {violations}"
        else:
            assert reason in delivery.allowed_reasons, f"declined with {reason}"
        windows = windows_at(now, rules.time_zone)
        payment.reason, payment.authorized, payment.released, payment.unconfirmed = reason, received, False, False
        payment.pending_since = now if accepted and not payment.outcome else None
        if accepted and received.customer and not payment.outcome:
            payment.reservation = Reservation(received.customer, received.amount, received.payment_type, windows)
        if not accepted and payment.outcome == "payment":
            payment.anomalies.add("paid_after_decline")
        self.decisions[delivery.message.payment_id].add(reason)
        self._expect(delivery.message.payment_id, "PaymentAuthorized" if accepted else "AuthorizationDeclined")

    def _other_violations(self, delivery: Delivery) -> set[str]:
        message, rules = delivery.message, delivery.rules
        customer, violations = message.received.customer, set[str]()
        if message.content.pnm_order_identifier in self.closed_orders:
            violations.add("order_closed")
        if customer in self.suspended:
            violations.add("customer_suspended")
        if customer is None and rules and (rules.limits or rules.chargebacks):
            violations.add("customer_unknown")
        if customer and rules and rules.chargebacks:
            max_count, days = rules.chargebacks
            # A reversal can have a later day, because the clocks of two invocations differ.
            first = f"chargebacks_{delivery.now.astimezone(UTC) - timedelta(days=days - 1):%Y-%m-%d}"
            counts = [
                count
                for (name, day), count in self.ledger.reversal_counts.items()
                if name == customer and day.startswith("chargebacks_") and day >= first
            ]
            if sum(counts) > max_count:
                violations.add("too_many_chargebacks")
        return violations

    def _limit_violations(self, delivery: Delivery, *, self_imposed: bool = True) -> set[str]:
        """Return the reasons of limits that the payment would exceed in the current state."""
        received, rules = delivery.message.received, delivery.rules
        if received.customer is None or rules is None:
            return set()
        windows: Mapping[str, str] = dict(zip(WINDOWS, windows_at(delivery.now, rules.time_zone), strict=True))
        limits = [
            (f"{limit.window}_limit_exceeded", limit.window, limit.amount, limit.types)
            for limit in rules.limits
            if limit.applies_to(received.payment_type)
        ]
        if self_imposed:
            self_imposed_limits = self.ledger.self_imposed_limits.get(received.customer, {})
            limits += [
                (f"self_imposed_{window}_limit_exceeded", window, amount, None)
                for window, amount in self_imposed_limits.items()
            ]
        reservation = self.payment(delivery.message.payment_id).reservation
        violations = set()
        for reason, window, amount, types in limits:
            spent = self.ledger.total_spent(received.customer, windows[window], types)
            if reservation and reservation.customer == received.customer and windows[window] in reservation.windows:
                spent -= reservation.amount if types is None or reservation.payment_type in types else 0
            if spent + received.amount > amount:
                violations.add(reason)
        return violations


def _self_imposed_limits(customer: CustomerInput) -> dict[str, Decimal]:
    limits = {window: getattr(customer, f"self_imposed_{window}_limit") for window in WINDOWS}
    return {window: limit for window, limit in limits.items() if limit is not None}


def _set_member(members: set[str], name: str, is_member: bool) -> None:
    (members.add if is_member else members.discard)(name)
