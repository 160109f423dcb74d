"""Malformed, forged and invalid reversals get the same responses as other callbacks."""

from collections.abc import Iterator, Mapping

import pytest

from paynearme.platform.http_request import MAX_BYTES, ProxyEvent
from tests.support.api_gateway_events import body_event, bytes_event, json_event, query_event
from tests.support.callback_driver import reversal
from tests.support.callback_fixtures import CUSTOMER, SITE_OF_2_0, TRANSPORTS, confirmation, signed
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture
from tests.support.http_assertions import MARKER, assert_rejected

WITHOUT_REVERSE_AMOUNT = {"reverse_amount": None, "reverse_currency": None}

MALFORMED_EVENTS: dict[str, ProxyEvent] = {
    "truncated JSON": body_event(f'{{"site_identifier": "{MARKER}'),
    "nested list": body_event(f'{{"site_identifier": ["{MARKER}"]}}'),
    "duplicate name in a form": body_event(f"a={MARKER}&a=1"),
    "duplicate name in a query": query_event([("a", MARKER), ("a", "1")]),
    "invalid UTF-8": bytes_event(b'{"a": "\xff' + MARKER.encode() + b'"}'),
}
TOO_LARGE = MARKER + "x" * MAX_BYTES
INVALID_REVERSALS: dict[str, tuple[dict[str, str | None], list[str]]] = {
    "no amounts": (
        {**WITHOUT_REVERSE_AMOUNT, "payment_amount": None, "payment_currency": None},
        ["payment_amount", "payment_currency", "reverse_amount"],
    ),
    "no reversed amount": ({"reverse_amount": None, "payment_amount": ""}, ["payment_amount", "reverse_amount"]),
    "not a number": ({"reverse_amount": MARKER}, ["reverse_amount"]),
    "exponent": ({"reverse_amount": "1e3"}, ["reverse_amount"]),
    "three decimals": ({"reverse_amount": "1.001"}, ["reverse_amount"]),
    "zero": ({"reverse_amount": "0.00"}, ["reverse_amount"]),
    "negative": ({"reverse_amount": "-1.00"}, ["reverse_amount"]),
    "negative payment amount": ({**WITHOUT_REVERSE_AMOUNT, "payment_amount": "-1.00"}, ["payment_amount"]),
    "other currency": ({"reverse_currency": "CAD"}, ["reverse_currency"]),
    "other payment currency": ({**WITHOUT_REVERSE_AMOUNT, "payment_currency": "CAD"}, ["payment_currency"]),
    "no currency": ({"reverse_currency": None, "payment_currency": None}, ["reverse_currency"]),
    "no payment": ({"pnm_payment_identifier": None}, ["pnm_payment_identifier"]),
    "no order": ({"pnm_order_identifier": ""}, ["pnm_order_identifier"]),
    "timestamp": ({"timestamp": MARKER}, ["timestamp"]),
    "negative timestamp": ({"timestamp": "-1"}, ["timestamp"]),
    "timestamp of 13 digits": ({"timestamp": "9" * 13}, ["timestamp"]),
    "test": ({"test": MARKER}, ["test"]),
    "type": ({"reverse_type": f"{MARKER}\n"}, ["reverse_type"]),
}


@pytest.fixture(autouse=True)
def nothing_stored(
    confirm: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput
) -> Iterator[None]:
    """Fail the test if the reversal changed the ledger."""
    confirm(confirmation())
    items_before = ledger_table.all_items()
    yield
    assert ledger_table.all_items() == items_before


@pytest.mark.parametrize("event", MALFORMED_EVENTS.values(), ids=MALFORMED_EVENTS)
def test_reversal_malformed_returns_400(
    reverse: LambdaFunction, captured_output: CapturedOutput, event: ProxyEvent
) -> None:
    assert assert_rejected(reverse.handle(event), 400, captured_output)["type"].endswith("malformed-request")


@pytest.mark.parametrize(
    "event",
    [query_event([("a", TOO_LARGE)]), body_event(f"a={TOO_LARGE}"), json_event({"a": TOO_LARGE})],
    ids=["query", "form", "json"],
)
def test_reversal_too_large_returns_413(
    reverse: LambdaFunction, captured_output: CapturedOutput, event: ProxyEvent
) -> None:
    assert_rejected(reverse.handle(event), 413, captured_output)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_reversal_not_authentic_returns_identical_body(
    reverse: LambdaFunction, captured_output: CapturedOutput, transport: str
) -> None:
    valid = reversal(agent_name=MARKER)
    unsigned = {name: value for name, value in valid.items() if name != "signature"}
    forged: list[Mapping[str, str]] = [
        {},
        unsigned,
        {**valid, "signature": ""},
        {**valid, "signature": MARKER},
        {**valid, "reverse_amount": "999.00"},
        {**valid, "zz": MARKER},
        {**valid, "site_identifier": SITE_OF_2_0},
        signed({**unsigned, "site_identifier": MARKER}, secret="any"),
        signed({**unsigned, "version": "2.0"}),
        {**valid, "version": "4.0"},
    ]

    responses = [reverse(parameters, TRANSPORTS[transport]) for parameters in forged]

    assert len({response.body for response in responses}) == 1
    assert assert_rejected(responses[0], 401, captured_output)["type"].endswith("authentication-failed")
    assert {response.status for response in responses} == {401}
    assert captured_output.metric_total("AuthenticationFailed") == len(forged)


@pytest.mark.parametrize(("changes", "expected_names"), INVALID_REVERSALS.values(), ids=INVALID_REVERSALS)
def test_reversal_invalid_returns_400_with_parameter_names(
    reverse: LambdaFunction, captured_output: CapturedOutput, changes: dict[str, str | None], expected_names: list[str]
) -> None:
    message = reversal(agent_name=MARKER, **changes)

    for transport in TRANSPORTS.values():
        problem = assert_rejected(reverse(message, transport), 400, captured_output)

        assert problem["type"].endswith("invalid-parameters")
        assert problem["parameters"] == expected_names
        assert CUSTOMER not in str(problem)
    assert captured_output.metric_total("ValidationFailed") == len(TRANSPORTS)


def test_reversal_invalid_of_2_0_site_returns_same_problem(
    reverse: LambdaFunction, captured_output: CapturedOutput
) -> None:
    first_response = reverse(reversal(reverse_amount=MARKER))
    second_response = reverse(reversal(reverse_amount=MARKER, site_identifier=SITE_OF_2_0, version="2.0"))

    assert second_response.body == first_response.body
    assert_rejected(second_response, 400, captured_output)
