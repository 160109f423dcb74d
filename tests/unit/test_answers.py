import json
from collections.abc import Callable

import pytest

from paynearme.answers import problem, success
from paynearme.errors import (
    AccessTokenUnavailableError,
    StaleTimestampError,
    AuthenticationError,
    BankAuthorizationExpiredError,
    CredentialsRejectedError,
    IdempotencyKeyReusedError,
    ValidationFailedError,
    LedgerUnavailableError,
    NotFoundError,
    UpstreamConnectTimeoutError,
    RequestNotAcceptedError,
    OrderNotRecordedError,
    PaymentFailedError,
    PaymentOutcomeUnknownError,
    PaymentInProgressError,
    ServiceError,
    UpstreamError,
    UpstreamTimeoutError,
    RequestRejectedError,
    SignatureError,
    SiteKeysUnavailableError,
    AccessTokenRejectedError,
    PayloadTooLargeError,
    UnavailableError,
    UnknownSiteError,
    MalformedRequestError,
    UnsupportedVersionError,
)
from paynearme.messages import SmartTokenRequest, read_message

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
OURS = "0b4b3b1e-5f5b-5d4e-9c39-8f7e6a1d2c3b"
UNDER_WAY = PaymentInProgressError(7)
UNKNOWN = PaymentOutcomeUnknownError(OURS)
DECLINED = PaymentFailedError(OURS, "943751749956")
REFUSED = RequestRejectedError("6501", ["Order not found"])
EXPIRED = BankAuthorizationExpiredError(
    "6513", ["Connect again"], "23b9e4ba13242", "84274665124", "S2155373459"
)
in_both_ways = pytest.mark.parametrize("names_only", [True, False])


@in_both_ways
@pytest.mark.parametrize(("kind", "status"), STATUSES)
def test_each_error_has_its_status_and_a_fixed_body(
    kind: type[Exception], status: int, names_only: bool
) -> None:
    answer = problem(kind("canary"), names_only=names_only)
    body = json.loads(answer["body"])
    assert answer["statusCode"] == body["status"] == status
    assert answer["headers"]["Content-Type"].startswith("application/problem+json")
    assert set(body) == {"type", "title", "status"}
    # Whatever the error says, the answer is the same.
    assert answer == problem(kind("something else"), names_only=names_only)


def test_every_way_of_not_being_authentic_has_one_and_the_same_body() -> None:
    kinds = (AuthenticationError, UnknownSiteError, UnsupportedVersionError, SignatureError, StaleTimestampError)
    assert len({problem(kind(), names_only=True)["body"] for kind in kinds}) == 1


def test_other_kinds_of_errors_are_told_apart() -> None:
    kinds: list[Callable[[], Exception]]
    kinds = [MalformedRequestError, PayloadTooLargeError, SignatureError, NotFoundError, UnavailableError, KeyError]
    kinds += [UpstreamError, CredentialsRejectedError, UpstreamTimeoutError, IdempotencyKeyReusedError]
    errors = [*(kind() for kind in kinds), UNDER_WAY, UNKNOWN, DECLINED, EXPIRED, REFUSED]
    types = {json.loads(problem(error, names_only=False)["body"])["type"] for error in errors}
    assert len(types) == len(errors)


def test_an_invalid_callback_is_answered_with_the_names_of_its_parameters_alone() -> None:
    error = ValidationFailedError({"version": "is required", "timestamp": "is not readable"})
    answer = problem(error, names_only=True)
    assert answer["statusCode"] == 400
    body = json.loads(answer["body"])
    assert body["parameters"] == ["timestamp", "version"]
    assert set(body) == {"type", "title", "status", "parameters"}


def test_an_invalid_call_is_answered_with_a_description_of_each_fault() -> None:
    answer = problem(ValidationFailedError({"b": "is required", "a": "is not readable"}), names_only=False)
    assert answer["statusCode"] == 400
    body = json.loads(answer["body"])
    assert body["errors"] == [
        {"parameter": "a", "description": "is not readable"},
        {"parameter": "b", "description": "is required"},
    ]
    assert set(body) == {"type", "title", "status", "errors"}


