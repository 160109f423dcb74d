"""Find contradictions within a confirmation, and between an outcome and its authorization."""

from paynearme.ledger.results import Anomaly
from paynearme.platform.dynamodb import Item
from paynearme.protocol.callbacks import Confirmation, Outcome


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
