"""Retry requests to DynamoDB without a response, and canceled transactions. Their effect occurs once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.support.cached_clients import CachedClients
from tests.support.callback_driver import CallbackDriver, limit, total
from tests.support.callback_fixtures import CUSTOMER, authorization, confirmation
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import AwsCallRecorder, LambdaFunction, LedgerFixture

READS = ["BatchGetItem"]
WRITES = ["UpdateItem", "TransactWriteItems"]
NO_RESPONSE = ReadTimeoutError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")


pytestmark = pytest.mark.usefixtures("no_delays")


# Earlier messages, changes of the confirmation with lost responses, and anomalies.
SCENARIOS: dict[str, tuple[list[partial[dict[str, str]]], dict[str, Any], set[str]]] = {
    "unauthorized": ([], {}, set()),
    "authorized": ([partial(authorization)], {}, set()),
    "other amount": ([partial(authorization, payment_amount="1.00")], {}, {"amount_differs"}),
    "after a decline": ([partial(confirmation, status="decline")], {}, {"outcome_contradicted"}),
    "contradiction": ([partial(confirmation)], {"payment_amount": "1.00"}, {"outcome_contradicted"}),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("lost_indexes", [[1], [0, 1]], ids=["second", "first two"])
def test_confirm_lost_responses_posted_once_and_acknowledged(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    ledger_table: LedgerFixture,
    aws_calls: AwsCallRecorder,
    scenario: str,
    lost_indexes: list[int],
) -> None:
    previous_messages, changes, anomalies = SCENARIOS[scenario]
    for build_message in previous_messages:
        (confirm if build_message.func is confirmation else authorize)(build_message())
    for operation in WRITES:
        aws_calls.response_errors[operation] = [NO_RESPONSE if index in lost_indexes else None for index in range(2)]

    response = confirm(confirmation(**changes))

    assert response.status == 200
    assert response.fields == {"pnm_order_identifier": "80080175585"}
    assert ledger_table.balances() == {CUSTOMER: Decimal("350.00")}
    assert ledger_table.spent_amounts() == {Decimal("354.99")}
    assert ledger_table.payment()["outcome"] == "payment"
    assert ledger_table.anomalies() == anomalies


@pytest.mark.parametrize("changes", [{}, {"payment_amount": "0"}], ids=["accepted", "declined"])
def test_authorize_lost_responses_returns_stored_decision(
    authorize: LambdaFunction, ledger_table: LedgerFixture, aws_calls: AwsCallRecorder, changes: dict[str, str]
) -> None:
    aws_calls.response_errors = {operation: [NO_RESPONSE] * 2 for operation in READS + WRITES}

    response = authorize(authorization(**changes))

    assert response.status == 200
    assert response.fields["accept_payment"] == ("no" if changes else "yes")
    assert ledger_table.payment()["decision"] == ("decline" if changes else "accept")
    assert ledger_table.spent_amounts() == (set() if changes else {Decimal("354.99")})
    assert authorize(authorization(**changes)).body == response.body


def test_authorize_conflict_lost_response_declined_and_flagged(
    authorize: LambdaFunction, ledger_table: LedgerFixture, aws_calls: AwsCallRecorder
) -> None:
    authorize(authorization())
    aws_calls.response_errors = {operation: [NO_RESPONSE] for operation in READS + WRITES}

    response = authorize(authorization(payment_amount="1.00"))

    assert response.fields["accept_payment"] == "no"
    assert ledger_table.anomalies() == {"authorization_conflict"}
    assert ledger_table.payment()["decision"] == "accept"


def test_authorize_after_confirmation_lost_response_accepted(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture, aws_calls: AwsCallRecorder
) -> None:
    confirm(confirmation())
    aws_calls.response_errors = {operation: [NO_RESPONSE] for operation in READS + WRITES}

    assert authorize(authorization(payment_amount="1.00")).fields["accept_payment"] == "yes"
    assert ledger_table.anomalies() == {"amount_differs"}
    assert ledger_table.payment()["outcome"] == "payment"


def test_confirm_lost_responses_not_acknowledged_then_idempotent(
    confirm: LambdaFunction, ledger_table: LedgerFixture, aws_calls: AwsCallRecorder
) -> None:
    aws_calls.response_errors["TransactWriteItems"] = [NO_RESPONSE] * 10_000
    assert confirm(confirmation()).status == 503
    aws_calls.response_errors.clear()

    assert confirm(confirmation()).status == 200
    assert ledger_table.balances() == {CUSTOMER: Decimal("350.00")}


@pytest.mark.parametrize("operations", [READS, WRITES], ids=["reads", "writes"])
def test_authorize_all_responses_lost_declined(
    authorize: LambdaFunction, aws_calls: AwsCallRecorder, operations: list[str]
) -> None:
    aws_calls.response_errors = {operation: [NO_RESPONSE] * 10_000 for operation in operations}

    response = authorize(authorization())

    assert response.status == 200
    assert response.fields["accept_payment"] == "no"
    assert response.fields["pnm_order_identifier"] == "80080175585"


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


@pytest.fixture
def conflicts(cached_clients: CachedClients) -> Iterator[ConflictInjector]:
    conflicts = ConflictInjector()
    with cached_clients.with_hook("before-call.dynamodb.TransactWriteItems", conflicts.respond):
        yield conflicts


WINDOW_CONFLICT = ("None", "TransactionConflict", "None", "None")
ALL_CONFLICT = ("TransactionConflict",) * 4
THREE_CONFLICTS = (WINDOW_CONFLICT, ALL_CONFLICT, WINDOW_CONFLICT)


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


def test_authorize_only_conflicts_declines_and_reserves_nothing(
    callback_driver: CallbackDriver, conflicts: ConflictInjector, ledger_table: LedgerFixture
) -> None:
    conflicts.reasons = [ALL_CONFLICT] * 10_000

    assert not callback_driver.authorize()
    assert ledger_table.all_items() == []

    conflicts.reasons = []
    assert callback_driver.authorize()
    assert callback_driver.spent() == total("100.00")


@pytest.mark.parametrize(
    ("changes", "spent", "balances"),
    [
        ({}, "200.00", {CUSTOMER: Decimal(100)}),
        ({"status": "decline", "payment_amount": "30.00"}, "100.00", {}),
    ],
)
def test_confirm_conflict_counts_outcome_once(
    callback_driver: CallbackDriver,
    conflicts: ConflictInjector,
    changes: dict[str, str],
    spent: str,
    balances: dict[str, Decimal],
) -> None:
    callback_driver.authorize("1")
    callback_driver.authorize("2")
    conflicts.reasons = list(THREE_CONFLICTS)

    callback_driver.confirm("1", **changes)

    assert conflicts.reasons == []
    assert callback_driver.spent() == total(spent)
    assert callback_driver.ledger_table.balances() == balances
