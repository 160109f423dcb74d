"""Compare the ledger and its events with the model."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Key, Table, Update
from paynearme.protocol.payment_events import DecisionEvent, PaymentAnomaly, PaymentEvent
from tests.support.callback_fixtures import SITE
from tests.support.ledger_model import Payment


class RecordingTable(Table):
    """Record the keys of all writes, also of those that fail."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.written_keys: set[Key] = set()

    def update(self, update: Update, deadline: Deadline) -> Item | None:
        self.written_keys.add((update.pk, update.sk))
        return super().update(update, deadline)

    def transact(self, updates: Sequence[Update], deadline: Deadline) -> dict[int, Item] | None:
        self.written_keys |= {(update.pk, update.sk) for update in updates}
        return super().transact(updates, deadline)


def assert_window_totals(all_items: Iterable[Item], payments: Iterable[Item]) -> None:
    expected_totals: Counter[tuple[str, str, str]] = Counter()
    for payment in payments:
        for window in payment.get("reservation_windows", []):
            pk = f"SPENDING#{SITE}#{payment['reservation_customer']}"
            for name in ("spent", f"spent_{payment['reservation_type']}"):
                expected_totals[pk, window, name] += payment["reservation_amount"]
    windows = [item for item in all_items if item["pk"].startswith("SPENDING#")]
    actual_totals = {
        (item["pk"], item["sk"], name): item[name] for item in windows for name in item if name.startswith("spent")
    }
    assert min(actual_totals.values(), default=0) >= 0
    assert {key: spent for key, spent in actual_totals.items() if spent} == dict(+expected_totals)
    assert all("expires_at_epoch" in item for item in windows)


def assert_payments(item: Item, expected: Payment) -> None:
    reservation = expected.reservation
    assert item.get("reservation_amount") == (reservation and reservation.amount)
    if reservation and reservation.amount:
        assert item["reservation_customer"] == reservation.customer
        assert item["reservation_type"] == reservation.payment_type
        assert tuple(item["reservation_windows"]) == reservation.windows
    assert (item.get("reason", ""), item.get("outcome", "")) == (expected.reason, expected.outcome)
    assert item.get("posted_amount", 0) == expected.posted
    assert item.get("debited_amount", 0) == expected.debited_amount <= expected.posted
    assert ("pending_since" in item, "unconfirmed_at" in item) == (bool(expected.pending_since), expected.unconfirmed)
    compared_anomalies = {"paid_after_decline", "paid_after_release", "reversed_unknown"}
    assert compared_anomalies & set(item.get("anomalies", ())) == expected.anomalies


def assert_events_once(events: list[PaymentEvent], item: Item, expected: Payment) -> None:
    event_types = [event.detail_type for event in events]
    decisions = [event for event in events if isinstance(event, DecisionEvent)]
    # Another decision for each authorization after a release.
    reauthorizations = event_types.count("ReservationReleased") - expected.released
    assert len(decisions) == (expected.authorized is not None) + reauthorizations
    if decisions:
        expected_type = "PaymentAuthorized" if expected.reason == "accepted" else "AuthorizationDeclined"
        assert (decisions[-1].reason, decisions[-1].detail_type) == (expected.reason, expected_type)
    outcomes = [name for name in event_types if name in ("PaymentConfirmed", "PaymentFailed")]
    expected_outcomes = {"payment": ["PaymentConfirmed"], "decline": ["PaymentFailed"], "": []}[expected.outcome]
    assert outcomes in (expected_outcomes, ["PaymentFailed", *expected_outcomes])
    assert event_types.count("PaymentReversed") == len(expected.reversals)
    anomalies = [event.anomaly for event in events if isinstance(event, PaymentAnomaly)]
    assert sorted(anomalies) == sorted(item.get("anomalies", ()))
    assert [event.sequence for event in events] == sorted({event.sequence for event in events})
