"""Post a paid payment once: store its outcome, credit the balance and update the spending in one transaction.

A declined payment releases its reservation, and no balance changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from paynearme.ledger import schema
from paynearme.ledger.anomalies import Anomaly, authorization_mismatches, confirmation_anomalies
from paynearme.ledger.pending_payments import PENDING_ATTRIBUTES
from paynearme.ledger.reservations import NEVER_RESERVED, Reservation, reservation_changes, reservation_of
from paynearme.ledger.results import ConfirmationResult, site_payment_identifier
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Table, Update
from paynearme.policy import SitePolicy, payment_type_name
from paynearme.policy.calendar import local_date
from paynearme.protocol.callbacks import Confirmation, Outcome

_NOT_REVERSED = "attribute_not_exists(reversed_amount)"
_MATCHES_AUTHORIZATION = (
    "decision = :accept AND authorized_amount = :amount AND authorized_currency = :currency"
    " AND authorized_order = :order"
    " AND (attribute_not_exists(authorized_net) OR authorized_net = :net)"
    " AND (attribute_not_exists(authorized_customer) OR authorized_customer = :customer)"
)


def confirm(
    table: Table, message: Confirmation, policy: SitePolicy | None, now: datetime, deadline: Deadline
) -> ConfirmationResult:
    """Store the outcome of a payment, and post a paid payment, once for all duplicates.

    Mismatches are flagged as anomalies, and a paid payment is always posted exactly once. Without a ``policy`` the
    spending day of an unauthorized payment is unknown: it is posted and flagged ``SPENDING_NOT_COUNTED``. Raises
    ``LedgerUnavailableError``. Costs 1 request for the expected outcome and for a duplicate, 2 for all others.
    """
    confirmation = _ConfirmationWrite(message, policy, now)
    anomalies = confirmation_anomalies(message)
    old = confirmation.write_if_expected(table, deadline)
    while old is not None and confirmation.supersedes(old):
        anomalies = confirmation.anomalies(old)
        old = confirmation.write_after_read(table, old, anomalies, deadline)
    if old is None:
        return ConfirmationResult(message.status, False, anomalies, confirmation.confirmed_amount)
    if schema.has_attributes(old, schema.confirmed_attributes(message)):
        return ConfirmationResult(message.status, is_duplicate=True)
    contradicted = frozenset({Anomaly.OUTCOME_CONTRADICTED})
    table.update(schema.payment_update(schema.payment_key_for(message), anomalies=contradicted), deadline)
    return ConfirmationResult(message.status, is_duplicate=True, anomalies=contradicted)


@dataclass(frozen=True)
class _ConfirmationWrite:
    """A confirmation and its writes. ``policy`` provides the time zone of the spending windows."""

    message: Confirmation
    policy: SitePolicy | None
    now: datetime

    @property
    def confirmed_amount(self) -> Decimal | None:
        """Return the paid amount with fees, or ``None`` for a decline or a test payment."""
        is_payment = self.message.status is Outcome.PAYMENT and not self.message.test
        return self.message.payment_amount if is_payment else None

    def supersedes(self, old: Item) -> bool:
        """Return whether the outcome replaces the stored outcome of ``old``, the payment's item.

        A paid payment replaces a decline, for which nothing was posted. Otherwise the money would be lost.
        """
        is_paid_after_decline = old.get("outcome") == Outcome.DECLINE and self.message.status is Outcome.PAYMENT
        return "outcome" not in old or is_paid_after_decline

    def anomalies(self, old: Item) -> frozenset[Anomaly]:
        """Return the anomalies of the outcome, compared with the payment's item ``old``."""
        uncounted = self._counts_as_spending and self.policy is None and reservation_of(old) is None
        checks = {Anomaly.OUTCOME_CONTRADICTED: "outcome" in old, Anomaly.SPENDING_NOT_COUNTED: uncounted}
        mismatches = authorization_mismatches(old | schema.outcome_attributes(self.message, self.now))
        detected = frozenset(anomaly for anomaly, present in checks.items() if present)
        return detected | confirmation_anomalies(self.message) | mismatches

    def write_if_expected(self, table: Table, deadline: Deadline) -> Item | None:
        """Write the outcome on the condition that the payment is as expected, without a read.

        Return ``None``, or the payment's current item. An item that does not exist is empty.
        """
        message = self.message
        if message.status is Outcome.DECLINE:
            return self._decline_if_expected(table, deadline)
        condition_values = {
            "accept": "accept",
            "amount": message.payment_amount,
            "currency": message.payment_currency,
            "net": message.net_payment_amount,
            "order": message.pnm_order_identifier,
            "customer": message.site_customer_identifier or "",
        }
        if self._counts_as_spending:
            expected = f"{_MATCHES_AUTHORIZATION} AND reservation_customer = :customer AND reservation_amount = :amount"
            if message.payment_type is not None:
                condition_values["type"] = str(payment_type_name(message))
                expected += " AND reservation_type = :type"
        else:
            expected = f"(attribute_not_exists(decision) OR ({_MATCHES_AUTHORIZATION})) AND {NEVER_RESERVED}"
        condition = f"{schema.WITHOUT_OUTCOME} AND {_NOT_REVERSED} AND {expected}"
        payment_update = self._payment_update({}, confirmation_anomalies(message), condition, condition_values)
        return self._write(table, payment_update, self._credit_update(message.net_payment_amount), deadline)

    def _decline_if_expected(self, table: Table, deadline: Deadline) -> Item | None:
        message = self.message
        if not self._counts_as_spending or self.policy is None or message.payment_amount is None:
            condition = f"{schema.WITHOUT_OUTCOME} AND ({NEVER_RESERVED} OR reservation_amount = :nothing)"
            payment_update = self._payment_update({}, frozenset(), condition, {"nothing": schema.ZERO})
            return self._write(table, payment_update, [], deadline)
        # Assumes a reservation of this amount in today's windows, so that the common case costs one request.
        # The condition verifies it. After midnight, for example, it fails.
        day = local_date(self.now, self.policy.zone)
        customer = message.site_customer_identifier or ""
        expected = Reservation(customer, message.payment_amount, payment_type_name(message), day)
        released = replace(expected, amount=schema.ZERO)
        condition = f"{schema.WITHOUT_OUTCOME} AND {expected.condition}"
        payment_update = self._payment_update(released.values(), frozenset(), condition, expected.values())
        changes = reservation_changes(message.site_identifier, expected, released, self.now)
        return self._write(table, payment_update, changes, deadline)

    def write_after_read(
        self, table: Table, old: Item, anomalies: frozenset[Anomaly], deadline: Deadline
    ) -> Item | None:
        """Write the outcome to the payment's item ``old``. Return ``None``, or the current item if it has changed."""
        message = self.message
        previous, next_ = reservation_of(old), self._reservation_after(reservation_of(old))
        condition, condition_values = schema.unchanged(old, ("outcome", "decision", "reversed_amount"))
        condition += f" AND {previous.condition if previous else NEVER_RESERVED}"
        condition_values |= previous.values() if previous else {}
        values = next_.values() if next_ else {}
        net_amount = message.net_payment_amount or schema.ZERO
        # An amount that was reversed before the confirmation is not posted.
        already_reversed = min(net_amount, old.get("reversed_amount", schema.ZERO))
        if already_reversed and self._credit_update(net_amount):
            values = values | {"debited_amount": already_reversed}
        payment_update = self._payment_update(values, anomalies, condition, condition_values)
        changes = reservation_changes(message.site_identifier, previous, next_, self.now)
        changes += self._credit_update(net_amount - already_reversed)
        return self._write(table, payment_update, changes, deadline)

    def _write(
        self, table: Table, payment_update: Update, changes: Sequence[Update], deadline: Deadline
    ) -> Item | None:
        """Write the payment and all other changes. Return ``None``, or the payment's current item."""
        conflicts = table.transact([payment_update, *changes, *self._submission_outcome_update()], deadline)
        return None if conflicts is None else conflicts[0]

    @property
    def _counts_as_spending(self) -> bool:
        """Return whether the payment counts as spending of a customer. A test payment never does."""
        return not self.message.test and self.message.site_customer_identifier is not None

    def _reservation_after(self, previous: Reservation | None) -> Reservation | None:
        """Return the payment's reservation after this outcome."""
        message = self.message
        if message.status is Outcome.DECLINE or message.test:
            return previous and replace(previous, amount=schema.ZERO)
        customer = message.site_customer_identifier or (previous.customer if previous else None)
        if customer is None:
            return None
        amount, name = message.payment_amount or schema.ZERO, payment_type_name(message)
        if previous:
            # A site can omit the payment type in confirmations, so the authorized type remains.
            payment_type = previous.type_name if message.payment_type is None else name
            return Reservation(customer, amount, payment_type, previous.day)
        if self.policy is None:
            return None
        return Reservation(customer, amount, name, local_date(self.now, self.policy.zone))

    def _payment_update(
        self, values: Item, anomalies: frozenset[Anomaly], condition: str, condition_values: Item
    ) -> Update:
        message = self.message
        return schema.payment_update(
            schema.payment_key_for(message),
            schema.identifying_attributes(message) | schema.outcome_attributes(message, self.now) | values,
            # An earlier decline can have set ``confirmed_customer``, but no balance was credited.
            removes=[*PENDING_ATTRIBUTES, *([] if message.site_customer_identifier else ["confirmed_customer"])],
            anomalies=anomalies,
            condition=condition,
            condition_values=condition_values,
        )

    def _credit_update(self, amount: Decimal | None) -> list[Update]:
        """Return the update of the customer's balance: empty for a decline, a test payment or a missing customer."""
        message = self.message
        customer = message.site_customer_identifier
        if message.status is not Outcome.PAYMENT or message.test or customer is None or amount is None:
            return []
        return [schema.balance_update(message.site_identifier, customer, amount, self.now)]

    def _submission_outcome_update(self) -> list[Update]:
        """Return the update that provides the outcome to a submission of the payment (see ``submissions``).

        A derived identifier is from our authorization response, so no submission has it. The key contains the
        order, so that a confirmation of another order resolves no submission.
        """
        message = self.message
        identifier = message.site_payment_identifier
        derived = site_payment_identifier(message.site_identifier, message.pnm_payment_identifier, test=message.test)
        if identifier is None or identifier == derived:
            return []
        key = schema.site_payment_key(
            message.site_identifier, message.pnm_order_identifier, identifier, test=message.test
        )
        payment = message.pnm_payment_identifier
        if message.status is Outcome.PAYMENT:
            return [Update(*key, {"paid": payment, "paid_amount": message.payment_amount})]
        # A set, because PayNearMe can decline several payments with one identifier of the merchant.
        return [Update(*key, set_additions={"declined_payments": [payment]})]
