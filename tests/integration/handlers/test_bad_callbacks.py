import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from paynearme.platform.http_request import MAX_BYTES, ProxyEvent
from tests.support.api_gateway_events import body_event, bytes_event, json_event, query_event
from tests.support.callback_fixtures import SITE_OF_2_0, TRANSPORTS, authorization, confirmation, signed, site_changes
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture
from tests.support.http_assertions import MARKER, assert_rejected

type Message = Callable[..., dict[str, str]]


@pytest.fixture(params=["authorize", "confirm"])
def function(request: pytest.FixtureRequest, cold_start: Callable[[str], LambdaFunction]) -> LambdaFunction:
    return cold_start(request.param)


@pytest.fixture
def message(function: LambdaFunction) -> Message:
    return authorization if function.app.__name__.endswith("authorize.app") else confirmation


@pytest.fixture
def nothing_stored(ledger_table: LedgerFixture, function: LambdaFunction) -> Any:
    """Fail the test if the callback was stored."""
    yield
    assert ledger_table.all_items() == []


def body(text: str) -> ProxyEvent:
    return body_event(text.replace("MARKER", MARKER))


def raw_json_event(data: bytes) -> ProxyEvent:
    return bytes_event(data.replace(b"MARKER", MARKER.encode()))


MALFORMED_EVENTS = {
    "truncated JSON": body('{"site_identifier": "MARKER'),
    "JSON list": body('["MARKER"]'),
    "nested object": body('{"site_identifier": {"a": "MARKER"}}'),
    "nested list": body('{"site_identifier": ["MARKER"]}'),
    "deeply nested": body('{"a":' * 5_000 + '"MARKER"' + "}" * 5_000),
    "NaN": body('{"payment_amount": NaN, "a": "MARKER"}'),
    "duplicate name in JSON": body('{"a": "MARKER", "a": "1"}'),
    "duplicate name with null": body('{"a": "MARKER", "a": null}'),
    "duplicate name in a form": body("a=MARKER&a=1"),
    "duplicate name in a query": query_event([("a", MARKER), ("a", "1")]),
    "malformed name in JSON": body('{"AMARKER": "1"}'),
    "malformed name in a form": body("MARKER-a=1"),
    "malformed name in a query": query_event([(f"_{MARKER}", "1")]),
    "empty name": body("=MARKER"),
    "invalid UTF-8 in JSON": raw_json_event(b'{"a": "\xffMARKER"}'),
    "invalid UTF-8 in a form": raw_json_event(b"a=\xffMARKER"),
    "escaped invalid UTF-8": body("a=%ffMARKER"),
    "replacement character": query_event([("signature", MARKER), ("a", "\ufffd")]),
    "lone surrogate": body('{"a": "\\ud800MARKER"}'),
    "invalid base64": body_event("!" + MARKER, is_base64=True),
}

TOO_LARGE = MARKER + "x" * MAX_BYTES


