"""In what the ledger, its events and the model of it agree."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from paynearme.deadline import Deadline
from paynearme.messages.events import DecisionEvent, PaymentAnomaly, PaymentEvent
from paynearme.table import Item, Key, Table, Update
from tests.integration.ledger_model import Payment
from tests.integration.signed_callbacks import SITE


class NotingTable(Table):
    """Notes to which items somebody wrote, or wanted to."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.written: set[Key] = set()

    def update(self, update: Update, deadline: Deadline) -> Item | None:
        self.written.add((update.pk, update.sk))
        return super().update(update, deadline)

    def transact(self, updates: Sequence[Update], deadline: Deadline) -> dict[int, Item] | None:
        self.written |= {(update.pk, update.sk) for update in updates}
        return super().transact(updates, deadline)


def windows_hold_the_sum_of_what_their_payments_hold(
    everything: Iterable[Item], payments: Iterable[Item]
) -> None:
    should: Counter[tuple[str, str, str]] = Counter()
    for payment in payments:
        for window in payment.get("reservation_windows", []):
            pk = f"SPENDING#{SITE}#{payment['reservation_customer']}"
            for name in ("spent", f"spent_{payment['reservation_type']}"):
                should[pk, window, name] += payment["reservation_amount"]
    windows = [item for item in everything if item["pk"].startswith("SPENDING#")]
    found = {
        (item["pk"], item["sk"], name): item[name]
        for item in windows
        for name in item
        if name.startswith("spent")
    }
    assert min(found.values(), default=0) >= 0
    assert {place: spent for place, spent in found.items() if spent} == dict(+should)
    assert all("expires_at_epoch" in item for item in windows)


def payments_are_as_they_should_be(item: Item, known: Payment) -> None:
    reservation = known.reservation
    assert item.get("reservation_amount") == (reservation and reservation.amount)
    if reservation and reservation.amount:
        assert item["reservation_customer"] == reservation.customer
        assert item["reservation_type"] == reservation.payment_type
        assert tuple(item["reservation_windows"]) == reservation.windows
    assert (item.get("reason", ""), item.get("outcome", "")) == (known.reason, known.outcome)
    assert item.get("posted_amount", 0) == known.posted
    assert item.get("debited_amount", 0) == known.debited_amount <= known.posted
    assert ("pending_since" in item, "unconfirmed_at" in item) == (
        bool(known.pending_since),
        known.unconfirmed,
    )
    compared = {"paid_after_decline", "paid_after_release", "reversed_unknown"}
    assert compared & set(item.get("anomalies", ())) == known.marks


def events_tell_it_once(events: list[PaymentEvent], item: Item, known: Payment) -> None:
    kinds = [event.detail_type for event in events]
    decided = [event for event in events if isinstance(event, DecisionEvent)]
    # Once more for each time that it was released and asked about again.
    asked_again = kinds.count("ReservationReleased") - known.released
    assert len(decided) == (known.asked is not None) + asked_again
    if decided:
        accepted = "PaymentAuthorized" if known.reason == "accepted" else "AuthorizationDeclined"
        assert (decided[-1].reason, decided[-1].detail_type) == (known.reason, accepted)
    outcomes = [kind for kind in kinds if kind in ("PaymentConfirmed", "PaymentFailed")]
    last = {"payment": ["PaymentConfirmed"], "decline": ["PaymentFailed"], "": []}[known.outcome]
    assert outcomes in (last, ["PaymentFailed", *last])
    assert kinds.count("PaymentReversed") == len(known.reversals)
    anomalies = [event.anomaly for event in events if isinstance(event, PaymentAnomaly)]
    assert sorted(anomalies) == sorted(item.get("anomalies", ()))
    assert [event.sequence for event in events] == sorted({event.sequence for event in events})
