"""Store callbacks that cannot be processed, list them, and resolve each once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from paynearme.ledger import quarantine_items
from paynearme.ledger.quarantine import (
    MAX_STORED_PER_PAYMENT,
    PARTITIONS,
    QuarantineEffect,
    UnprocessedCallback,
    quarantine,
)
from paynearme.ledger.quarantine_items import (
    QuarantinedCallback,
    QuarantineSize,
    Resolution,
    get_quarantined,
    list_unresolved,
    quarantine_size,
    resolve,
)
from paynearme.ledger.schema import stored_time
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Table, Update
from paynearme.protocol.callbacks import fingerprint
from paynearme.protocol.quarantine import CallbackKind, QuarantineReason
from tests.support.aws_errors import MARKER
from tests.support.callback_driver import NOON, CallbackDriver, reversal, send_at, total
from tests.support.callback_fixtures import CUSTOMER, SITE
from tests.support.harness import LambdaFunction, LedgerFixture
from tests.support.interleaving import Interleaver
from tests.support.message_fixtures import valid_authorization, valid_confirmation

LATER = NOON + timedelta(hours=1)
STORED, REOPENED, REPEATED, COUNTED, IGNORED = QuarantineEffect
DISCARDED = Resolution("discarded", "ops", "a withdrawal", "8")


class Quarantine:
    """The quarantine of the table, with confirmations of payment 1 that have an unknown status."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def store(self, now: datetime = NOON, **changes: str | None) -> QuarantineEffect:
        """Store a confirmation."""
        message = valid_confirmation(**{"pnm_payment_identifier": "1", "status": "void"} | changes)
        names = ["status"]
        callback = UnprocessedCallback(
            SITE, CallbackKind.CONFIRMATION, QuarantineReason.UNKNOWN_STATUS, message, names, "7"
        )
        return quarantine(self.table, callback, now, Deadline.after(10)).effect

    def store_stale(self, now: datetime = NOON, **changes: str | None) -> QuarantineEffect:
        """Store an authorization of payment 1 that arrived late."""
        message = valid_authorization(**{"pnm_payment_identifier": "1"} | changes)
        callback = UnprocessedCallback(SITE, CallbackKind.AUTHORIZATION, QuarantineReason.STALE_TIMESTAMP, message)
        return quarantine(self.table, callback, now, Deadline.after(10)).effect

    def list(self) -> list[QuarantinedCallback]:
        return list_unresolved(self.table, Deadline.after(10))

    def size(self, now: datetime) -> QuarantineSize:
        return quarantine_size(self.table, now, Deadline.after(10))

    def resolve(self, callback: QuarantinedCallback, now: datetime = LATER) -> bool:
        return resolve(self.table, callback, DISCARDED, now, Deadline.after(10))


@pytest.fixture
def store(ledger_table: LedgerFixture) -> Quarantine:
    return Quarantine(Table(ledger_table.table_name))


def test_callback_stored_once_and_repetitions_counted(store: Quarantine, ledger_table: LedgerFixture) -> None:
    spellings: list[dict[str, str | None]] = [{}, {"timestamp": "1748969962123"}, {"version": "3"}, {"agent_name": ""}]

    effects = [store.store(NOON + timedelta(hours=hours), **spelling) for hours, spelling in enumerate(spellings)]

    assert effects == [STORED, REPEATED, REPEATED, REPEATED]
    parameters = valid_confirmation(pnm_payment_identifier="1", status="void")
    callback_id = fingerprint(parameters)
    [item] = ledger_table.quarantined()
    assert item == {
        "pk": f"QUARANTINE#{SITE}#{callback_id[:32]}",
        "sk": "QUARANTINE",
        "site_identifier": SITE,
        "pnm_payment_identifier": "1",
        "pnm_order_identifier": "80080175585",
        "test": False,
        "kind": "confirmation",
        "reason": "unknown_status",
        "resolution": "unresolved",
        "fingerprint": callback_id,
        "parameters": parameters,
        "omitted_parameters": [],
        "invalid_parameters": ["status"],
        "function_version": "7",
        "received_at": stored_time(NOON),
        "last_received_at": stored_time(NOON + timedelta(hours=3)),
        "received_count": 4,
        "pending_partition": item["pending_partition"],
        "pending_since": f"quarantined#{stored_time(NOON)}",
        "schema_version": item["schema_version"],
    }
    payment = ledger_table.payment()
    assert payment["quarantined_callbacks"] == 1
    assert payment[f"quarantined_{callback_id[:12]}"] == {
        "reason": "unknown_status",
        "kind": "confirmation",
        "at": stored_time(NOON),
        "pnm_order_identifier": "80080175585",
    }


