import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import pytest
from moto.dynamodb.models.table import Table

from tests.support.cached_clients import CachedClients
from tests.support.callback_driver import reversal, send_at
from tests.support.callback_fixtures import authorization, confirmation
from tests.support.fake_appconfig import FakeAppConfig
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
    changes: Mapping[str, str | None] = MappingProxyType({})
    now: datetime = NEW_YEAR

    def change(self, **changes: str | None) -> Self:
        return self._replace(changes={**self.changes, **changes})

    def next_day(self) -> Self:
        return self._replace(now=self.now + timedelta(days=1))


AUTHORIZE = CallbackMessage("authorize")
AUTHORIZE_DECLINED = AUTHORIZE.change(payment_amount="0")
AUTHORIZE_TEST = AUTHORIZE.change(test="true")
AUTHORIZE_CONFLICT = AUTHORIZE.change(payment_amount="1")
CONFIRM = CallbackMessage("confirm")
CONFIRM_DECLINE = CONFIRM.change(status="decline")
CONFIRM_TEST = CONFIRM.change(test="true")
CONFIRM_SUBMISSION = CONFIRM.change(site_payment_identifier="submitted-1")
REVERSE = CallbackMessage("reverse")
WITHOUT_CUSTOMER = {"site_customer_identifier": None}


def send(cold_start: Callable[[str], LambdaFunction], callback: CallbackMessage) -> None:
    timestamp = str(int(callback.now.timestamp()))
    message = MESSAGES[callback.name](**{"timestamp": timestamp, **callback.changes})
    assert send_at(callback.now, cold_start(callback.name), message).status == 200


