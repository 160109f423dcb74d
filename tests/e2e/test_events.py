"""Events on the deployed stack: exactly one distinct event for each change of a payment."""

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from jsonschema import Draft202012Validator

from operations.dlq_redrive import DeadLetterQueue
from operations.event_schemas import schemas
from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import Parameters, build_confirmation, build_reversal, signed, with_new_identifier
from sandbox.stack.stack import Stack
from tests.e2e.conftest import CONCURRENCY
from tests.support.event_assertions import EventKey, PaymentEventRecorder
from tests.support.test_run import IS_FULL

SHORT_RUN_FAULTS: list[dict[str, Any]] = [
    {"service": "events", "mode": "lost", "times": 3},
    {"service": "events", "mode": "partial"},
]
FAULTS = [
    *SHORT_RUN_FAULTS,
    {"service": "events", "mode": "error500", "every": 2},
    {"service": "events", "mode": "abort"},
    {"service": "events", "mode": "throttle", "every": 2},
]
PAYMENTS_PER_FAULT = 100 if IS_FULL else 10

_to_wire = TypeSerializer().serialize


class PaymentScenario:
    """The callbacks for one payment of a new customer. The last digit of ``index`` selects one of ten scenarios."""

    def __init__(self, sender: CallbackSender, index: int) -> None:
        message = with_new_identifier(load("authorization")["credit"])
        self._message = {**message, "site_customer_identifier": f"events-{uuid.uuid4()}"}
        self._sender = sender
        self._index = index

    def run(self) -> set[EventKey]:
        """Send the callbacks. Return the keys of the expected events."""
        event_names = (
            self._declined,
            self._failed,
            self._confirmed_twice,
            self._reversed,
            self._confirmed_with_mismatch,
            self._authorized_only,
            self._confirmed_without_authorization,
            self._tested,
            self._forged,
            self._confirmed,
        )[self._index % 10]()
        return {(self._message["pnm_payment_identifier"], event_name) for event_name in event_names}

    def _authorize(self, **changes: str) -> None:
        # The `authorize` function always responds, so one delivery is enough.
        self._sender.deliver("authorize", {**self._message, **changes}, "json")

    def _confirm(self, **changes: str | bool | None) -> Parameters:
        confirmation = build_confirmation(self._message, **changes)
        self._deliver("confirm", confirmation)
        return confirmation

    def _deliver(self, kind: Any, message: Parameters) -> None:
        deliveries = self._sender.deliver_until_acknowledged(kind, message, "json", retry_interval=0.01)
        assert deliveries[-1].accepted, deliveries[-1].reason

    def _declined(self) -> list[str]:
        self._authorize(payment_currency="CAD")
        return ["AuthorizationDeclined"]

    def _failed(self) -> list[str]:
        self._authorize()
        self._confirm(status="decline")
        return ["PaymentAuthorized", "PaymentFailed"]

    def _confirmed_twice(self) -> list[str]:
        self._authorize()
        self._confirm()
        self._confirm()
        return ["PaymentAuthorized", "PaymentConfirmed"]

    def _reversed(self) -> list[str]:
        self._authorize()
        self._deliver("reverse", build_reversal(self._confirm()))
        return ["PaymentAuthorized", "PaymentConfirmed", "PaymentReversed"]

    def _confirmed_with_mismatch(self) -> list[str]:
        self._authorize()
        self._confirm(payment_amount="505.00")
        return ["PaymentAuthorized", "PaymentConfirmed", "amount_differs"]

    def _authorized_only(self) -> list[str]:
        self._authorize()
        return ["PaymentAuthorized"]

    def _confirmed_without_authorization(self) -> list[str]:
        self._confirm()
        return ["PaymentConfirmed"]

    def _tested(self) -> list[str]:
        self._message["test"] = "true"
        self._authorize()
        self._confirm()
        return []

    def _forged(self) -> list[str]:
        self._authorize()
        forged = signed(build_confirmation(self._message), "a-guessed-secret")
        assert self._sender.deliver("confirm", forged, "json").status == 401
        return ["PaymentAuthorized"]

    def _confirmed(self) -> list[str]:
        self._authorize()
        self._confirm()
        return ["PaymentAuthorized", "PaymentConfirmed"]


