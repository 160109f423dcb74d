import json
from typing import Any, get_args

import pytest
from aws_lambda_powertools.utilities.parser.models import APIGatewayProxyEventModel

from paynearme.platform.http_request import from_body, from_query
from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages

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
@pytest.mark.parametrize("transport", get_args(messages.Transport.__value__))
@pytest.mark.parametrize("base64_encoded", [False, True])
def test_the_layer_reads_from_an_event_what_was_put_into_it(
    message: dict[str, Any], transport: messages.Transport, base64_encoded: bool
) -> None:
    event = sample_messages.api_gateway_event(message, transport, base64_encoded=base64_encoded)

    received = from_query(event) if event["httpMethod"] == "GET" else from_body(event)

    assert received == messages.stringify_parameters(message)


def test_a_boolean_stays_one_in_json() -> None:
    event = sample_messages.api_gateway_event({"test": True}, "json")

    assert json.loads(event["body"]) == {"test": True}


def test_a_query_without_parameters_is_null_as_api_gateway_says_it() -> None:
    event = sample_messages.api_gateway_event({}, "query")

    assert event["queryStringParameters"] is None
    assert event["multiValueQueryStringParameters"] is None


@pytest.mark.parametrize("transport", get_args(messages.Transport.__value__))
def test_an_event_has_the_form_of_a_rest_api_s_at_the_given_path(transport: messages.Transport) -> None:
    event = APIGatewayProxyEventModel.model_validate(
        sample_messages.api_gateway_event({"a": "1"}, transport, "/smart-tokens")
    )

    assert (event.resource, event.path, event.requestContext.path) == (
        "/smart-tokens",
        "/smart-tokens",
        "/dev/smart-tokens",
    )
    assert event.httpMethod == event.requestContext.httpMethod
