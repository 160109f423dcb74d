"""Publish the events of callbacks from the stream to EventBridge."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from tests.support.aws_errors import MARKER
from tests.support.callback_driver import NOON, CallbackDriver, reversal, send_at
from tests.support.harness import CapturedOutput, LambdaFunction
from tests.support.stream_reader import Record, StreamReader, events_in

CUSTOMER = "c-9"


type Drain = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def drain(empty_aws: None) -> Drain:
    """Create the bus and the queues ``received`` and ``dead-letter``. Return a function that returns new messages."""
    bus, sqs = boto3.client("events"), boto3.client("sqs")
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("received", "dead-letter")}
    bus.create_event_bus(Name="merchant")
    bus.put_rule(Name="all", EventBusName="merchant", EventPattern='{"source": ["paynearme"]}')
    arn = sqs.get_queue_attributes(QueueUrl=urls["received"], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus.put_targets(Rule="all", EventBusName="merchant", Targets=[{"Id": "received", "Arn": arn}])

    def drain(name: str) -> list[dict[str, Any]]:
        bodies = []
        while received := sqs.receive_message(QueueUrl=urls[name], MaxNumberOfMessages=10).get("Messages"):
            bodies += [json.loads(message["Body"]) for message in received]
        return bodies

    return drain


@pytest.fixture
def publish(
    drain: Drain, cold_start: Callable[[str], LambdaFunction], monkeypatch: pytest.MonkeyPatch
) -> Callable[[list[Record]], None]:
    """Invoke the function with records of payments, as after the filter of the template."""
    monkeypatch.setenv("EVENT_BUS_NAME", "merchant")
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", boto3.client("sqs").get_queue_url(QueueName="dead-letter")["QueueUrl"])
    app = cold_start("publish_events").app

    def publish(records: list[Record]) -> None:
        # Lambda sends JSON.
        app.handler(json.loads(json.dumps({"Records": records})), None)

    return publish


def payment_records(records: list[Record]) -> list[Record]:
    return [record for record in records if record["dynamodb"]["Keys"]["sk"]["S"] == "PAYMENT"]


@pytest.fixture
def records(callback_driver: CallbackDriver, reverse: LambdaFunction, stream_reader: StreamReader) -> list[Record]:
    """Return the stream records of two payments with PII, one of them reversed."""
    pii = dict.fromkeys(("agent_name", "agent_email", "payment_bank_name", "card_pii"), MARKER)
    for payment_id in ("1", "2"):
        callback_driver.authorize(payment_id, site_customer_identifier=CUSTOMER, **pii)
        callback_driver.confirm(payment_id, site_customer_identifier=CUSTOMER, payment_amount="90.00", **pii)
    send_at(NOON, reverse, reversal(pnm_payment_identifier="1", site_customer_identifier=CUSTOMER))
    return payment_records(stream_reader.records())


def test_publish_all_events_in_order_and_logged_without_pii(
    records: list[Record],
    drain: Drain,
    publish: Callable[[list[Record]], None],
    captured_output: CapturedOutput,
) -> None:
    logs_before = len(captured_output.logs())

    publish(records)

    received = drain("received")
    expected = {event.event_identifier: event for event in events_in(records)}
    assert len(received) == len(expected) == 8
    for event in received:
        published = expected[event["detail"]["event_identifier"]]
        assert (event["source"], event["detail-type"]) == ("paynearme", published.detail_type)
        assert event["detail"] == published.model_dump(mode="json")
    for payment_id in ("1", "2"):
        details = [event["detail"] for event in received if event["detail"]["pnm_payment_identifier"] == payment_id]
        assert details == sorted(details, key=lambda detail: detail["sequence"])
    assert drain("dead-letter") == []
    assert MARKER not in str(received)

    *lines, last_log = captured_output.logs()[logs_before:]
    assert [(line["event_type"], line["event_identifier"], line["pnm_payment_identifier"]) for line in lines] == [
        (event["detail-type"], event["detail"]["event_identifier"], event["detail"]["pnm_payment_identifier"])
        for event in received
    ]
    assert {(line["operation"], line["pnm_order_identifier"]) for line in lines} == {("publish_events", "80080175585")}
    assert (last_log["operation"], last_log["status"]) == ("publish_events", 200)
    forbidden_texts = (MARKER, CUSTOMER, "90.00", "_pii")
    assert not [text for text in forbidden_texts if text in str([*lines, last_log])]
    assert captured_output.metric_total("EventPublished") == 8


def test_publish_poison_record_dead_lettered_and_logged(
    callback_driver: CallbackDriver,
    stream_reader: StreamReader,
    drain: Drain,
    publish: Callable[[list[Record]], None],
    captured_output: CapturedOutput,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    callback_driver.authorize("1", agent_name=MARKER)
    [record] = payment_records(stream_reader.records())

    def raise_error(*_: object) -> None:
        raise KeyError(MARKER)

    with monkeypatch.context() as patched:
        patched.setattr("paynearme.events.event_publisher.change_events", raise_error)
        publish([record])

    assert (len(drain("dead-letter")), drain("received")) == (1, [])
    published, line = captured_output.logs()[-2:]
    assert (published["event_type"], published["pnm_order_identifier"]) == ("dead_letter", "80080175585")
    # The line has the level ERROR, although the batch is complete.
    assert (line["level"], line["status"], line["error"]) == ("ERROR", 200, "KeyError")
    assert captured_output.metric_total("EventDeadLettered") == 1
    assert MARKER not in captured_output.text()
