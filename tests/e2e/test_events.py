"""Events on the deployed stack: each change of a payment is told, and nothing that did not happen."""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from jsonschema import Draft202012Validator

from local.callbacks import CallbackSender
from local.control import Control
from local.drive import Books, confirmation_of, reversal_of
from local.events import Parameters, load, signed, with_fresh_payment
from local.merchant_events import MerchantEvents
from local.stack import Stack
from operations.dead_letters import DeadLetters
from operations.event_schemas import schemas
from tests.e2e.hearing import Fact, Heard

PAYMENTS = 500
FAULTS: list[dict[str, Any]] = [
    {"service": "events", "mode": "partial"},
    {"service": "events", "mode": "error500", "every": 2},
    {"service": "events", "mode": "lost", "every": 3},
    {"service": "events", "mode": "refuse"},
    {"service": "events", "mode": "throttle", "every": 2},
]
"""One for each hundred payments."""

_to_wire = TypeSerializer().serialize


@pytest.fixture
def heard(stack: Stack) -> Heard:
    return Heard(MerchantEvents(stack))


class Story:
    """What PayNearMe tells of a customer's only payment: a kind of story for each last digit of a number."""

    def __init__(self, sender: CallbackSender, number: int) -> None:
        message = with_fresh_payment(load("authorization")["credit"])
        self._message = {**message, "site_customer_identifier": f"heard-of-{uuid.uuid4()}"}
        self._sender = sender
        self._number = number

    def tell(self) -> set[Fact]:
        """Tell it; return what the merchant must hear."""
        told = (
            self._declined,
            self._failed,
            self._confirmed_and_repeated,
            self._reversed,
            self._paid_differently,
            self._only_asked,
            self._never_asked,
            self._tested,
            self._forged,
            self._confirmed,
        )[self._number % 10]()
        return {(self._message["pnm_payment_identifier"], fact) for fact in told}

    def _ask(self, **changes: str) -> None:
        # Whatever happens meanwhile, PayNearMe gets an answer: yes, no, or the one that it got before.
        self._sender.deliver("authorize", {**self._message, **changes}, "json")

    def _confirm(self, **changes: str | bool | None) -> Parameters:
        confirmation = confirmation_of(self._message, **changes)
        self._deliver("confirm", confirmation)
        return confirmation

    def _deliver(self, kind: Any, message: Parameters) -> None:
        deliveries = self._sender.deliver_until_acknowledged(kind, message, "json", minute=0.01)
        assert deliveries[-1].accepted, deliveries[-1].reason

    def _declined(self) -> list[str]:
        self._ask(payment_currency="CAD")
        return ["AuthorizationDeclined"]

    def _failed(self) -> list[str]:
        self._ask()
        self._confirm(status="decline")
        return ["PaymentAuthorized", "PaymentFailed"]

    def _confirmed_and_repeated(self) -> list[str]:
        self._ask()
        self._confirm()
        self._confirm()
        return ["PaymentAuthorized", "PaymentConfirmed"]

    def _reversed(self) -> list[str]:
        self._ask()
        self._deliver("reverse", reversal_of(self._confirm()))
        return ["PaymentAuthorized", "PaymentConfirmed", "PaymentReversed"]

    def _paid_differently(self) -> list[str]:
        self._ask()
        self._confirm(payment_amount="505.00")
        return ["PaymentAuthorized", "PaymentConfirmed", "amount_differs"]

    def _only_asked(self) -> list[str]:
        self._ask()
        return ["PaymentAuthorized"]

    def _never_asked(self) -> list[str]:
        self._confirm()
        return ["PaymentConfirmed"]

    def _tested(self) -> list[str]:
        self._message["test"] = "true"
        self._ask()
        self._confirm()
        return []

    def _forged(self) -> list[str]:
        self._ask()
        forged = signed(confirmation_of(self._message), "a-guessed-secret")
        assert self._sender.deliver("confirm", forged, "json").status == 401
        return ["PaymentAuthorized"]

    def _confirmed(self) -> list[str]:
        self._ask()
        self._confirm()
        return ["PaymentAuthorized", "PaymentConfirmed"]


def test_whatever_the_bus_does_each_change_of_500_payments_is_told_and_nothing_else(
    crowd: ThreadPoolExecutor, sender: CallbackSender, faults: Control, books: Books, heard: Heard
) -> None:
    stories = [Story(sender, number) for number in range(PAYMENTS)]
    expected: set[Fact] = set()
    for number, fault in enumerate(FAULTS):
        faults.post("fault", fault)
        for facts in crowd.map(Story.tell, stories[number * 100 : (number + 1) * 100]):
            expected |= facts
    faults.post("reset")

    heard.until(lambda so_far: so_far.all_of(expected))

    payments = {story._message["pnm_payment_identifier"] for story in stories}
    assert heard.facts(payments) == Counter(dict.fromkeys(expected, 1))
    # The faults were met: what got there although the answer was lost was put there once more.
    assert len(heard.events) > len(heard.different())
    for events in by_payment(heard, payments):
        sequences = [event["detail"]["sequence"] for event in events]
        assert sequences == sorted(set(sequences))
        moments = [datetime.fromisoformat(event["detail"]["occurred_at"]) for event in events]
        assert moments == sorted(moments)
        balance = sum((moved(event) for event in events), Decimal(0))
        detail = events[0]["detail"]
        customer = detail["site_customer_identifier"]
        assert balance == books.balance(detail["site_identifier"], customer)