# Earlier messages, the message, and its DynamoDB calls.
EXPECTED_CALLS: dict[str, tuple[list[CallbackMessage], CallbackMessage, list[str]]] = {
    "authorization": ([], AUTHORIZE, BATCH_GET + TRANSACT_WRITE),
    "another authorization": ([AUTHORIZE.change(pnm_payment_identifier="1")], AUTHORIZE, BATCH_GET + TRANSACT_WRITE),
    "authorization, declined": ([], AUTHORIZE_DECLINED, BATCH_GET + UPDATE_ITEM),
    "authorization, test": ([], AUTHORIZE_TEST, BATCH_GET + UPDATE_ITEM),
    "authorization without customer": ([], AUTHORIZE.change(**WITHOUT_CUSTOMER), BATCH_GET + UPDATE_ITEM),
    "authorization after a reversal": ([REVERSE], AUTHORIZE, BATCH_GET + TRANSACT_WRITE),
    "duplicate authorization": ([AUTHORIZE], AUTHORIZE, BATCH_GET),
    "duplicate authorization, declined": ([AUTHORIZE_DECLINED], AUTHORIZE_DECLINED, BATCH_GET),
    "duplicate authorization, test": ([AUTHORIZE_TEST], AUTHORIZE_TEST, BATCH_GET),
    "duplicate authorization on the next day": ([AUTHORIZE], AUTHORIZE.next_day(), BATCH_GET),
    "duplicate authorization after confirmation": ([AUTHORIZE, CONFIRM], AUTHORIZE, BATCH_GET),
    "authorization in conflict": ([AUTHORIZE], AUTHORIZE_CONFLICT, BATCH_GET + UPDATE_ITEM),
    "duplicate of a conflict": ([AUTHORIZE, AUTHORIZE_CONFLICT], AUTHORIZE_CONFLICT, BATCH_GET + UPDATE_ITEM),
    "authorization after confirmation": ([CONFIRM], AUTHORIZE, BATCH_GET + UPDATE_ITEM),
    "authorization after confirmation, declined": ([CONFIRM], AUTHORIZE_DECLINED, BATCH_GET + UPDATE_ITEM),
    "authorization after a decline": ([CONFIRM_DECLINE], AUTHORIZE, BATCH_GET + UPDATE_ITEM),
    "confirmation": ([AUTHORIZE], CONFIRM, TRANSACT_WRITE),
    "confirmation on the next day": ([AUTHORIZE], CONFIRM.next_day(), TRANSACT_WRITE),
    "confirmation, test": ([AUTHORIZE_TEST], CONFIRM_TEST, TRANSACT_WRITE),
    "confirmation, test without authorization": ([], CONFIRM_TEST, TRANSACT_WRITE),
    "confirmation without customer": ([], CONFIRM.change(**WITHOUT_CUSTOMER), TRANSACT_WRITE),
    "confirmation of a submission": ([AUTHORIZE], CONFIRM_SUBMISSION, TRANSACT_WRITE),
    "duplicate confirmation of a submission": ([AUTHORIZE, CONFIRM_SUBMISSION], CONFIRM_SUBMISSION, TRANSACT_WRITE),
    "confirmation of a submission, test": ([], CONFIRM_SUBMISSION.change(test="true"), TRANSACT_WRITE),
    "confirmation of a decline": ([AUTHORIZE], CONFIRM_DECLINE, TRANSACT_WRITE),
    "confirmation of a declined submission": ([AUTHORIZE], CONFIRM_SUBMISSION.change(status="decline"), TRANSACT_WRITE),
    "confirmation of a decline, test": ([AUTHORIZE_TEST], CONFIRM_TEST.change(status="decline"), TRANSACT_WRITE),
    "confirmation of a decline without customer": ([], CONFIRM_DECLINE.change(**WITHOUT_CUSTOMER), TRANSACT_WRITE),
    "duplicate confirmation": ([AUTHORIZE, CONFIRM], CONFIRM, TRANSACT_WRITE),
    "second duplicate confirmation": ([AUTHORIZE, CONFIRM, CONFIRM], CONFIRM, TRANSACT_WRITE),
    "duplicate confirmation without authorization": ([CONFIRM], CONFIRM, TRANSACT_WRITE),
    "duplicate confirmation after a reversal": ([AUTHORIZE, CONFIRM, REVERSE], CONFIRM, TRANSACT_WRITE),
    "duplicate confirmation of a decline": ([AUTHORIZE, CONFIRM_DECLINE], CONFIRM_DECLINE, TRANSACT_WRITE),
    "duplicate decline on the next day": ([AUTHORIZE, CONFIRM_DECLINE], CONFIRM_DECLINE.next_day(), TRANSACT_WRITE),
    "duplicate confirmation of another amount": ([AUTHORIZE_CONFLICT, CONFIRM], CONFIRM, TRANSACT_WRITE),
    # The reservation differs from the expected one, so it must be read first.
    "confirmation without authorization": ([], CONFIRM, TRANSACT_WRITE * 2),
    "confirmation of a decline without authorization": ([], CONFIRM_DECLINE, TRANSACT_WRITE * 2),
    "confirmation of a decline on the next day": ([AUTHORIZE], CONFIRM_DECLINE.next_day(), TRANSACT_WRITE * 2),
    "decline after a declined authorization": ([AUTHORIZE_DECLINED], CONFIRM_DECLINE, TRANSACT_WRITE * 2),
    "confirmation of another amount": ([AUTHORIZE_CONFLICT], CONFIRM, TRANSACT_WRITE * 2),
    "confirmation of another customer": ([AUTHORIZE], CONFIRM.change(site_customer_identifier="1"), TRANSACT_WRITE * 2),
    "confirmation of another payment type": ([AUTHORIZE], CONFIRM.change(payment_type="debit"), TRANSACT_WRITE * 2),
    "confirmation after a declined authorization": ([AUTHORIZE_DECLINED], CONFIRM, TRANSACT_WRITE * 2),
    "confirmation after a decline": ([AUTHORIZE, CONFIRM_DECLINE], CONFIRM, TRANSACT_WRITE * 2),
    "confirmation after a reversal": ([AUTHORIZE, REVERSE], CONFIRM, TRANSACT_WRITE * 2),
    "decline after a confirmation": ([AUTHORIZE, CONFIRM], CONFIRM_DECLINE, TRANSACT_WRITE + UPDATE_ITEM),
    "contradicting confirmation": (
        [AUTHORIZE, CONFIRM],
        CONFIRM.change(payment_amount="1"),
        TRANSACT_WRITE + UPDATE_ITEM,
    ),
    "reversal": ([AUTHORIZE, CONFIRM], REVERSE, BATCH_GET + TRANSACT_WRITE),
    "second partial reversal": (
        [AUTHORIZE, CONFIRM, REVERSE],
        REVERSE.change(reverse_amount="1"),
        BATCH_GET + TRANSACT_WRITE,
    ),
    "reversal, test": ([AUTHORIZE_TEST, CONFIRM_TEST], REVERSE.change(test="true"), BATCH_GET + TRANSACT_WRITE),
    "reversal of an unknown payment": ([], REVERSE, BATCH_GET + TRANSACT_WRITE),
    "reversal of a declined payment": ([AUTHORIZE, CONFIRM_DECLINE], REVERSE, BATCH_GET + TRANSACT_WRITE),
    "duplicate reversal": ([AUTHORIZE, CONFIRM, REVERSE], REVERSE, BATCH_GET),
    "duplicate reversal of an unknown payment": ([REVERSE], REVERSE, BATCH_GET),
}


