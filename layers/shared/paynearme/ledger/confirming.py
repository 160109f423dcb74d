"""What became of a payment: recorded once, with the balance and the spending that it moves."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from paynearme.deadline import Deadline
from paynearme.ledger import items
from paynearme.ledger.deviations import deviations, own_anomalies
from paynearme.ledger.spending import NEVER_HELD, Held, held_by, moved, sort_keys
from paynearme.ledger.watching import AWAITED
from paynearme.messages import Confirmation, Outcome
from paynearme.payments import Anomaly, Confirmed, site_payment_identifier
from paynearme.policy import SitePolicy, type_name, windows_at
from paynearme.table import Item, Table, Update

_WITHOUT_OUTCOME = "attribute_not_exists(outcome)"
_NOT_REVERSED = "attribute_not_exists(reversed_amount)"
_AS_AUTHORIZED = (
    "decision = :accept AND authorized_amount = :amount AND authorized_currency = :currency"
    " AND authorized_order = :order"
    " AND (attribute_not_exists(authorized_net) OR authorized_net = :net)"
    " AND (attribute_not_exists(authorized_customer) OR authorized_customer = :customer)"
)
_NOTHING = Decimal(0)


def confirm(
    table: Table, message: Confirmation, policy: SitePolicy | None, now: datetime, deadline: Deadline
) -> Confirmed:
    """See ``Ledger.confirm``."""
    told = _Told(message, policy, now)
    old = told.post_as_expected(table, deadline)
    if old is None:
        return Confirmed(message.status, False, own_anomalies(message), told.money_in)
    while told.is_news_to(old):
        anomalies = told.anomalies(old)
        changed = told.post(table, old, anomalies, deadline)
        if changed is None:
            return Confirmed(message.status, False, anomalies, told.money_in)
        old = changed
    if old["confirmation_fingerprint"] == items.confirmation_fingerprint(message):
        return Confirmed(message.status, repeated=True)
    contradicted = frozenset({Anomaly.OUTCOME_CONTRADICTED})
    table.update(items.payment_update(items.key_of(message), anomalies=contradicted), deadline)
    return Confirmed(message.status, repeated=True, anomalies=contradicted)


@dataclass(frozen=True)
class _Told:
    """A confirmation, and what of it is written. ``policy``, if known, says in which windows it counts."""

    message: Confirmation
    policy: SitePolicy | None
    now: datetime

    @property
    def money_in(self) -> Decimal | None:
        """What was paid, fees included: None for a decline and for a test."""
        is_money = self.message.status is Outcome.PAYMENT and not self.message.test
        return self.message.payment_amount if is_money else None

    def is_news_to(self, old: Item) -> bool:
        """Return whether the outcome is to be written onto ``old``, the payment's item.

        A payment is, even after a decline: nothing was posted for that, so this money would be lost.
        """
        known = old.get("outcome")
        return known is None or (known == Outcome.DECLINE and self.message.status is Outcome.PAYMENT)

    def anomalies(self, old: Item) -> frozenset[Anomaly]:
        """Return what is wrong with the outcome, given what was known of the payment."""
        found = {
            Anomaly.OUTCOME_CONTRADICTED: "outcome" in old,
            Anomaly.SPENDING_NOT_COUNTED: self._is_counted and self.policy is None and held_by(old) is None,
        }
        differing = deviations(old | items.outcome(self.message, self.now))
        own = frozenset(anomaly for anomaly, holds in found.items() if holds)
        return own | own_anomalies(self.message) | differing

    def post_as_expected(self, table: Table, deadline: Deadline) -> Item | None:
        """Write the outcome as if the payment were known just as usual, without looking.

        Return None if it was so, else the payment's item as it is, an empty one if there is none.
        """
        message = self.message
        if message.status is Outcome.DECLINE:
            return self._release_as_expected(table, deadline)
        known = {
            "accept": "accept",
            "amount": message.payment_amount,
            "currency": message.payment_currency,
            "net": message.net_payment_amount,
            "order": message.pnm_order_identifier,
            "customer": message.site_customer_identifier or "",
        }
        if self._is_counted:
            holds = "reservation_customer = :customer AND reservation_amount = :amount"
            if message.payment_type is not None:
                known["type"] = str(type_name(message))
                holds += " AND reservation_type = :type"
            condition = f"{_WITHOUT_OUTCOME} AND {_NOT_REVERSED} AND {_AS_AUTHORIZED} AND {holds}"
        else:
            fits = f"(attribute_not_exists(decision) OR ({_AS_AUTHORIZED}))"
            condition = f"{_WITHOUT_OUTCOME} AND {_NOT_REVERSED} AND {fits} AND {NEVER_HELD}"
        payment = self._payment({}, own_anomalies(message), condition, known)
        changes = [payment, *self._balance(message.net_payment_amount), *self._by_our_identifier()]
        refused = table.transact(changes, deadline)
        return None if refused is None else refused[0]

    def _release_as_expected(self, table: Table, deadline: Deadline) -> Item | None:
        message = self.message
        usual = None
        if self._is_counted and self.policy is not None and message.payment_amount is not None:
            # Most payments fail on the day on which they were decided.
            windows = sort_keys(windows_at(self.now, self.policy.zone))
            customer = message.site_customer_identifier or ""
            usual = Held(customer, message.payment_amount, type_name(message), windows)
        if usual is None:
            condition = f"{_WITHOUT_OUTCOME} AND ({NEVER_HELD} OR reservation_amount = :nothing)"
            payment = self._payment({}, frozenset(), condition, {"nothing": _NOTHING})
            refused = table.transact([payment, *self._by_our_identifier()], deadline)
            return None if refused is None else refused[0]
        released = replace(usual, amount=_NOTHING)
        condition = f"{_WITHOUT_OUTCOME} AND {usual.condition}"
        payment = self._payment(released.values(), frozenset(), condition, usual.values())
        changes = moved(message.site_identifier, usual, released, self.now)
        refused = table.transact([payment, *changes, *self._by_our_identifier()], deadline)
        return None if refused is None else refused[0]

    def post(self, table: Table, old: Item, anomalies: frozenset[Anomaly], deadline: Deadline) -> Item | None:
        """Write the outcome onto ``old``, the payment's item. Return None, or the item if it has changed."""
        message = self.message
        before, after = held_by(old), self._held_after(held_by(old))
        as_seen = {name: old.get(name) for name in ("outcome", "decision", "reversed_amount")}
        parts = [
            f"attribute_not_exists({name})" if value is None else f"{name} = :{name}"
            for name, value in as_seen.items()
        ]
        known = {name: value for name, value in as_seen.items() if value is not None}
        parts.append(before.condition if before else NEVER_HELD)
        values = after.values() if after else {}
        moving = message.net_payment_amount or _NOTHING
        # What came back before it was posted is not posted at all.
        back = min(moving, old.get("reversed_amount", _NOTHING))
        if back and self._balance(moving):
            values = values | {"debited_amount": back}
        payment = self._payment(
            values, anomalies, " AND ".join(parts), known | (before.values() if before else {})
        )
        changes = moved(message.site_identifier, before, after, self.now)
        changes += [*self._balance(moving - back), *self._by_our_identifier()]
        refused = table.transact([payment, *changes], deadline)
        return None if refused is None else refused[0]

    @property
    def _is_counted(self) -> bool:
        """Whether the payment counts as its customer's spending. A test never does."""
        return not self.message.test and self.message.site_customer_identifier is not None

    def _held_after(self, before: Held | None) -> Held | None:
        """Return what the payment holds of its customer's windows once this outcome is recorded."""
        message = self.message
        if message.status is Outcome.DECLINE or message.test:
            return before and replace(before, amount=_NOTHING)
        customer = message.site_customer_identifier or (before.customer if before else None)
        if customer is None:
            return None
        amount, name = message.payment_amount or _NOTHING, type_name(message)
        if before:
            # A site can have the type left out of its callbacks: it was known when it was asked about.
            kept = before.type_name if message.payment_type is None else name
            return Held(customer, amount, kept, before.windows)
        if self.policy is None:
            return None
        return Held(customer, amount, name, sort_keys(windows_at(self.now, self.policy.zone)))

    def _payment(self, values: Item, anomalies: frozenset[Anomaly], condition: str, known: Item) -> Update:
        message = self.message
        return items.payment_update(
            items.key_of(message),
            items.identity(message) | items.outcome(message, self.now) | values,
            # A decline before may have named one: nobody's balance got what names nobody.
            removes=AWAITED if message.site_customer_identifier else (*AWAITED, "confirmed_customer"),
            anomalies=anomalies,
            condition=condition,
            condition_values=known,
        )

    def _balance(self, amount: Decimal | None) -> list[Update]:
        """Return the change of the customer's balance: none for a decline, a test or an unnamed customer."""
        message = self.message
        customer = message.site_customer_identifier
        if message.status is not Outcome.PAYMENT or message.test or customer is None or amount is None:
            return []
        return [items.balance_change(message.site_identifier, customer, amount, self.now)]

    def _by_our_identifier(self) -> list[Update]:
        """Return what lets a call that asked for the payment learn what became of it (``making``).

        Nothing where our answer to the authorization gave the payment its identifier: nobody asked for it.
        """
        message = self.message
        identifier = message.site_payment_identifier
        derived = site_payment_identifier(
            message.site_identifier, message.pnm_payment_identifier, test=message.test
        )
        if identifier is None or identifier == derived:
            return []
        key = items.site_payment_key(
            message.site_identifier, message.pnm_order_identifier, identifier, test=message.test
        )
        what = "paid" if message.status is Outcome.PAYMENT else "declined"
        told = {what: message.pnm_payment_identifier, f"{what}_amount": message.payment_amount}
        return [Update(*key, told)]
