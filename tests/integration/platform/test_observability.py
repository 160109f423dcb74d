"""The log line of an invocation: identifiers, reasons and causes, and no personal data, secrets or content."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from paynearme.client.paynearme_client import PayNearMeClient
from tests.support.api_gateway_events import json_event
from tests.support.aws_errors import MARKER, client_error
from tests.support.callback_fixtures import CUSTOMER, SITES, authorization, confirmation
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction
from tests.support.message_fixtures import valid_guaranteed_ach_request, valid_smart_token_request
from tests.support.paynearme_stub import SAMPLE_REPLY, PayNearMeStub

MESSAGES: dict[str, Callable[..., dict[str, str]]] = {
    "authorize": authorization,
    "confirm": confirmation,
    "get_smart_token": valid_smart_token_request,
}


@pytest.mark.parametrize("name", ["authorize", "confirm"])
def test_log_line_of_callback_contains_identifiers_only(
    cold_start: Callable[[str], LambdaFunction], captured_output: CapturedOutput, name: str
) -> None:
    reply = {"agent_name": MARKER, "customer_name": MARKER, "tax_id_pii": MARKER, "payment_bank_name": MARKER}
    parameters = MESSAGES[name](**reply)

    cold_start(name)(parameters)

    [line] = captured_output.logs()
    for identifier in ("site_identifier", "pnm_order_identifier", "pnm_payment_identifier"):
        assert line[identifier] == parameters[identifier]
    # Lambda requires RFC 3339.
    assert re.fullmatch(r"[\d-]{10}T[\d:.]{12}Z", line["timestamp"])
    for forbidden_text in (MARKER, parameters["signature"], CUSTOMER, *(site["secret"] for site in SITES.values())):
        assert forbidden_text not in captured_output.text()


REJECTION = {"status": "error", "response_code": "1205", "errors": [{"description": MARKER}]}


@pytest.mark.parametrize(
    ("reply", "status", "field", "text"),
    [
        ((200, SAMPLE_REPLY), 200, "upstream_detail", None),
        ((422, REJECTION), 422, "response_code", "1205"),
        ((500, REJECTION), 502, "upstream_detail", "status 500"),
        ((502, MARKER.encode()), 502, "upstream_detail", "status 502, no JSON"),
        ((200, {"status": MARKER}), 502, "upstream_detail", "status 200, neither ok nor error"),
        ((200, {"status": "ok", "orders": MARKER}), 502, "upstream_detail", "no SmartTokenResponse"),
    ],
)
def test_smart_token_log_contains_no_pii_or_secrets(
    get_smart_token: LambdaFunction,
    paynearme: PayNearMeStub,
    captured_output: CapturedOutput,
    reply: tuple[int, Any],
    status: int,
    field: str,
    text: str | None,
) -> None:
    request = valid_guaranteed_ach_request(flow_pay_url=f"app://{MARKER}", signature=MARKER)
    paynearme.default_reply = paynearme.replying(*reply)

    assert get_smart_token(request).status == status

    [line] = captured_output.logs()
    assert line.get(field) == text
    pii = [value for name, value in request.items() if name.endswith("_pii")]
    smart_tokens = [SAMPLE_REPLY["orders"][0][name] for name in ("secure_smart_token", "secure_smart_link")]
    secrets = [paynearme.sent[0]["signature"], *(site["secret"] for site in SITES.values())]
    assert not [text for text in [*pii, *smart_tokens, *secrets, MARKER, "_pii"] if text in captured_output.text()]


@pytest.mark.parametrize("name", ["authorize", "get_smart_token"])
def test_request_identifiers_of_lambda_and_api_gateway_logged(
    cold_start: Callable[[str], LambdaFunction], paynearme: PayNearMeStub, captured_output: CapturedOutput, name: str
) -> None:
    event: Any = json_event(MESSAGES[name]())
    event["requestContext"]["requestId"] = "api-1"

    response = cold_start(name).app.handler(event, SimpleNamespace(aws_request_id="lambda-1"))

    assert response["statusCode"] == 200
    [line] = captured_output.logs()
    assert (line["request_id"], line["api_request_id"]) == ("lambda-1", "api-1")


# Errors.


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"site_identifier": "S1", "secret": "x"}, "unknown_site"),
        ({"version": "2.0"}, "unsupported_version"),
        ({"secret": "x"}, "invalid_signature"),
    ],
)
def test_auth_failure_reason_logged_and_not_returned(
    authorize: LambdaFunction, captured_output: CapturedOutput, changes: dict[str, Any], reason: str
) -> None:
    response = authorize(authorization(**changes))

    [line] = captured_output.logs()
    assert line["auth_failure"] == reason
    assert reason not in response.body


def test_invalid_parameters_logged_by_name_without_value(
    confirm: LambdaFunction, captured_output: CapturedOutput
) -> None:
    confirm(confirmation(status=None, test=MARKER))

    [line] = captured_output.logs()
    assert line["invalid_parameters"] == ["status", "test"]
    assert MARKER not in captured_output.text()


@pytest.mark.parametrize(
    ("operation", "error"),
    [("GetSecretValue", "SiteKeysUnavailableError"), ("TransactWriteItems", "LedgerUnavailableError")],
)
def test_error_causes_access_denied_logged(
    confirm: LambdaFunction, aws_calls: AwsCallRecorder, captured_output: CapturedOutput, operation: str, error: str
) -> None:
    aws_calls.request_errors[operation] = client_error("AccessDeniedException")

    confirm(confirmation())

    [line] = captured_output.logs()
    assert line["error"] == error
    assert "ClientError AccessDeniedException" in line["error_causes"]
    assert MARKER not in captured_output.text()


class BrokenError(Exception):
    pass


def test_internal_error_logged_with_type_and_location_only(
    get_smart_token: LambdaFunction, monkeypatch: pytest.MonkeyPatch, captured_output: CapturedOutput
) -> None:
    def raise_broken_error(*_: object) -> None:
        raise BrokenError(MARKER) from ValueError(MARKER)

    monkeypatch.setattr(PayNearMeClient, "get_smart_token", raise_broken_error)
    response = get_smart_token(valid_smart_token_request())

    assert set(response.content) == {"type", "title", "status"}
    [line] = captured_output.logs()
    assert (line["error"], line["error_causes"]) == ("BrokenError", ["ValueError"])
    assert any("raise_broken_error" in frame for frame in line["error_location"])
    assert captured_output.metric_total("InternalError") == 1
    assert MARKER not in captured_output.text()
