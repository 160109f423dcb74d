import json
from collections.abc import Callable

import pytest

from paynearme.errors import (
    AccessTokenRejectedError,
    AccessTokenUnavailableError,
    AuthenticationError,
    BankAuthorizationExpiredError,
    CredentialsRejectedError,
    IdempotencyKeyReusedError,
    LedgerUnavailableError,
    MalformedRequestError,
    NotFoundError,
    OrderNotRecordedError,
    PayloadTooLargeError,
    PaymentFailedError,
    PaymentInProgressError,
    PaymentOutcomeUnknownError,
    RequestNotAcceptedError,
    RequestRejectedError,
    ServiceError,
    SignatureError,
    SiteKeysUnavailableError,
    StaleTimestampError,
    UnavailableError,
    UnknownSiteError,
    UnsupportedVersionError,
    UpstreamConnectTimeoutError,
    UpstreamError,
    UpstreamTimeoutError,
    ValidationFailedError,
)
from paynearme.platform.http_response import json_response, problem_response
from paynearme.protocol.parsing import read_message
from paynearme.protocol.smart_token import SmartTokenRequest

STATUSES: list[tuple[type[Exception], int]] = [
    (MalformedRequestError, 400),
    (PayloadTooLargeError, 413),
    (AuthenticationError, 401),
    (UnknownSiteError, 401),
    (UnsupportedVersionError, 401),
    (SignatureError, 401),
    (StaleTimestampError, 401),
    (NotFoundError, 404),
    (UnavailableError, 503),
    (SiteKeysUnavailableError, 503),
    (LedgerUnavailableError, 503),
    (AccessTokenUnavailableError, 503),
    (IdempotencyKeyReusedError, 422),
    (UpstreamError, 502),
    (RequestNotAcceptedError, 502),
    (CredentialsRejectedError, 502),
    (AccessTokenRejectedError, 502),
    (UpstreamTimeoutError, 504),
    (UpstreamConnectTimeoutError, 504),
    (ServiceError, 500),
    (KeyError, 500),
    (Exception, 500),
]
SITE_PAYMENT_IDENTIFIER = "0b4b3b1e-5f5b-5d4e-9c39-8f7e6a1d2c3b"
IN_PROGRESS = PaymentInProgressError(7)
UNKNOWN = PaymentOutcomeUnknownError(SITE_PAYMENT_IDENTIFIER)
FAILED = PaymentFailedError(SITE_PAYMENT_IDENTIFIER, "943751749956")
REJECTED = RequestRejectedError("6501", ["Order not found"])
AUTHORIZATION_EXPIRED = BankAuthorizationExpiredError(
    "6513", ["Connect again"], "23b9e4ba13242", "84274665124", "S2155373459"
)
with_and_without_descriptions = pytest.mark.parametrize("omit_descriptions", [True, False])


@with_and_without_descriptions
@pytest.mark.parametrize(("kind", "status"), STATUSES)
def test_problem_response_each_error_has_status_and_fixed_body(
    kind: type[Exception], status: int, omit_descriptions: bool
) -> None:
    response = problem_response(kind("canary"), omit_descriptions=omit_descriptions)
    body = json.loads(response["body"])
    assert response["statusCode"] == body["status"] == status
    assert response["headers"]["Content-Type"].startswith("application/problem+json")
    assert set(body) == {"type", "title", "status"}
    # The response does not depend on the text of the error.
    assert response == problem_response(kind("something else"), omit_descriptions=omit_descriptions)


def test_problem_response_authentication_errors_identical() -> None:
    kinds = (AuthenticationError, UnknownSiteError, UnsupportedVersionError, SignatureError, StaleTimestampError)
    assert len({problem_response(kind(), omit_descriptions=True)["body"] for kind in kinds}) == 1


def test_problem_response_types_distinct() -> None:
    kinds: list[Callable[[], Exception]]
    kinds = [MalformedRequestError, PayloadTooLargeError, SignatureError, NotFoundError, UnavailableError, KeyError]
    kinds += [UpstreamError, CredentialsRejectedError, UpstreamTimeoutError, IdempotencyKeyReusedError]
    errors = [*(kind() for kind in kinds), IN_PROGRESS, UNKNOWN, FAILED, AUTHORIZATION_EXPIRED, REJECTED]
    types = {json.loads(problem_response(error, omit_descriptions=False)["body"])["type"] for error in errors}
    assert len(types) == len(errors)


def test_problem_response_invalid_callback_only_parameter_names() -> None:
    error = ValidationFailedError({"version": "is required", "timestamp": "is invalid"})
    response = problem_response(error, omit_descriptions=True)
    assert response["statusCode"] == 400
    body = json.loads(response["body"])
    assert body["parameters"] == ["timestamp", "version"]
    assert set(body) == {"type", "title", "status", "parameters"}


