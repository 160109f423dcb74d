"""From callbacks to what the merchant hears: the function that publishes events, between stream and bus."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from paynearme.errors import InvocationFailedError
from tests.integration.observed import Function, Stored, Traffic, Written
from tests.integration.payments_over_time import NOON, Payments, at, reversal
from tests.integration.streamed import Record, Streamed, events_in

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MARKER = "zq7marker7qz"
CUSTOMER = "c-9"
DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": MARKER}}, "PutEvents")


@dataclass(frozen=True)
class Merchant:
    """Hears all events of the bus, and sees what lies in the dead letters."""

    queues: "SQSClient"
    heard_at: str
    dead_letters_at: str

    @classmethod
    def listening(cls) -> "Merchant":
        """Make the bus, a rule and both queues."""
        bus, queues = boto3.client("events"), boto3.client("sqs")
        bus.create_event_bus(Name="merchant")
        bus.put_rule(Name="all", EventBusName="merchant", EventPattern='{"source": ["paynearme"]}')
        heard_at, dead_letters_at = (
            queues.create_queue(QueueName=name)["QueueUrl"] for name in ("heard", "dead-letters")
        )
        arn = queues.get_queue_attributes(QueueUrl=heard_at, AttributeNames=["QueueArn"])["Attributes"]
        target: Any = {"Id": "heard", "Arn": arn["QueueArn"]}
        bus.put_targets(Rule="all", EventBusName="merchant", Targets=[target])
        return cls(queues, heard_at, dead_letters_at)

    def heard(self) -> list[dict[str, Any]]:
        """Return what is new on the bus, in order, as EventBridge delivers it."""
        return [json.loads(body) for body in self._bodies(self.heard_at)]

    def dead_letters(self) -> list[str]:
        """Return what is new in the dead letters."""
        return self._bodies(self.dead_letters_at)

    def _bodies(self, url: str) -> list[str]:
        bodies = []
        while received := self.queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [message["Body"] for message in received]
        return bodies


@pytest.fixture
def payments(authorize: Function, confirm: Function, stored: Stored, streamed: Streamed) -> Payments:
    return Payments(authorize, confirm, stored)


@pytest.fixture
def merchant(empty_aws: None) -> Merchant:
    return Merchant.listening()


@pytest.fixture
def publish(
    merchant: Merchant, cold_start: Callable[[str], Function], monkeypatch: pytest.MonkeyPatch
) -> Callable[[list[Record]], None]:
    """Brings records of payments to the function, as the template's filter lets them through."""
    monkeypatch.setenv("EVENT_BUS_NAME", "merchant")
    monkeypatch.setenv("DEAD_LETTERS_URL", merchant.dead_letters_at)
    app = cold_start("publish_events").app

    def publish(records: list[Record]) -> None:
        # As JSON has them, which is what Lambda reads.
        app.handler(json.loads(json.dumps({"Records": records})), None)

    return publish


def of_payments(records: list[Record]) -> list[Record]:
    return [record for record in records if record["dynamodb"]["Keys"]["sk"]["S"] == "PAYMENT"]


@pytest.fixture
def records(payments: Payments, reverse: Function, streamed: Streamed) -> list[Record]:
    """Return the stream's records of two payments, of which one came back, with personal data all about."""
    personal = dict.fromkeys(("agent_name", "agent_email", "payment_bank_name", "card_pii"), MARKER)
    for number in ("1", "2"):
        payments.ask(number, site_customer_identifier=CUSTOMER, **personal)
        payments.pay(number, site_customer_identifier=CUSTOMER, payment_amount="90.00", **personal)
    at(NOON, reverse, reversal(pnm_payment_identifier="1", site_customer_identifier=CUSTOMER))
    return of_payments(streamed.records())


