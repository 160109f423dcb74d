"""What a call is answered with when it fails: bodies as ``answers.problem`` makes them, and their schemas."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from paynearme.errors import (
    BankAuthorizationExpiredError,
    OrderNotRecordedError,
    PaymentFailedError,
    PaymentOutcomeUnknownError,
    RequestRejectedError,
    ValidationFailedError,
)
from paynearme.platform.http_response import problem_response


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(_Model):
    """A call that failed (RFC 9457)."""

    type: str
    title: str
    status: int


class InvalidParameter(_Model):
    """A parameter that cannot be taken, and why. Its value is never repeated."""

    parameter: str
    description: str


class InvalidParameters(Problem):
    """A call with faulty parameters, each by its name."""

    errors: list[InvalidParameter]


class RejectionDetail(_Model):
    """A reason in PayNearMe's words."""

    description: str


class RejectedByPayNearMe(Problem):
    """A call that PayNearMe understood and refused."""

    response_code: str | None
    errors: list[RejectionDetail]


class Reconnect(_Model):
    """What to ask a Smart Token for, beside the addresses to return to: with it the customer reconnects."""

    site_identifier: str
    pnm_order_identifier: str
    flow_trustly: Literal["true"]
    flow_trustly_reconnect: str


class BankAuthorizationExpired(RejectedByPayNearMe):
    """A payment method that cannot pay before the customer has connected its bank again."""

    payment_method_identifier: str
    reconnect: Reconnect


class OrderNotRecorded(Problem):
    """An order that exists at PayNearMe and that authorizations do not know: feed it, create it no more."""

    pnm_order_identifier: str = Field(description="With it, PUT /orders lets authorizations know the order.")


_SITE_PAYMENT_IDENTIFIER = Field(description="Ours: it follows from site and Idempotency-Key.")


class PaymentOutcomeUnknown(Problem):
    """A payment of which nobody can tell yet whether PayNearMe made it. It is no failure."""

    site_payment_identifier: str = _SITE_PAYMENT_IDENTIFIER


class PaymentFailed(Problem):
    """A payment that was declined, as PayNearMe's confirmation told."""

    site_payment_identifier: str = _SITE_PAYMENT_IDENTIFIER
    pnm_payment_identifier: str | None


class ApiGatewayProblem(_Model):
    """An answer of API Gateway's own: the call reached no function."""

    type: str
    title: str


MODELS = (
    Problem,
    InvalidParameters,
    RejectedByPayNearMe,
    BankAuthorizationExpired,
    OrderNotRecorded,
    PaymentOutcomeUnknown,
    PaymentFailed,
    ApiGatewayProblem,
)

API_GATEWAY_RESPONSES: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "403": (
        "Forbidden",
        "The caller's signature is missing or wrong, or the caller may not call.",
        {"type": "urn:problem-type:paynearme:refused", "title": "Refused"},
    ),
    "429": (
        "TooManyRequests",
        "There are more calls than are admitted.",
        {"type": "urn:problem-type:paynearme:refused", "title": "Refused"},
    ),
    "default": (
        "Default",
        "API Gateway could not hand the call on. It answers so with status 500, 502 and 504, too.",
        {"type": "urn:problem-type:paynearme:unavailable", "title": "Temporarily unavailable"},
    ),
}
"""What API Gateway answers by itself, by status: its name, a description, and the body of the template."""

_MODEL_BY_ERROR: Mapping[type[Exception], type[Problem]] = {
    ValidationFailedError: InvalidParameters,
    RequestRejectedError: RejectedByPayNearMe,
    BankAuthorizationExpiredError: BankAuthorizationExpired,
    OrderNotRecordedError: OrderNotRecorded,
    PaymentOutcomeUnknownError: PaymentOutcomeUnknown,
    PaymentFailedError: PaymentFailed,
}

_HEADERS: Mapping[str, Any] = {
    "Retry-After": {
        "description": "Only while the payment is under way: seconds after which to repeat the call.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
"""The headers that some problems have."""


class Responses:
    """The answers to all operations' failed calls, each once. Operations share those that are alike."""

    def __init__(self, errors: Mapping[str, Sequence[Exception]]) -> None:
        """Take, by operation, one example of each error that it can end with."""
        self._names: dict[str, dict[int, str]] = {}
        self._errors: dict[str, list[Exception]] = {}
        for operation, operation_errors in errors.items():
            by_status: dict[int, list[Exception]] = {}
            for error in operation_errors:
                by_status.setdefault(_status(error), []).append(error)
            self._names[operation] = {
                status: self._response_name(operation, status, by_status[status]) for status in sorted(by_status)
            }

    def _response_name(self, operation: str, status: int, errors: list[Exception]) -> str:
        """Return the name of the answers to ``errors``: the status's, unless others have that."""
        shared_name = "".join(word.capitalize() for word in HTTPStatus(status).name.split("_"))
        specific_name = f"{shared_name}Of{operation[0].upper()}{operation[1:]}"
        problem_types = {_problem_type(error) for error in errors}
        is_shared = {_problem_type(error) for error in self._errors.setdefault(shared_name, errors)} == problem_types
        name = shared_name if is_shared else specific_name
        self._errors.setdefault(name, errors)
        return name

    def build(self, operation: str, descriptions: Mapping[str, str]) -> dict[str, Any]:
        """Return references to an operation's answers, and to those of API Gateway, by status.

        ``meanings`` says what to describe otherwise than by the problems' titles, by status.
        """
        operation_names = {str(status): name for status, name in self._names[operation].items()}
        names = operation_names | {status: name for status, (name, *_) in API_GATEWAY_RESPONSES.items()}
        overrides = {status: {"description": description} for status, description in descriptions.items()}
        return {
            status: {"$ref": f"#/components/responses/{name}", **overrides.get(status, {})}
            for status, name in sorted(names.items())
        }

    def components(self) -> dict[str, Any]:
        """Return all answers, and those of API Gateway, by name."""
        operation_responses = {name: _response(errors) for name, errors in self._errors.items()}
        return operation_responses | {
            name: _api_gateway_response(description, body) for name, description, body in API_GATEWAY_RESPONSES.values()
        }


def _status(error: Exception) -> int:
    status: int = problem_response(error, omit_descriptions=False)["statusCode"]
    return status


def _problem_type(error: Exception) -> str:
    problem_type: str = json.loads(problem_response(error, omit_descriptions=False)["body"])["type"]
    return problem_type


def _response(errors: Sequence[Exception]) -> dict[str, Any]:
    responses = [problem_response(error, omit_descriptions=False) for error in errors]
    bodies = [json.loads(response["body"]) for response in responses]
    schemas = [
        {
            **_schema(_MODEL_BY_ERROR.get(type(error), Problem)),
            "properties": {"type": {"const": body["type"]}, "status": {"const": body["status"]}},
        }
        for error, body in zip(errors, bodies, strict=True)
    ]
    content = {
        "schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas},
        "examples": {body["type"].rpartition(":")[2]: {"value": body} for body in bodies},
    }
    headers = {name: _HEADERS[name] for name in _HEADERS if any(name in response["headers"] for response in responses)}
    return {
        "description": " ".join(f"{body['title']}." for body in bodies),
        **({"headers": headers} if headers else {}),
        "content": {"application/problem+json": content},
    }


def _api_gateway_response(description: str, body: Mapping[str, str]) -> dict[str, Any]:
    content = {"schema": _schema(ApiGatewayProblem), "example": body}
    return {"description": description, "content": {"application/problem+json": content}}


def _schema(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
