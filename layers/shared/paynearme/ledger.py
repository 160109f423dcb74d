"""What was decided, what was paid, and what a customer's balance is: each fact exactly once.

Once-only is a condition on the payment's own item, inside the transaction that moves the money. The
old item comes back with the failed condition, so that a repeat needs no second read.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from paynearme.deadline import Deadline
from paynearme.messages import Authorization, Confirmation, Outcome
from paynearme.payments import Anomaly, Authorized, Confirmed, site_payment_identifier
from paynearme.policy import Decision, Reason, declined
from paynearme.table import Item, Table, Update

_UNDECIDED = "attribute_not_exists(decision)"
_WITHOUT_OUTCOME = "attribute_not_exists(outcome)"
_AS_AUTHORIZED = (
    "(attribute_not_exists(decision) OR (decision = :accept AND authorized_amount = :amount"
    " AND authorized_currency = :currency AND authorized_order = :order"
    " AND (attribute_not_exists(authorized_net) OR authorized_net = :net)"
    " AND (attribute_not_exists(authorized_customer) OR authorized_customer = :customer)))"
)


class Ledger:
    """The one place that knows what is true of a payment.

    Each method raises ``LedgerUnavailableError`` if it could not make its writes durable in time.
    """

    def __init__(self, table: Table) -> None:
        """Keep everything in ``table``."""
        self._table = table

    def authorize(
        self,
        message: Authorization,
        decide: Callable[[Authorization], Decision],
        now: datetime,
        deadline: Deadline,
    ) -> Authorized:
        """Record the decision on a payment, or return the one that was recorded before.

        The same payment with other money is declined and marked; what was decided before stands.
        One round trip for the first and for a repeat, two where something is marked.
        """
        decision = decide(message)
        ours = message.site_payment_identifier or site_payment_identifier(
            message.site_identifier, message.pnm_payment_identifier, test=message.test
        )
        values = _identity(message) | {
            "decision": "accept" if decision.accept else "decline",
            "reason": str(decision.reason),
            "decline_reason": decision.decline_reason,
            "receipt": decision.receipt,
            "decided_at": now.isoformat(),
            "fingerprint": _fingerprint(
                message.payment_amount,
                message.payment_currency,
                message.pnm_order_identifier,
                message.payment_type,
            ),
            "payment_type": None if message.payment_type is None else str(message.payment_type),
            "site_payment_identifier": ours,
            "authorized_amount": message.payment_amount,
            "authorized_currency": message.payment_currency,
            "authorized_net": message.net_payment_amount,
            "authorized_order": message.pnm_order_identifier,
            "authorized_customer": message.site_customer_identifier,
        }
        first = Update(
            _payment_key(message), "PAYMENT", values, condition=f"{_UNDECIDED} AND {_WITHOUT_OUTCOME}"
        )
        anomalies: frozenset[Anomaly] = frozenset()
        old = self._table.update(first, deadline)
        if old is not None and "decision" not in old:
            # The outcome came before the question: decide all the same, and see whether they agree.
            anomalies = _deviations(old | values)
            late = Update(first.pk, first.sk, values, marks={"anomalies": anomalies}, condition=_UNDECIDED)
            old = self._table.update(late, deadline)
        if old is None:
            return Authorized(decision, now, ours, repeated=False, anomalies=anomalies)
        if old["fingerprint"] == values["fingerprint"]:
            return _authorized_before(old)
        anomalies = frozenset({Anomaly.AUTHORIZATION_CONFLICT})
        self._table.update(Update(first.pk, first.sk, marks={"anomalies": anomalies}), deadline)
        return Authorized(
            declined(Reason.CONFLICTS_WITH_EARLIER), now, old["site_payment_identifier"], False, anomalies
        )

    def confirm(self, message: Confirmation, now: datetime, deadline: Deadline) -> Confirmed:
        """Record a payment's outcome and move the customer's balance, once however often it is told.

        Whatever does not fit what is known is recorded and marked; money that came is never lost and
        never counted twice. One round trip for the first and for a repeat, two where something is marked.
        """
        own = _own_anomalies(message)
        fingerprint = _confirmation_fingerprint(message)
        paid = message.status is Outcome.PAYMENT
        expected = f"{_WITHOUT_OUTCOME} AND {_AS_AUTHORIZED}" if paid else _WITHOUT_OUTCOME

        anomalies = own
        old = self._post(message, now, anomalies, expected, deadline)
        if old is not None and "outcome" not in old:
            anomalies = own | _deviations(old | _outcome(message, now))
            old = self._post(message, now, anomalies, _WITHOUT_OUTCOME, deadline)
        if old is None:
            return Confirmed(message.status, repeated=False, anomalies=anomalies)
        if old["confirmation_fingerprint"] == fingerprint:
            return Confirmed(message.status, repeated=True)

        anomalies = frozenset({Anomaly.OUTCOME_CONTRADICTED})
        if paid and old["outcome"] == Outcome.DECLINE:
            # Nothing was posted for the decline, so this money would be lost if we kept to it.
            anomalies |= own | _deviations(old | _outcome(message, now))
            beaten = self._post(message, now, anomalies, "outcome = :decline", deadline)
            return Confirmed(message.status, repeated=beaten is not None, anomalies=anomalies)
        self._table.update(Update(_payment_key(message), "PAYMENT", marks={"anomalies": anomalies}), deadline)
        return Confirmed(message.status, repeated=True, anomalies=anomalies)

    def _post(
        self,
        message: Confirmation,
        now: datetime,
        anomalies: frozenset[Anomaly],
        condition: str,
        deadline: Deadline,
    ) -> Item | None:
        """Write the outcome and, for money of a known customer, the balance, if ``condition`` holds."""
        known = {
            "accept": "accept",
            "amount": message.payment_amount,
            "currency": message.payment_currency,
            "net": message.net_payment_amount,
            "order": message.pnm_order_identifier,
            "customer": message.site_customer_identifier or "",
            "decline": "decline",
        }
        payment = Update(
            _payment_key(message),
            "PAYMENT",
            _identity(message) | _outcome(message, now),
            marks={"anomalies": anomalies},
            condition=condition,
            # DynamoDB refuses values that the expression does not use.
            condition_values={name: value for name, value in known.items() if f":{name}" in condition},
        )
        return self._table.transact([payment, *_balance_change(message, now)], deadline)


def _payment_key(message: Authorization | Confirmation) -> str:
    apart = "TEST#" if message.test else ""
    return f"{apart}PAYMENT#{message.site_identifier}#{message.pnm_payment_identifier}"


def _identity(message: Authorization | Confirmation) -> Item:
    return {
        "site_identifier": message.site_identifier,
        "pnm_payment_identifier": message.pnm_payment_identifier,
        "pnm_order_identifier": message.pnm_order_identifier,
        "site_customer_identifier": message.site_customer_identifier,
        "site_order_identifier": message.site_order_identifier,
        "test": message.test,
    }


def _outcome(message: Confirmation, now: datetime) -> Item:
    paid = message.status is Outcome.PAYMENT
    return {
        "outcome": str(message.status),
        "confirmed_at": now.isoformat(),
        "confirmation_fingerprint": _confirmation_fingerprint(message),
        "confirmed_amount": message.payment_amount,
        "confirmed_currency": message.payment_currency,
        "confirmed_net": message.net_payment_amount,
        "confirmed_order": message.pnm_order_identifier,
        "confirmed_customer": message.site_customer_identifier,
        "posted_amount": message.net_payment_amount if paid and not message.test else None,
        "standin": message.standin,
    }


def _balance_change(message: Confirmation, now: datetime) -> list[Update]:
    moves = message.status is Outcome.PAYMENT and not message.test
    if not moves or message.site_customer_identifier is None or message.net_payment_amount is None:
        return []
    return [
        Update(
            f"CUSTOMER#{message.site_identifier}#{message.site_customer_identifier}",
            "ACCOUNT",
            {
                "site_identifier": message.site_identifier,
                "site_customer_identifier": message.site_customer_identifier,
                "updated_at": now.isoformat(),
            },
            amounts={"balance": message.net_payment_amount},
        )
    ]


def _own_anomalies(message: Confirmation) -> frozenset[Anomaly]:
    """Return what is wrong with a confirmation by itself."""
    if message.status is not Outcome.PAYMENT:
        return frozenset()
    net, paid = message.net_payment_amount, message.payment_amount
    found = {
        Anomaly.CUSTOMER_MISSING: message.site_customer_identifier is None,
        Anomaly.NET_EXCEEDS_AMOUNT: net is not None and paid is not None and net > paid,
    }
    return frozenset(anomaly for anomaly, holds in found.items() if holds)


def _deviations(item: Item) -> frozenset[Anomaly]:
    """Return how the outcome in ``item`` differs from the authorization in it."""
    if "decision" not in item or item.get("outcome") != Outcome.PAYMENT:
        return frozenset()
    money = ["amount", "currency"]
    if item.get("authorized_net") is not None:
        money.append("net")
    customer = item.get("confirmed_customer")
    found = {
        Anomaly.PAID_AFTER_DECLINE: item["decision"] == "decline",
        Anomaly.AMOUNT_DIFFERS: any(item[f"authorized_{m}"] != item[f"confirmed_{m}"] for m in money),
        Anomaly.ORDER_DIFFERS: item["authorized_order"] != item["confirmed_order"],
        Anomaly.CUSTOMER_DIFFERS: customer is not None
        and item.get("authorized_customer") not in (None, customer),
    }
    return frozenset(anomaly for anomaly, holds in found.items() if holds)


def _authorized_before(item: Item) -> Authorized:
    decision = Decision(
        accept=item["decision"] == "accept",
        reason=item["reason"],
        decline_reason=item.get("decline_reason"),
        receipt=item["receipt"],
    )
    decided_at = datetime.fromisoformat(item["decided_at"])
    return Authorized(decision, decided_at, item["site_payment_identifier"], repeated=True)


def _confirmation_fingerprint(message: Confirmation) -> str:
    return _fingerprint(
        message.status,
        message.payment_amount,
        message.payment_currency,
        message.net_payment_amount,
        message.pnm_order_identifier,
        message.site_customer_identifier,
    )


def _fingerprint(*parts: Decimal | str | None) -> str:
    """Return a short text that is equal for equal parts. Amounts must have two places."""
    text = json.dumps([None if part is None else str(part) for part in parts])
    return hashlib.sha256(text.encode()).hexdigest()
