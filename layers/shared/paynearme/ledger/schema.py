"""The keys and attributes of the ledger's items, and their conversion."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from paynearme.ledger.anomalies import Anomaly
from paynearme.platform.dynamodb import Item, Key, Update
from paynearme.policy import CustomerStatus, MerchantCustomer, MerchantOrder, OrderStatus, OrderType, WindowKind
from paynearme.protocol.callbacks import Authorization, Confirmation, Outcome
from paynearme.protocol.reversals import Reversal

type PaymentMessage = Authorization | Confirmation | Reversal

ZERO = Decimal(0)

WITHOUT_OUTCOME = "attribute_not_exists(outcome)"
"""The condition that a payment has no outcome."""

REVERSAL_PREFIX = "reversal_"
"""The beginning of the names of a payment's attributes that contain one reversal each."""

QUARANTINED_PREFIX = "quarantined_"
"""The beginning of the names of a payment's attributes that contain one quarantined callback each."""

QUARANTINE_PARTITION = "QUARANTINE#"
"""The beginning of the index partitions of unresolved quarantined callbacks."""

QUARANTINED_SINCE = "quarantined#"
"""The beginning of the index sort keys of unresolved quarantined callbacks. The time of the reception follows."""

_PAYMENT = "PAYMENT"
_QUARANTINE = "QUARANTINE"
_CALLBACK_ID_LENGTH = 32
_SELF_IMPOSED_LIMITS = {window: f"self_imposed_{window}_limit" for window in WindowKind}


def payment_key(site_id: str, pnm_payment_identifier: str, *, test: bool) -> Key:
    """Return the key of a payment. Test payments have separate keys."""
    return (f"{'TEST#' if test else ''}PAYMENT#{site_id}#{pnm_payment_identifier}", _PAYMENT)


def is_payment(item: Item) -> bool:
    """Return whether the item is a payment."""
    return bool(item["sk"] == _PAYMENT)


def quarantine_key(site_id: str, fingerprint: str) -> Key:
    """Return the key of a quarantined callback, from the fingerprint of its message or the first 32 digits of it."""
    return (f"{_QUARANTINE}#{site_id}#{fingerprint[:_CALLBACK_ID_LENGTH]}", _QUARANTINE)


def quarantine_identifier(site_id: str, fingerprint: str) -> str:
    """Return the identifier of a quarantined callback for operators."""
    return f"{site_id}/{fingerprint[:_CALLBACK_ID_LENGTH]}"


def quarantined_attribute(fingerprint: str) -> str:
    """Return the name of a payment's attribute for a quarantined callback."""
    return f"{QUARANTINED_PREFIX}{fingerprint[:12]}"


def is_quarantined_callback(item: Item) -> bool:
    """Return whether the item is a quarantined callback."""
    return bool(item["sk"] == _QUARANTINE)


def intent_key(site_id: str, site_payment_identifier: str) -> Key:
    """Return the key of the intent to submit a payment."""
    return (f"INTENT#{site_id}#{site_payment_identifier}", "INTENT")


def site_payment_key(site_id: str, pnm_order_identifier: str, site_payment_identifier: str, *, test: bool) -> Key:
    """Return the key of the confirmed outcome of a submitted payment."""
    return (f"{'TEST#' if test else ''}SITE_PAYMENT#{site_id}#{pnm_order_identifier}", site_payment_identifier)


def order_key(site_id: str, pnm_order_identifier: str) -> Key:
    """Return the key of an order."""
    return (f"ORDER#{site_id}#{pnm_order_identifier}", "ORDER")


def account_key(site_id: str, customer: str) -> Key:
    """Return the key of a customer's account."""
    return (f"CUSTOMER#{site_id}#{customer}", "ACCOUNT")


def reversals_key(site_id: str, customer: str, year: int) -> Key:
    """Return the key of the counts of a customer's reversals in a year (UTC).

    One item for each year: the cost of a decision does not depend on the history.
    """
    return (f"CUSTOMER#{site_id}#{customer}", f"REVERSALS#{year}")


def reversals_keys(site_id: str, customer: str, today: date, days: int) -> list[Key]:
    """Return the keys of the counts of the last ``days`` days (UTC), including ``today``."""
    first = today - timedelta(days=days - 1)
    return [reversals_key(site_id, customer, year) for year in range(first.year, today.year + 1)]


def payment_key_for(message: PaymentMessage) -> Key:
    """Return the key of the payment of ``message``."""
    return payment_key(message.site_identifier, message.pnm_payment_identifier, test=message.test)


