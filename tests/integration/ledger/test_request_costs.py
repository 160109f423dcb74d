import copy
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, NamedTuple

import pytest
from moto.dynamodb.models.table import Table

from tests.support.appconfig_stub import AppConfigStub
from tests.support.cached_clients import CachedClients
from tests.support.callback_driver import reversal, send_at
from tests.support.callback_fixtures import authorization, confirmation
from tests.support.harness import AwsCallRecorder, LambdaFunction

BATCH_GET, UPDATE_ITEM, TRANSACT_WRITE = ["BatchGetItem"], ["UpdateItem"], ["TransactWriteItems"]
MESSAGES: dict[str, Callable[..., dict[str, str]]] = {
    "authorize": authorization,
    "confirm": confirmation,
    "reverse": reversal,
}
NEW_YEAR = datetime(2027, 1, 1, 18, 0, tzinfo=UTC)
"""A time with reversals in two years of counts."""

EVERY_RULE: dict[str, Any] = {
    "payment_types": ["credit", "debit"],
    "amounts": {"credit": {"minimum": "0.01", "maximum": "100000.00"}},
    "chargebacks": {"max_count": 9, "within_days": 365},
    "returns": {"max_count": 9, "within_days": 90},
    "spending_limits": [
        {"window": "day", "amount": "100000.00"},
        {"window": "week", "amount": "100000.00", "payment_types": ["credit", "debit"]},
        {"window": "month", "amount": "100000.00", "payment_types": ["credit"]},
    ],
}
"""A policy with every kind of rule, which accepts a typical payment of a known customer."""


class CallbackMessage(NamedTuple):
    name: str
    changes: dict[str, Any]
    now: datetime = NEW_YEAR

    def next_day(self) -> "CallbackMessage":
        return self._replace(now=self.now + timedelta(days=1))


def send(cold_start: Callable[[str], LambdaFunction], callback: CallbackMessage) -> None:
    message = MESSAGES[callback.name](**{"timestamp": str(int(callback.now.timestamp()))} | callback.changes)
    assert send_at(callback.now, cold_start(callback.name), message).status == 200


def authorize_message(**changes: Any) -> CallbackMessage:
    return CallbackMessage("authorize", changes)


def confirm_message(**changes: Any) -> CallbackMessage:
    return CallbackMessage("confirm", changes)


def reverse_message(**changes: Any) -> CallbackMessage:
    return CallbackMessage("reverse", changes)


DECLINED_CHANGES = {"payment_amount": "0"}
NOT_PAID_CHANGES = {"status": "decline"}
SUBMITTED_CHANGES = {"site_payment_identifier": "submitted-1"}
WITHOUT_CUSTOMER = {"site_customer_identifier": None}
TEST_CHANGES = {"test": "true"}

