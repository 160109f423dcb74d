"""Count the requests of a callback to DynamoDB and AppConfig."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import pytest

from paynearme.ledger.quarantine import MAX_STORED_PER_PAYMENT
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Key, Table
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
AUTHORIZE_OTHER = AUTHORIZE.change(payment_amount="1")
AUTHORIZE_NET = AUTHORIZE.change(net_payment_amount="350", net_payment_currency="USD")
AUTHORIZE_TEST = AUTHORIZE.change(test="true")
CONFIRM = CallbackMessage("confirm")
DECLINE = CONFIRM.change(status="decline")
CONFIRM_SUBMISSION = CONFIRM.change(site_payment_identifier="submitted-1")
REVERSE = CallbackMessage("reverse")
STALE = AUTHORIZE.change(timestamp="1")
UNKNOWN = CONFIRM.change(status="void")
WITHOUT_CUSTOMER = {"site_customer_identifier": None}


def send(cold_start: Callable[[str], LambdaFunction], callback: CallbackMessage) -> None:
    timestamp = str(int(callback.now.timestamp()))
    message = MESSAGES[callback.name](**{"timestamp": timestamp, **callback.changes})
    assert send_at(callback.now, cold_start(callback.name), message).status == 200


# Earlier messages, the message, and its DynamoDB calls.
EXPECTED_CALLS: dict[str, tuple[list[CallbackMessage], CallbackMessage, list[str]]] = {
    "authorization": ([], AUTHORIZE, BATCH_GET + TRANSACT_WRITE),
    "authorization, declined": ([], AUTHORIZE_DECLINED, BATCH_GET + UPDATE_ITEM),
    "authorization, test": ([], AUTHORIZE_TEST, BATCH_GET + UPDATE_ITEM),
    "authorization after confirmation": ([CONFIRM], AUTHORIZE, BATCH_GET + UPDATE_ITEM),
    "duplicate authorization": ([AUTHORIZE, CONFIRM], AUTHORIZE, BATCH_GET),
    "duplicate authorization after another type": (
        [AUTHORIZE, CONFIRM.change(payment_type="debit")],
        AUTHORIZE,
        BATCH_GET,
    ),
    "authorization in conflict": ([AUTHORIZE], AUTHORIZE_OTHER, BATCH_GET + UPDATE_ITEM),
    "confirmation": ([AUTHORIZE], CONFIRM, TRANSACT_WRITE),
    "confirmation on the next day": ([AUTHORIZE], CONFIRM.next_day(), TRANSACT_WRITE),
    "confirmation of the authorized net amount": ([AUTHORIZE_NET], CONFIRM, TRANSACT_WRITE),
    "confirmation, test": ([AUTHORIZE_TEST], CONFIRM.change(test="true"), TRANSACT_WRITE),
    "confirmation without customer": ([], CONFIRM.change(**WITHOUT_CUSTOMER), TRANSACT_WRITE),
    "confirmation of a submission": ([AUTHORIZE], CONFIRM_SUBMISSION, TRANSACT_WRITE),
    "confirmation of a decline": ([AUTHORIZE], DECLINE, TRANSACT_WRITE),
    "confirmation of a decline, test": ([AUTHORIZE_TEST], DECLINE.change(test="true"), TRANSACT_WRITE),
    "confirmation of a decline without customer": ([], DECLINE.change(**WITHOUT_CUSTOMER), TRANSACT_WRITE),
    "duplicate confirmation": ([CONFIRM, REVERSE], CONFIRM, TRANSACT_WRITE),
    "duplicate confirmation of another amount": ([AUTHORIZE_OTHER, CONFIRM], CONFIRM, TRANSACT_WRITE),
    "duplicate decline on the next day": ([AUTHORIZE, DECLINE], DECLINE.next_day(), TRANSACT_WRITE),
    # The reservation or the authorization differs from the expected one, so it must be read first.
    "confirmation without authorization": ([], CONFIRM, TRANSACT_WRITE * 2),
    "confirmation of a decline without authorization": ([], DECLINE, TRANSACT_WRITE * 2),
    "confirmation of a decline on the next day": ([AUTHORIZE], DECLINE.next_day(), TRANSACT_WRITE * 2),
    "confirmation of another amount": ([AUTHORIZE_OTHER], CONFIRM, TRANSACT_WRITE * 2),
    "confirmation of another net amount": ([AUTHORIZE_NET], CONFIRM.change(net_payment_amount="1"), TRANSACT_WRITE * 2),
    "confirmation of another payment type": ([AUTHORIZE], CONFIRM.change(payment_type="debit"), TRANSACT_WRITE * 2),
    "confirmation after a decline": ([AUTHORIZE, DECLINE], CONFIRM, TRANSACT_WRITE * 2),
    "confirmation after a reversal": ([AUTHORIZE, REVERSE], CONFIRM, TRANSACT_WRITE * 2),
    "contradicting confirmation": ([AUTHORIZE, CONFIRM], DECLINE, TRANSACT_WRITE + UPDATE_ITEM),
    "reversal": ([AUTHORIZE, CONFIRM], REVERSE, BATCH_GET + TRANSACT_WRITE),
    "reversal of an unknown payment": ([], REVERSE, BATCH_GET + TRANSACT_WRITE),
    "duplicate reversal": ([AUTHORIZE, CONFIRM, REVERSE], REVERSE, BATCH_GET),
    # A callback in the quarantine.
    "stale authorization": ([], STALE, TRANSACT_WRITE),
    "stale authorization after a decision": ([AUTHORIZE], STALE, TRANSACT_WRITE),
    "unknown confirmation": ([AUTHORIZE], UNKNOWN, TRANSACT_WRITE),
    "unknown confirmation without payment": ([], UNKNOWN.change(pnm_payment_identifier=None), TRANSACT_WRITE),
    "duplicate unknown confirmation": ([UNKNOWN], UNKNOWN.next_day(), TRANSACT_WRITE + UPDATE_ITEM),
    "unknown confirmation above the maximum": (
        [UNKNOWN.change(payment_amount=str(amount)) for amount in range(MAX_STORED_PER_PAYMENT)],
        UNKNOWN,
        TRANSACT_WRITE + UPDATE_ITEM,
    ),
    "authorization after an unknown confirmation": ([UNKNOWN], AUTHORIZE, BATCH_GET + TRANSACT_WRITE),
    "confirmation after an unknown one": ([AUTHORIZE, UNKNOWN], CONFIRM, TRANSACT_WRITE),
    "reversal after an unknown confirmation": ([AUTHORIZE, CONFIRM, UNKNOWN], REVERSE, BATCH_GET + TRANSACT_WRITE),
}


@pytest.mark.parametrize("case", EXPECTED_CALLS)
def test_callback_costs_expected_dynamodb_calls(
    cold_start: Callable[[str], LambdaFunction], deployed_policy: FakeAppConfig, aws_calls: AwsCallRecorder, case: str
) -> None:
    deployed_policy.put_defaults(**EVERY_RULE)
    previous_messages, message, expected_calls = EXPECTED_CALLS[case]
    for previous_message in previous_messages:
        send(cold_start, previous_message)

    assert aws_calls.calls_during(lambda: send(cold_start, message)) == expected_calls


@pytest.mark.parametrize("name", MESSAGES)
def test_rejected_callback_calls_no_dynamodb_or_appconfig(
    cold_start: Callable[[str], LambdaFunction], deployed_policy: FakeAppConfig, aws_calls: AwsCallRecorder, name: str
) -> None:
    message, function = MESSAGES[name], cold_start(name)
    not_authentic, malformed = message() | {"signature": "0"}, message() | {"A": "1"}

    assert aws_calls.calls_during(lambda: [function(part) for part in (not_authentic, malformed)]) == []
    assert aws_calls.calls_during(lambda: function(message(test="maybe"))) == TRANSACT_WRITE
    assert deployed_policy.calls == []


# Later messages of payments, by the index modulo 4.
PAID_MESSAGE = CONFIRM.change(net_payment_amount="9.00")
FOLLOW_UPS = [
    [PAID_MESSAGE, REVERSE.change(reverse_type="Chargeback", reverse_amount="9.00")],
    [PAID_MESSAGE, REVERSE.change(reverse_type="Bank Return", reverse_amount="1.00")],
    [PAID_MESSAGE],
    [DECLINE],
]


def test_authorize_reads_independent_of_payment_count(
    cold_start: Callable[[str], LambdaFunction], deployed_policy: FakeAppConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed_policy.put_defaults(**EVERY_RULE)
    warmed_up = {name: cold_start(name) for name in MESSAGES}
    reads: list[tuple[list[Key], list[list[str]]]] = []
    read = Table.read

    def recording_read(table: Table, keys: Sequence[Key], deadline: Deadline) -> list[Item]:
        items = read(table, keys, deadline)
        reads.append((list(keys[1:]), [sorted(item) for item in items]))
        return items

    def send_for(payment_id: int, message: CallbackMessage, days_ago: int) -> None:
        changed = message.change(pnm_payment_identifier=str(payment_id), payment_amount="10.00")
        send(warmed_up.__getitem__, changed._replace(now=NEW_YEAR - timedelta(days=days_ago)))

    for payment_ids in (range(4), range(4, 12)):
        for payment_id in payment_ids:
            for message in [AUTHORIZE, *FOLLOW_UPS[payment_id % 4]]:
                send_for(payment_id, message, days_ago=payment_id % 4)
        with monkeypatch.context() as patch:
            patch.setattr(Table, "read", recording_read)
            send_for(1000 + len(payment_ids), AUTHORIZE, days_ago=0)

    after_4, after_12 = reads
    assert after_4 == after_12
    keys, attributes = after_12
    # The look-back spans two years.
    assert len(keys) == 5
    assert len([names for names in attributes if "expires_at_epoch" in names]) == 1