@pytest.mark.parametrize("code", ["6513", None])
def test_paynearmes_refusal_is_handed_on_with_its_code_and_its_descriptions(code: str | None) -> None:
    answer = problem(RequestRejectedError(code, ["Order not found", "Try again"]), names_only=False)
    assert answer["statusCode"] == 422
    body = json.loads(answer["body"])
    assert body["response_code"] == code
    assert body["errors"] == [{"description": "Order not found"}, {"description": "Try again"}]


def test_an_order_that_could_not_be_written_down_is_named() -> None:
    answer = problem(OrderNotRecordedError("84274665124"), names_only=False)
    body = json.loads(answer["body"])
    assert answer["statusCode"] == body["status"] == 503
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
    ("error", "status", "kind", "members"),
    [
        (UNDER_WAY, 409, "payment-in-progress", {}),
        (IdempotencyKeyReusedError(), 422, "idempotency-key-reused", {}),
        (UNKNOWN, 504, "payment-outcome-unknown", {"site_payment_identifier": OURS}),
        (
            DECLINED,
            422,
            "payment-failed",
            {"site_payment_identifier": OURS, "pnm_payment_identifier": "943751749956"},
        ),
        (
            PaymentFailedError(OURS, None),
            422,
            "payment-failed",
            {"site_payment_identifier": OURS, "pnm_payment_identifier": None},
        ),
        (
            EXPIRED,
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
def test_what_became_of_a_payment_is_told_as_its_own_problem(
    error: ServiceError, status: int, kind: str, members: dict[str, object]
) -> None:
    answer = problem(error, names_only=False)
    body = json.loads(answer["body"])
    assert answer["statusCode"] == body["status"] == status
    assert body["type"] == f"urn:problem-type:paynearme:{kind}"
    assert {name: value for name, value in body.items() if name not in ("type", "title", "status")} == members
    assert answer["headers"]["Content-Type"].startswith("application/problem+json")


def test_what_to_reconnect_with_is_a_request_for_a_smart_token_without_customer_values() -> None:
    reconnect = json.loads(problem(EXPIRED, names_only=False)["body"])["reconnect"]
    asked = {name: value for name, value in RECONNECT.items() if name != "site_identifier"}
    assert read_message(SmartTokenRequest, reconnect).to_parameters() == asked
    assert reconnect["site_identifier"] == "S2155373459"


def test_only_a_payment_that_is_under_way_says_when_to_come_again() -> None:
    assert problem(UNDER_WAY, names_only=False)["headers"]["Retry-After"] == "7"
    for error in (UNKNOWN, DECLINED, EXPIRED, REFUSED, IdempotencyKeyReusedError(), UnavailableError()):
        assert "Retry-After" not in problem(error, names_only=False)["headers"]


def test_a_fault_of_paynearmes_keeps_its_detail_for_the_log() -> None:
    for error in (UpstreamError("canary"), RequestNotAcceptedError("canary"), CredentialsRejectedError("canary")):
        assert error.detail == "canary"
        assert "canary" not in problem(error, names_only=False)["body"]


def test_a_success_is_json_that_nobody_may_keep() -> None:
    answer = success({"orders": [{"secure_smart_link": "https://example.com/ë"}]})
    assert answer["statusCode"] == 200
    assert answer["headers"] == {
        "Content-Type": "application/json; charset=utf-8",
        "Cache-Control": "no-store",
    }
    assert json.loads(answer["body"]) == {"orders": [{"secure_smart_link": "https://example.com/ë"}]}


@pytest.mark.parametrize("answer", [success({}), problem(KeyError(), names_only=True)])
def test_an_answer_has_the_shape_that_api_gateway_wants(answer: dict[str, object]) -> None:
    assert set(answer) == {"statusCode", "headers", "body", "isBase64Encoded"}
    assert isinstance(answer["body"], str)
    assert answer["isBase64Encoded"] is False