# Earlier messages, the message, and its DynamoDB calls.
EXPECTED_CALLS: dict[str, tuple[list[CallbackMessage], CallbackMessage, list[str]]] = {
    "authorization": ([], authorize_message(), BATCH_GET + TRANSACT_WRITE),
    "another authorization": (
        [authorize_message(pnm_payment_identifier="1")],
        authorize_message(),
        BATCH_GET + TRANSACT_WRITE,
    ),
    "authorization, declined": ([], authorize_message(**DECLINED_CHANGES), BATCH_GET + UPDATE_ITEM),
    "authorization, test": ([], authorize_message(**TEST_CHANGES), BATCH_GET + UPDATE_ITEM),
    "authorization without customer": ([], authorize_message(**WITHOUT_CUSTOMER), BATCH_GET + UPDATE_ITEM),
    "authorization after a reversal": ([reverse_message()], authorize_message(), BATCH_GET + TRANSACT_WRITE),
    "duplicate authorization": ([authorize_message()], authorize_message(), BATCH_GET),
    "duplicate authorization, declined": (
        [authorize_message(**DECLINED_CHANGES)],
        authorize_message(**DECLINED_CHANGES),
        BATCH_GET,
    ),
    "duplicate authorization, test": (
        [authorize_message(**TEST_CHANGES)],
        authorize_message(**TEST_CHANGES),
        BATCH_GET,
    ),
    "duplicate authorization on the next day": ([authorize_message()], authorize_message().next_day(), BATCH_GET),
    "duplicate authorization after confirmation": (
        [authorize_message(), confirm_message()],
        authorize_message(),
        BATCH_GET,
    ),
    "authorization in conflict": (
        [authorize_message()],
        authorize_message(payment_amount="1"),
        BATCH_GET + UPDATE_ITEM,
    ),
    "duplicate authorization in conflict": (
        [authorize_message(), authorize_message(payment_amount="1")],
        authorize_message(payment_amount="1"),
        BATCH_GET + UPDATE_ITEM,
    ),
    "authorization after confirmation": ([confirm_message()], authorize_message(), BATCH_GET + UPDATE_ITEM),
    "authorization after confirmation, declined": (
        [confirm_message()],
        authorize_message(**DECLINED_CHANGES),
        BATCH_GET + UPDATE_ITEM,
    ),
    "authorization after a decline": (
        [confirm_message(**NOT_PAID_CHANGES)],
        authorize_message(),
        BATCH_GET + UPDATE_ITEM,
    ),
    "confirmation": ([authorize_message()], confirm_message(), TRANSACT_WRITE),
    "confirmation on the next day": ([authorize_message()], confirm_message().next_day(), TRANSACT_WRITE),
    "confirmation, test": ([authorize_message(**TEST_CHANGES)], confirm_message(**TEST_CHANGES), TRANSACT_WRITE),
    "confirmation, test without authorization": ([], confirm_message(**TEST_CHANGES), TRANSACT_WRITE),
    "confirmation without customer": ([], confirm_message(**WITHOUT_CUSTOMER), TRANSACT_WRITE),
    "confirmation of a submission": (
        [authorize_message()],
        confirm_message(**SUBMITTED_CHANGES),
        TRANSACT_WRITE,
    ),
    "duplicate confirmation of a submission": (
        [authorize_message(), confirm_message(**SUBMITTED_CHANGES)],
        confirm_message(**SUBMITTED_CHANGES),
        TRANSACT_WRITE,
    ),
    "confirmation of a submission, test": (
        [],
        confirm_message(**TEST_CHANGES, **SUBMITTED_CHANGES),
        TRANSACT_WRITE,
    ),
    "confirmation of a decline": ([authorize_message()], confirm_message(**NOT_PAID_CHANGES), TRANSACT_WRITE),
    "confirmation of a declined submission": (
        [authorize_message()],
        confirm_message(**NOT_PAID_CHANGES, **SUBMITTED_CHANGES),
        TRANSACT_WRITE,
    ),
    "confirmation of a decline, test": (
        [authorize_message(**TEST_CHANGES)],
        confirm_message(**TEST_CHANGES, **NOT_PAID_CHANGES),
        TRANSACT_WRITE,
    ),
    "confirmation of a decline without customer": (
        [],
        confirm_message(**WITHOUT_CUSTOMER, **NOT_PAID_CHANGES),
        TRANSACT_WRITE,
    ),
    "duplicate confirmation": ([authorize_message(), confirm_message()], confirm_message(), TRANSACT_WRITE),
    "second duplicate confirmation": (
        [authorize_message(), confirm_message(), confirm_message()],
        confirm_message(),
        TRANSACT_WRITE,
    ),
    "duplicate confirmation without authorization": ([confirm_message()], confirm_message(), TRANSACT_WRITE),
    "duplicate confirmation after a reversal": (
        [authorize_message(), confirm_message(), reverse_message()],
        confirm_message(),
        TRANSACT_WRITE,
    ),
    "duplicate confirmation of a decline": (
        [authorize_message(), confirm_message(**NOT_PAID_CHANGES)],
        confirm_message(**NOT_PAID_CHANGES),
        TRANSACT_WRITE,
    ),
    "duplicate confirmation of a decline on the next day": (
        [authorize_message(), confirm_message(**NOT_PAID_CHANGES)],
        confirm_message(**NOT_PAID_CHANGES).next_day(),
        TRANSACT_WRITE,
    ),
    "duplicate confirmation of another amount": (
        [authorize_message(payment_amount="1"), confirm_message()],
        confirm_message(),
        TRANSACT_WRITE,
    ),
    # The reservation differs from the expected one, so it must be read first.
    "confirmation without authorization": ([], confirm_message(), TRANSACT_WRITE * 2),
    "confirmation of a decline without authorization": ([], confirm_message(**NOT_PAID_CHANGES), TRANSACT_WRITE * 2),
    "confirmation of a decline on the next day": (
        [authorize_message()],
        confirm_message(**NOT_PAID_CHANGES).next_day(),
        TRANSACT_WRITE * 2,
    ),
    "confirmation of a decline after a declined authorization": (
        [authorize_message(**DECLINED_CHANGES)],
        confirm_message(**NOT_PAID_CHANGES),
        TRANSACT_WRITE * 2,
    ),
    "confirmation of another amount": ([authorize_message(payment_amount="1")], confirm_message(), TRANSACT_WRITE * 2),
    "confirmation of another customer": (
        [authorize_message()],
        confirm_message(site_customer_identifier="1"),
        TRANSACT_WRITE * 2,
    ),
    "confirmation of another payment type": (
        [authorize_message()],
        confirm_message(payment_type="debit"),
        TRANSACT_WRITE * 2,
    ),
    "confirmation after a declined authorization": (
        [authorize_message(**DECLINED_CHANGES)],
        confirm_message(),
        TRANSACT_WRITE * 2,
    ),
    "confirmation after a decline": (
        [authorize_message(), confirm_message(**NOT_PAID_CHANGES)],
        confirm_message(),
        TRANSACT_WRITE * 2,
    ),
    "confirmation after a reversal": ([authorize_message(), reverse_message()], confirm_message(), TRANSACT_WRITE * 2),
    "decline after a confirmation": (
        [authorize_message(), confirm_message()],
        confirm_message(**NOT_PAID_CHANGES),
        TRANSACT_WRITE + UPDATE_ITEM,
    ),
    "contradicting confirmation": (
        [authorize_message(), confirm_message()],
        confirm_message(payment_amount="1"),
        TRANSACT_WRITE + UPDATE_ITEM,
    ),
    "reversal": ([authorize_message(), confirm_message()], reverse_message(), BATCH_GET + TRANSACT_WRITE),
    "second partial reversal": (
        [authorize_message(), confirm_message(), reverse_message()],
        reverse_message(reverse_amount="1"),
        BATCH_GET + TRANSACT_WRITE,
    ),
    "reversal, test": (
        [authorize_message(**TEST_CHANGES), confirm_message(**TEST_CHANGES)],
        reverse_message(**TEST_CHANGES),
        BATCH_GET + TRANSACT_WRITE,
    ),
    "reversal of an unknown payment": ([], reverse_message(), BATCH_GET + TRANSACT_WRITE),
    "reversal of a declined payment": (
        [authorize_message(), confirm_message(**NOT_PAID_CHANGES)],
        reverse_message(),
        BATCH_GET + TRANSACT_WRITE,
    ),
    "duplicate reversal": ([authorize_message(), confirm_message(), reverse_message()], reverse_message(), BATCH_GET),
    "duplicate reversal of an unknown payment": ([reverse_message()], reverse_message(), BATCH_GET),
}