@pytest.mark.usefixtures("nothing_stored")
class TestRejectedCallbacks:
    @pytest.mark.parametrize("event", MALFORMED_EVENTS.values(), ids=MALFORMED_EVENTS)
    def test_callback_malformed_returns_400(
        self, function: LambdaFunction, captured_output: CapturedOutput, event: ProxyEvent
    ) -> None:
        problem = assert_rejected(function.handle(event), 400, captured_output)

        assert problem["type"].endswith("malformed-request")
        assert "parameters" not in problem

    @pytest.mark.parametrize(
        "event",
        [
            query_event([("a", TOO_LARGE)]),
            body_event(f"a={TOO_LARGE}"),
            json_event({"a": TOO_LARGE}),
            bytes_event(b"a=" + TOO_LARGE.encode()),
            body_event("a=" + TOO_LARGE * 4),
        ],
        ids=["query", "form", "json", "base64", "megabytes"],
    )
    def test_callback_too_large_returns_413(
        self, function: LambdaFunction, captured_output: CapturedOutput, event: ProxyEvent
    ) -> None:
        assert_rejected(function.handle(event), 413, captured_output)

    @pytest.mark.parametrize("event", [None, body_event(None), body_event(""), query_event([])])
    def test_callback_empty_returns_401(
        self, function: LambdaFunction, captured_output: CapturedOutput, event: ProxyEvent | None
    ) -> None:
        assert_rejected(function.handle(event or json_event({})), 401, captured_output)

    @pytest.mark.parametrize("transport", TRANSPORTS)
    def test_callback_not_authentic_returns_identical_body(
        self, function: LambdaFunction, message: Message, captured_output: CapturedOutput, transport: str
    ) -> None:
        responses = [function(parameters, TRANSPORTS[transport]) for parameters in forged_messages(message).values()]
        if message is authorization:
            responses += [function(message(timestamp=t), TRANSPORTS[transport]) for t in ("1", "99999999999")]

        assert {assert_rejected(response, 401, captured_output)["type"] for response in responses} == {
            responses[0].content["type"]
        }
        assert len({response.body for response in responses}) == 1
        assert captured_output.metric_total("AuthenticationFailed") == len(responses)

    @pytest.mark.parametrize(
        ("changes", "expected_names"),
        [
            ({"pnm_order_identifier": None}, ["pnm_order_identifier"]),
            ({"pnm_payment_identifier": ""}, ["pnm_payment_identifier"]),
            ({"payment_amount": MARKER}, ["payment_amount"]),
            ({"payment_amount": "1e3"}, ["payment_amount"]),
            ({"payment_currency": f"USD{MARKER}"}, ["payment_currency"]),
            ({"timestamp": MARKER}, ["timestamp"]),
            ({"test": MARKER}, ["test"]),
            ({"pnm_order_identifier": f"1\n{MARKER}"}, ["pnm_order_identifier"]),
            (
                {"payment_amount": None, "payment_currency": None, "agent_name": MARKER},
                ["payment_amount", "payment_currency"],
            ),
        ],
    )
    @pytest.mark.parametrize("transport", TRANSPORTS)
    def test_callback_invalid_returns_400_with_parameter_names(
        self,
        function: LambdaFunction,
        message: Message,
        captured_output: CapturedOutput,
        changes: dict[str, Any],
        expected_names: list[str],
        transport: str,
    ) -> None:
        problem = assert_rejected(function(message(**changes), TRANSPORTS[transport]), 400, captured_output)

        assert problem["type"].endswith("invalid-parameters")
        assert problem["parameters"] == expected_names
        assert captured_output.metric_total("ValidationFailed") == 1

    @pytest.mark.parametrize("status", [None, MARKER, "PAYMENT"])
    def test_confirmation_unknown_status_is_invalid(
        self, cold_start: Callable[[str], LambdaFunction], captured_output: CapturedOutput, status: str | None
    ) -> None:
        problem = assert_rejected(cold_start("confirm")(confirmation(status=status)), 400, captured_output)

        assert problem["parameters"] == ["status"]

    def test_callback_invalid_of_2_0_site_returns_same_problem(
        self, function: LambdaFunction, message: Message, captured_output: CapturedOutput
    ) -> None:
        first_response = function(message(test=MARKER))
        second_response = function(message(test=MARKER, **site_changes(SITE_OF_2_0)))

        assert second_response.body == first_response.body
        assert_rejected(second_response, 400, captured_output)


def forged_messages(message: Message) -> dict[str, Mapping[str, str]]:
    valid = message(agent_name=MARKER)
    unsigned = {name: value for name, value in valid.items() if name != "signature"}
    md5 = {**unsigned, "version": "2.0"}
    return {
        "unknown site": signed({**unsigned, "site_identifier": MARKER}, secret="any"),
        "no site": {name: value for name, value in valid.items() if name != "site_identifier"},
        "no signature": unsigned,
        "empty signature": {**unsigned, "signature": ""},
        "malformed signature": {**unsigned, "signature": MARKER},
        "non-ASCII signature": {**unsigned, "signature": "\N{CYRILLIC SMALL LETTER A}" * 64},
        "upper-case signature": {**unsigned, "signature": valid["signature"].upper()},
        "other key": signed(unsigned, secret="another"),
        "key of another site": {**valid, "site_identifier": SITE_OF_2_0},
        "changed value": {**valid, "agent_name": f"{MARKER}!"},
        "added parameter": {**valid, "zz": MARKER},
        "removed parameter": {name: value for name, value in valid.items() if name != "agent_name"},
        "no version": {name: value for name, value in valid.items() if name != "version"},
        "version of another site": {**valid, "version": "2.0"},
        "MD5 signature with the right key": signed(md5),
        "unknown version": {**valid, "version": "4.0"},
    }


def test_callback_maximum_size_accepted_larger_returns_413(function: LambdaFunction, message: Message) -> None:
    empty_message = message(zz="")
    padding_bytes = MAX_BYTES - len(json.dumps(empty_message))

    assert function(message(zz="x" * padding_bytes)).status == 200
    assert function(message(zz="x" * (padding_bytes + 1))).status == 413


def test_signature_valid_for_json_numbers_and_booleans(function: LambdaFunction, message: Message) -> None:
    parameters: dict[str, Any] = message(test="true", payment_amount="500.10", zz="")
    respelled = json.dumps(parameters | {"nothing": None, "test": True})

    assert function.handle(body_event(respelled.replace('"500.10"', "500.10"))).status == 200


def test_signature_valid_for_utf8_in_all_transports(function: LambdaFunction, message: Message) -> None:
    parameters = message(agent_name="José 東京 🎲 +&=%")

    assert [function(parameters, transport).status for transport in TRANSPORTS.values()] == [200, 200, 200]
    text = json.dumps(parameters, ensure_ascii=False)
    events = (bytes_event(text.encode()), body_event(text))
    assert [function.handle(event).status for event in events] == [200, 200]
