import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from operations import events
from operations.__main__ import main
from operations.dead_letters import DeadLetters, Redelivered
from operations.errors import OperationError
from operations.event_schemas import FOLDER, schemas
from paynearme.messages.events import EVENTS


class Queue:
    """SQS and Lambda: letters are handed over, and some come back."""

    def __init__(self, *bodies: str) -> None:
        self.letters = list(bodies)
        self.hidden: dict[str, str] = {}
        self.handed: list[dict[str, Any]] = []
        self.comes_back: Callable[[str], bool] = lambda body: False
        self.fails_at = ""

    def receive_message(self, **said: Any) -> dict[str, Any]:
        taken, self.letters = self.letters[:10], self.letters[10:]
        self.hidden |= {body: body for body in taken}
        return {"Messages": [{"Body": body, "ReceiptHandle": body} for body in taken]} if taken else {}

    def delete_message(self, **said: Any) -> None:
        del self.hidden[said["ReceiptHandle"]]

    def get_queue_attributes(self, **said: Any) -> dict[str, Any]:
        return {"Attributes": {"ApproximateNumberOfMessages": str(len(self.letters))}}

    def invoke(self, **said: Any) -> dict[str, Any]:
        body = said["Payload"].decode()
        self.handed.append(said | {"Payload": body})
        if body == self.fails_at:
            return {"FunctionError": "Unhandled"}
        if self.comes_back(body):
            self.letters.append(f"{body} again")
        return {}


def letters_of(queue: Queue) -> DeadLetters:
    return DeadLetters(queue, queue, "https://queue.invalid", "publish")


def test_each_letter_is_handed_to_the_version_in_use_and_leaves_the_queue() -> None:
    queue = Queue(*map(str, range(25)))

    assert letters_of(queue).redeliver() == Redelivered(handed=25, left=0)

    assert [said["Payload"] for said in queue.handed] == list(map(str, range(25)))
    assert {(said["FunctionName"], said["Qualifier"]) for said in queue.handed} == {("publish", "live")}
    assert queue.hidden == {}


def test_a_letter_that_comes_back_is_not_handed_over_again() -> None:
    queue = Queue("1", "2", "3")
    queue.comes_back = lambda body: body == "2"

    assert letters_of(queue).redeliver() == Redelivered(handed=3, left=1)

    assert queue.letters == ["2 again"]


def test_a_letter_over_which_the_function_fails_stays_and_so_do_those_behind_it() -> None:
    queue = Queue("1", "2", "3")
    queue.fails_at = "2"

    with pytest.raises(OperationError, match="after 1 of 3 letters"):
        letters_of(queue).redeliver()

    assert set(queue.hidden) == {"2", "3"}


def test_the_command_says_how_many_were_handed_over_and_how_many_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = Queue("1", "2")
    queue.comes_back = lambda body: body == "2"
    asked: list[str] = []

    def of(environment: str) -> DeadLetters:
        asked.append(environment)
        return letters_of(queue)

    monkeypatch.setattr(events, "dead_letters_of", of)

    told = CliRunner().invoke(main, ["events", "redeliver", "--config-env", "prod"])

    assert (told.exit_code, asked) == (0, ["prod"])
    assert {"2", "1"} <= set(told.output.split())


def test_the_schemas_in_docs_are_those_of_the_models_and_no_others() -> None:
    files = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    # Write them with: python -m operations events schemas
    assert files == schemas()


def test_every_kind_of_event_has_a_schema_that_is_one() -> None:
    described = {path.name: json.loads(text) for path, text in schemas().items()}
    assert set(described) == {f"{event.detail_type}.v1.json" for event in EVENTS}
    for schema in described.values():
        Draft202012Validator.check_schema(schema)
        # What is told today must hold, and what is added tomorrow must not break who reads it.
        assert set(schema["required"]) == set(schema["properties"])
        assert schema["additionalProperties"] is True


def test_the_check_names_a_schema_that_is_not_current(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = FOLDER / "PaymentForgotten.v1.json"
    monkeypatch.setattr(events, "schemas", lambda: {missing: "{}"})

    told = CliRunner().invoke(main, ["events", "schemas", "--check"])

    assert told.exit_code == 1
    assert missing.name in told.output
