import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from operations import events
from operations.__main__ import main
from operations.dlq_redrive import DeadLetterQueue, RedriveResult
from operations.errors import OperationError
from operations.event_schemas import FOLDER, schemas
from paynearme.protocol.payment_events import EVENTS


class QueueStub:
    """SQS and Lambda. The function returns some messages to the queue."""

    def __init__(self, *bodies: str) -> None:
        self.messages = list(bodies)
        self.in_flight: dict[str, str] = {}
        self.invocations: list[dict[str, Any]] = []
        self.is_requeued: Callable[[str], bool] = lambda body: False
        self.fails_at = ""

    def receive_message(self, **parameters: Any) -> dict[str, Any]:
        batch, self.messages = self.messages[:10], self.messages[10:]
        self.in_flight |= {body: body for body in batch}
        return {"Messages": [{"Body": body, "ReceiptHandle": body} for body in batch]} if batch else {}

    def delete_message(self, **parameters: Any) -> None:
        del self.in_flight[parameters["ReceiptHandle"]]

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        return {"Attributes": {"ApproximateNumberOfMessages": str(len(self.messages))}}

    def invoke(self, **parameters: Any) -> dict[str, Any]:
        body = parameters["Payload"].decode()
        self.invocations.append(parameters | {"Payload": body})
        if body == self.fails_at:
            return {"FunctionError": "Unhandled"}
        if self.is_requeued(body):
            self.messages.append(f"{body} again")
        return {}


def dead_letter_queue(queue: QueueStub) -> DeadLetterQueue:
    return DeadLetterQueue(queue, queue, "https://queue.invalid", "publish")


def test_redrive_publishes_each_message_by_live_alias() -> None:
    queue = QueueStub(*map(str, range(25)))

    assert dead_letter_queue(queue).redrive() == RedriveResult(redriven=25, remaining=0)

    assert [parameters["Payload"] for parameters in queue.invocations] == list(map(str, range(25)))
    assert {(call["FunctionName"], call["Qualifier"]) for call in queue.invocations} == {("publish", "live")}
    assert queue.in_flight == {}


def test_redrive_function_error_keeps_message_and_later_ones() -> None:
    queue = QueueStub("1", "2", "3")
    queue.fails_at = "2"

    with pytest.raises(OperationError, match="after 1 of 3 messages"):
        dead_letter_queue(queue).redrive()

    assert set(queue.in_flight) == {"2", "3"}


def test_redrive_command_requeued_message_reported_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = QueueStub("1", "2", "3")
    queue.is_requeued = lambda body: body == "2"
    monkeypatch.setattr(events, "dead_letter_queue_of", {"prod": dead_letter_queue(queue)}.__getitem__)

    result = CliRunner().invoke(main, ["events", "redrive", "--config-env", "prod"])

    assert result.output.startswith("3 messages redriven; about 1 messages")
    assert queue.messages == ["2 again"]


def test_event_schemas_in_docs_match_models() -> None:
    files = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert files == schemas()


def test_event_schema_of_each_event_valid_and_extensible() -> None:
    event_schemas = {path.name: json.loads(text) for path, text in schemas().items()}
    assert set(event_schemas) == {f"{event.detail_type}.v1.json" for event in EVENTS}
    for schema in event_schemas.values():
        Draft202012Validator.check_schema(schema)
        # A later version can add fields, and must keep the existing ones.
        assert set(schema["required"]) == set(schema["properties"])
        assert schema["additionalProperties"] is True
