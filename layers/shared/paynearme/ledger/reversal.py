"""Store reversals once, and debit the balances to which the payments were posted."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from paynearme.ledger import schema
from paynearme.ledger.anomalies import Anomaly
from paynearme.ledger.results import ReversalResult
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Table, Update
from paynearme.protocol.callbacks import Outcome
from paynearme.protocol.reversals import Reversal, ReversalKind

_COUNTED_KINDS = {ReversalKind.CHARGEBACK: "chargebacks", ReversalKind.RETURN: "returns"}
# The write requires these attributes to be unchanged since the read.
_GUARDED_ATTRIBUTES = (
    "outcome",
    "posted_amount",
    "debited_amount",
    "reversed_amount",
    "authorized_customer",
    "confirmed_customer",
)


def reverse(table: Table, message: Reversal, now: datetime, deadline: Deadline) -> ReversalResult:
    """Store a reversal, and debit the balance, once for all duplicates.

    The debit never exceeds the posted amount. A reversal of an unposted payment is stored and flagged, and a later
    confirmation posts only the remaining amount. An ``UNDONE`` reversal changes no amount. Raises
    ``LedgerUnavailableError``. Costs 2 requests, 1 for a duplicate.
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
    """A reversal, the current item of its payment, and its writes."""

    message: Reversal
    payment: Item
    now: datetime

    @property
    def attribute(self) -> str:
        """Return the name of the payment's attribute for this reversal."""
        return f"{schema.REVERSAL_PREFIX}{self.message.fingerprint[:12]}"

    @property
    def credited_customer(self) -> str | None:
        """Return the customer with the credited balance, or ``None``."""
        return self.payment.get("confirmed_customer") if "posted_amount" in self.payment else None

    @property
    def customer(self) -> str | None:
        """Return the customer for the counts: the confirmed one, the authorized one, or the one of this reversal."""
        recorded_customer = self.payment.get("confirmed_customer") or self.payment.get("authorized_customer")
        return recorded_customer or self.message.site_customer_identifier

    @property
    def returns_money(self) -> bool:
        """Return whether the payment's money was returned. It was not if an earlier reversal is undone."""
        return self.message.kind is not ReversalKind.UNDONE

    @property
    def debit(self) -> Decimal:
        """Return the amount to debit: the reversed amount, at most the remaining posted amount."""
        if self.credited_customer is None or not self.returns_money:
            return schema.ZERO
        posted: Decimal = self.payment.get("posted_amount", schema.ZERO)
        remaining: Decimal = posted - self.payment.get("debited_amount", schema.ZERO)
        return max(schema.ZERO, min(self.message.amount, remaining))

    @property
    def anomalies(self) -> frozenset[Anomaly]:
        """Return the contradictions between the reversal and the payment."""
        payment, message = self.payment, self.message
        paid = payment.get("outcome") == Outcome.PAYMENT
        total_reversed = payment.get("reversed_amount", schema.ZERO) + message.amount
        customer = message.site_customer_identifier
        checks = {
            Anomaly.REVERSED_UNKNOWN: self.returns_money and not paid,
            Anomaly.REVERSED_TOO_MUCH: self.returns_money and paid and total_reversed > payment["confirmed_amount"],
            Anomaly.REVERSAL_TYPE_UNKNOWN: message.kind in (ReversalKind.UNDONE, ReversalKind.UNKNOWN),
            Anomaly.ORDER_DIFFERS: paid and payment["confirmed_order"] != message.pnm_order_identifier,
            Anomaly.CUSTOMER_DIFFERS: customer is not None and customer != self.customer,
        }
        return frozenset(anomaly for anomaly, present in checks.items() if present)

    def updates(self) -> list[Update]:
        """Return the changes of the payment, and except for a test payment of the balance and the counts."""
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
            "at": schema.stored_time(self.now),
        }
        condition, condition_values = schema.unchanged(payment, _GUARDED_ATTRIBUTES)
        # A reversal can be the first message about its payment, and another item can precede its attributes.
        values: Item = {}
        if "site_identifier" not in payment:
            customer = {"site_customer_identifier": message.site_customer_identifier}
            values = schema.identifying_attributes(message) | customer
        increments = {"reversed_amount": message.amount} if self.returns_money else {}
        if self.returns_money and "posted_amount" in payment:
            increments["debited_amount"] = self.debit
        return schema.payment_update(
            schema.payment_key_for(message),
            values | {self.attribute: {name: value for name, value in reversal.items() if value is not None}},
            increments=increments,
            anomalies=self.anomalies,
            condition=f"attribute_not_exists({self.attribute}) AND {condition}",
            condition_values=condition_values,
        )

    def _count_updates(self, customer: str) -> list[Update]:
        attribute = _COUNTED_KINDS.get(self.message.kind)
        if attribute is None:
            return []
        # The day of the message, because PayNearMe can retry days later, and never a day in the future.
        now, timestamp = self.now.timestamp(), self.message.timestamp
        day = datetime.fromtimestamp(now if timestamp is None else min(timestamp, now), UTC).date()
        key = schema.reversals_key(self.message.site_identifier, customer, day.year)
        return [Update(*key, increments={f"{attribute}_{day.isoformat()}": Decimal(1)})]