@pytest.mark.parametrize("rules", [{}, EVERY_RULE], ids=["no rule", "every rule"])
@pytest.mark.parametrize("case", EXPECTED_CALLS)
def test_a_callback_costs_so_many_calls_of_dynamodb_and_no_more(
    cold_start: Callable[[str], LambdaFunction],
    deployed_policy: AppConfigStub,
    aws_calls: AwsCallRecorder,
    case: str,
    rules: dict[str, Any],
) -> None:
    deployed_policy.put_defaults(**rules)
    previous_messages, now, allowed_calls = EXPECTED_CALLS[case]
    for message in previous_messages:
        send(cold_start, message)

    assert aws_calls.calls_during(lambda: send(cold_start, now)) == allowed_calls


# Earlier messages of each payment, and the DynamoDB calls of the next message, by function.
TYPICAL_MESSAGES: dict[str, tuple[list[CallbackMessage], list[str]]] = {
    "authorize": ([], BATCH_GET + TRANSACT_WRITE),
    "confirm": ([authorize_message()], TRANSACT_WRITE),
    "reverse": ([authorize_message(), confirm_message()], BATCH_GET + TRANSACT_WRITE),
}


@pytest.mark.parametrize("name", TYPICAL_MESSAGES)
def test_a_warm_function_calls_dynamodb_and_nothing_else(
    cold_start: Callable[[str], LambdaFunction], deployed_policy: AppConfigStub, aws_calls: AwsCallRecorder, name: str
) -> None:
    previous_messages, calls_per_message = TYPICAL_MESSAGES[name]
    payments = [{"pnm_payment_identifier": number} for number in ("1", "2", "3")]
    for message, payment in product(previous_messages, payments):
        send(cold_start, message._replace(changes=payment))
    function = cold_start(name)
    send(lambda _: function, CallbackMessage(name, payments[0]))
    aws_calls.calls.clear()
    deployed_policy.calls.clear()

    for payment in payments[1:]:
        send(lambda _: function, CallbackMessage(name, payment))

    assert aws_calls.calls == calls_per_message * 2
    assert deployed_policy.calls == []


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("authorize", ["StartConfigurationSession", "GetLatestConfiguration"]),
        ("confirm", ["StartConfigurationSession", "GetLatestConfiguration"]),
        ("reverse", []),
    ],
)
def test_a_cold_function_asks_for_the_policy_once_and_only_when_it_is_called(
    cold_start: Callable[[str], LambdaFunction], deployed_policy: AppConfigStub, name: str, calls: list[str]
) -> None:
    function = cold_start(name)
    assert deployed_policy.calls == []

    for number in ("1", "2"):
        function(MESSAGES[name](pnm_payment_identifier=number))

    assert deployed_policy.calls == calls


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize(
    "invalid_changes",
    [{"signature": "0"}, {"test": "maybe"}, {"A": "1"}],
    ids=["not authentic", "invalid", "malformed"],
)
def test_a_refused_callback_costs_no_call_of_dynamodb_and_none_of_appconfig(
    cold_start: Callable[[str], LambdaFunction],
    deployed_policy: AppConfigStub,
    aws_calls: AwsCallRecorder,
    name: str,
    invalid_changes: dict[str, str],
) -> None:
    message = MESSAGES[name]
    parameters = message(**invalid_changes) if "test" in invalid_changes else message() | invalid_changes
    function = cold_start(name)

    assert aws_calls.calls_during(lambda: function(parameters)) == []
    assert deployed_policy.calls == []