def test_problem_response_invalid_request_lists_errors() -> None:
    response = problem_response(ValidationFailedError({"b": "is required", "a": "is invalid"}), omit_descriptions=False)
    assert response["statusCode"] == 400
    body = json.loads(response["body"])
    assert body["errors"] == [
        {"parameter": "a", "description": "is invalid"},
        {"parameter": "b", "description": "is required"},
    ]
    assert set(body) == {"type", "title", "status", "errors"}


@pytest.mark.parametrize("code", ["6513", None])
def test_problem_response_rejection_has_code_and_descriptions(code: str | None) -> None:
    response = problem_response(RequestRejectedError(code, ["Order not found", "Try again"]), omit_descriptions=False)
    assert response["statusCode"] == 422
    body = json.loads(response["body"])
    assert body["response_code"] == code
    assert body["errors"] == [{"description": "Order not found"}, {"description": "Try again"}]


def test_problem_response_order_not_recorded_has_identifier() -> None:
    response = problem_response(OrderNotRecordedError("84274665124"), omit_descriptions=False)
    body = json.loads(response["body"])
    assert response["statusCode"] == body["status"] == 503
    assert body["type"] == "urn:problem-type:paynearme:order-not-recorded"
    assert body["pnm_order_identifier"] == "84274665124"
    assert set(body) == {"type", "title", "status", "pnm_order_identifier"}


RECONNECT = {
    "site_identifier": "S2155373459",
    "pnm_order_identifier": "84274665124",
    "flow_trustly": "true",
    "flow_trustly_reconnect": "23b9e4ba13242",
}


@pytest.mark.parametrize(
    ("error", "status", "kind", "extensions"),
    [
        (IN_PROGRESS, 409, "payment-in-progress", {}),
        (IdempotencyKeyReusedError(), 422, "idempotency-key-reused", {}),
        (UNKNOWN, 504, "payment-outcome-unknown", {"site_payment_identifier": SITE_PAYMENT_IDENTIFIER}),
        (
            FAILED,
            422,
            "payment-failed",
            {"site_payment_identifier": SITE_PAYMENT_IDENTIFIER, "pnm_payment_identifier": "943751749956"},
        ),
        (
            PaymentFailedError(SITE_PAYMENT_IDENTIFIER, None),
            422,
            "payment-failed",
            {"site_payment_identifier": SITE_PAYMENT_IDENTIFIER, "pnm_payment_identifier": None},
        ),
        (
            AUTHORIZATION_EXPIRED,
            409,
            "bank-authorization-expired",
            {
                "response_code": "6513",
                "errors": [{"description": "Connect again"}],
                "payment_method_identifier": "23b9e4ba13242",
                "reconnect": RECONNECT,
            },
        ),
    ],
)
def test_problem_response_payment_errors_own_problem_types(
    error: ServiceError, status: int, kind: str, extensions: dict[str, object]
) -> None:
    response = problem_response(error, omit_descriptions=False)
    body = json.loads(response["body"])
    assert response["statusCode"] == body["status"] == status
    assert body["type"] == f"urn:problem-type:paynearme:{kind}"
    assert {name: value for name, value in body.items() if name not in ("type", "title", "status")} == extensions
    assert response["headers"]["Content-Type"].startswith("application/problem+json")


def test_problem_response_reconnect_is_smart_token_request() -> None:
    reconnect = json.loads(problem_response(AUTHORIZATION_EXPIRED, omit_descriptions=False)["body"])["reconnect"]
    expected = {name: value for name, value in RECONNECT.items() if name != "site_identifier"}
    assert read_message(SmartTokenRequest, reconnect).to_parameters() == expected
    assert reconnect["site_identifier"] == "S2155373459"


def test_problem_response_retry_after_only_if_in_progress() -> None:
    assert problem_response(IN_PROGRESS, omit_descriptions=False)["headers"]["Retry-After"] == "7"
    for error in (UNKNOWN, FAILED, AUTHORIZATION_EXPIRED, REJECTED, IdempotencyKeyReusedError(), UnavailableError()):
        assert "Retry-After" not in problem_response(error, omit_descriptions=False)["headers"]


def test_problem_response_upstream_error_detail_omitted() -> None:
    for error in (UpstreamError("canary"), RequestNotAcceptedError("canary"), CredentialsRejectedError("canary")):
        assert error.detail == "canary"
        assert "canary" not in problem_response(error, omit_descriptions=False)["body"]


def test_json_response_success_not_cached() -> None:
    response = json_response({"orders": [{"secure_smart_link": "https://example.com/ë"}]})
    assert response["statusCode"] == 200
    assert response["headers"] == {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
    assert json.loads(response["body"]) == {"orders": [{"secure_smart_link": "https://example.com/ë"}]}


@pytest.mark.parametrize("response", [json_response({}), problem_response(KeyError(), omit_descriptions=True)])
def test_response_shape_matches_api_gateway(response: dict[str, object]) -> None:
    assert set(response) == {"statusCode", "headers", "body", "isBase64Encoded"}
    assert isinstance(response["body"], str)
    assert response["isBase64Encoded"] is False
