"""The decision on a payment: made once, with what it reserves, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from paynearme.deadline import Deadline
from paynearme.ledger import items, spending, watching
from paynearme.ledger.deviations import deviations
from paynearme.messages import Authorization
from paynearme.payments import Anomaly, Authorized, site_payment_identifier
from paynearme.policy import (
    Decision,
    Knowledge,
    Reason,
    SitePolicy,
    WindowKind,
    ceilings,
    decide,
    decision_for,
    type_name,
    windows_at,
)
from paynearme.policy.calendar import local_date
from paynearme.table import Item, Key, Table

_UNDECIDED = "attribute_not_exists(decision)"
_WITHOUT_OUTCOME = "attribute_not_exists(outcome)"


def authorize(
    table: Table, message: Authorization, policy: SitePolicy, now: datetime, deadline: Deadline
) -> Authorized:
    """See ``Ledger.authorize``."""
    asked = _Asked(message, policy, now)
    known = asked.read(table, deadline)
    while asked.is_open(known.payment):
        decision = decide(message, known.knowledge, policy, now)
        refused = asked.write(table, decision, known, deadline)
        if refused is None:
            anomalies = asked.anomalies(decision, known.payment)
            return Authorized(decision, now, asked.identifier, repeated=False, anomalies=anomalies)
        # Faster was another payment of the customer, this payment's outcome, or this very question.
        told_meanwhile = "outcome" in refused.get(0, {}) and asked.is_open(refused[0])
        # An outcome has moved the windows, too.
        known = asked.read(table, deadline) if told_meanwhile else known.after(refused)
    return _decided_before(table, message, policy, now, known.payment, deadline)


@dataclass(frozen=True)
class _Known:
    """What the ledger knows: the payment's item, the windows', and what else a decision depends on."""

    customer: str | None
    payment: Item
    windows: Sequence[Item]
    rest: Knowledge

    @property
    def knowledge(self) -> Knowledge:
        # An outcome that came before the question is counted already.
        reservation = spending.held_by(self.payment)
        own = reservation if reservation and reservation.customer == self.customer else None
        windows = zip(WindowKind, self.windows, strict=False)
        seen = {kind: spending.spending_in(item, without=own) for kind, item in windows}
        return Knowledge(self.rest.order, self.rest.customer, seen, self.rest.chargebacks, self.rest.returns)

    def after(self, refused: dict[int, Item]) -> "_Known":
        """Return what is known once the items at these places of a transaction are as they refused it."""
        windows = [refused.get(place, item) for place, item in enumerate(self.windows, start=1)]
        return _Known(self.customer, refused.get(0, self.payment), windows, self.rest)


@dataclass(frozen=True)
class _Asked:
    """An authorization, what it is decided by, and what of it is written."""

    message: Authorization
    policy: SitePolicy
    now: datetime
    windows: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        windows = spending.sort_keys(windows_at(self.now, self.policy.zone))
        object.__setattr__(self, "windows", windows)

    @property
    def identifier(self) -> str:
        """Return our identifier of the payment."""
        message = self.message
        return message.site_payment_identifier or site_payment_identifier(
            message.site_identifier, message.pnm_payment_identifier, test=message.test
        )

    def is_open(self, payment: Item) -> bool:
        """Return whether the payment is to be decided on: for the first time, or because it was released.

        What a release gave back may have been spent since, so a yes does not stand by itself any more.
        """
        if "decision" not in payment:
            return True
        same = payment["fingerprint"] == items.authorization_fingerprint(self.message)
        return same and "released_at" in payment and "outcome" not in payment

    def read(self, table: Table, deadline: Deadline) -> _Known:
        """Read everything in one round trip: a fixed number of items, whatever the customer's history."""
        site, customer = self.message.site_identifier, self.message.site_customer_identifier
        keys: list[Key] = [
            items.key_of(self.message),
            items.order_key(site, self.message.pnm_order_identifier),
        ]
        if customer is not None:
            keys += [spending.window_key(site, customer, window) for window in self.windows]
            keys.append(items.account_key(site, customer))
            keys += [items.reversals_key(site, customer, year) for year in self._years()]
        payment, order, *rest = table.read(keys, deadline)
        windows, account, reversals = rest[:3], (rest[3:4] or [{}])[0], rest[4:]
        knowledge = Knowledge(
            order=items.order_of(order),
            customer=items.customer_of(account),
            chargebacks=items.counted_by_day(reversals, "chargebacks"),
            returns=items.counted_by_day(reversals, "returns"),
        )
        return _Known(customer, payment, windows, knowledge)

    def _years(self) -> list[int]:
        """Return the years that the policy's rules on chargebacks and returns look into: at most two."""
        rules = [rule for rule in (self.policy.chargebacks, self.policy.returns) if rule]
        if not rules:
            return []
        today = local_date(self.now, UTC)
        oldest = today.toordinal() - max(rule.within_days for rule in rules) + 1
        return list(range(today.fromordinal(oldest).year, today.year + 1))

    def anomalies(self, decision: Decision, payment: Item) -> frozenset[Anomaly]:
        """Return how an outcome that came before the question differs from the decision."""
        return deviations(payment | self._values(decision)) if "outcome" in payment else frozenset()

    def write(
        self, table: Table, decision: Decision, known: _Known, deadline: Deadline
    ) -> dict[int, Item] | None:
        """Record the decision and what it reserves. Return None, or the items that refused, by place."""
        came_before = "outcome" in known.payment
        released = known.payment.get("released_at")
        still_open = "released_at = :released_at" if released else _UNDECIDED
        reservation = None if came_before else self._holds(decision)
        payment = items.payment_update(
            items.key_of(self.message),
            self._values(decision) | (reservation.values() if reservation else {}) | self._watched(decision, known.payment),
            removes=("released_at", "unconfirmed_at") if released else (),
            anomalies=self.anomalies(decision, known.payment),
            condition=_UNDECIDED if came_before else f"{still_open} AND {_WITHOUT_OUTCOME}",
            condition_values={"released_at": released} if released else {},
        )
        if reservation is None:
            refused = table.update(payment, deadline)
            return None if refused is None else {0: refused}
        knowledge = known.knowledge
        limits = list(ceilings(self.policy, knowledge.customer, reservation.type_name))
        reserving = spending.reserved(
            self.message.site_identifier, reservation, limits, knowledge.spending, self.now
        )
        return table.transact([payment, *reserving], deadline)

    def _holds(self, decision: Decision) -> spending.Held | None:
        """Return what an accepted payment of a named customer reserves. A test reserves nothing."""
        message = self.message
        if not decision.accept or message.test or message.site_customer_identifier is None:
            return None
        return spending.Held(
            message.site_customer_identifier, message.payment_amount, type_name(message), self.windows
        )

    def _watched(self, decision: Decision, payment: Item) -> Item:
        """Return what puts an accepted payment among those whose outcome is awaited. A test is not."""
        if not decision.accept or self.message.test or "outcome" in payment:
            return {}
        return watching.awaited(items.key_of(self.message), self.now)

    def _values(self, decision: Decision) -> Item:
        message = self.message
        return items.identity(message) | {
            "decision": "accept" if decision.accept else "decline",
            "reason": str(decision.reason),
            "decline_reason": decision.decline_reason,
            "receipt": decision.receipt,
            "decided_at": self.now.isoformat(),
            "policy_version": self.policy.version,
            "fingerprint": items.authorization_fingerprint(message),
            "payment_type": None if message.payment_type is None else str(message.payment_type),
            "site_payment_identifier": self.identifier,
            "authorized_amount": message.payment_amount,
            "authorized_currency": message.payment_currency,
            "authorized_net": message.net_payment_amount,
            "authorized_order": message.pnm_order_identifier,
            "authorized_customer": message.site_customer_identifier,
        }


def _decided_before(
    table: Table,
    message: Authorization,
    policy: SitePolicy,
    now: datetime,
    payment: Item,
    deadline: Deadline,
) -> Authorized:
    """Return the recorded decision, or a decline if this is another question about the same payment."""
    if payment["fingerprint"] == items.authorization_fingerprint(message):
        decision = Decision(
            accept=payment["decision"] == "accept",
            reason=payment["reason"],
            decline_reason=payment.get("decline_reason"),
            receipt=payment["receipt"],
        )
        decided_at = datetime.fromisoformat(payment["decided_at"])
        return Authorized(decision, decided_at, payment["site_payment_identifier"], repeated=True)
    anomalies = frozenset({Anomaly.AUTHORIZATION_CONFLICT})
    table.update(items.payment_update((payment["pk"], payment["sk"]), anomalies=anomalies), deadline)
    decision = decision_for(Reason.CONFLICTS_WITH_EARLIER, message, policy, now)
    return Authorized(decision, now, payment["site_payment_identifier"], False, anomalies)