class ReadRecorder:
    """Record the requested keys and the response body of the last read."""

    def __init__(self) -> None:
        self.keys: list[tuple[str, str]] = []
        self.body = b""

    def on_request(self, *, params: dict[str, Any], **_: Any) -> None:
        [table_request] = json.loads(params["body"])["RequestItems"].values()
        self.keys = [(key["pk"]["S"], key["sk"]["S"]) for key in table_request["Keys"]]

    def on_response(self, *, http_response: Any, **_: Any) -> None:
        self.body = re.sub(rb"[0-9.]+", b"0", http_response.content)


@pytest.fixture
def read_recorder(cached_clients: CachedClients) -> Iterator[ReadRecorder]:
    read_recorder = ReadRecorder()
    event_name = "dynamodb.BatchGetItem"
    with (
        cached_clients.with_hook(f"before-call.{event_name}", read_recorder.on_request),
        cached_clients.with_hook(f"after-call.{event_name}", read_recorder.on_response),
    ):
        yield read_recorder


# Later messages of some of 60 payments, by index.
PAID_MESSAGE = confirm_message(net_payment_amount="9.00")
FOLLOW_UPS = {
    0: [PAID_MESSAGE, reverse_message(reverse_type="Chargeback", reverse_amount="9.00")],
    1: [PAID_MESSAGE, reverse_message(reverse_type="Bank Return", reverse_amount="1.00")],
    2: [PAID_MESSAGE],
    3: [confirm_message(**NOT_PAID_CHANGES)],
}


@pytest.fixture
def without_rollback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevent moto from copying the table for each item of a transaction."""
    deepcopy = copy.deepcopy
    monkeypatch.setattr(
        "moto.dynamodb.models.copy.deepcopy",
        lambda original, *_: original if isinstance(original, Table) else deepcopy(original, *_),
    )


@pytest.mark.usefixtures("without_rollback")
def test_an_authorization_reads_no_more_however_many_payments_the_customer_has_made(
    read_recorder: ReadRecorder,
    cold_start: Callable[[str], LambdaFunction],
    deployed_policy: AppConfigStub,
    aws_calls: AwsCallRecorder,
) -> None:
    deployed_policy.put_defaults(**EVERY_RULE)
    warmed_up = {name: cold_start(name) for name in MESSAGES}

    def send_at(number: int, message: CallbackMessage, now: datetime) -> None:
        changes = message.changes | {"pnm_payment_identifier": str(number), "payment_amount": "10.00"}
        send(warmed_up.__getitem__, CallbackMessage(message.name, changes, now))

    def reads_after(numbers: range) -> tuple[list[str], list[tuple[str, str]], bytes]:
        for number in numbers:
            for message in [authorize_message(), *FOLLOW_UPS.get(number % 60, ())]:
                send_at(number, message, NEW_YEAR - timedelta(days=number % 10))
        calls = aws_calls.calls_during(lambda: send_at(1000 + len(numbers), authorize_message(), NEW_YEAR))
        return calls, read_recorder.keys[1:], read_recorder.body

    # The first 10 payments include all follow-ups.
    after_10, after_70 = reads_after(range(10)), reads_after(range(10, 70))

    assert after_10 == after_70
    calls, keys, response = after_70
    assert calls == BATCH_GET + TRANSACT_WRITE
    assert len(keys) == 7
    assert response.count(b"SPENDING#") == 3