def test_personal_data_and_long_values_not_stored(store: Quarantine, ledger_table: LedgerFixture) -> None:
    store.store(
        agent_name=MARKER, card_pii=MARKER, site_channel=f"webuser_agent_string{MARKER}", reverse_type="c" * 257
    )

    [item] = ledger_table.quarantined()
    assert item["omitted_parameters"] == ["reverse_type", "site_channel"]
    assert not [text for text in (MARKER, "_pii", "ccc") if text in str(ledger_table.all_items())]


def test_callbacks_of_payment_above_maximum_only_counted(store: Quarantine, ledger_table: LedgerFixture) -> None:
    effects = [store.store(payment_amount=str(amount)) for amount in range(MAX_STORED_PER_PAYMENT + 2)]

    assert effects == [STORED] * MAX_STORED_PER_PAYMENT + [COUNTED] * 2
    assert store.store(payment_amount="0") is REPEATED
    payment = ledger_table.payment()
    assert (payment["quarantined_callbacks"], payment["quarantine_overflow"]) == (MAX_STORED_PER_PAYMENT, 2)
    assert len(ledger_table.quarantined()) == MAX_STORED_PER_PAYMENT
    assert store.store(pnm_payment_identifier="2") is STORED
    assert store.store_stale() is COUNTED
    store.resolve(store.list()[0])
    assert store.store(payment_amount="9") is STORED


@pytest.mark.parametrize("position", range(4))
def test_marker_changes_no_decision_outcome_or_posting(
    store: Quarantine, callback_driver: CallbackDriver, reverse: LambdaFunction, position: int
) -> None:
    steps: list[Callable[[], object]] = [
        lambda: callback_driver.authorize(),
        lambda: callback_driver.confirm(),
        lambda: send_at(NOON, reverse, reversal(pnm_payment_identifier="1", reverse_amount="30.00")),
    ]
    steps.insert(position, store.store)

    for step in steps:
        step()

    payment = callback_driver.item()
    decided = ("decision", "outcome", "posted_amount", "reversed_amount", "quarantined_callbacks", "revision")
    assert [payment[name] for name in decided] == ["accept", "payment", 100, 30, 1, 3]
    assert callback_driver.ledger_table.balances() == {CUSTOMER: 70}
    assert callback_driver.spent() == total("100.00")
    assert callback_driver.anomalies() == set()


@pytest.mark.parametrize("identifier", [None, "", "a b", "1" * 65])
def test_callback_without_payment_stored_without_marker(
    store: Quarantine, ledger_table: LedgerFixture, identifier: str | None
) -> None:
    assert store.store(pnm_payment_identifier=identifier, pnm_order_identifier=None) is STORED

    assert ledger_table.payments() == []
    [callback] = store.list()
    assert callback.pnm_payment_identifier is None
    assert store.resolve(callback)
    assert ledger_table.payments() == []


def test_test_callback_marks_test_payment_only(store: Quarantine, ledger_table: LedgerFixture) -> None:
    store.store(test="true")

    assert ledger_table.payment()["pk"] == f"TEST#PAYMENT#{SITE}#1"
    [callback] = store.list()
    assert callback.test
    assert store.resolve(callback)
    assert ledger_table.payment()["quarantined_callbacks"] == 0


def test_stale_authorization_ignored_only_after_decision(store: Quarantine, callback_driver: CallbackDriver) -> None:
    assert store.store_stale(pnm_payment_identifier="2") is STORED
    callback_driver.confirm("1")
    assert store.store_stale() is STORED
    callback_driver.authorize("2")
    callback_driver.authorize("3")
    items = callback_driver.ledger_table.all_items()

    assert store.store_stale(pnm_payment_identifier="3") is IGNORED
    assert store.store_stale(pnm_payment_identifier="2", payment_amount="1") is IGNORED
    assert callback_driver.ledger_table.all_items() == items
    assert store.store_stale(pnm_payment_identifier="2") is REPEATED


