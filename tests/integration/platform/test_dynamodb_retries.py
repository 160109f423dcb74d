"""Retries of ``Table`` after errors of DynamoDB, within the deadline."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

import pytest
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from paynearme.errors import LedgerUnavailableError
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS
from paynearme.platform.dynamodb import Table, Update
from tests.support.aws_errors import client_error
from tests.support.dynamodb_stub import CONDITION_FAILED, DynamoDBStub, transaction_cancelled
from tests.support.fake_clock import Clock
from tests.support.harness import RESPONSE_TIMEOUT_SECONDS

URL = "https://dynamodb.us-east-1.amazonaws.com"

UPDATE = Update(
    "pk-1",
    "PAYMENT",
    {"decision": "accept"},
    increments={"balance": Decimal("1.50")},
    condition="attribute_not_exists(decision)",
)
KEYS = [("pk-1", "PAYMENT"), ("pk-1", "ACCOUNT"), ("pk-2", "PAYMENT")]


type RunRequest = Callable[..., Any]


def run_request(
    request_name: str, clock: Clock, service: DynamoDBStub, seconds: float = RESPONSE_TIMEOUT_SECONDS
) -> Any:
    """Send a request through ``Table``, with the deadline of a callback."""
    table, deadline = Table("payments", cast(Any, service)), clock.deadline(seconds)
    if request_name == "read":
        return table.read(KEYS, deadline)
    if request_name == "update":
        return table.update(UPDATE, deadline)
    return table.transact([UPDATE, UPDATE, UPDATE], deadline)


@pytest.fixture(params=["read", "update", "transact"])
def send_request(request: pytest.FixtureRequest, clock: Clock) -> RunRequest:
    return lambda *arguments: run_request(request.param, clock, *arguments)


CURRENT_ITEM = {"pk": {"S": "pk-1"}, "decision": {"S": "decline"}, "authorized_amount": {"N": "354.99"}}
CURRENT_ITEM_READ = {"pk": "pk-1", "decision": "decline", "authorized_amount": Decimal("354.99")}
WINDOW_ITEM = {"pk": {"S": "pk-2"}, "spent": {"N": "500"}}
WINDOW_ITEM_READ = {"pk": "pk-2", "spent": Decimal(500)}

RETRYABLE_ERRORS = [
    pytest.param(client_error("TransactionConflictException"), id="update conflict"),
    pytest.param(transaction_cancelled("TransactionConflict"), id="transaction conflict"),
    pytest.param(transaction_cancelled("None", "TransactionConflict"), id="transaction conflict on second item"),
    pytest.param(transaction_cancelled("ThrottlingError", "None"), id="transaction throttled"),
    pytest.param(transaction_cancelled("ProvisionedThroughputExceeded"), id="transaction over capacity"),
    pytest.param(client_error("ProvisionedThroughputExceededException"), id="over capacity"),
    pytest.param(client_error("ThrottlingException"), id="throttled"),
    pytest.param(client_error("RequestLimitExceeded"), id="account limit exceeded"),
    pytest.param(client_error("TransactionInProgressException"), id="in progress"),
    pytest.param(client_error("InternalServerError", 500), id="internal error"),
    pytest.param(client_error("ServiceUnavailable", 503), id="unavailable"),
    pytest.param(client_error("", 502), id="no error code"),
    pytest.param(ReadTimeoutError(endpoint_url=URL), id="read timeout"),
    pytest.param(ConnectionClosedError(endpoint_url=URL), id="connection closed"),
    pytest.param(EndpointConnectionError(endpoint_url=URL), id="connection refused"),
    pytest.param(ConnectTimeoutError(endpoint_url=URL), id="connect timeout"),
]
PERMANENT_ERRORS = [
    pytest.param(client_error("ValidationException"), id="invalid"),
    pytest.param(client_error("AccessDeniedException"), id="access denied"),
    pytest.param(client_error("ResourceNotFoundException"), id="no table"),
    pytest.param(client_error("IdempotentParameterMismatchException"), id="request token reused"),
    pytest.param(transaction_cancelled("ValidationError"), id="invalid transaction"),
    pytest.param(transaction_cancelled("ItemCollectionSizeLimitExceeded", "None"), id="item collection too large"),
    pytest.param(transaction_cancelled(), id="no reasons"),
]


@pytest.mark.parametrize("error", RETRYABLE_ERRORS)
@pytest.mark.parametrize("times", [1, 3])
def test_table_request_retryable_error_retried_until_success(
    send_request: RunRequest, clock: Clock, error: Exception, times: int
) -> None:
    service = DynamoDBStub(clock, *[error] * times)

    assert send_request(service) in (None, [{}, {}, {}])
    assert len(service.requests) == times + 1


@pytest.mark.parametrize("error", RETRYABLE_ERRORS)
@pytest.mark.parametrize("seconds", [0.001, 0.3, MAX_ATTEMPT_SECONDS], ids=["fast", "slow", "maximum"])
def test_table_request_retries_end_within_deadline(
    send_request: RunRequest, clock: Clock, error: Exception, seconds: float
) -> None:
    started = clock.now
    service = DynamoDBStub(clock, *[error] * 10_000, seconds=seconds)

    with pytest.raises(LedgerUnavailableError):
        send_request(service)

    assert len(service.requests) > 1
    assert clock.now <= started + RESPONSE_TIMEOUT_SECONDS
    assert max(service.started_at) <= started + RESPONSE_TIMEOUT_SECONDS - MAX_ATTEMPT_SECONDS


@pytest.mark.parametrize("error", RETRYABLE_ERRORS)
def test_transact_retries_keep_request_and_client_request_token(clock: Clock, error: Exception) -> None:
    service = DynamoDBStub(clock, error, error)
    run_request("transact", clock, service)

    assert len(service.requests) == 3
    assert service.requests[0] == service.requests[1] == service.requests[2]
    assert service.requests[0]["ClientRequestToken"]


def test_transact_requests_have_unique_client_request_tokens(clock: Clock) -> None:
    service = DynamoDBStub(clock)
    for _ in range(3):
        run_request("transact", clock, service)

    assert len({request["ClientRequestToken"] for request in service.requests}) == 3


def test_table_request_retries_have_random_delays(send_request: RunRequest, clock: Clock) -> None:
    service = DynamoDBStub(clock, *[transaction_cancelled("TransactionConflict")] * 20, seconds=0)

    send_request(service, 60)

    pauses = [
        next_start - previous_start
        for previous_start, next_start in zip(service.started_at, service.started_at[1:], strict=False)
    ]
    assert len(set(pauses)) > 10


@pytest.mark.parametrize("error", PERMANENT_ERRORS)
def test_table_request_permanent_error_not_retried(send_request: RunRequest, clock: Clock, error: Exception) -> None:
    service = DynamoDBStub(clock, error)

    with pytest.raises(LedgerUnavailableError):
        send_request(service)
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("error", "conflict"),
    [
        (client_error("ConditionalCheckFailedException", Item=CURRENT_ITEM), CURRENT_ITEM_READ),
        (client_error("ConditionalCheckFailedException"), {}),
    ],
    ids=["item", "no item"],
)
def test_update_condition_failed_returns_conflict_without_retry(
    clock: Clock, error: Exception, conflict: dict[str, Any]
) -> None:
    service = DynamoDBStub(clock, error)

    assert run_request("update", clock, service) == conflict
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("error", "conflict"),
    [
        (transaction_cancelled(CONDITION_FAILED, "None", "None", items=[CURRENT_ITEM]), {0: CURRENT_ITEM_READ}),
        (transaction_cancelled("None", "None", CONDITION_FAILED, items=[WINDOW_ITEM]), {2: WINDOW_ITEM_READ}),
        (
            transaction_cancelled(CONDITION_FAILED, "None", CONDITION_FAILED, items=[CURRENT_ITEM, WINDOW_ITEM]),
            {0: CURRENT_ITEM_READ, 2: WINDOW_ITEM_READ},
        ),
        (
            transaction_cancelled(CONDITION_FAILED, "None", CONDITION_FAILED, items=[None, WINDOW_ITEM]),
            {0: {}, 2: WINDOW_ITEM_READ},
        ),
        (
            transaction_cancelled(CONDITION_FAILED, "TransactionConflict", "None", items=[CURRENT_ITEM]),
            {0: CURRENT_ITEM_READ},
        ),
        (
            transaction_cancelled("TransactionConflict", CONDITION_FAILED, "None", items=[CURRENT_ITEM]),
            {1: CURRENT_ITEM_READ},
        ),
        (
            transaction_cancelled("ThrottlingError", "None", CONDITION_FAILED, items=[CURRENT_ITEM]),
            {2: CURRENT_ITEM_READ},
        ),
        (transaction_cancelled(CONDITION_FAILED), {0: {}}),
    ],
    ids=["first", "last", "two", "one without item", "conflict after", "conflict before", "throttled", "no item"],
)
def test_transact_condition_failed_returns_conflicts_no_retry(
    clock: Clock, error: Exception, conflict: dict[int, Any]
) -> None:
    service = DynamoDBStub(clock, error)

    assert run_request("transact", clock, service) == conflict
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("request_name", "condition_error", "conflict"),
    [
        ("update", client_error("ConditionalCheckFailedException", Item=CURRENT_ITEM), CURRENT_ITEM_READ),
        (
            "transact",
            transaction_cancelled(CONDITION_FAILED, "None", "None", items=[CURRENT_ITEM]),
            {0: CURRENT_ITEM_READ},
        ),
    ],
)
def test_write_condition_failed_after_retry_returns_conflict(
    clock: Clock, request_name: str, condition_error: Exception, conflict: object
) -> None:
    service = DynamoDBStub(clock, transaction_cancelled("TransactionConflict"), condition_error)

    assert run_request(request_name, clock, service) == conflict
    assert len(service.requests) == 2


@pytest.mark.parametrize("seconds", [-1, 0, 1, MAX_ATTEMPT_SECONDS - 0.01])
def test_table_request_short_deadline_sends_nothing(send_request: RunRequest, clock: Clock, seconds: float) -> None:
    service = DynamoDBStub(clock)

    with pytest.raises(LedgerUnavailableError):
        send_request(service, seconds)
    assert service.requests == []


FIRST_ITEM: Any = {"pk": {"S": "pk-1"}, "sk": {"S": "PAYMENT"}, "decision": {"S": "accept"}}
LAST_ITEM: Any = {"pk": {"S": "pk-2"}, "sk": {"S": "PAYMENT"}, "spent": {"N": "500"}}


@pytest.mark.parametrize(
    "found_items", [[FIRST_ITEM, LAST_ITEM], [LAST_ITEM, FIRST_ITEM]], ids=["in order", "out of order"]
)
@pytest.mark.parametrize("unprocessed_count", [0, 1, 3])
def test_read_unprocessed_keys_retried_items_in_key_order(
    clock: Clock, found_items: list[Any], unprocessed_count: int
) -> None:
    service = DynamoDBStub(clock)
    service.found_items, service.unprocessed_count = found_items, unprocessed_count

    first_item, missing_item, last_item = run_request("read", clock, service)

    assert (first_item["decision"], missing_item, last_item["spent"]) == ("accept", {}, Decimal(500))
    assert len(service.requests) == unprocessed_count + 1


@pytest.mark.parametrize("seconds", [0.001, MAX_ATTEMPT_SECONDS], ids=["fast", "maximum"])
def test_read_keys_always_unprocessed_ledger_unavailable(clock: Clock, seconds: float) -> None:
    started = clock.now
    service = DynamoDBStub(clock, seconds=seconds)
    service.found_items, service.unprocessed_count = [FIRST_ITEM, LAST_ITEM], 10_000

    with pytest.raises(LedgerUnavailableError):
        run_request("read", clock, service)

    assert len(service.requests) > 1
    assert clock.now <= started + RESPONSE_TIMEOUT_SECONDS


def test_read_request_is_consistent(clock: Clock) -> None:
    service = DynamoDBStub(clock)
    run_request("read", clock, service)

    [table_request] = service.requests[0]["RequestItems"].values()
    assert table_request["ConsistentRead"] is True
