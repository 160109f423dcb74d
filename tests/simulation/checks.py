"""Compare the table and the events with the model."""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from paynearme.platform.dynamodb import Item, Key
from tests.simulation.model import SimulationModel
from tests.support.ledger_invariants import assert_payments, assert_window_totals

type Published = Mapping[str, Mapping[str, tuple[str, Mapping[str, Any]]]]
"""The first publication of each event, by payment and by ``event_identifier``, with its type."""


def check_state(items: Mapping[Key, Item], model: SimulationModel) -> None:
    """Check payments, spending windows, balances, counts of reversals and the merchant's data."""
    payments = {key[0].split("#")[-1]: item for key, item in items.items() if key[0].startswith("PAYMENT#")}
    assert_window_totals(items.values(), payments.values())
    for payment_id, expected in model.ledger.payments.items():
        item = payments.get(payment_id, {})
        try:
            assert_payments(item, expected)
        except AssertionError as error:
            raise AssertionError(f"payment {payment_id}: {item} instead of {expected}") from error
    accounts = {key[0].split("#")[-1]: item for key, item in items.items() if key[1] == "ACCOUNT"}
    balances = {customer: item["balance"] for customer, item in accounts.items() if "balance" in item}
    assert balances == model.ledger.balances(), f"balances {balances} instead of {model.ledger.balances()}"
    counts = {
        (key[0].split("#")[-1], name): count
        for key, item in items.items()
        if key[1].startswith("REVERSALS#")
        for name, count in item.items()
        if name.startswith(("chargebacks_", "returns_"))
    }
    assert counts == model.ledger.reversal_counts, f"counts {counts} instead of {model.ledger.reversal_counts}"
    assert {customer for customer, item in accounts.items() if item.get("status") == "suspended"} == model.suspended
    closed = {key[0].split("#")[-1] for key, item in items.items() if item.get("status") == "closed"}
    assert closed == model.closed_orders, "the orders differ"


def check_events(
    events: dict[str, tuple[str, Mapping[str, Any]]],
    detail_type: str,
    detail: Mapping[str, Any],
    model: SimulationModel,
) -> None:
    """Add an event of a payment to ``events``, its earlier ones. Check its identity and its position."""
    identifier = detail["event_identifier"]
    if identifier in events:
        assert events[identifier] == (detail_type, detail), "two events have one identifier"
        return
    last_sequence = max((published["sequence"] for _, published in events.values()), default=-1)
    assert detail["sequence"] > last_sequence, f"{detail_type} is published after a later event"
    events[identifier] = (detail_type, detail)
    expected = model.event_types[detail["pnm_payment_identifier"]]
    actual = _types(events)
    assert actual == expected[: len(actual)], f"events {actual} instead of {expected}"


def check_final_state(items: Mapping[Key, Item], model: SimulationModel, published: Published) -> None:
    """Check that all events are published, and that the merchant can compute all balances from them."""
    check_state(items, model)
    balances: dict[str, Decimal] = defaultdict(Decimal)
    for key, item in items.items():
        if not key[0].startswith("PAYMENT#"):
            continue
        payment_id = item["pnm_payment_identifier"]
        events = published.get(payment_id, {})
        assert _types(events) == model.event_types[payment_id], f"payment {payment_id} lacks events"
        anomalies = sorted(detail["anomaly"] for name, detail in events.values() if name == "PaymentAnomaly")
        assert anomalies == sorted(item.get("anomalies", ())), f"payment {payment_id} lacks anomalies"
        for _, detail in events.values():
            change = Decimal(detail.get("credited_amount") or 0) - Decimal(detail.get("debited_amount") or 0)
            balances[detail.get("site_customer_identifier") or ""] += change
    expected = {customer: balance for customer, balance in model.ledger.balances().items() if balance}
    assert {customer: balance for customer, balance in balances.items() if balance} == expected, "balances of events"


def _types(events: Mapping[str, tuple[str, Mapping[str, Any]]]) -> list[str]:
    return [name for name, _ in events.values() if name != "PaymentAnomaly"]
