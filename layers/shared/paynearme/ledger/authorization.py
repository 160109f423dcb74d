"""Decide on authorizations. One transaction stores the decision and its reservation."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property

from paynearme.errors import LedgerUnavailableError
from paynearme.ledger import pending_payments, schema
from paynearme.ledger.anomalies import Anomaly, authorization_mismatches
from paynearme.ledger.reservations import Reservation, reservation_of, reservation_update
from paynearme.ledger.results import AuthorizationResult, site_payment_identifier
from paynearme.ledger.spending import Spending, spending_key
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Table
from paynearme.policy import (
    Decision,
    DecisionContext,
    Reason,
    SitePolicy,
    applicable_limits,
    decide,
    decision_for,
    payment_type_name,
)
from paynearme.policy.calendar import local_date
from paynearme.protocol.callbacks import Authorization

MAX_DECISIONS = 100
"""The maximum number of decisions on one authorization. Each conflict with another payment causes one more."""

_UNDECIDED = "attribute_not_exists(decision)"


def authorize(
    table: Table, message: Authorization, policy: SitePolicy, now: datetime, deadline: Deadline
) -> AuthorizationResult:
    """Decide on an authorization, and store the decision with its reservation.

    An existing decision is returned unchanged. An authorization with other amounts is declined and flagged, and the
    stored decision remains. Raises ``LedgerUnavailableError``. Costs 1 request for a duplicate and 2 for a new payment,
    plus 1 for each conflict with another payment of the same customer.
    """
    authorization = _AuthorizationWrite(message, policy, now)
    snapshot = authorization.read(table, deadline)
    for _ in range(MAX_DECISIONS):
        if not authorization.needs_decision(snapshot.payment):
            return _existing_decision(table, message, policy, now, snapshot.payment, deadline)
        decision = decide(message, snapshot.context, policy, now)
        conflicts = authorization.write(table, decision, snapshot, deadline)
        if conflicts is None:
            anomalies = authorization.anomalies(decision, snapshot.payment)
            return AuthorizationResult(decision, now, authorization.identifier, is_duplicate=False, anomalies=anomalies)
        # The conflict is with another payment of the customer, this payment's outcome, or a concurrent duplicate.
        outcome_arrived = "outcome" in conflicts.get(0, {}) and authorization.needs_decision(conflicts[0])
        # An outcome changes the spending also.
        snapshot = authorization.read(table, deadline) if outcome_arrived else snapshot.updated_with(conflicts)
    raise LedgerUnavailableError


@dataclass(frozen=True)
class _Snapshot:
    """The items that a decision depends on. ``local_day`` is the date in the policy's time zone."""

    customer: str | None
    local_day: date
    payment: Item
    spending: Spending
    base_context: DecisionContext

    @cached_property
    def day(self) -> date:
        """Return the day whose windows apply to the payment."""
        return self.spending.day_for(self.local_day)

    @property
    def context(self) -> DecisionContext:
        spending, reservation = self.spending, reservation_of(self.payment)
        if reservation and reservation.customer == self.customer:
            # The outcome arrived first, so the windows already contain the payment itself.
            spending = spending.without(reservation.amounts)
        return replace(self.base_context, spending=spending.totals(self.day))

    def updated_with(self, conflicts: dict[int, Item]) -> "_Snapshot":
        """Return the snapshot with the conflicting items of a transaction: 0 is the payment, 1 is the spending."""
        spending = Spending(conflicts[1]) if 1 in conflicts else self.spending
        return replace(self, payment=conflicts.get(0, self.payment), spending=spending)


