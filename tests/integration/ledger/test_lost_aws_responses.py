from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Table, Update
from tests.support.callback_driver import reversal
from tests.support.callback_fixtures import CUSTOMER, authorization, confirmation
from tests.support.harness import AwsCallRecorder, LambdaFunction, LedgerFixture

URL = "https://dynamodb.us-east-1.amazonaws.com"
READS = ["BatchGetItem"]
WRITES = ["UpdateItem", "TransactWriteItems"]
RESPONSE_ERRORS = [ReadTimeoutError(endpoint_url=URL), ConnectionClosedError(endpoint_url=URL)]


pytestmark = pytest.mark.usefixtures("no_delays")


@pytest.fixture(params=RESPONSE_ERRORS, ids=["no response", "closed connection"])
def response_error(request: pytest.FixtureRequest) -> Exception:
    error: Exception = request.param
    return error


# Earlier messages, changes of the confirmation with lost responses, and anomalies.
SCENARIOS: dict[str, tuple[list[tuple[str, dict[str, Any]]], dict[str, Any], set[str]]] = {
    "plain": ([], {}, set()),
    "authorized": ([("authorize", {})], {}, set()),
    "other amount": ([("authorize", {"payment_amount": "1.00"})], {}, {"amount_differs"}),
    "after a declined authorization": (
        [("authorize", {"payment_amount": "0"})],
        {},
        {"amount_differs", "paid_after_decline"},
    ),
    "after a decline": ([("confirm", {"status": "decline"})], {}, {"outcome_contradicted"}),
    "after a decline of an authorized payment": (
        [("authorize", {}), ("confirm", {"status": "decline"})],
        {},
        {"outcome_contradicted"},
    ),
    "duplicate": ([("confirm", {})], {}, set()),
    "contradiction": ([("confirm", {})], {"payment_amount": "1.00"}, {"outcome_contradicted"}),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("lost_indexes", [[0], [1], [0, 1], [1, 2]], ids=["first", "second", "first two", "later two"])
def test_confirm_lost_responses_posted_once_and_acknowledged(
    cold_start: Callable[[str], LambdaFunction],
    ledger_table: LedgerFixture,
    aws_calls: AwsCallRecorder,
    response_error: Exception,
    scenario: str,
    lost_indexes: list[int],
) -> None:
    previous_messages, changes, anomalies = SCENARIOS[scenario]
    for name, message_changes in previous_messages:
        cold_start(name)({"authorize": authorization, "confirm": confirmation}[name](**message_changes))
    for operation in WRITES:
        aws_calls.response_errors[operation] = [response_error if index in lost_indexes else None for index in range(3)]

    response = cold_start("confirm")(confirmation(**changes))

    assert response.status == 200
    assert response.fields == {"pnm_order_identifier": "80080175585"}
    assert ledger_table.balances() == {CUSTOMER: Decimal("350.00")}
    assert ledger_table.spent_amounts() == {Decimal("354.99")}
    assert ledger_table.payment()["outcome"] == "payment"
    assert ledger_table.anomalies() == anomalies


@pytest.mark.parametrize("operations", [READS, WRITES, READS + WRITES], ids=["reads", "writes", "both"])
@pytest.mark.parametrize("changes", [{}, {"payment_amount": "0"}], ids=["accepted", "declined"])
def test_authorize_lost_responses_returns_stored_decision(
    authorize: LambdaFunction,
    ledger_table: LedgerFixture,
    aws_calls: AwsCallRecorder,
    response_error: Exception,
    changes: dict[str, str],
    operations: list[str],
) -> None:
    aws_calls.response_errors = {operation: [response_error, response_error] for operation in operations}

    response = authorize(authorization(**changes))

    assert response.status == 200
    assert response.fields["accept_payment"] == ("no" if changes else "yes")
    assert ledger_table.payment()["decision"] == ("decline" if changes else "accept")
    assert ledger_table.spent_amounts() == (set() if changes else {Decimal("354.99")})
    assert authorize(authorization(**changes)).body == response.body


@pytest.mark.parametrize("lost_index", [0, 1])
def test_authorize_conflict_lost_response_declined_and_flagged(
    authorize: LambdaFunction,
    ledger_table: LedgerFixture,
    aws_calls: AwsCallRecorder,
    response_error: Exception,
    lost_index: int,
) -> None:
    authorize(authorization())
    for operation in READS + WRITES:
        aws_calls.response_errors[operation] = [response_error if index == lost_index else None for index in range(2)]

    response = authorize(authorization(payment_amount="1.00"))

    assert response.fields["accept_payment"] == "no"
    assert ledger_table.anomalies() == {"authorization_conflict"}
    assert ledger_table.payment()["decision"] == "accept"


@pytest.mark.parametrize("lost_index", [0, 1])
def test_authorize_after_confirmation_lost_response_accepted(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    ledger_table: LedgerFixture,
    aws_calls: AwsCallRecorder,
    response_error: Exception,
    lost_index: int,
) -> None:
    confirm(confirmation())
    for operation in READS + WRITES:
        aws_calls.response_errors[operation] = [response_error if index == lost_index else None for index in range(2)]

    assert authorize(authorization(payment_amount="1.00")).fields["accept_payment"] == "yes"
    assert ledger_table.anomalies() == {"amount_differs"}
    assert ledger_table.payment()["outcome"] == "payment"


def test_confirm_lost_responses_not_acknowledged_then_idempotent(
    confirm: LambdaFunction, ledger_table: LedgerFixture, aws_calls: AwsCallRecorder, response_error: Exception
) -> None:
    aws_calls.response_errors["TransactWriteItems"] = [response_error] * 10_000
    assert confirm(confirmation()).status == 503
    aws_calls.response_errors.clear()

    assert confirm(confirmation()).status == 200
    assert ledger_table.balances() == {CUSTOMER: Decimal("350.00")}


@pytest.mark.parametrize("operations", [READS, WRITES], ids=["reads", "writes"])
def test_authorize_all_responses_lost_declined(
    authorize: LambdaFunction, aws_calls: AwsCallRecorder, response_error: Exception, operations: list[str]
) -> None:
    aws_calls.response_errors = {operation: [response_error] * 10_000 for operation in operations}

    response = authorize(authorization())

    assert response.status == 200
    assert response.fields["accept_payment"] == "no"
    assert response.fields["pnm_order_identifier"] == "80080175585"


# Messages before the write of a payment that follows its decline, and the balance.
INTERLEAVED_MESSAGES: dict[str, tuple[str, dict[str, Any], Decimal]] = {
    "authorized": ("authorize", {}, Decimal("350.00")),
    "reversed in part": ("reverse", {}, Decimal("250.00")),
    "declined again": ("confirm", {"status": "decline"}, Decimal("350.00")),
    "paid": ("confirm", {}, Decimal("350.00")),
}


@pytest.mark.parametrize("interleaved", INTERLEAVED_MESSAGES)
def test_confirm_paid_after_failed_interleaved_posts_once(
    cold_start: Callable[[str], LambdaFunction],
    ledger_table: LedgerFixture,
    monkeypatch: pytest.MonkeyPatch,
    interleaved: str,
) -> None:
    name, changes, balance = INTERLEAVED_MESSAGES[interleaved]
    message = {"authorize": authorization, "confirm": confirmation, "reverse": reversal}[name](**changes)
    confirm, other_function, transact = cold_start("confirm"), cold_start(name), Table.transact
    confirm(confirmation(status="decline"))
    # The first write conflicts with the decline. The second write stores the payment.
    steps: list[Callable[[], object]] = [lambda: None, lambda: other_function(message)]

    def delayed_transact(table: Table, changes: Sequence[Update], deadline: Deadline) -> dict[int, Item] | None:
        if steps:
            step, *remaining_steps = steps
            steps.clear()
            step()
            steps.extend(remaining_steps)
        return transact(table, changes, deadline)

    monkeypatch.setattr(Table, "transact", delayed_transact)

    assert confirm(confirmation()).status == 200
    assert ledger_table.balances() == {CUSTOMER: balance}
    assert ledger_table.payment()["outcome"] == "payment"
