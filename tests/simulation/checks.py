"""Compare the table with the model."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from paynearme.ledger.quarantine import MAX_STORED_PER_PAYMENT
from paynearme.platform.dynamodb import Item, Key
from tests.simulation.model import Model, Payment
from tests.simulation.traffic import windows_at


def check_state(items: Mapping[Key, Item], model: Model) -> None:
    """Check payments, spending windows, balances, counts of reversals and the merchant's data."""
    payments = {key[0].split("#")[-1]: item for key, item in items.items() if key[0].startswith("PAYMENT#")}
    _check_window_totals(items, payments)
    for payment_id, expected in model.payments.items():
        item = payments.get(payment_id, {})
        try:
            _check_payment(item, expected)
        except AssertionError as error:
            raise AssertionError(f"payment {payment_id}: {item} instead of {expected}") from error
    accounts = {key[0].split("#")[-1]: item for key, item in items.items() if key[1] == "ACCOUNT"}
    balances = {customer: item["balance"] for customer, item in accounts.items() if "balance" in item}
    assert balances == model.balances(), f"balances {balances} instead of {model.balances()}"
    counts = {
        (key[0].split("#")[-1], name): count
        for key, item in items.items()
        if key[1].startswith("REVERSALS#")
        for name, count in item.items()
        if name.startswith(("chargebacks_", "returns_"))
    }
    assert counts == model.reversal_counts, f"counts {counts} instead of {model.reversal_counts}"
    statuses = {
        key[0].split("#")[-1]: item["status"]
        for key, item in items.items()
        if key[1] in ("ACCOUNT", "ORDER") and "status" in item
    }
    assert statuses == {name: puts[-1].status for name, puts in model.merchant_data.items() if puts}, "merchant's data"


def _windows(payment: Item) -> tuple[str, ...]:
    """Return the sort keys of the windows of a payment's reservation."""
    if "reservation_day" not in payment:
        return ()
    return windows_at(datetime.fromisoformat(payment["reservation_day"]).replace(tzinfo=UTC), "UTC")


def _check_window_totals(items: Mapping[Key, Item], payments: Mapping[str, Item]) -> None:
    expected: Counter[tuple[str, str, str]] = Counter()
    for payment in payments.values():
        for window in _windows(payment):
            pk = f"SPENDING#{payment['site_identifier']}#{payment['reservation_customer']}"
            for name in ("spent", f"spent_{payment['reservation_type']}"):
                expected[pk, window, name] += payment["reservation_amount"]
    windows = [item for key, item in items.items() if key[0].startswith("SPENDING#")]
    actual: dict[tuple[str, str, str], Decimal] = {
        (item["pk"], item["sk"], name): item[name] for item in windows for name in item if name.startswith("spent")
    }
    assert min(actual.values(), default=0) >= 0, "a negative total"
    assert {key: spent for key, spent in actual.items() if spent} == dict(+expected), f"{actual} instead of {expected}"
    assert all("expires_at_epoch" in item for item in windows), "a window without an expiry"


def _check_payment(item: Item, expected: Payment) -> None:
    reservation = expected.reservation
    assert item.get("reservation_amount") == (reservation and reservation.amount)
    if reservation and reservation.amount:
        assert item["reservation_customer"] == reservation.customer
        assert item["reservation_type"] == reservation.payment_type
        assert _windows(item) == reservation.windows
    assert (item.get("reason", ""), item.get("outcome", "")) == (expected.reason, expected.outcome)
    assert item.get("posted_amount", 0) == expected.posted
    assert item.get("debited_amount", 0) == expected.debited_amount <= expected.posted
    assert ("pending_since" in item, "unconfirmed_at" in item) == (bool(expected.pending_since), expected.unconfirmed)
    assert item.get("anomalies", set()) == expected.anomalies
    assert item.get("quarantined_callbacks", 0) == len(expected.quarantined) <= MAX_STORED_PER_PAYMENT