@pytest.mark.parametrize("rules", [{}, EVERY_RULE], ids=["no rule", "every rule"])
@pytest.mark.parametrize("case", EXPECTED_CALLS)
def test_callback_costs_expected_dynamodb_calls(
    cold_start: Callable[[str], LambdaFunction],
    deployed_policy: FakeAppConfig,
    aws_calls: AwsCallRecorder,
    case: str,
    rules: dict[str, Any],
) -> None:
    deployed_policy.put_defaults(**rules)
    previous_messages, message, allowed_calls = EXPECTED_CALLS[case]
    for previous_message in previous_messages:
        send(cold_start, previous_message)

    assert aws_calls.calls_during(lambda: send(cold_start, message)) == allowed_calls


# Earlier messages of each payment, and the DynamoDB calls of the next message, by function.
TYPICAL_MESSAGES: dict[str, tuple[list[CallbackMessage], list[str]]] = {
    "authorize": ([], BATCH_GET + TRANSACT_WRITE),
    "confirm": ([AUTHORIZE], TRANSACT_WRITE),
    "reverse": ([AUTHORIZE, CONFIRM], BATCH_GET + TRANSACT_WRITE),
}


@pytest.mark.parametrize("name", TYPICAL_MESSAGES)
def test_warm_function_calls_only_dynamodb(
    cold_start: Callable[[str], LambdaFunction], deployed_policy: FakeAppConfig, aws_calls: AwsCallRecorder, name: str
) -> None:
    previous_messages, calls_per_message = TYPICAL_MESSAGES[name]
    payments = [{"pnm_payment_identifier": payment_id} for payment_id in ("1", "2", "3")]
    for message, payment in product(previous_messages, payments):
        send(cold_start, message.change(**payment))
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
def test_cold_start_reads_policy_once_on_first_request(
    cold_start: Callable[[str], LambdaFunction], deployed_policy: FakeAppConfig, name: str, calls: list[str]
) -> None:
    function = cold_start(name)
    assert deployed_policy.calls == []

    for payment_id in ("1", "2"):
        function(MESSAGES[name](pnm_payment_identifier=payment_id))

    assert deployed_policy.calls == calls


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize(
    "invalid_changes",
    [{"signature": "0"}, {"test": "maybe"}, {"A": "1"}],
    ids=["not authentic", "invalid", "malformed"],
)
def test_rejected_callback_calls_no_dynamodb_or_appconfig(
    cold_start: Callable[[str], LambdaFunction],
    deployed_policy: FakeAppConfig,
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
PAID_MESSAGE = CONFIRM.change(net_payment_amount="9.00")
FOLLOW_UPS = {
    0: [PAID_MESSAGE, REVERSE.change(reverse_type="Chargeback", reverse_amount="9.00")],
    1: [PAID_MESSAGE, REVERSE.change(reverse_type="Bank Return", reverse_amount="1.00")],
    2: [PAID_MESSAGE],
    3: [CONFIRM_DECLINE],
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
def test_authorize_reads_independent_of_payment_count(
    read_recorder: ReadRecorder,
    cold_start: Callable[[str], LambdaFunction],
    deployed_policy: FakeAppConfig,
    aws_calls: AwsCallRecorder,
) -> None:
    deployed_policy.put_defaults(**EVERY_RULE)
    warmed_up = {name: cold_start(name) for name in MESSAGES}

    def send_for(payment_id: int, message: CallbackMessage, now: datetime) -> None:
        changed = message.change(pnm_payment_identifier=str(payment_id), payment_amount="10.00")
        send(warmed_up.__getitem__, changed._replace(now=now))

    def reads_after(payment_ids: range) -> tuple[list[str], list[tuple[str, str]], bytes]:
        for payment_id in payment_ids:
            for message in [AUTHORIZE, *FOLLOW_UPS.get(payment_id % 60, ())]:
                send_for(payment_id, message, NEW_YEAR - timedelta(days=payment_id % 10))
        calls = aws_calls.calls_during(lambda: send_for(1000 + len(payment_ids), AUTHORIZE, NEW_YEAR))
        return calls, read_recorder.keys[1:], read_recorder.body

    # The first 10 payments include all follow-ups.
    after_10, after_70 = reads_after(range(10)), reads_after(range(10, 70))

    assert after_10 == after_70
    calls, keys, response = after_70
    assert calls == BATCH_GET + TRANSACT_WRITE
    assert len(keys) == 7
    assert response.count(b"SPENDING#") == 3
