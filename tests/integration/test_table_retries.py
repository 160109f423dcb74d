from collections.abc import Callable, Iterable
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
from paynearme.table import Table, Update
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
KEYS = [("pk-1", "PAYMENT"), ("pk-1", "ACCOUNT"), ("pk-2", "PAYMENT")]


class Service:
    """Stands for DynamoDB's client: each call takes ``seconds`` and meets the next of ``errors``."""

    def __init__(self, clock: Clock, *errors: Exception, seconds: float = 0.01) -> None:
        self.clock = clock
        self.errors = list(errors)
        self.seconds = seconds
        self.requests: list[dict[str, Any]] = []
        self.started_at: list[float] = []
        self.found: list[dict[str, Any]] = []
        self.left_over = 0

    def update_item(self, **request: Any) -> None:
        self.started_at.append(self.clock.now)
        self.requests.append(request)
        self.clock.work(self.seconds)
        if self.errors:
            raise self.errors.pop(0)

    transact_write_items = update_item

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        """Return what is ``found``; or, ``left_over`` times, only the first of it, as a busy service does."""
        self.update_item(**request)
        if not self.left_over:
            return {"Responses": {"payments": self.found}, "UnprocessedKeys": {}}
        self.left_over -= 1
        return {"Responses": {"payments": self.found[:1]}, "UnprocessedKeys": request["RequestItems"]}


type Ask = Callable[..., Any]


def asking(what: str, clock: Clock, service: Service, seconds: float = ANSWER_WITHIN_SECONDS) -> Any:
    """Read or write through the table, with all the time that an answer has."""
    table, deadline = Table("payments", cast(Any, service)), clock.deadline(seconds)
    if what == "read":
        return table.read(KEYS, deadline)
    if what == "update":
        return table.update(UPDATE, deadline)
    return table.transact([UPDATE, UPDATE, UPDATE], deadline)


@pytest.fixture(params=["read", "update", "transact"])
def ask(request: pytest.FixtureRequest, clock: Clock) -> Ask:
    return lambda *given: asking(request.param, clock, *given)


def refused(code: str, status: int = 400, **more: Any) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(answer, "Write")


def cancelled(*reasons: str, items: Iterable[Any] = ()) -> ClientError:
    """Return a transaction's refusal; ``items`` stand beside the failed conditions as DynamoDB has them."""
    shown = iter(items)
    with_items = [
        {"Code": reason} | ({"Item": item} if reason == FAILED and (item := next(shown, None)) else {})
        for reason in reasons
    ]
    return refused("TransactionCanceledException", CancellationReasons=with_items)


FAILED = "ConditionalCheckFailed"
STANDING = {"pk": {"S": "pk-1"}, "decision": {"S": "decline"}, "authorized_amount": {"N": "354.99"}}
STANDING_READ = {"pk": "pk-1", "decision": "decline", "authorized_amount": Decimal("354.99")}
SPENT = {"pk": {"S": "pk-2"}, "spent": {"N": "500"}}
SPENT_READ = {"pk": "pk-2", "spent": Decimal(500)}

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
    pytest.param(cancelled(), id="no reason at all"),
]


@pytest.mark.parametrize("error", PASSING)
@pytest.mark.parametrize("times", [1, 3])
def test_what_may_pass_is_tried_again_until_it_is_done(
    ask: Ask, clock: Clock, error: Exception, times: int
) -> None:
    service = Service(clock, *[error] * times)

    assert ask(service) in (None, [{}, {}, {}])
    assert len(service.requests) == times + 1


@pytest.mark.parametrize("error", PASSING)
@pytest.mark.parametrize("seconds", [0.001, 0.3, LONGEST_ATTEMPT_SECONDS], ids=["fast", "slow", "slowest"])
def test_what_does_not_pass_ends_within_the_time_that_is_left(
    ask: Ask, clock: Clock, error: Exception, seconds: float
) -> None:
    started = clock.now
    service = Service(clock, *[error] * 10_000, seconds=seconds)

    with pytest.raises(LedgerUnavailableError):
        ask(service)

    assert len(service.requests) > 1
    assert clock.now <= started + ANSWER_WITHIN_SECONDS
    assert max(service.started_at) <= started + ANSWER_WITHIN_SECONDS - LONGEST_ATTEMPT_SECONDS


@pytest.mark.parametrize("error", PASSING)
def test_each_attempt_is_the_same_request_with_the_same_token(clock: Clock, error: Exception) -> None:
    service = Service(clock, error, error)
    asking("transact", clock, service)

    assert len(service.requests) == 3
    assert service.requests[0] == service.requests[1] == service.requests[2]
    assert service.requests[0]["ClientRequestToken"]


def test_each_transaction_has_a_token_of_its_own(clock: Clock) -> None:
    service = Service(clock)
    for _ in range(3):
        asking("transact", clock, service)

    assert len({request["ClientRequestToken"] for request in service.requests}) == 3