def test_unresolved_callbacks_listed_in_order_and_measured(store: Quarantine) -> None:
    assert store.size(NOON) == QuarantineSize(0, 0)
    for minutes in (3, 0, 2, 1, 4):
        store.store(NOON + timedelta(minutes=minutes), pnm_payment_identifier=str(minutes))

    callbacks = store.list()

    assert [callback.pnm_payment_identifier for callback in callbacks] == ["0", "1", "2", "3", "4"]
    first = callbacks[0]
    assert (first.received_at, first.received_count, first.kind) == (NOON.astimezone(UTC), 1, "confirmation")
    assert first.identifier == f"{SITE}/{first.fingerprint[:32]}"
    assert get_quarantined(store.table, first.identifier, Deadline.after(10)) == first
    assert get_quarantined(store.table, f"{SITE}/0", Deadline.after(10)) is None
    assert store.size(LATER) == QuarantineSize(5, 3600)
    assert store.size(NOON - timedelta(seconds=1)) == QuarantineSize(5, 0)


def test_list_and_size_limited(store: Quarantine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine_items, "MAX_LISTED", PARTITIONS)
    for payment_id in range(20):
        store.store(NOON + timedelta(minutes=payment_id), pnm_payment_identifier=str(payment_id))

    # The oldest one of each partition.
    assert (len(store.list()), store.size(LATER)) == (PARTITIONS, QuarantineSize(PARTITIONS, 3600))


def test_repetition_opens_discarded_callback_again(store: Quarantine, ledger_table: LedgerFixture) -> None:
    store.store()
    [callback] = store.list()
    assert store.resolve(callback)

    assert [store.store(LATER), store.store(LATER)] == [REOPENED, REPEATED]

    [reopened] = store.list()
    assert reopened.pnm_payment_identifier == "1"
    assert (reopened.identifier, reopened.received_at) == (callback.identifier, LATER)
    assert ledger_table.payment()["quarantined_callbacks"] == 1
    assert "expires_at_epoch" not in ledger_table.quarantined()[0]


def test_other_reading_replaces_discarded_callback(store: Quarantine, ledger_table: LedgerFixture) -> None:
    store.store()
    assert store.resolve(store.list()[0])
    # The same signed text, with a moved boundary.
    other_reading = {"pnm_payment_identifier": None, "pnm_payment_identifie": "r1"}

    assert store.store(LATER, **other_reading) is REOPENED

    [reopened] = store.list()
    assert reopened.pnm_payment_identifier is None
    assert store.resolve(reopened)
    assert ledger_table.payment()["quarantined_callbacks"] == 0


def test_resolved_callback_leaves_index_and_expires(store: Quarantine, ledger_table: LedgerFixture) -> None:
    store.store()
    [callback] = store.list()

    assert [store.resolve(callback) for _ in range(2)] == [True, False]

    assert store.list() == []
    assert store.size(LATER) == QuarantineSize(0, 0)
    [item] = ledger_table.quarantined()
    recorded = {name: value for name, value in item.items() if name.startswith(("resol", "pending", "expires"))}
    assert recorded == {
        "resolution": "discarded",
        "resolved_at": stored_time(LATER),
        "resolved_by": "ops",
        "resolved_why": "a withdrawal",
        "resolved_with_version": "8",
        "expires_at_epoch": int((LATER + timedelta(days=90)).timestamp()),
    }
    payment = ledger_table.payment()
    assert payment["quarantined_callbacks"] == 0
    assert not [name for name in payment if name.startswith("quarantined_") and name != "quarantined_callbacks"]
    # The index can be outdated.
    store.table.update(
        Update(item["pk"], item["sk"], {"pending_partition": "QUARANTINE#00", "pending_since": "quarantined#2026"}),
        Deadline.after(10),
    )
    assert store.list() == []


def test_concurrent_resolutions_resolve_once(
    store: Quarantine, ledger_table: LedgerFixture, interleave: Interleaver
) -> None:
    store.store()
    [callback] = store.list()

    interleave(lambda: resolve(store.table, callback, replace(DISCARDED, operator="other"), NOON, Deadline.after(10)))

    assert not store.resolve(callback)
    assert ledger_table.quarantined()[0]["resolved_by"] == "other"
    assert ledger_table.payment()["quarantined_callbacks"] == 0


def test_reservation_released_only_after_resolution(store: Quarantine, callback_driver: CallbackDriver) -> None:
    callback_driver.authorize()
    store.store()
    pending = callback_driver.pending()

    assert not callback_driver.release()
    assert callback_driver.spent() == total("100.00")
    assert callback_driver.pending() == pending
    store.resolve(store.list()[0])
    assert callback_driver.release()
    assert callback_driver.spent() == {}


def test_release_overtaken_by_quarantine_does_nothing(
    store: Quarantine, callback_driver: CallbackDriver, interleave: Interleaver
) -> None:
    callback_driver.authorize()

    interleave(store.store)

    assert not callback_driver.release()
    assert "released_at" not in callback_driver.item()
    assert callback_driver.spent() == total("100.00")
