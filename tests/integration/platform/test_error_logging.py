"""The log line of a failure: identifiers and causes, and no content of a message."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import MaxRetryError, NewConnectionError

from tests.support.api_gateway_events import json_event
from tests.support.aws_errors import MARKER, client_error
from tests.support.callback_fixtures import authorization, confirmation
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction
from tests.support.message_fixtures import valid_smart_token_request
from tests.support.paynearme_stub import PayNearMeStub

MESSAGES: dict[str, Callable[..., dict[str, str]]] = {
    "authorize": authorization,
    "confirm": confirmation,
    "get_smart_token": valid_smart_token_request,
}


@pytest.fixture(params=list(MESSAGES))
def name(request: pytest.FixtureRequest, paynearme: PayNearMeStub) -> str:
    return str(request.param)


def test_error_causes_secret_access_denied_logged(
    cold_start: Callable[[str], LambdaFunction], aws_calls: AwsCallRecorder, captured_output: CapturedOutput, name: str
) -> None:
    aws_calls.request_errors = {"GetSecretValue": client_error("AccessDeniedException")}

    cold_start(name)(MESSAGES[name]())

    [line] = captured_output.logs()
    assert line["error"] == "SiteKeysUnavailableError"
    assert "ClientError AccessDeniedException" in line["error_causes"]
    assert MARKER not in captured_output.text()


@pytest.mark.parametrize(
    ("name", "operation", "changes"),
    [
        ("authorize", "BatchGetItem", {}),
        ("authorize", "TransactWriteItems", {}),
        ("authorize", "UpdateItem", {"payment_amount": "0"}),
        ("confirm", "TransactWriteItems", {}),
    ],
)
def test_error_causes_table_access_denied_logged(
    cold_start: Callable[[str], LambdaFunction],
    aws_calls: AwsCallRecorder,
    captured_output: CapturedOutput,
    name: str,
    operation: str,
    changes: dict[str, str],
) -> None:
    aws_calls.request_errors = {operation: client_error("AccessDeniedException")}

    cold_start(name)(MESSAGES[name](**changes))

    [line] = captured_output.logs()
    assert line["error"] == "LedgerUnavailableError"
    assert "ClientError AccessDeniedException" in line["error_causes"]
    assert MARKER not in captured_output.text()


@pytest.mark.parametrize("operation", ["StartConfigurationSession", "GetLatestConfiguration"])
def test_error_causes_policy_access_denied_logged(
    authorize: LambdaFunction, deployed_policy: FakeAppConfig, captured_output: CapturedOutput, operation: str
) -> None:
    deployed_policy.fail(operation, client_error("AccessDeniedException"))

    authorize(authorization())

    [line] = captured_output.logs()
    assert line["error"] == "PolicyUnavailableError"
    assert "ClientError AccessDeniedException" in line["error_causes"]
    assert MARKER not in captured_output.text()


def test_request_identifiers_of_lambda_and_api_gateway_logged(
    cold_start: Callable[[str], LambdaFunction], captured_output: CapturedOutput, name: str
) -> None:
    event: Any = json_event(MESSAGES[name]())
    event["requestContext"]["requestId"] = "api-1"

    response = cold_start(name).app.handler(event, SimpleNamespace(aws_request_id="lambda-1"))

    assert response["statusCode"] == 200
    [line] = captured_output.logs()
    assert (line["request_id"], line["api_request_id"]) == ("lambda-1", "api-1")


@pytest.mark.parametrize("event", [{}, {"requestContext": None}, {"requestContext": "x"}, None, []])
def test_request_identifiers_absent_response_and_log_line(
    cold_start: Callable[[str], LambdaFunction], captured_output: CapturedOutput, name: str, event: Any
) -> None:
    response = cold_start(name).app.handler(event, None)

    assert response["statusCode"] >= 400
    [line] = captured_output.logs()
    assert line["operation"] == name


@pytest.mark.parametrize(
    ("status", "content", "detail"),
    [
        (500, {"status": "error", "errors": [MARKER]}, "status 500"),
        (429, {"status": "error", "errors": [MARKER]}, "status 429"),
        (502, MARKER.encode(), "status 502, no JSON"),
        (401, {"status": "error", "errors": [MARKER]}, "status 401"),
        (200, {"status": MARKER}, "status 200, neither ok nor error"),
        (200, {"status": "ok", "orders": MARKER}, "no SmartTokenResponse"),
    ],
)
def test_upstream_detail_error_logged_as_fixed_text(
    get_smart_token: LambdaFunction,
    paynearme: PayNearMeStub,
    captured_output: CapturedOutput,
    status: int,
    content: object,
    detail: str,
) -> None:
    paynearme.default_reply = paynearme.replying(status, content)

    assert get_smart_token(valid_smart_token_request()).status == 502

    [line] = captured_output.logs()
    assert line["upstream_detail"] == detail
    assert MARKER not in captured_output.text()


def test_upstream_detail_connection_refused_logged(
    get_smart_token: LambdaFunction, paynearme: PayNearMeStub, captured_output: CapturedOutput
) -> None:
    connection_refused = NewConnectionError(HTTPConnection(MARKER), MARKER)
    paynearme.default_reply = MaxRetryError(HTTPSConnectionPool(MARKER), f"https://{MARKER}", connection_refused)

    assert get_smart_token(valid_smart_token_request()).status == 502

    [line] = captured_output.logs()
    assert line["upstream_detail"] == "no connection"
    assert MARKER not in captured_output.text()


def test_rejection_logged_with_response_code_only(
    get_smart_token: LambdaFunction, paynearme: PayNearMeStub, captured_output: CapturedOutput
) -> None:
    reply = {"status": "error", "response_code": "1205", "errors": [{"description": MARKER}], "more": MARKER}
    paynearme.default_reply = paynearme.replying(422, reply)

    assert get_smart_token(valid_smart_token_request()).status == 422

    [line] = captured_output.logs()
    assert line["response_code"] == "1205"
    assert "upstream_detail" not in line
    assert MARKER not in captured_output.text()