def test_the_merchant_hears_of_all_that_happened_in_order(
    records: list[Record], merchant: Merchant, publish: Callable[[list[Record]], None]
) -> None:
    publish(records)

    heard = merchant.heard()
    expected = {event.event_identifier: event for event in events_in(records)}
    assert len(heard) == len(expected) == 8
    for event in heard:
        detail = event["detail"]
        told = expected[detail["event_identifier"]]
        assert (event["source"], event["detail-type"]) == ("paynearme", told.detail_type)
        assert detail == told.model_dump(mode="json")
    for number in ("1", "2"):
        of_one = [e["detail"]["sequence"] for e in heard if e["detail"]["pnm_payment_identifier"] == number]
        assert of_one == sorted(of_one)
    assert merchant.dead_letters() == []
    assert MARKER not in str(heard)


def test_a_batch_that_comes_again_is_told_again_with_the_same_identifiers(
    records: list[Record], merchant: Merchant, publish: Callable[[list[Record]], None]
) -> None:
    for _ in range(2):
        publish(records)

    heard = [event["detail"]["event_identifier"] for event in merchant.heard()]
    assert heard[: len(heard) // 2] == heard[len(heard) // 2 :]


def test_each_event_has_one_line_with_its_identifiers_and_nothing_personal(
    records: list[Record], merchant: Merchant, publish: Callable[[list[Record]], None], written: Written
) -> None:
    before = len(written.logs())

    publish(records)

    *lines, last = written.logs()[before:]
    told = [(line["event_type"], line["event_identifier"], line["pnm_payment_identifier"]) for line in lines]
    heard = [(event["detail-type"], event["detail"]) for event in merchant.heard()]
    assert told == [(kind, d["event_identifier"], d["pnm_payment_identifier"]) for kind, d in heard]
    assert {line["pnm_order_identifier"] for line in lines} == {"80080175585"}
    assert {line["operation"] for line in [*lines, last]} == {"publish_events"}
    assert last["status"] == 200
    assert not [word for word in (MARKER, CUSTOMER, "90.00", "_pii") if word in str([*lines, last])]
    assert written.counted("EventPublished") == 8


def test_a_bus_that_refuses_fails_the_batch_and_says_nothing_of_it(
    payments: Payments,
    streamed: Streamed,
    merchant: Merchant,
    publish: Callable[[list[Record]], None],
    traffic: Traffic,
    written: Written,
) -> None:
    payments.ask()
    records = of_payments(streamed.records())

    traffic.refused["PutEvents"] = DENIED
    with pytest.raises(InvocationFailedError):
        publish(records)
    assert (merchant.heard(), merchant.dead_letters()) == ([], [])
    line = written.logs()[-1]
    assert (line["status"], line["error"]) == (500, "EventPublishFailedError")
    assert line["error_causes"] == ["ClientError AccessDeniedException"]
    assert MARKER not in written.text()

    traffic.refused.clear()
    publish(records)
    assert [event["detail-type"] for event in merchant.heard()] == ["PaymentAuthorized"]


def test_a_record_that_cannot_be_read_lies_in_the_dead_letters_until_it_can(
    payments: Payments,
    streamed: Streamed,
    merchant: Merchant,
    publish: Callable[[list[Record]], None],
    written: Written,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    payments.ask("1", agent_name=MARKER)
    [record] = of_payments(streamed.records())

    def mistake(*_: object) -> None:
        raise KeyError(MARKER)

    with monkeypatch.context() as faulty:
        faulty.setattr("paynearme.publishing.events_of", mistake)
        publish([record])

    [body] = merchant.dead_letters()
    assert merchant.heard() == []
    told, line = written.logs()[-2:]
    assert (told["event_type"], told["pnm_order_identifier"]) == ("dead_letter", "80080175585")
    # It is a failure to whoever watches, though the batch is done with.
    assert (line["level"], line["status"], line["error"]) == ("ERROR", 200, "KeyError")
    assert written.counted("EventDeadLettered") == 1
    assert MARKER not in written.text()

    publish(json.loads(body)["Records"])
    assert [event["detail-type"] for event in merchant.heard()] == ["PaymentAuthorized"]
    assert merchant.dead_letters() == []
