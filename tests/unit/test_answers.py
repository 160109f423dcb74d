import json
from collections.abc import Callable

import pytest

from paynearme.answers import problem, success
from paynearme.errors import (
    AgeError,
    AuthenticityError,
    CredentialsRefusedError,
    InvalidMessageError,
    LedgerUnavailableError,
    NotFoundError,
    PayNearMeError,
    PayNearMeFaultError,
    PayNearMeTimeoutError,
    RefusedByPayNearMeError,
    SignatureError,
    SitesUnavailableError,
    TooLargeError,
    UnavailableError,
    UnknownSiteError,
    UnreadableError,
    VersionError,
)

STATUSES: list[tuple[type[Exception], int]] = [
    (UnreadableError, 400),
    (TooLargeError, 413),
    (AuthenticityError, 401),
    (UnknownSiteError, 401),
    (VersionError, 401),
    (SignatureError, 401),
    (AgeError, 401),
    (NotFoundError, 404),
    (UnavailableError, 503),
    (SitesUnavailableError, 503),
    (LedgerUnavailableError, 503),
    (PayNearMeFaultError, 502),
    (CredentialsRefusedError, 502),
    (PayNearMeTimeoutError, 504),
    (PayNearMeError, 500),
    (KeyError, 500),
    (Exception, 500),
]
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
    kinds = (AuthenticityError, UnknownSiteError, VersionError, SignatureError, AgeError)
    assert len({problem(kind(), names_only=True)["body"] for kind in kinds}) == 1


def test_other_kinds_of_errors_are_told_apart() -> None:
    kinds: list[Callable[[], Exception]]
    kinds = [UnreadableError, TooLargeError, SignatureError, NotFoundError, UnavailableError, KeyError]
    kinds += [PayNearMeFaultError, CredentialsRefusedError, PayNearMeTimeoutError]
    assert len({json.loads(problem(kind(), names_only=True)["body"])["type"] for kind in kinds}) == len(kinds)


def test_an_invalid_callback_is_answered_with_the_names_of_its_parameters_alone() -> None:
    error = InvalidMessageError({"version": "is required", "timestamp": "is not readable"})
    answer = problem(error, names_only=True)
    assert answer["statusCode"] == 400
    body = json.loads(answer["body"])
    assert body["parameters"] == ["timestamp", "version"]
    assert set(body) == {"type", "title", "status", "parameters"}


def test_an_invalid_call_is_answered_with_a_description_of_each_fault() -> None:
    answer = problem(InvalidMessageError({"b": "is required", "a": "is not readable"}), names_only=False)
    assert answer["statusCode"] == 400
    body = json.loads(answer["body"])
    assert body["errors"] == [
        {"parameter": "a", "description": "is not readable"},
        {"parameter": "b", "description": "is required"},
    ]
    assert set(body) == {"type", "title", "status", "errors"}


@pytest.mark.parametrize("code", ["6513", None])
def test_paynearmes_refusal_is_handed_on_with_its_code_and_its_descriptions(code: str | None) -> None:
    answer = problem(RefusedByPayNearMeError(code, ["Order not found", "Try again"]), names_only=False)
    assert answer["statusCode"] == 422
    body = json.loads(answer["body"])
    assert body["response_code"] == code
    assert body["errors"] == [{"description": "Order not found"}, {"description": "Try again"}]


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
