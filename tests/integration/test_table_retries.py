from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from paynearme.aws import LONGEST_ATTEMPT_SECONDS
from paynearme.errors import LedgerUnavailableError
from paynearme.table import Item, Table, Update
from tests.clock import Clock
from tests.integration.observed import ANSWER_WITHIN_SECONDS

URL = "https://dynamodb.us-east-1.amazonaws.com"

UPDATE = Update(
    "pk-1",
    "PAYMENT",
    {"decision": "accept"},
    amounts={"balance": Decimal("1.50")},
    condition="attribute_not_exists(decision)",
)


class Service:
    """Stands for DynamoDB's client: each call takes ``seconds`` and meets the next of ``errors``."""

    def __init__(self, clock: Clock, *errors: Exception, seconds: float = 0.01) -> None:
        self.clock = clock
        self.errors = list(errors)
        self.seconds = seconds
        self.requests: list[dict[str, Any]] = []
        self.began_at: list[float] = []

    def update_item(self, **request: Any) -> None:
        self.began_at.append(self.clock.now)
        self.requests.append(request)
        self.clock.work(self.seconds)
        if self.errors:
            raise self.errors.pop(0)

    transact_write_items = update_item


@pytest.fixture(params=["update", "transact"])
def write(request: pytest.FixtureRequest, clock: Clock) -> Callable[[Service], Item | None]:
    """Writes through the table, with all the time that an answer has."""

    def make(service: Service, seconds: float = ANSWER_WITHIN_SECONDS) -> Item | None:
        table = Table("payments", cast(Any, service))
        if request.param == "update":
            return table.update(UPDATE, clock.deadline(seconds))
        return table.transact([UPDATE], clock.deadline(seconds))

    return make


def refused(code: str, status: int = 400, **more: Any) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(answer, "Write")


def cancelled(*reasons: str, item: Any = None) -> ClientError:
    """Return a transaction's refusal; ``item`` stands beside each failed condition, as DynamoDB sends it."""
    with_items = [
        {"Code": reason} | ({"Item": item} if item and reason == "ConditionalCheckFailed" else {})
        for reason in reasons
    ]
    return refused("TransactionCanceledException", CancellationReasons=with_items)


STANDING = {"pk": {"S": "pk-1"}, "decision": {"S": "decline"}, "authorized_amount": {"N": "354.99"}}
STANDING_READ = {"pk": "pk-1", "decision": "decline", "authorized_amount": Decimal("354.99")}

PASSING = [
    pytest.param(refused("TransactionConflictException"), id="conflict of an update"),
    pytest.param(cancelled("TransactionConflict"), id="conflict"),
    pytest.param(cancelled("None", "TransactionConflict"), id="conflict of the second item"),
    pytest.param(cancelled("ThrottlingError", "None"), id="throttled transaction"),
    pytest.param(cancelled("ProvisionedThroughputExceeded"), id="transaction over capacity"),
    pytest.param(refused("ProvisionedThroughputExceededException"), id="over capacity"),
    pytest.param(refused("ThrottlingException"), id="throttled"),
    pytest.param(refused("RequestLimitExceeded"), id="over the account's limit"),
    pytest.param(refused("TransactionInProgressException"), id="in progress"),
    pytest.param(refused("InternalServerError", 500), id="broken"),
    pytest.param(refused("ServiceUnavailable", 503), id="unavailable"),
    pytest.param(refused("", 502), id="without a code"),
    pytest.param(ReadTimeoutError(endpoint_url=URL), id="no answer"),
    pytest.param(ConnectionClosedError(endpoint_url=URL), id="closed connection"),
    pytest.param(EndpointConnectionError(endpoint_url=URL), id="no connection"),
    pytest.param(ConnectTimeoutError(endpoint_url=URL), id="slow connection"),
]
LASTING = [
    pytest.param(refused("ValidationException"), id="invalid"),
    pytest.param(refused("AccessDeniedException"), id="denied"),
    pytest.param(refused("ResourceNotFoundException"), id="no table"),
    pytest.param(refused("IdempotentParameterMismatchException"), id="token of another request"),
    pytest.param(cancelled("ValidationError"), id="invalid transaction"),
    pytest.param(cancelled("ItemCollectionSizeLimitExceeded", "None"), id="too large"),
    pytest.param(cancelled("ConditionalCheckFailed"), id="refused by an item that is not shown"),
]
type Write = Callable[..., Item | None]


