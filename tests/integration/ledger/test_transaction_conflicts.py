"""Cancel transactions with TransactionConflict, as DynamoDB does for concurrent transactions, but no emulator."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cached_clients import CachedClients
from tests.support.callback_driver import NOON, CallbackDriver, limit, reversal, send_at, total
from tests.support.callback_fixtures import CUSTOMER
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import LambdaFunction, LedgerFixture

pytestmark = pytest.mark.usefixtures("no_delays")


@dataclass
class ConflictInjector:
    """Cancel the next transactions without effect, each with the next of ``reasons``.

    ``on_conflict`` runs before the first conflict.
    """

    reasons: list[tuple[str, ...]] = field(default_factory=list)
    on_conflict: Callable[[], object] | None = None

    def respond(self, **_: Any) -> None:
        if not self.reasons:
            return
        codes, step = self.reasons.pop(0), self.on_conflict
        if step:
            remaining_reasons, self.reasons, self.on_conflict = self.reasons, [], None
            step()
            self.reasons = remaining_reasons
        error_response: Any = {
            "Error": {"Code": "TransactionCanceledException", "Message": "Transaction cancelled"},
            "ResponseMetadata": {"HTTPStatusCode": 400},
            "CancellationReasons": [{"Code": code} for code in codes],
        }
        raise ClientError(error_response, "TransactWriteItems")


@pytest.fixture(autouse=True)
def conflicts(cached_clients: CachedClients) -> Iterator[ConflictInjector]:
    conflicts = ConflictInjector()
    with cached_clients.with_hook("before-call.dynamodb.TransactWriteItems", conflicts.respond):
        yield conflicts


WINDOW_CONFLICT = ("None", "TransactionConflict", "None", "None")
ALL_CONFLICT = ("TransactionConflict",) * 4
each_conflict = pytest.mark.parametrize(
    "reasons",
    [[WINDOW_CONFLICT], [ALL_CONFLICT], [WINDOW_CONFLICT, ALL_CONFLICT, WINDOW_CONFLICT]],
    ids=["one window", "all items", "three attempts"],
)


@each_conflict
def test_authorize_conflict_accepts_and_reserves_once(
    callback_driver: CallbackDriver,
    deployed_policy: FakeAppConfig,
    conflicts: ConflictInjector,
    reasons: list[tuple[str, ...]],
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00"), limit("week", "100.00", "credit")])
    conflicts.reasons = list(reasons)

    assert callback_driver.authorize()

    assert conflicts.reasons == []
    assert callback_driver.spent() == total("100.00")
    assert callback_driver.item()["decision"] == "accept"


@pytest.mark.parametrize("limit_amount", ["200.00", "199.99"], ids=["fits", "exceeds by a cent"])
def test_authorize_conflict_retry_counts_concurrent_payment(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, conflicts: ConflictInjector, limit_amount: str
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", limit_amount)])
    conflicts.reasons = [WINDOW_CONFLICT]
    conflicts.on_conflict = lambda: callback_driver.authorize("2")

    assert callback_driver.authorize("1") is (limit_amount == "200.00")

    assert callback_driver.spent() == total("200.00" if limit_amount == "200.00" else "100.00")
    assert callback_driver.item("1")["reason"] == ("accepted" if limit_amount == "200.00" else "day_limit_exceeded")


def test_authorize_condition_failed_with_conflict_declines(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, conflicts: ConflictInjector
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "199.99")])
    conflicts.reasons = [("None", "ConditionalCheckFailed", "TransactionConflict", "None")]
    conflicts.on_conflict = lambda: callback_driver.authorize("2")

    assert not callback_driver.authorize("1")
    assert callback_driver.spent() == total("100.00")


def test_authorize_only_conflicts_declines_and_reserves_nothing(
    callback_driver: CallbackDriver, conflicts: ConflictInjector, ledger_table: LedgerFixture
) -> None:
    conflicts.reasons = [ALL_CONFLICT] * 10_000

    assert not callback_driver.authorize()
    assert ledger_table.all_items() == []

    conflicts.reasons = []
    assert callback_driver.authorize()
    assert callback_driver.spent() == total("100.00")


@each_conflict
@pytest.mark.parametrize("status", ["payment", "decline"])
@pytest.mark.parametrize("changes", [{}, {"payment_amount": "30.00"}], ids=["as authorized", "another amount"])
def test_confirm_conflict_counts_outcome_once(
    callback_driver: CallbackDriver,
    conflicts: ConflictInjector,
    reasons: list[tuple[str, ...]],
    status: str,
    changes: dict[str, str],
) -> None:
    callback_driver.authorize("1")
    callback_driver.authorize("2")
    conflicts.reasons = list(reasons)

    callback_driver.confirm("1", status=status, **changes)

    paid_amount = Decimal(changes.get("payment_amount", "100.00")) if status == "payment" else Decimal(0)
    assert callback_driver.spent() == total(str(100 + paid_amount))
    assert callback_driver.ledger_table.balances() == ({CUSTOMER: paid_amount} if paid_amount else {})


@each_conflict
def test_release_conflict_releases_once(
    callback_driver: CallbackDriver, conflicts: ConflictInjector, reasons: list[tuple[str, ...]]
) -> None:
    callback_driver.authorize("1")
    callback_driver.authorize("2")
    conflicts.reasons = list(reasons)

    assert callback_driver.release("1")
    assert callback_driver.spent() == total("100.00")


@each_conflict
def test_reversal_conflict_debits_and_counts_once(
    callback_driver: CallbackDriver,
    reverse: LambdaFunction,
    ledger_table: LedgerFixture,
    conflicts: ConflictInjector,
    reasons: list[tuple[str, ...]],
) -> None:
    callback_driver.confirm(payment_amount="354.99")
    conflicts.reasons = list(reasons)

    assert send_at(NOON, reverse, reversal(pnm_payment_identifier="1")).status == 200

    assert ledger_table.balances() == {CUSTOMER: Decimal("254.99")}
    [year_counts] = [item for item in ledger_table.all_items() if item["sk"] == "REVERSALS#2026"]
    assert year_counts["returns_2026-11-20"] == 1
