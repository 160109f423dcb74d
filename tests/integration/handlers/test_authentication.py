"""Receive callbacks of each kind: malformed, too large, forged, and authentic ones in every spelling."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from paynearme.platform.http_request import MAX_BYTES, ProxyEvent
from tests.support.api_gateway_events import body_event, json_event, query_event
from tests.support.aws_errors import MARKER
from tests.support.callback_driver import reversal
from tests.support.callback_fixtures import (
    CUSTOMER,
    SITE_OF_2_0,
    TRANSPORTS,
    authorization,
    confirmation,
    signed,
)
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture, Response

type Message = Callable[..., dict[str, str]]

MESSAGES: dict[str, Message] = {"authorize": authorization, "confirm": confirmation, "reverse": reversal}
MALFORMED_EVENTS = {
    "truncated JSON": body_event(f'{{"site_identifier": "{MARKER}'),
    "duplicate name in a query": query_event([("a", MARKER), ("a", "1")]),
    "replacement character": query_event([("signature", MARKER), ("a", "\ufffd")]),
    "invalid base64": body_event("!" + MARKER, is_base64=True),
}
TOO_LARGE = MARKER + "x" * MAX_BYTES
IGNORED_VALUES = {"payment_date": "2025-06-03", "pnm_processing_fee": "4.990", "due_to_site_currency": "usd"}


@pytest.fixture(params=MESSAGES)
def function(request: pytest.FixtureRequest, cold_start: Callable[[str], LambdaFunction]) -> LambdaFunction:
    return cold_start(request.param)


@pytest.fixture
def message(function: LambdaFunction) -> Message:
    return MESSAGES[function.app.__name__.split(".")[1]]


@pytest.fixture
def nothing_stored(ledger_table: LedgerFixture, function: LambdaFunction) -> Iterator[None]:
    """Fail the test if the callback was stored."""
    yield
    assert ledger_table.all_items() == []


def assert_rejected(response: Response, status: int, captured_output: CapturedOutput) -> dict[str, Any]:
    """Return the problem. Fails if its form is wrong, or if it or the log contains the marker."""
    assert response.status == status
    assert response.content_type.startswith("application/problem+json")
    assert MARKER not in response.body + captured_output.text()
    problem = response.content
    assert set(problem) - {"parameters"} == {"type", "title", "status"}
    assert problem["status"] == status
    return problem


def forged_messages(message: Message) -> list[dict[str, str]]:
    valid = message(agent_name=MARKER)
    unsigned = {name: value for name, value in valid.items() if name != "signature"}

    def without(name: str) -> dict[str, str]:
        return {other: value for other, value in valid.items() if other != name}

    return [
        {},
        unsigned,
        signed({**unsigned, "site_identifier": MARKER}, secret="any"),
        without("site_identifier"),
        without("version"),
        without("agent_name"),
        {**valid, "signature": ""},
        {**valid, "signature": MARKER},
        {**valid, "signature": "\N{CYRILLIC SMALL LETTER A}" * 64},
        {**valid, "signature": valid["signature"].upper()},
        signed(unsigned, secret="another"),
        {**valid, "site_identifier": SITE_OF_2_0},
        {**valid, "payment_amount": "999.00"},
        {**valid, "zz": MARKER},
        # The right key, but an MD5 signature for a site with HMAC.
        signed({**unsigned, "version": "2.0"}),
        {**valid, "version": "4.0"},
    ]


@pytest.mark.usefixtures("nothing_stored")
class TestRejectedCallbacks:
    @pytest.mark.parametrize("event", MALFORMED_EVENTS.values(), ids=MALFORMED_EVENTS)
    def test_callback_malformed_returns_400(
        self, function: LambdaFunction, captured_output: CapturedOutput, event: ProxyEvent
    ) -> None:
        problem = assert_rejected(function.handle(event), 400, captured_output)

        assert problem["type"].endswith("malformed-request")
        assert "parameters" not in problem

    def test_callback_too_large_returns_413(self, function: LambdaFunction, captured_output: CapturedOutput) -> None:
        for event in (query_event([("a", TOO_LARGE)]), body_event(f"a={TOO_LARGE}"), json_event({"a": TOO_LARGE})):
            assert_rejected(function.handle(event), 413, captured_output)

    @pytest.mark.parametrize("transport", TRANSPORTS)
    def test_callback_not_authentic_returns_identical_body(
        self, function: LambdaFunction, message: Message, captured_output: CapturedOutput, transport: str
    ) -> None:
        responses = [function(parameters, TRANSPORTS[transport]) for parameters in forged_messages(message)]
        responses.append(function.handle(body_event(None)))

        problems = [assert_rejected(response, 401, captured_output) for response in responses]
        assert problems[0]["type"].endswith("authentication-failed")
        assert len({response.body for response in responses}) == 1
        assert captured_output.metric_total("AuthenticationFailed") == len(responses)


@pytest.mark.parametrize(
    "signed_nulls", [{}, {"site_payment_identifier": "", "agent_name": ""}], ids=["left out", "names"]
)
def test_json_nulls_in_both_signed_forms_post_once(
    confirm: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput, signed_nulls: dict[str, str]
) -> None:
    message: dict[str, Any] = confirmation(**signed_nulls) | {"site_payment_identifier": None, "agent_name": None}

    for received in (message, confirmation(), confirmation(site_payment_identifier="")):
        assert confirm(received).status == 200

    assert ledger_table.balances() == {CUSTOMER: 350}
    assert captured_output.metric_total("ConfirmationDuplicate") == 2
    assert ledger_table.anomalies() == set()


def test_ignored_parameters_processed_and_logged_by_name(
    confirm: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput
) -> None:
    values = {name: f"{MARKER} {value}" for name, value in IGNORED_VALUES.items()}

    assert confirm(confirmation(**values)).status == 200

    [line] = captured_output.logs()
    assert line["ignored_parameters"] == sorted(IGNORED_VALUES)
    assert MARKER not in captured_output.text()
    assert captured_output.metric_total("OptionalFieldsIgnored") == 1
    assert ledger_table.balances() == {CUSTOMER: 350}


def test_ignored_parameters_valid_empty_or_unknown_not_logged(
    confirm: LambdaFunction, captured_output: CapturedOutput
) -> None:
    valid = {"payment_date": "1748969961", "pnm_processing_fee": "4.99", "due_to_site_currency": "USD"}

    for changes in (valid, dict.fromkeys(IGNORED_VALUES, ""), {"a_new_one": "?"}):
        assert confirm(confirmation(**changes)).status == 200

    assert not [line for line in captured_output.logs() if "ignored_parameters" in line]
    assert captured_output.metric_total("OptionalFieldsIgnored") == 0
