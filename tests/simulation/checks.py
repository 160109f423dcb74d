"""Compare the table with the model."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date

from paynearme.ledger.quarantine import MAX_STORED_PER_PAYMENT
from paynearme.platform.dynamodb import Item, Key
from tests.simulation.model import Model, Payment
from tests.simulation.traffic import WINDOWS, windows_of


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


def _check_window_totals(items: Mapping[Key, Item], payments: Mapping[str, Item]) -> None:
    expected: dict[str, Counter[str]] = defaultdict(Counter)
    for payment in payments.values():
        if "reservation_day" in payment:
            pk = f"SPENDING#{payment['site_identifier']}#{payment['reservation_customer']}"
            for window in windows_of(date.fromisoformat(payment["reservation_day"])):
                expected[pk][window] += payment["reservation_amount"]
                expected[pk][f"{window}_{payment['reservation_type']}"] += payment["reservation_amount"]
    spending = {key[0]: item for key, item in items.items() if key[0].startswith("SPENDING#")}
    assert all("expires_at_epoch" in item for item in spending.values()), "spending without an expiry"
    for pk in expected.keys() | spending.keys():
        stored, totals = spending.get(pk, {}), expected[pk]
        windows = [name for name in stored if name.startswith(WINDOWS) and name[-1].isdigit()]
        for kind in WINDOWS:
            for window in sorted(name for name in windows if name.startswith(kind))[-2:]:
                actual = {name: stored[name] for name in stored if name.startswith(window) and stored[name]}
                assert min(actual.values(), default=0) >= 0, "a negative total"
                of_window = {name: total for name, total in totals.items() if name.startswith(window) and total}
                assert actual == of_window, f"{actual} instead of {of_window}"
        latest = {kind: max((name for name in totals if name.startswith(kind)), default="") for kind in WINDOWS}
        assert all(name in stored or not totals[name] for name in latest.values()), "the latest window is missing"


def _check_payment(item: Item, expected: Payment) -> None:
    reservation = expected.reservation
    assert item.get("reservation_amount") == (reservation and reservation.amount)
    if reservation and reservation.amount:
        assert item["reservation_customer"] == reservation.customer
        assert item["reservation_type"] == reservation.payment_type
        assert item["reservation_day"] == reservation.day.isoformat()
    assert (item.get("reason", ""), item.get("outcome", "")) == (expected.reason, expected.outcome)
    assert item.get("posted_amount", 0) == expected.posted
    assert item.get("debited_amount", 0) == expected.debited_amount <= expected.posted
    assert ("pending_since" in item, "unconfirmed_at" in item) == (bool(expected.pending_since), expected.unconfirmed)
    assert item.get("anomalies", set()) == expected.anomalies
    assert item.get("quarantined_callbacks", 0) == len(expected.quarantined) <= MAX_STORED_PER_PAYMENT
