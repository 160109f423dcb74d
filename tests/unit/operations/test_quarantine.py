"""The commands of the quarantine, with a stub of the function that operators invoke."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from operations import quarantine
from operations.__main__ import main
from operations.quarantine_client import QuarantineClient

OPERATOR = "arn:aws:iam::123456789012:user/operator"
CALLBACK = {
    "identifier": "S1/0a39",
    "kind": "confirmation",
    "reason": "unknown_status",
    "test": False,
    "received_at": "2026-11-30T20:21:55Z",
    "received_count": 2,
    "function_version": "7",
    "parameters": {"status": "void"},
    "omitted_parameters": ["site_customer_identifier"],
    "invalid_parameters": ["payment_amount"],
}
LISTED = {"callbacks": [CALLBACK, CALLBACK | {"identifier": "S1/0b40", "reason": "push_callback"}]}


class FunctionStub:
    """Lambda. It returns the response for each action."""

    def __init__(self, **responses: Any) -> None:
        self.responses = {"list": LISTED} | responses
        self.requests: list[dict[str, Any]] = []

    def invoke(self, **request: Any) -> dict[str, Any]:
        assert (request["FunctionName"], request["Qualifier"]) == ("quarantine", "live")
        sent = json.loads(request["Payload"])
        self.requests.append(sent)
        if self.responses[sent["action"]] is None:
            return {"FunctionError": "Unhandled"}
        response = self.responses[sent["action"]] | {"identifier": sent.get("identifier", "")}
        return {"Payload": io.BytesIO(json.dumps(response).encode())}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def run(function: FunctionStub, *arguments: str) -> Result:
        client = QuarantineClient(function, "quarantine", OPERATOR)
        monkeypatch.setattr(quarantine, "quarantine_of", {"dev": client}.__getitem__)
        return CliRunner().invoke(main, ["quarantine", *arguments, "--config-env", "dev"])

    return run


def test_list_prints_each_unresolved_callback(run: Callable[..., Result]) -> None:
    result = run(FunctionStub(), "list")
    assert result.exit_code == 0
    assert result.output.splitlines()[:5] == [
        "S1/0a39  confirmation  unknown_status",
        "  received 2 times since 2026-11-30 20:21:55Z by version 7",
        "  status = void",
        "  site_customer_identifier is not stored",
        "  payment_amount is missing or invalid",
    ]
    assert [json.loads(line)["identifier"] for line in run(FunctionStub(), "list", "--json").output.splitlines()] == [
        "S1/0a39",
        "S1/0b40",
    ]
    assert run(FunctionStub(list={"callbacks": []}), "list").output == "the quarantine is empty\n"


def test_replay_sends_operator_reason_and_parameters(run: Callable[..., Result]) -> None:
    function = FunctionStub(replay={"status": "replayed", "detail": "processed"})
    result = run(function, "replay", "S1/0a39", "--why", "fixed", "--set", "status=payment", "--dry-run")
    assert (result.exit_code, result.output) == (0, "S1/0a39  replayed  processed\n")
    expected = {"identifier": "S1/0a39", "operator": OPERATOR, "why": "fixed", "dry_run": True}
    assert function.requests == [{"action": "replay", "parameters": {"status": "payment"}, **expected}]


def test_replay_by_reason_selects_callbacks_and_reports_failures(run: Callable[..., Result]) -> None:
    function = FunctionStub(replay={"status": "rejected", "detail": "still not processable: push_callback"})
    result = run(function, "replay", "--reason", "push_callback", "--why", "fixed")
    assert result.exit_code == 1
    assert result.output == "S1/0b40  rejected  still not processable: push_callback\n"
    assert run(function, "replay", "--reason", "ambiguous_text", "--why", "fixed").exit_code == 0


@pytest.mark.parametrize(
    "arguments", ["--why x", "S1/0a39 --reason r --why x", "--reason r --set a=b --why x", "S1/0a39"]
)
def test_replay_with_unclear_arguments_rejected(run: Callable[..., Result], arguments: str) -> None:
    function = FunctionStub()
    assert run(function, "replay", *arguments.split()).exit_code == 2
    assert function.requests == []


def test_discard_of_unknown_callback_fails(run: Callable[..., Result]) -> None:
    result = run(FunctionStub(discard={"status": "not_found"}), "discard", "S1/0", "--why", "duplicate")
    assert (result.exit_code, result.output) == (1, "S1/0  not_found\n")
    failed = run(FunctionStub(discard=None), "discard", "S1/0", "--why", "duplicate")
    assert failed.exit_code == 1
    assert "the function failed" in failed.output
