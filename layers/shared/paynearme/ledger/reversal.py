"""Money that came back: recorded once per reversal, and taken off the balance that it was posted to."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from paynearme.ledger import schema
from paynearme.ledger.results import Anomaly, ReversalResult
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Table, Update
from paynearme.protocol.callbacks import Outcome
from paynearme.protocol.reversals import Reversal, ReversalKind

_COUNTED_KINDS = {ReversalKind.CHARGEBACK: "chargebacks", ReversalKind.RETURN: "returns"}
_ZERO = Decimal(0)
# What a reversal depends on: it is written onto a payment that is still as it was read.
_GUARDED_ATTRIBUTES = (
    "outcome",
    "posted_amount",
    "debited_amount",
    "reversed_amount",
    "authorized_customer",
    "confirmed_customer",
)


def reverse(table: Table, message: Reversal, now: datetime, deadline: Deadline) -> ReversalResult:
    """Store a reversal, and debit the balance, once for all repeats.

    A balance never loses more than was posted to it. A reversal of an unposted payment is stored and flagged, and a
    later confirmation posts only the rest. Raises ``LedgerUnavailableError``. Costs 2 requests, 1 for a duplicate.
    """
    (payment,) = table.read([schema.payment_key_for(message)], deadline)
    while True:
        reversal = _ReversalWrite(message, payment, now)
        if reversal.attribute in payment:
            return ReversalResult(message.kind, is_duplicate=True)
        conflicts = table.transact(reversal.updates(), deadline)
        if conflicts is None:
            return ReversalResult(message.kind, is_duplicate=False, anomalies=reversal.anomalies)
        payment = conflicts[0]


@dataclass(frozen=True)
class _ReversalWrite:
    """A reversal, the payment's item as it is known, and what is written."""

    message: Reversal
    payment: Item
    now: datetime

    @property
    def attribute(self) -> str:
        """Return under which name the payment's item holds this reversal."""
        return f"reversal_{self.message.fingerprint[:12]}"

    @property
    def credited_customer(self) -> str | None:
        """Return to whose balance it was posted; None where nobody's was moved."""
        return self.payment.get("confirmed_customer") if "posted_amount" in self.payment else None

    @property
    def customer(self) -> str | None:
        """Return whose payment it was, for the counts: as it was posted, asked about, or told now."""
        recorded_customer = self.payment.get("confirmed_customer") or self.payment.get("authorized_customer")
        return recorded_customer or self.message.site_customer_identifier

    @property
    def debit(self) -> Decimal:
        """Return what to take off the balance: what came back, but never more than is still posted to it."""
        if self.credited_customer is None:
            return _ZERO
        posted: Decimal = self.payment.get("posted_amount", _ZERO)
        remaining: Decimal = posted - self.payment.get("debited_amount", _ZERO)
        return max(_ZERO, min(self.message.amount, remaining))

    @property
    def anomalies(self) -> frozenset[Anomaly]:
        """Return what does not fit what is known of the payment."""
        payment, message = self.payment, self.message
        paid = payment.get("outcome") == Outcome.PAYMENT
        total_reversed = payment.get("reversed_amount", _ZERO) + message.amount
        customer = message.site_customer_identifier
        checks = {
            Anomaly.REVERSED_UNKNOWN: not paid,
            Anomaly.REVERSED_TOO_MUCH: paid and total_reversed > payment["confirmed_amount"],
            Anomaly.ORDER_DIFFERS: paid and payment["confirmed_order"] != message.pnm_order_identifier,
            Anomaly.CUSTOMER_DIFFERS: customer is not None and customer != self.customer,
        }
        return frozenset(anomaly for anomaly, present in checks.items() if present)

    def updates(self) -> list[Update]:
        """Return the changes of the payment and, but for a test, of the balance and of the counts."""
        changes = [self._payment_update()]
        if self.credited_customer is not None and self.debit:
            site_id = self.message.site_identifier
            changes.append(schema.balance_update(site_id, self.credited_customer, -self.debit, self.now))
        if not self.message.test and self.customer is not None:
            changes += self._count_updates(self.customer)
        return changes

    def _payment_update(self) -> Update:
        message, payment = self.message, self.payment
        reversal = {
            "type": message.reverse_type,
            "code": message.reverse_code,
            "kind": str(message.kind),
            "amount": message.amount,
            "debited_amount": self.debit,
            "at": self.now.isoformat(),
        }
        condition_values = {name: payment[name] for name in _GUARDED_ATTRIBUTES if name in payment}
        parts = [
            f"{name} = :{name}" if name in condition_values else f"attribute_not_exists({name})"
            for name in _GUARDED_ATTRIBUTES
        ]
        # A reversal of what nobody told us of is all that is known of it.
        values = {} if payment else schema.identifying_attributes(message)
        return schema.payment_update(
            schema.payment_key_for(message),
            values | {self.attribute: {name: value for name, value in reversal.items() if value is not None}},
            increments={"reversed_amount": message.amount}
            | ({"debited_amount": self.debit} if "posted_amount" in payment else {}),
            anomalies=self.anomalies,
            condition=" AND ".join([f"attribute_not_exists({self.attribute})", *parts]),
            condition_values=condition_values,
        )

    def _count_updates(self, customer: str) -> list[Update]:
        attribute = _COUNTED_KINDS.get(self.message.kind)
        if attribute is None:
            return []
        # PayNearMe may tell of it again after an outage, days later. The future is no day to count on.
        day = datetime.fromtimestamp(min(self.message.timestamp, self.now.timestamp()), UTC).date()
        pk, sk = schema.reversals_key(self.message.site_identifier, customer, day.year)
        return [Update(pk, sk, increments={f"{attribute}_{day.isoformat()}": Decimal(1)})]