def test_attempts_are_spread_in_time_and_not_made_at_once(ask: Ask, clock: Clock) -> None:
    service = Service(clock, *[cancelled("TransactionConflict")] * 20, seconds=0)

    ask(service, 60)

    pauses = [later - earlier for earlier, later in zip(service.started_at, service.started_at[1:], strict=False)]
    assert len(set(pauses)) > 10


@pytest.mark.parametrize("error", LASTING)
def test_what_will_not_pass_is_not_tried_again(ask: Ask, clock: Clock, error: Exception) -> None:
    service = Service(clock, error)

    with pytest.raises(LedgerUnavailableError):
        ask(service)
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (refused("ConditionalCheckFailedException", Item=STANDING), STANDING_READ),
        (refused("ConditionalCheckFailedException"), {}),
    ],
    ids=["an item", "no item"],
)
def test_a_change_that_is_refused_returns_the_item_that_refused_it_and_is_not_tried_again(
    clock: Clock, error: Exception, told: dict[str, Any]
) -> None:
    service = Service(clock, error)

    assert asking("update", clock, service) == told
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (cancelled(FAILED, "None", "None", items=[STANDING]), {0: STANDING_READ}),
        (cancelled("None", "None", FAILED, items=[SPENT]), {2: SPENT_READ}),
        (cancelled(FAILED, "None", FAILED, items=[STANDING, SPENT]), {0: STANDING_READ, 2: SPENT_READ}),
        (cancelled(FAILED, "None", FAILED, items=[None, SPENT]), {0: {}, 2: SPENT_READ}),
        (cancelled(FAILED, "TransactionConflict", "None", items=[STANDING]), {0: STANDING_READ}),
        (cancelled("TransactionConflict", FAILED, "None", items=[STANDING]), {1: STANDING_READ}),
        (cancelled("ThrottlingError", "None", FAILED, items=[STANDING]), {2: STANDING_READ}),
        (cancelled(FAILED), {0: {}}),
    ],
    ids=["first", "last", "two", "one without item", "and a conflict", "after one", "throttled", "no item"],
)
def test_a_transaction_that_is_refused_returns_the_items_that_refused_it_by_place_and_is_not_tried_again(
    clock: Clock, error: Exception, told: dict[int, Any]
) -> None:
    service = Service(clock, error)

    assert asking("transact", clock, service) == told
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("what", "refusal", "told"),
    [
        ("update", refused("ConditionalCheckFailedException", Item=STANDING), STANDING_READ),
        ("transact", cancelled(FAILED, "None", "None", items=[STANDING]), {0: STANDING_READ}),
    ],
)
def test_a_refusal_after_a_conflict_is_the_last_word(
    clock: Clock, what: str, refusal: Exception, told: object
) -> None:
    service = Service(clock, cancelled("TransactionConflict"), refusal)

    assert asking(what, clock, service) == told
    assert len(service.requests) == 2


@pytest.mark.parametrize("seconds", [-1, 0, 1, LONGEST_ATTEMPT_SECONDS - 0.01])
def test_without_time_for_an_attempt_nothing_is_called(ask: Ask, clock: Clock, seconds: float) -> None:
    service = Service(clock)

    with pytest.raises(LedgerUnavailableError):
        ask(service, seconds)
    assert service.requests == []


FIRST: Any = {"pk": {"S": "pk-1"}, "sk": {"S": "PAYMENT"}, "decision": {"S": "accept"}}
LAST: Any = {"pk": {"S": "pk-2"}, "sk": {"S": "PAYMENT"}, "spent": {"N": "500"}}


@pytest.mark.parametrize("found", [[FIRST, LAST], [LAST, FIRST]], ids=["in order", "out of order"])
@pytest.mark.parametrize("left_over", [0, 1, 3])
def test_what_is_read_stands_where_its_key_stood_once_nothing_was_left_over(
    clock: Clock, found: list[Any], left_over: int
) -> None:
    service = Service(clock)
    service.found, service.left_over = found, left_over

    first, missing, last = asking("read", clock, service)

    assert (first["decision"], missing, last["spent"]) == ("accept", {}, Decimal(500))
    assert len(service.requests) == left_over + 1


@pytest.mark.parametrize("seconds", [0.001, LONGEST_ATTEMPT_SECONDS], ids=["fast", "slowest"])
def test_what_is_left_over_again_and_again_is_not_taken_for_missing(clock: Clock, seconds: float) -> None:
    started = clock.now
    service = Service(clock, seconds=seconds)
    service.found, service.left_over = [FIRST, LAST], 10_000

    with pytest.raises(LedgerUnavailableError):
        asking("read", clock, service)

    assert len(service.requests) > 1
    assert clock.now <= started + ANSWER_WITHIN_SECONDS


def test_what_is_read_is_read_as_it_is_now(clock: Clock) -> None:
    service = Service(clock)
    asking("read", clock, service)

    [wanted] = service.requests[0]["RequestItems"].values()
    assert wanted["ConsistentRead"] is True
