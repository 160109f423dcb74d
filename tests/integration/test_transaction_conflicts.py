"""Real DynamoDB cancels racing transactions on one item with TransactionConflict; no emulator ever does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paynearme.deadline import Deadline
from tests.clock import Clock
from tests.integration.deployed_policy import DeployedPolicy
from tests.integration.kept_clients import KeptClients
from tests.integration.observed import Function, Stored
from tests.integration.payments_over_time import NOON, Payments, at, in_all, limit, reversal
from tests.integration.signed_callbacks import CUSTOMER


@dataclass
class Conflicts:
    """Cancels the next transactions, before they have any effect, each for the next of ``reasons``.

    What ``meanwhile`` does first is what they met.
    """

    reasons: list[tuple[str, ...]] = field(default_factory=list)
    meanwhile: Callable[[], object] | None = None

    def answer(self, **_: Any) -> None:
        if not self.reasons:
            return
        codes, step = self.reasons.pop(0), self.meanwhile
        if step:
            waiting, self.reasons, self.meanwhile = self.reasons, [], None
            step()
            self.reasons = waiting
        answer: Any = {
            "Error": {"Code": "TransactionCanceledException", "Message": "Transaction cancelled"},
            "ResponseMetadata": {"HTTPStatusCode": 400},
            "CancellationReasons": [{"Code": code} for code in codes],
        }
        raise ClientError(answer, "TransactWriteItems")


@pytest.fixture(autouse=True)
def conflicts(kept_clients: KeptClients) -> Iterator[Conflicts]:
    conflicts = Conflicts()
    with kept_clients.hooked("before-call.dynamodb.TransactWriteItems", conflicts.answer):
        yield conflicts


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Let the functions wait in time that costs nothing."""
    monkeypatch.setattr(Deadline, "after", lambda seconds: Deadline(clock.now + seconds, clock, clock.sleep))


@pytest.fixture
def payments(authorize: Function, confirm: Function, stored: Stored) -> Payments:
    return Payments(authorize, confirm, stored)


ON_A_WINDOW = ("None", "TransactionConflict", "None", "None")
ON_ALL = ("TransactionConflict",) * 4
each = pytest.mark.parametrize(
    "reasons", [[ON_A_WINDOW], [ON_ALL], [ON_A_WINDOW, ON_ALL, ON_A_WINDOW]], ids=["one", "all", "thrice"]
)


@each
def test_a_payment_that_met_a_conflict_is_accepted_once_and_reserved_once(
    payments: Payments,
    deployed_policy: DeployedPolicy,
    conflicts: Conflicts,
    reasons: list[tuple[str, ...]],
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00"), limit("week", "100.00", "credit")])
    conflicts.reasons = list(reasons)

    assert payments.ask()

    assert conflicts.reasons == []
    assert payments.spent() == in_all("100.00")
    assert payments.item()["decision"] == "accept"


@pytest.mark.parametrize("room", ["200.00", "199.99"], ids=["room left", "no room left"])
def test_the_payment_that_it_conflicted_with_counts_when_it_is_tried_again(
    payments: Payments, deployed_policy: DeployedPolicy, conflicts: Conflicts, room: str
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", room)])
    conflicts.reasons = [ON_A_WINDOW]
    conflicts.meanwhile = lambda: payments.ask("2")

    assert payments.ask("1") is (room == "200.00")

    assert payments.spent() == in_all("200.00" if room == "200.00" else "100.00")
    assert payments.item("1")["reason"] == ("accepted" if room == "200.00" else "day_limit_exceeded")


def test_a_condition_that_failed_beside_a_conflict_is_no_reason_to_accept(
    payments: Payments, deployed_policy: DeployedPolicy, conflicts: Conflicts
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "199.99")])
    conflicts.reasons = [("None", "ConditionalCheckFailed", "TransactionConflict", "None")]
    conflicts.meanwhile = lambda: payments.ask("2")

    assert not payments.ask("1")
    assert payments.spent() == in_all("100.00")


def test_a_payment_that_meets_nothing_but_conflicts_is_declined_and_reserves_nothing(
    payments: Payments, conflicts: Conflicts, stored: Stored
) -> None:
    conflicts.reasons = [ON_ALL] * 10_000

    assert not payments.ask()
    assert stored.everything() == []

    conflicts.reasons = []
    assert payments.ask()
    assert payments.spent() == in_all("100.00")


@each
@pytest.mark.parametrize("status", ["payment", "decline"])
@pytest.mark.parametrize("changes", [{}, {"payment_amount": "30.00"}], ids=["as asked", "another amount"])
def test_an_outcome_that_met_a_conflict_is_counted_once(
    payments: Payments,
    conflicts: Conflicts,
    reasons: list[tuple[str, ...]],
    status: str,
    changes: dict[str, str],
) -> None:
    payments.ask("1")
    payments.ask("2")
    conflicts.reasons = list(reasons)

    payments.pay("1", status=status, **changes)

    paid = Decimal(changes.get("payment_amount", "100.00")) if status == "payment" else Decimal(0)
    assert payments.spent() == in_all(str(100 + paid))
    assert payments.stored.balances() == ({CUSTOMER: paid} if paid else {})


@each
def test_a_release_that_met_a_conflict_gives_back_once(
    payments: Payments, conflicts: Conflicts, reasons: list[tuple[str, ...]]
) -> None:
    payments.ask("1")
    payments.ask("2")
    conflicts.reasons = list(reasons)

    assert payments.release("1")
    assert payments.spent() == in_all("100.00")


@each
def test_a_reversal_that_met_a_conflict_is_taken_back_once_and_counted_once(
    payments: Payments,
    reverse: Function,
    stored: Stored,
    conflicts: Conflicts,
    reasons: list[tuple[str, ...]],
) -> None:
    payments.pay(payment_amount="354.99")
    conflicts.reasons = list(reasons)

    assert at(NOON, reverse, reversal(pnm_payment_identifier="1")).status == 200

    assert stored.balances() == {CUSTOMER: Decimal("254.99")}
    [counted] = [item for item in stored.everything() if item["sk"] == "REVERSALS#2026"]
    assert counted["returns_2026-11-20"] == 1