def payment_update(
    key: Key,
    values: Mapping[str, object] = MappingProxyType({}),
    *,
    removes: Iterable[str] = (),
    increments: Mapping[str, Decimal] = MappingProxyType({}),
    anomalies: frozenset[Anomaly] = frozenset(),
    condition: str = "",
    condition_values: Mapping[str, object] = MappingProxyType({}),
) -> Update:
    """Return a change of a payment that also increments its ``revision``, which orders the payment's events."""
    return Update(
        *key,
        values,
        removes=removes,
        increments={"revision": Decimal(1), **increments},
        set_additions={"anomalies": anomalies},
        condition=condition,
        condition_values=condition_values,
    )


def unchanged(item: Item, names: Iterable[str]) -> tuple[str, Item]:
    """Return the condition that the attributes ``names`` are as in ``item``, and its values."""
    values = {name: item[name] for name in names if name in item}
    parts = [f"{name} = :{name}" if name in item else f"attribute_not_exists({name})" for name in names]
    return " AND ".join(parts), values


def identifying_attributes(message: PaymentMessage) -> Item:
    """Return the attributes that identify the payment of ``message``. ``recorded_customer`` returns its customer."""
    return {
        "site_identifier": message.site_identifier,
        "pnm_payment_identifier": message.pnm_payment_identifier,
        "pnm_order_identifier": message.pnm_order_identifier,
        "site_order_identifier": message.site_order_identifier,
        "test": message.test,
    }


def authorized_attributes(message: Authorization) -> Item:
    """Return the attributes that an authorization sets, and that duplicates of it have in common."""
    return {
        "authorized_amount": message.payment_amount,
        "authorized_currency": message.payment_currency,
        "authorized_order": message.pnm_order_identifier,
        "authorized_customer": message.site_customer_identifier,
        # ``payment_type`` is that of the confirmation after the outcome.
        "authorized_type": None if message.payment_type is None else str(message.payment_type),
    }


def confirmed_attributes(message: Confirmation) -> Item:
    """Return the attributes that a confirmation sets, and that duplicates of it have in common."""
    return {
        "outcome": str(message.status),
        "confirmed_amount": message.payment_amount,
        "confirmed_currency": message.payment_currency,
        "confirmed_net": message.net_payment_amount,
        "confirmed_order": message.pnm_order_identifier,
        "confirmed_customer": message.site_customer_identifier,
    }


def has_attributes(item: Item, attributes: Item) -> bool:
    """Return whether ``item`` has equal ``attributes``. An attribute that is ``None`` must not exist."""
    return all(item.get(name) == value for name, value in attributes.items())


def outcome_attributes(message: Confirmation, now: datetime) -> Item:
    """Return the attributes that a confirmation sets."""
    paid = message.status is Outcome.PAYMENT
    return confirmed_attributes(message) | {
        "confirmed_at": stored_time(now),
        "posted_amount": message.net_payment_amount if paid and not message.test else None,
        "payment_type": None if message.payment_type is None else str(message.payment_type),
        "standin": message.standin,
    }


def recorded_customer(payment: Item) -> str | None:
    """Return the customer of a payment: the confirmed one, the authorized one, or the one of its first reversal."""
    names = ("confirmed_customer", "authorized_customer", "site_customer_identifier")
    return next((payment[name] for name in names if name in payment), None)


def stored_time(timestamp: datetime) -> str:
    """Return the text of an aware ``timestamp`` in UTC. All texts have one length, so they sort by time."""
    return f"{timestamp.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def balance_update(site_id: str, customer: str, amount: Decimal, now: datetime) -> Update:
    """Return the addition of ``amount``, in dollars, to a customer's balance."""
    values = {"site_identifier": site_id, "site_customer_identifier": customer, "updated_at": stored_time(now)}
    return Update(*account_key(site_id, customer), values, increments={"balance": amount})


def parse_order(item: Item) -> MerchantOrder | None:
    """Return the recorded order, or ``None``."""
    if "status" not in item:
        return None
    expires_at = item.get("expires_at")
    return MerchantOrder(
        status=OrderStatus(item["status"]),
        order_type=OrderType(item["order_type"]),
        order_amount=item.get("order_amount"),
        minimum_payment_amount=item.get("minimum_payment_amount"),
        expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
    )


def parse_customer(item: Item) -> MerchantCustomer | None:
    """Return the customer that the merchant put, or ``None``.

    A balance alone does not make a customer known: otherwise the first payment would.
    """
    if "status" not in item:
        return None
    limits = {window: item[name] for window, name in _SELF_IMPOSED_LIMITS.items() if name in item}
    return MerchantCustomer(CustomerStatus(item["status"]), item.get("suspended_reason"), limits)


def counts_by_day(items: list[Item], attribute: str) -> Mapping[date, int]:
    """Return the counts of an attribute (``chargebacks``, ``returns``) by day, from the items of some years."""
    prefix = f"{attribute}_"
    return {
        date.fromisoformat(name.removeprefix(prefix)): int(count)
        for item in items
        for name, count in item.items()
        if name.startswith(prefix)
    }