@dataclass(frozen=True)
class _AuthorizationWrite:
    """An authorization and its writes."""

    message: Authorization
    policy: SitePolicy
    now: datetime

    @cached_property
    def identifier(self) -> str:
        """Return the merchant's identifier of the payment."""
        message = self.message
        return message.site_payment_identifier or site_payment_identifier(
            message.site_identifier, message.pnm_payment_identifier, test=message.test
        )

    def needs_decision(self, payment: Item) -> bool:
        """Return whether the payment needs a decision: the first one, or another one after a release.

        A release ends the validity of the acceptance, because other payments may have used the released amount.
        """
        if "decision" not in payment:
            return True
        is_duplicate = schema.has_attributes(payment, schema.authorized_attributes(self.message))
        return is_duplicate and "released_at" in payment and "outcome" not in payment

    def read(self, table: Table, deadline: Deadline) -> _Snapshot:
        """Read all items in one request. Their number does not depend on the customer's history."""
        site_id, customer = self.message.site_identifier, self.message.site_customer_identifier
        keys = [schema.payment_key_for(self.message), schema.order_key(site_id, self.message.pnm_order_identifier)]
        if customer is not None:
            keys += [spending_key(site_id, customer), schema.account_key(site_id, customer)]
            days = [rule.within_days for rule in (self.policy.chargebacks, self.policy.returns) if rule]
            keys += schema.reversals_keys(site_id, customer, local_date(self.now, UTC), max(days)) if days else []
        payment, order, *customer_items = table.read(keys, deadline)
        spending, account, *reversals = customer_items or ({}, {})
        base_context = DecisionContext(
            order=schema.parse_order(order),
            customer=schema.parse_customer(account),
            chargebacks=schema.counts_by_day(reversals, "chargebacks"),
            returns=schema.counts_by_day(reversals, "returns"),
        )
        return _Snapshot(customer, local_date(self.now, self.policy.zone), payment, Spending(spending), base_context)

    def anomalies(self, decision: Decision, payment: Item) -> frozenset[Anomaly]:
        """Return the differences between the decision and an outcome that arrived before it."""
        return authorization_mismatches(payment | self._attributes(decision)) if "outcome" in payment else frozenset()

    def write(
        self, table: Table, decision: Decision, snapshot: _Snapshot, deadline: Deadline
    ) -> dict[int, Item] | None:
        """Store the decision and its reservation. Return ``None``, or the conflicting items by index."""
        outcome_arrived_first = "outcome" in snapshot.payment
        released_at = snapshot.payment.get("released_at")
        condition, condition_values = f"{_UNDECIDED} AND {schema.WITHOUT_OUTCOME}", {}
        if outcome_arrived_first:
            # The anomalies depend on the outcome, and a payment can replace a decline after the read.
            condition = f"{_UNDECIDED} AND outcome = :outcome"
            condition_values = {"outcome": snapshot.payment["outcome"]}
        elif released_at:
            condition = f"released_at = :released_at AND {schema.WITHOUT_OUTCOME}"
            condition_values = {"released_at": released_at}
        reservation = None if outcome_arrived_first else self._reservation(decision, snapshot.day)
        payment = schema.payment_update(
            schema.payment_key_for(self.message),
            self._attributes(decision)
            | (reservation.values() if reservation else {})
            | self._pending_attributes(decision, snapshot.payment),
            removes=("released_at", "unconfirmed_at") if released_at else (),
            anomalies=self.anomalies(decision, snapshot.payment),
            condition=condition,
            condition_values=condition_values,
        )
        if reservation is None:
            conflict = table.update(payment, deadline)
            return None if conflict is None else {0: conflict}
        limits = applicable_limits(self.policy, snapshot.base_context.customer, reservation.type_name)
        spending = reservation_update(self.message.site_identifier, reservation, limits, snapshot.spending, self.now)
        return table.transact([payment, spending], deadline)

    def _reservation(self, decision: Decision, day: date) -> Reservation | None:
        """Return the reservation of an accepted payment of a customer. A test payment has no reservation."""
        message = self.message
        if not decision.accept or message.test or message.site_customer_identifier is None:
            return None
        return Reservation(message.site_customer_identifier, message.payment_amount, payment_type_name(message), day)

    def _pending_attributes(self, decision: Decision, payment: Item) -> Item:
        """Return the attributes that make an accepted payment pending. A test payment is never pending."""
        if not decision.accept or self.message.test or "outcome" in payment:
            return {}
        return pending_payments.pending_attributes(schema.payment_key_for(self.message), self.now)

    def _attributes(self, decision: Decision) -> Item:
        message = self.message
        return (
            schema.identifying_attributes(message)
            | schema.authorized_attributes(message)
            | {
                "decision": "accept" if decision.accept else "decline",
                "reason": str(decision.reason),
                "decline_reason": decision.decline_reason,
                "receipt": decision.receipt,
                "decided_at": schema.stored_time(self.now),
                "policy_version": self.policy.version,
                "payment_type": None if message.payment_type is None else str(message.payment_type),
                "site_payment_identifier": self.identifier,
                "authorized_net": message.net_payment_amount,
            }
        )


def _existing_decision(
    table: Table, message: Authorization, policy: SitePolicy, now: datetime, payment: Item, deadline: Deadline
) -> AuthorizationResult:
    """Return the stored decision, or a decline if the authorization has other content."""
    if schema.has_attributes(payment, schema.authorized_attributes(message)):
        # The stored texts, not those of the active policy, so that a duplicate receives the same response.
        decision = Decision(
            accept=payment["decision"] == "accept",
            reason=payment["reason"],
            decline_reason=payment.get("decline_reason"),
            receipt=payment["receipt"],
        )
        decided_at = datetime.fromisoformat(payment["decided_at"])
        return AuthorizationResult(decision, decided_at, payment["site_payment_identifier"], is_duplicate=True)
    anomalies = frozenset({Anomaly.AUTHORIZATION_CONFLICT})
    table.update(schema.payment_update((payment["pk"], payment["sk"]), anomalies=anomalies), deadline)
    decision = decision_for(Reason.CONFLICTS_WITH_EARLIER, message, policy, now)
    return AuthorizationResult(decision, now, payment["site_payment_identifier"], False, anomalies)