def by_payment(heard: Heard, payments: set[str]) -> Iterator[list[dict[str, Any]]]:
    """Yield the events of each payment as the merchant puts them in order."""
    for payment in payments:
        events = [e for e in heard.different() if e["detail"]["pnm_payment_identifier"] == payment]
        if events:
            yield sorted(events, key=lambda event: event["detail"]["sequence"])


def moved(event: dict[str, Any]) -> Decimal:
    """Return by how much an event says that the customer's balance moved."""
    detail = event["detail"]
    return Decimal(detail.get("credited_amount", 0)) - Decimal(detail.get("debited_amount", 0))


def test_every_event_is_as_its_schema_says(sender: CallbackSender, heard: Heard) -> None:
    expected = set().union(*(Story(sender, number).tell() for number in range(10)))
    heard.until(lambda so_far: so_far.all_of(expected))

    described = {path.name.split(".")[0]: json.loads(text) for path, text in schemas().items()}
    for event in heard.events:
        schema = described[event["detail-type"]]
        Draft202012Validator(schema).validate(event["detail"])


@pytest.fixture
def dead_letters(stack: Stack) -> DeadLetters:
    clients = (stack.client("sqs"), stack.client("lambda"))
    return DeadLetters(*clients, stack.dead_letters_url, stack.publish_events_function_name)


@pytest.fixture
def put_item(stack: Stack) -> Callable[[dict[str, Any]], None]:
    def put(item: dict[str, Any]) -> None:
        wire = {name: _to_wire(value) for name, value in item.items()}
        stack.client("dynamodb").put_item(TableName=stack.table_name, Item=wire)

    return put


def test_a_record_that_cannot_be_told_goes_to_the_dead_letters_and_stands_in_nobodys_way(
    sender: CallbackSender,
    books: Books,
    heard: Heard,
    dead_letters: DeadLetters,
    put_item: Callable[[dict[str, Any]], None],
) -> None:
    expected = Story(sender, 9).tell()
    [(payment, _), *_] = expected
    item = books.payment(load("authorization")["credit"]["site_identifier"], payment)
    assert item is not None
    other = with_fresh_payment({})["pnm_payment_identifier"]
    unreadable = {**item, "pk": f"PAYMENT#unreadable#{other}", "decided_at": "not a time"}
    put_item(unreadable)
    expected |= Story(sender, 3).tell()

    heard.until(lambda so_far: so_far.all_of(expected) and dead_letters.count() == 1)

    assert dead_letters.count() == 1
    # Whoever hands it over again before the fault is mended finds it there again.
    assert dead_letters.redeliver().handed == 1
    heard.until(lambda so_far: dead_letters.count() == 1)
    assert dead_letters.count() == 1
    assert heard.all_of(expected)


def test_what_was_among_the_dead_letters_is_told_once_it_can_be(
    stack: Stack, sender: CallbackSender, books: Books, heard: Heard, dead_letters: DeadLetters
) -> None:
    expected = Story(sender, 9).tell()
    heard.until(lambda so_far: so_far.all_of(expected))
    first = heard.different()
    [(payment, _), *_] = expected
    item = books.payment(load("authorization")["credit"]["site_identifier"], payment)
    assert item is not None
    # As it would lie there if the bus had not taken it for hours: the image, as the stream has it.
    change = {
        "Keys": {name: _to_wire(item[name]) for name in ("pk", "sk")},
        "NewImage": {name: _to_wire(value) for name, value in item.items()},
        "ApproximateCreationDateTime": 1_795_000_000,
    }
    letter = {"Records": [{"eventName": "INSERT", "dynamodb": change}]}
    client = stack.client("sqs")
    for message in client.receive_message(QueueUrl=stack.dead_letters_url).get("Messages", []):
        client.delete_message(QueueUrl=stack.dead_letters_url, ReceiptHandle=message["ReceiptHandle"])
    client.send_message(QueueUrl=stack.dead_letters_url, MessageBody=json.dumps(letter, default=list))

    assert dead_letters.redeliver().handed == 1

    heard.until(lambda so_far: len(so_far.events) >= len(first) + len(expected))
    # The merchant knows them by their identifiers.
    assert heard.different() == first
    assert len(heard.events) > len(first)
