from typing import Any, get_args

import pytest
from aws_lambda_powertools.utilities.parser.models import APIGatewayProxyEventModel

from paynearme.platform.http_request import from_body, from_query
from paynearme.protocol.signing import verify
from sandbox.clients import sample_messages
from sandbox.fake_paynearme import messages

SECRET = "a-test-secret"
MESSAGES = [
    pytest.param(message, id=f"{kind}/{name}")
    for kind in (
        *("authorization", "confirmation", "reversal"),
        *("get_smart_token", "find_payment_methods", "make_payment"),
    )
    for name, message in sample_messages.load(kind).items()
]


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("transport", get_args(messages.Transport.__value__))
@pytest.mark.parametrize("base64_encoded", [False, True])
def test_sample_message_event_read_back_unchanged(
    message: dict[str, Any], transport: messages.Transport, base64_encoded: bool
) -> None:
    event = sample_messages.api_gateway_event(message, transport, base64_encoded=base64_encoded)

    received = from_query(event) if event["httpMethod"] == "GET" else from_body(event)

    assert received == messages.stringify_parameters(message)


@pytest.mark.parametrize("transport", get_args(messages.Transport.__value__))
def test_sample_event_has_rest_api_form_and_given_path(transport: messages.Transport) -> None:
    event = APIGatewayProxyEventModel.model_validate(
        sample_messages.api_gateway_event({"a": "1"}, transport, "/smart-tokens")
    )

    assert (event.resource, event.path, event.requestContext.path) == (
        "/smart-tokens",
        "/smart-tokens",
        "/dev/smart-tokens",
    )
    assert event.httpMethod == event.requestContext.httpMethod


@pytest.mark.parametrize("message", MESSAGES)
def test_sample_message_unsigned_and_verifies_after_signing(message: dict[str, Any]) -> None:
    assert "signature" not in message

    signed = messages.signed(message, SECRET)

    verify(signed, signed["signature"], [SECRET])
    assert signed.keys() == {*message, "timestamp", "version", "signature"}


def test_signing_changes_replace_add_and_omit_parameters() -> None:
    message: dict[str, str | bool] = {"payment_amount": "1.00", "memo": "x", "test": False}

    signed = messages.signed(message, SECRET, payment_amount="2.00", memo=None, standin=True)

    assert (signed["payment_amount"], signed["test"], signed["standin"]) == ("2.00", "false", "true")
    assert "memo" not in signed
    verify(signed, signed["signature"], [SECRET])
    assert message == {"payment_amount": "1.00", "memo": "x", "test": False}
