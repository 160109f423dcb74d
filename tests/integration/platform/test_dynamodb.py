"""Retries of ``Table`` after errors of DynamoDB, within the deadline."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import ReadTimeoutError

from paynearme.errors import LedgerUnavailableError
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS, Deadline
from paynearme.platform.dynamodb import Table, Update
from tests.support.aws_errors import client_error, transaction_cancelled
from tests.support.cached_clients import CachedClients
from tests.support.fake_clock import Clock
from tests.support.harness import RESPONSE_TIMEOUT_SECONDS, LedgerFixture

UPDATE = Update("pk-1", "PAYMENT", {"decision": "accept"}, condition="attribute_not_exists(decision)")
KEYS = [("pk-1", "PAYMENT"), ("pk-1", "ACCOUNT"), ("pk-2", "PAYMENT")]

type RunRequest = Callable[..., Any]


class DynamoDBStub:
    """Replace DynamoDB's client. Each call takes ``seconds`` and raises the next of ``errors``."""

    def __init__(self, clock: Clock, *errors: Exception, seconds: float = 0.01) -> None:
        self.clock = clock
        self.errors = list(errors)
        self.seconds = seconds
        self.requests: list[dict[str, Any]] = []
        self.started_at: list[float] = []
        self.found_items: list[dict[str, Any]] = []
        self.unprocessed_count = 0

    def update_item(self, **request: Any) -> None:
        self.started_at.append(self.clock.now)
        self.requests.append(request)
        self.clock.advance(self.seconds)
        if self.errors:
            raise self.errors.pop(0)

    transact_write_items = update_item

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        """Return ``found_items``, but only the first one for the first ``unprocessed_count`` calls."""
        self.update_item(**request)
        if not self.unprocessed_count:
            return {"Responses": {"payments": self.found_items}, "UnprocessedKeys": {}}
        self.unprocessed_count -= 1
        return {"Responses": {"payments": self.found_items[:1]}, "UnprocessedKeys": request["RequestItems"]}


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

for_each_retryable_error = pytest.mark.parametrize(
    "error",
    [
        client_error("TransactionConflictException"),
        transaction_cancelled("None", "TransactionConflict"),
        ReadTimeoutError(endpoint_url="https://example.com"),
    ],
    ids=["conflict", "transaction conflict", "read timeout"],
)


@pytest.mark.parametrize(("expires_in", "limited_attempts"), [(60, 1), (3600, 0)], ids=["expiring", "valid"])
def test_table_refresh_of_credentials_limited_by_deadline(
    ledger_table: LedgerFixture,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    expires_in: int,
    limited_attempts: int,
) -> None:
    limits: list[float] = []

    def run[T](deadline: Deadline, function: Callable[[], T]) -> T:
        limits.append(deadline.remaining)
        return function()

    expiry = datetime.now(UTC) + timedelta(seconds=expires_in)
    credentials = RefreshableCredentials("key", "secret", "token", expiry, refresh_using=dict, method="container")
    monkeypatch.setattr(Deadline, "run", run)
    monkeypatch.setattr(CachedClients, "get_credentials", lambda _: credentials)

    assert Table(ledger_table.table_name).read(KEYS, clock.deadline(RESPONSE_TIMEOUT_SECONDS)) == [{}, {}, {}]
    assert limits == [MAX_ATTEMPT_SECONDS] * limited_attempts


@for_each_retryable_error
def test_table_request_retried_unchanged_until_success(
    send_request: RunRequest, clock: Clock, error: Exception
) -> None:
    service = DynamoDBStub(clock, *[error] * 3)

    assert send_request(service) in (None, [{}, {}, {}])
    # A transaction also keeps its request token.
    assert service.requests == [service.requests[0]] * 4


@for_each_retryable_error
@pytest.mark.parametrize("seconds", [0.3, MAX_ATTEMPT_SECONDS])
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


def test_transact_requests_have_unique_client_request_tokens(clock: Clock) -> None:
    service = DynamoDBStub(clock)
    for _ in range(3):
        run_request("transact", clock, service)

    assert len({request["ClientRequestToken"] for request in service.requests}) == 3


@pytest.mark.parametrize(
    "error",
    [client_error("AccessDeniedException"), transaction_cancelled("ValidationError")],
    ids=["denied", "invalid"],
)
def test_table_request_permanent_error_not_retried(send_request: RunRequest, clock: Clock, error: Exception) -> None:
    service = DynamoDBStub(clock, error)

    with pytest.raises(LedgerUnavailableError):
        send_request(service)
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("request_name", "error", "conflict"),
    [
        ("update", client_error("ConditionalCheckFailedException", Item=CURRENT_ITEM), CURRENT_ITEM_READ),
        ("update", client_error("ConditionalCheckFailedException"), {}),
        (
            "transact",
            transaction_cancelled(
                "ConditionalCheckFailed", "None", "ConditionalCheckFailed", items=[None, WINDOW_ITEM]
            ),
            {0: {}, 2: WINDOW_ITEM_READ},
        ),
        (
            "transact",
            transaction_cancelled("TransactionConflict", "ConditionalCheckFailed", "None", items=[CURRENT_ITEM]),
            {1: CURRENT_ITEM_READ},
        ),
    ],
    ids=["update", "update without item", "one without item", "with conflict"],
)
@pytest.mark.parametrize("earlier_errors", [[], [transaction_cancelled("TransactionConflict")]], ids=["", "retry"])
def test_write_condition_failed_returns_conflict_without_retry(
    clock: Clock, request_name: str, error: Exception, conflict: object, earlier_errors: list[Exception]
) -> None:
    service = DynamoDBStub(clock, *earlier_errors, error)

    assert run_request(request_name, clock, service) == conflict
    assert len(service.requests) == len(earlier_errors) + 1


def test_table_request_short_deadline_sends_nothing(send_request: RunRequest, clock: Clock) -> None:
    service = DynamoDBStub(clock)

    with pytest.raises(LedgerUnavailableError):
        send_request(service, MAX_ATTEMPT_SECONDS - 0.01)
    assert service.requests == []


FOUND_ITEMS: list[Any] = [
    {"pk": {"S": "pk-2"}, "sk": {"S": "PAYMENT"}, "spent": {"N": "500"}},
    {"pk": {"S": "pk-1"}, "sk": {"S": "PAYMENT"}, "decision": {"S": "accept"}},
]


@pytest.mark.parametrize("unprocessed_count", [0, 3])
def test_read_unprocessed_keys_retried_items_in_key_order(clock: Clock, unprocessed_count: int) -> None:
    service = DynamoDBStub(clock)
    service.found_items, service.unprocessed_count = FOUND_ITEMS, unprocessed_count

    first_item, missing_item, last_item = run_request("read", clock, service)

    assert (first_item["decision"], missing_item, last_item["spent"]) == ("accept", {}, Decimal(500))
    assert len(service.requests) == unprocessed_count + 1
    [table_request] = service.requests[0]["RequestItems"].values()
    assert table_request["ConsistentRead"] is True


def test_read_keys_always_unprocessed_ledger_unavailable(clock: Clock) -> None:
    service = DynamoDBStub(clock, seconds=MAX_ATTEMPT_SECONDS)
    service.unprocessed_count = 10_000

    with pytest.raises(LedgerUnavailableError):
        run_request("read", clock, service)
