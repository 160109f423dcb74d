"""Find contradictions within a confirmation, and between an outcome and its authorization."""

from enum import StrEnum

from paynearme.platform.dynamodb import Item
from paynearme.protocol.callbacks import Confirmation, Outcome


class Anomaly(StrEnum):
    """A contradiction between messages about one payment, for an operator. Stored in the item's ``anomalies``."""

    AUTHORIZATION_CONFLICT = "authorization_conflict"
    """It was authorized again with another amount, currency, order, customer or payment type."""
    PAID_AFTER_DECLINE = "paid_after_decline"
    """It was paid after a declined authorization."""
    AMOUNT_DIFFERS = "amount_differs"
    """It was paid with another amount, net amount or currency than the authorized one."""
    NET_EXCEEDS_AMOUNT = "net_exceeds_amount"
    """Its net amount exceeds the paid amount."""
    ORDER_DIFFERS = "order_differs"
    """It was paid or reversed for another order than the recorded one."""
    CUSTOMER_DIFFERS = "customer_differs"
    """It was paid by, or reversed for, another customer than the recorded one."""
    OUTCOME_CONTRADICTED = "outcome_contradicted"
    """It was confirmed again with another outcome, amount, order or customer."""
    PAID_AFTER_RELEASE = "paid_after_release"
    """It was paid after the release of its reservation. It counts again, also above a limit."""
    SPENDING_NOT_COUNTED = "spending_not_counted"
    """It was paid without a reservation while no policy was available. It counts for no limit."""
    REVERSED_UNKNOWN = "reversed_unknown"
    """It was reversed without a recorded paid outcome: unknown, declined or not yet confirmed."""
    REVERSED_TOO_MUCH = "reversed_too_much"
    """Its reversals exceed the paid amount."""
    REVERSAL_TYPE_UNKNOWN = "reversal_type_unknown"
    """It was reversed with an unknown type, or a chargeback or a return of it was undone."""
    CUSTOMER_MISSING = "customer_missing"
    """The confirmation contains no customer. The payment is posted, and no balance is credited."""


def confirmation_anomalies(message: Confirmation) -> frozenset[Anomaly]:
    """Return the anomalies that a confirmation has on its own."""
    if message.status is not Outcome.PAYMENT:
        return frozenset()
    net, paid = message.net_payment_amount, message.payment_amount
    checks = {
        Anomaly.CUSTOMER_MISSING: message.site_customer_identifier is None,
        Anomaly.NET_EXCEEDS_AMOUNT: net is not None and paid is not None and net > paid,
    }
    return frozenset(anomaly for anomaly, present in checks.items() if present)


def authorization_mismatches(item: Item) -> frozenset[Anomaly]:
    """Return the differences between the outcome and the authorization of a payment's item."""
    if "decision" not in item or item.get("outcome") != Outcome.PAYMENT:
        return frozenset()
    compared = ["amount", "currency"]
    # An authorization can omit the net amount.
    if item.get("authorized_net") is not None:
        compared.append("net")
    customer = item.get("confirmed_customer")
    checks = {
        Anomaly.PAID_AFTER_DECLINE: item["decision"] == "decline",
        Anomaly.PAID_AFTER_RELEASE: "released_at" in item,
        Anomaly.AMOUNT_DIFFERS: any(item[f"authorized_{name}"] != item[f"confirmed_{name}"] for name in compared),
        Anomaly.ORDER_DIFFERS: item["authorized_order"] != item["confirmed_order"],
        Anomaly.CUSTOMER_DIFFERS: customer is not None and item.get("authorized_customer") not in (None, customer),
    }
    return frozenset(anomaly for anomaly, present in checks.items() if present)