@pytest.mark.parametrize("error", PASSING)
@pytest.mark.parametrize("times", [1, 3])
def test_what_may_pass_is_tried_again_until_it_is_done(
    write: Write, clock: Clock, error: Exception, times: int
) -> None:
    service = Service(clock, *[error] * times)

    assert write(service) is None
    assert len(service.requests) == times + 1


@pytest.mark.parametrize("error", PASSING)
@pytest.mark.parametrize("seconds", [0.001, 0.3, LONGEST_ATTEMPT_SECONDS], ids=["fast", "slow", "slowest"])
def test_what_does_not_pass_ends_within_the_time_that_is_left(
    write: Write, clock: Clock, error: Exception, seconds: float
) -> None:
    started = clock.now
    service = Service(clock, *[error] * 10_000, seconds=seconds)

    with pytest.raises(LedgerUnavailableError):
        write(service)

    assert len(service.requests) > 1
    assert clock.now <= started + ANSWER_WITHIN_SECONDS
    assert max(service.began_at) <= started + ANSWER_WITHIN_SECONDS - LONGEST_ATTEMPT_SECONDS


@pytest.mark.parametrize("error", PASSING)
def test_each_attempt_is_the_same_request_with_the_same_token(clock: Clock, error: Exception) -> None:
    service = Service(clock, error, error)
    Table("payments", cast(Any, service)).transact([UPDATE], clock.deadline(ANSWER_WITHIN_SECONDS))

    assert len(service.requests) == 3
    assert service.requests[0] == service.requests[1] == service.requests[2]
    assert service.requests[0]["ClientRequestToken"]


def test_each_transaction_has_a_token_of_its_own(clock: Clock) -> None:
    service = Service(clock)
    table = Table("payments", cast(Any, service))
    for _ in range(3):
        table.transact([UPDATE], clock.deadline(ANSWER_WITHIN_SECONDS))

    assert len({request["ClientRequestToken"] for request in service.requests}) == 3


def test_attempts_are_spread_in_time_and_not_made_at_once(write: Write, clock: Clock) -> None:
    service = Service(clock, *[cancelled("TransactionConflict")] * 20, seconds=0)

    write(service, 60)

    pauses = [later - earlier for earlier, later in zip(service.began_at, service.began_at[1:], strict=False)]
    assert len(set(pauses)) > 10


@pytest.mark.parametrize("error", LASTING)
def test_what_will_not_pass_is_not_tried_again(write: Write, clock: Clock, error: Exception) -> None:
    service = Service(clock, error)

    with pytest.raises(LedgerUnavailableError):
        write(service)
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "error",
    [
        refused("ConditionalCheckFailedException", Item=STANDING),
        cancelled("ConditionalCheckFailed", "None", item=STANDING),
        cancelled("ConditionalCheckFailed", "TransactionConflict", item=STANDING),
        cancelled("TransactionConflict", "ConditionalCheckFailed", item=STANDING),
        cancelled("ThrottlingError", "ConditionalCheckFailed", item=STANDING),
    ],
    ids=["update", "transaction", "and a conflict", "after a conflict", "and throttled"],
)
def test_a_failed_condition_is_a_refusal_and_not_tried_again(
    write: Write, clock: Clock, error: Exception
) -> None:
    service = Service(clock, error)

    assert write(service) == STANDING_READ
    assert len(service.requests) == 1


def test_a_refusal_after_a_conflict_is_the_last_word(write: Write, clock: Clock) -> None:
    conflict, refusal = cancelled("TransactionConflict"), cancelled("ConditionalCheckFailed", item=STANDING)
    service = Service(clock, conflict, refusal)

    assert write(service) == STANDING_READ
    assert len(service.requests) == 2


@pytest.mark.parametrize("seconds", [-1, 0, 1, LONGEST_ATTEMPT_SECONDS - 0.01])
def test_without_time_for_an_attempt_nothing_is_called(write: Write, clock: Clock, seconds: float) -> None:
    service = Service(clock)

    with pytest.raises(LedgerUnavailableError):
        write(service, seconds)
    assert service.requests == []