def test_events_complete_despite_bus_faults(
    sender: CallbackSender,
    faults: ControlClient,
    ledger_reader: LedgerReader,
    received_events: PaymentEventRecorder,
) -> None:
    scenarios: list[PaymentScenario] = []
    expected: set[EventKey] = set()
    with ThreadPoolExecutor(CONCURRENCY) as threads:
        for fault in FAULTS if IS_FULL else SHORT_RUN_FAULTS:
            faults.post("fault", fault)
            fault_scenarios = [PaymentScenario(sender, index) for index in range(PAYMENTS_PER_FAULT)]
            expected.update(*threads.map(PaymentScenario.run, fault_scenarios))
            scenarios += fault_scenarios
            # The functions publish after the responses.
            assert received_events.wait_until(lambda recorder: faults.get("injections")["events"][""] > 0)
    faults.post("reset")

    received_events.wait_until(lambda recorder: recorder.contains_all(expected))

    payments = {scenario._message["pnm_payment_identifier"] for scenario in scenarios}
    assert received_events.count_keys(payments) == Counter(dict.fromkeys(expected, 1))
    # Some events were published twice, because the response to the first request was lost.
    assert len(received_events.events) > len(received_events.unique())
    event_schemas = {path.name.split(".")[0]: json.loads(text) for path, text in schemas().items()}
    for events in events_by_payment(received_events, payments):
        for event in events:
            Draft202012Validator(event_schemas[event["detail-type"]]).validate(event["detail"])
        sequences = [event["detail"]["sequence"] for event in events]
        assert sequences == sorted(set(sequences))
        timestamps = [datetime.fromisoformat(event["detail"]["occurred_at"]) for event in events]
        assert timestamps == sorted(timestamps)
        balance = sum((amount_change(event) for event in events), Decimal(0))
        detail = events[0]["detail"]
        customer = detail["site_customer_identifier"]
        assert balance == ledger_reader.balance(detail["site_identifier"], customer)


def events_by_payment(received_events: PaymentEventRecorder, payments: set[str]) -> Iterator[list[dict[str, Any]]]:
    """Yield the distinct events of each payment, sorted by ``sequence``."""
    for payment in payments:
        events = [e for e in received_events.unique() if e["detail"]["pnm_payment_identifier"] == payment]
        if events:
            yield sorted(events, key=lambda event: event["detail"]["sequence"])


def amount_change(event: dict[str, Any]) -> Decimal:
    """Return the change of the customer's balance according to an event."""
    detail = event["detail"]
    return Decimal(detail.get("credited_amount", 0)) - Decimal(detail.get("debited_amount", 0))


@pytest.fixture
def dead_letter_queue(stack: Stack) -> DeadLetterQueue:
    """Return the queue without the messages of other tests."""
    sqs, url = stack.client("sqs"), stack.dead_letter_queue_url
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return DeadLetterQueue(sqs, stack.client("lambda"), url, stack.publish_events_function_name)


def test_poison_record_dead_lettered_does_not_block(
    stack: Stack,
    sender: CallbackSender,
    ledger_reader: LedgerReader,
    received_events: PaymentEventRecorder,
    dead_letter_queue: DeadLetterQueue,
) -> None:
    expected = PaymentScenario(sender, 9).run()
    [(payment, _), *_] = expected
    item = ledger_reader.payment(load("authorization")["credit"]["site_identifier"], payment)
    assert item is not None
    other_payment = with_new_identifier({})["pnm_payment_identifier"]
    malformed_item = {**item, "pk": f"PAYMENT#malformed#{other_payment}", "decided_at": "not a time"}
    wire = {name: _to_wire(value) for name, value in malformed_item.items()}
    stack.client("dynamodb").put_item(TableName=stack.table_name, Item=wire)
    expected |= PaymentScenario(sender, 3).run()

    received_events.wait_until(lambda recorder: recorder.contains_all(expected) and dead_letter_queue.count() == 1)

    assert dead_letter_queue.count() == 1
    # A redrive before the item is fixed returns the record to the queue.
    assert dead_letter_queue.redrive().redriven == 1
    received_events.wait_until(lambda recorder: dead_letter_queue.count() == 1)
    assert dead_letter_queue.count() == 1
    assert received_events.contains_all(expected)


def test_dead_letter_queue_redrive_publishes_identical_events(
    stack: Stack,
    sender: CallbackSender,
    ledger_reader: LedgerReader,
    received_events: PaymentEventRecorder,
    dead_letter_queue: DeadLetterQueue,
) -> None:
    expected = PaymentScenario(sender, 9).run()
    received_events.wait_until(lambda recorder: recorder.contains_all(expected))
    published_events = received_events.unique()
    [(payment, _), *_] = expected
    item = ledger_reader.payment(load("authorization")["credit"]["site_identifier"], payment)
    assert item is not None
    # The content of the queue after an outage of the event bus: a stream record with the item.
    change = {
        "Keys": {name: _to_wire(item[name]) for name in ("pk", "sk")},
        "NewImage": {name: _to_wire(value) for name, value in item.items()},
        "ApproximateCreationDateTime": 1_795_000_000,
    }
    body = {"Records": [{"eventName": "INSERT", "dynamodb": change}]}
    stack.client("sqs").send_message(QueueUrl=stack.dead_letter_queue_url, MessageBody=json.dumps(body, default=list))

    assert dead_letter_queue.redrive().redriven == 1

    received_events.wait_until(lambda recorder: len(recorder.events) >= len(published_events) + len(expected))
    # The merchant recognizes duplicates by their event identifiers.
    assert received_events.unique() == published_events
    assert len(received_events.events) > len(published_events)
