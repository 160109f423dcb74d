"""Money that came back: recorded once per reversal, and taken off the balance that it was posted to."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from paynearme.deadline import Deadline
from paynearme.ledger import items
from paynearme.messages import Outcome, Reversal, ReversalKind
from paynearme.payments import Anomaly, Reversed
from paynearme.table import Item, Table, Update

_COUNTED = {ReversalKind.CHARGEBACK: "chargebacks", ReversalKind.RETURN: "returns"}
_NOTHING = Decimal(0)
# What a reversal depends on: it is written onto a payment that is still as it was read.
_DEPENDED_ON = (
    "outcome",
    "posted_amount",
    "debited_amount",
    "reversed_amount",
    "authorized_customer",
    "confirmed_customer",
)


def reverse(table: Table, message: Reversal, now: datetime, deadline: Deadline) -> Reversed:
    """See ``Ledger.reverse``."""
    (payment,) = table.read([items.key_of(message)], deadline)
    while True:
        told = _Told(message, payment, now)
        if told.attribute in payment:
            return Reversed(message.kind, repeated=True)
        refused = table.transact(told.updates(), deadline)
        if refused is None:
            return Reversed(message.kind, repeated=False, anomalies=told.anomalies)
        payment = refused[0]


@dataclass(frozen=True)
class _Told:
    """A reversal, the payment's item as it is known, and what is written."""

    message: Reversal
    payment: Item
    now: datetime

    @property
    def attribute(self) -> str:
        """Return under which name the payment's item holds this reversal."""
        return f"reversal_{self.message.fingerprint[:12]}"

    @property
    def posted_to(self) -> str | None:
        """Return to whose balance it was posted; None where nobody's was moved."""
        return self.payment.get("confirmed_customer") if "posted_amount" in self.payment else None

    @property
    def customer(self) -> str | None:
        """Return whose payment it was, for the counts: as it was posted, asked about, or told now."""
        known = self.payment.get("confirmed_customer") or self.payment.get("authorized_customer")
        return known or self.message.site_customer_identifier

    @property
    def taken_back(self) -> Decimal:
        """Return what to take off the balance: what came back, but never more than is still posted to it."""
        if self.posted_to is None:
            return _NOTHING
        posted: Decimal = self.payment.get("posted_amount", _NOTHING)
        left: Decimal = posted - self.payment.get("debited_amount", _NOTHING)
        return max(_NOTHING, min(self.message.amount, left))

    @property
    def anomalies(self) -> frozenset[Anomaly]:
        """Return what does not fit what is known of the payment."""
        payment, message = self.payment, self.message
        paid = payment.get("outcome") == Outcome.PAYMENT
        so_far = payment.get("reversed_amount", _NOTHING) + message.amount
        customer = message.site_customer_identifier
        found = {
            Anomaly.REVERSED_UNKNOWN: not paid,
            Anomaly.REVERSED_TOO_MUCH: paid and so_far > payment["confirmed_amount"],
            Anomaly.ORDER_DIFFERS: paid and payment["confirmed_order"] != message.pnm_order_identifier,
            Anomaly.CUSTOMER_DIFFERS: customer is not None and customer != self.customer,
        }
        return frozenset(anomaly for anomaly, holds in found.items() if holds)

    def updates(self) -> list[Update]:
        """Return the changes of the payment and, but for a test, of the balance and of the counts."""
        changes = [self._of_payment()]
        if self.posted_to is not None and self.taken_back:
            site = self.message.site_identifier
            changes.append(items.balance_change(site, self.posted_to, -self.taken_back, self.now))
        if not self.message.test and self.customer is not None:
            changes += self._of_counts(self.customer)
        return changes

    def _of_payment(self) -> Update:
        message, payment = self.message, self.payment
        reversal = {
            "type": message.reverse_type,
            "code": message.reverse_code,
            "kind": str(message.kind),
            "amount": message.amount,
            "debited_amount": self.debited_amount,
            "at": self.now.isoformat(),
        }
        seen = {name: payment[name] for name in _DEPENDED_ON if name in payment}
        parts = [
            f"{name} = :{name}" if name in seen else f"attribute_not_exists({name})" for name in _DEPENDED_ON
        ]
        # A reversal of what nobody told us of is all that is known of it.
        values = {} if payment else items.identity(message)
        return items.payment_update(
            items.key_of(message),
            values | {self.attribute: {name: value for name, value in reversal.items() if value is not None}},
            amounts={"reversed_amount": message.amount}
            | ({"debited_amount": self.debited_amount} if "posted_amount" in payment else {}),
            anomalies=self.anomalies,
            condition=" AND ".join([f"attribute_not_exists({self.attribute})", *parts]),
            condition_values=seen,
        )

    def _of_counts(self, customer: str) -> list[Update]:
        what = _COUNTED.get(self.message.kind)
        if what is None:
            return []
        # PayNearMe may tell of it again after an outage, days later. The future is no day to count on.
        day = datetime.fromtimestamp(min(self.message.timestamp, self.now.timestamp()), UTC).date()
        pk, sk = items.reversals_key(self.message.site_identifier, customer, day.year)
        return [Update(pk, sk, amounts={f"{what}_{day.isoformat()}": Decimal(1)})]
