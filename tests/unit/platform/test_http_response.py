import json
from typing import Any

import pytest

from paynearme.errors import (
    BankAuthorizationExpiredError,
    LedgerUnavailableError,
    OrderNotRecordedError,
    PaymentFailedError,
    PaymentInProgressError,
    RequestRejectedError,
    ServiceError,
    UpstreamError,
    ValidationFailedError,
)
from paynearme.platform.http_response import json_response, problem_response
from paynearme.protocol.parsing import read_message
from paynearme.protocol.smart_token import SmartTokenRequest

SITE_PAYMENT_IDENTIFIER = "0b4b3b1e-5f5b-5d4e-9c39-8f7e6a1d2c3b"
RECONNECT = {"pnm_order_identifier": "84274665124", "flow_trustly": "true", "flow_trustly_reconnect": "23b9e4ba13242"}


def problem(error: Exception, *, omit_descriptions: bool = False) -> dict[str, Any]:
    """Return the body of the response. Fails if its form is wrong."""
    response = problem_response(error, omit_descriptions=omit_descriptions)
    body: dict[str, Any] = json.loads(response["body"])
    assert response["statusCode"] == body["status"]
    assert response["headers"]["Content-Type"].startswith("application/problem+json")
    assert response["isBase64Encoded"] is False
    return body


@pytest.mark.parametrize("omit_descriptions", [True, False])
@pytest.mark.parametrize(
    ("kind", "status"), [(LedgerUnavailableError, 503), (UpstreamError, 502), (ServiceError, 500), (KeyError, 500)]
)
def test_problem_response_status_and_fixed_body(kind: type[Exception], status: int, omit_descriptions: bool) -> None:
    body = problem(kind("canary"), omit_descriptions=omit_descriptions)
    assert body["status"] == status
    assert set(body) == {"type", "title", "status"}
    # The response does not depend on the text of the error.
    assert body == problem(kind("something else"), omit_descriptions=omit_descriptions)


def test_problem_response_invalid_parameters_listed() -> None:
    error = ValidationFailedError({"version": "is required", "timestamp": "is invalid"})
    body = problem(error, omit_descriptions=True)
    assert (body.pop("status"), body.pop("parameters")) == (400, ["timestamp", "version"])
    assert set(body) == {"type", "title"}
    body = problem(error)
    assert (body.pop("status"), body.pop("errors")) == (
        400,
        [
            {"parameter": "timestamp", "description": "is invalid"},
            {"parameter": "version", "description": "is required"},
        ],
    )
    assert set(body) == {"type", "title"}


@pytest.mark.parametrize(
    ("error", "status", "kind", "extensions"),
    [
        (PaymentInProgressError(7), 409, "payment-in-progress", {}),
        (OrderNotRecordedError("84274665124"), 503, "order-not-recorded", {"pnm_order_identifier": "84274665124"}),
        (
            RequestRejectedError(None, ["Order not found", "Try again"]),
            422,
            "rejected-by-paynearme",
            {"response_code": None, "errors": [{"description": "Order not found"}, {"description": "Try again"}]},
        ),
        (
            PaymentFailedError(SITE_PAYMENT_IDENTIFIER, "943751749956", "1007", ["Wrong code"]),
            422,
            "payment-failed",
            {
                "site_payment_identifier": SITE_PAYMENT_IDENTIFIER,
                "pnm_payment_identifier": "943751749956",
                "response_code": "1007",
                "errors": [{"description": "Wrong code"}],
            },
        ),
        (
            BankAuthorizationExpiredError("6513", ["Connect again"], "23b9e4ba13242", "84274665124", "S2155373459"),
            409,
            "bank-authorization-expired",
            {
                "response_code": "6513",
                "errors": [{"description": "Connect again"}],
                "payment_method_identifier": "23b9e4ba13242",
                "reconnect": {"site_identifier": "S2155373459", **RECONNECT},
            },
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_problem_response_error_has_own_type_and_members(
    error: ServiceError, status: int, kind: str, extensions: dict[str, object]
) -> None:
    body = problem(error)
    assert (body.pop("status"), body.pop("type")) == (status, f"urn:problem-type:paynearme:{kind}")
    assert body.pop("title")
    assert body == extensions


def test_problem_response_reconnect_is_smart_token_request() -> None:
    error = BankAuthorizationExpiredError("6513", [], "23b9e4ba13242", "84274665124", "S2155373459")
    assert read_message(SmartTokenRequest, problem(error)["reconnect"]).to_parameters() == RECONNECT


def test_problem_response_retry_after_only_if_in_progress() -> None:
    response = problem_response(PaymentInProgressError(7), omit_descriptions=False)
    assert response["headers"]["Retry-After"] == "7"
    assert "Retry-After" not in problem_response(ServiceError(), omit_descriptions=False)["headers"]


def test_json_response_success_not_cached() -> None:
    content = {"orders": [{"secure_smart_link": "https://example.com/ë"}]}
    response = json_response(content)
    assert json.loads(response.pop("body")) == content
    headers = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
    assert response == {"statusCode": 200, "headers": headers, "isBase64Encoded": False}
