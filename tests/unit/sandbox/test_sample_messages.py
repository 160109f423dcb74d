import json
from typing import Any, get_args

import pytest
from aws_lambda_powertools.utilities.parser.models import APIGatewayProxyEventModel

from paynearme.errors import SignatureError
from paynearme.platform.http_request import from_body, from_query
from paynearme.protocol.signing import verify
from sandbox.clients import sample_messages

SECRET = "a test's own secret"
MESSAGES = [
    pytest.param(message, id=f"{kind}/{name}")
    for kind in (
        *("authorization", "confirmation", "reversal"),
        *("get_smart_token", "find_payment_methods", "make_payment"),
    )
    for name, message in sample_messages.load(kind).items()
]


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("authorization", 26),
        ("confirmation", 3),
        ("reversal", 4),
        ("get_smart_token", 3),
        ("create_order", 1),
        ("find_payment_methods", 2),
        ("make_payment", 3),
        ("authorization_response", 18),
        ("get_smart_token_response", 1),
        ("create_order_response", 1),
        ("find_payment_methods_response", 2),
        ("make_payment_response", 1),
        ("api_gateway", 3),
    ],
)
def test_every_message_is_loaded(kind: str, count: int) -> None:
    assert len(sample_messages.load(kind)) == count


def test_a_loaded_message_can_be_changed_without_changing_the_next_load() -> None:
    sample_messages.load("authorization")["cash"]["payment_amount"] = "0.01"

    assert sample_messages.load("authorization")["cash"]["payment_amount"] == "354.99"


def test_a_kind_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        sample_messages.load("no_such_kind")


@pytest.mark.parametrize("message", MESSAGES)
def test_a_stored_message_is_unsigned_and_verifies_once_signed(message: dict[str, Any]) -> None:
    assert "signature" not in message

    signed = sample_messages.signed(message, SECRET)

    verify(signed, signed["signature"], [SECRET])
    assert signed.keys() == {*message, "timestamp", "version", "signature"}


def test_a_message_is_signed_for_the_given_moment_and_version() -> None:
    signed = sample_messages.signed(sample_messages.load("authorization")["cash"], SECRET, "2.0", timestamp=1749067230)

    assert (signed["timestamp"], signed["version"]) == ("1749067230", "2.0")
    verify(signed, signed["signature"], [SECRET], "2.0")


def test_a_message_is_signed_for_now_unless_a_moment_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1800000000.9)

    assert sample_messages.signed({}, SECRET)["timestamp"] == "1800000000"


def test_changes_replace_add_and_leave_out_parameters_before_signing() -> None:
    message: dict[str, str | bool] = {"payment_amount": "1.00", "memo": "x", "test": False}

    signed = sample_messages.signed(message, SECRET, payment_amount="2.00", memo=None, standin=True)

    assert (signed["payment_amount"], signed["test"], signed["standin"]) == ("2.00", "false", "true")
    assert "memo" not in signed
    verify(signed, signed["signature"], [SECRET])
    assert message == {"payment_amount": "1.00", "memo": "x", "test": False}


def test_a_signature_that_was_there_is_replaced() -> None:
    assert sample_messages.signed({"signature": "old", "a": "1"}, SECRET, timestamp=1) == sample_messages.signed(
        {"a": "1"}, SECRET, timestamp=1
    )


def test_nothing_is_signed_with_an_empty_secret() -> None:
    with pytest.raises(SignatureError):
        sample_messages.signed({}, "")


def test_a_fresh_payment_has_a_new_identifier_of_twelve_digits_and_nothing_else_is_new() -> None:
    cash = sample_messages.load("authorization")["cash"]

    first, second = sample_messages.with_new_identifier(cash), sample_messages.with_new_identifier(cash)

    identifiers = [message.pop("pnm_payment_identifier") for message in (cash, first, second)]
    assert len(set(identifiers)) == 3
    assert all(len(identifier) == 12 and identifier.isdecimal() for identifier in identifiers)
    assert first == second == cash


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("transport", get_args(sample_messages.Transport.__value__))
@pytest.mark.parametrize("base64_encoded", [False, True])
def test_the_layer_reads_from_an_event_what_was_put_into_it(
    message: dict[str, Any], transport: sample_messages.Transport, base64_encoded: bool
) -> None:
    event = sample_messages.api_gateway_event(message, transport, base64_encoded=base64_encoded)

    received = from_query(event) if event["httpMethod"] == "GET" else from_body(event)

    assert received == sample_messages.stringify_parameters(message)


def test_a_boolean_stays_one_in_json() -> None:
    event = sample_messages.api_gateway_event({"test": True}, "json")

    assert json.loads(event["body"]) == {"test": True}


def test_a_query_without_parameters_is_null_as_api_gateway_says_it() -> None:
    event = sample_messages.api_gateway_event({}, "query")

    assert event["queryStringParameters"] is None
    assert event["multiValueQueryStringParameters"] is None


@pytest.mark.parametrize("transport", get_args(sample_messages.Transport.__value__))
def test_an_event_has_the_form_of_a_rest_api_s_at_the_given_path(transport: sample_messages.Transport) -> None:
    event = APIGatewayProxyEventModel.model_validate(
        sample_messages.api_gateway_event({"a": "1"}, transport, "/smart-tokens")
    )

    assert (event.resource, event.path, event.requestContext.path) == (
        "/smart-tokens",
        "/smart-tokens",
        "/dev/smart-tokens",
    )
    assert event.httpMethod == event.requestContext.httpMethod
