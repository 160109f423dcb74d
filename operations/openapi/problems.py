"""What a call is answered with when it fails: bodies as ``answers.problem`` makes them, and their schemas."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from paynearme.answers import problem
from paynearme.errors import (
    BankAuthorizationExpiredError,
    ValidationFailedError,
    OrderNotRecordedError,
    PaymentFailedError,
    PaymentOutcomeUnknownError,
    RequestRejectedError,
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(_Part):
    """A call that failed (RFC 9457)."""

    type: str
    title: str
    status: int


class InvalidParameter(_Part):
    """A parameter that cannot be taken, and why. Its value is never repeated."""

    parameter: str
    description: str


class InvalidParameters(Problem):
    """A call with faulty parameters, each by its name."""

    errors: list[InvalidParameter]


class RejectionDetail(_Part):
    """A reason in PayNearMe's words."""

    description: str


class RejectedByPayNearMe(Problem):
    """A call that PayNearMe understood and refused."""

    response_code: str | None
    errors: list[RejectionDetail]


class Reconnect(_Part):
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


class ApiGatewayProblem(_Part):
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

BY_GATEWAY: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
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

_OF_ERRORS: Mapping[type[Exception], type[Problem]] = {
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
        for operation, own in errors.items():
            by_status: dict[int, list[Exception]] = {}
            for error in own:
                by_status.setdefault(_status(error), []).append(error)
            self._names[operation] = {
                status: self._named(operation, status, by_status[status]) for status in sorted(by_status)
            }

    def _named(self, operation: str, status: int, errors: list[Exception]) -> str:
        """Return the name of the answers to ``errors``: the status's, unless others have that."""
        plain = "".join(word.capitalize() for word in HTTPStatus(status).name.split("_"))
        own = f"{plain}Of{operation[0].upper()}{operation[1:]}"
        kinds = {_kind(error) for error in errors}
        same = {_kind(error) for error in self._errors.setdefault(plain, errors)} == kinds
        name = plain if same else own
        self._errors.setdefault(name, errors)
        return name

    def of(self, operation: str, meanings: Mapping[str, str]) -> dict[str, Any]:
        """Return references to an operation's answers, and to those of API Gateway, by status.

        ``meanings`` says what to describe otherwise than by the problems' titles, by status.
        """
        own = {str(status): name for status, name in self._names[operation].items()}
        names = own | {status: name for status, (name, *_) in BY_GATEWAY.items()}
        described = {status: {"description": meaning} for status, meaning in meanings.items()}
        return {
            status: {"$ref": f"#/components/responses/{name}", **described.get(status, {})}
            for status, name in sorted(names.items())
        }

    def components(self) -> dict[str, Any]:
        """Return all answers, and those of API Gateway, by name."""
        own = {name: _answers(errors) for name, errors in self._errors.items()}
        return own | {name: _by_gateway(said, body) for name, said, body in BY_GATEWAY.values()}


def _status(error: Exception) -> int:
    status: int = problem(error, names_only=False)["statusCode"]
    return status


def _kind(error: Exception) -> str:
    kind: str = json.loads(problem(error, names_only=False)["body"])["type"]
    return kind


def _answers(errors: Sequence[Exception]) -> dict[str, Any]:
    answers = [problem(error, names_only=False) for error in errors]
    bodies = [json.loads(answer["body"]) for answer in answers]
    schemas = [
        {
            **_schema(_OF_ERRORS.get(type(error), Problem)),
            "properties": {"type": {"const": body["type"]}, "status": {"const": body["status"]}},
        }
        for error, body in zip(errors, bodies, strict=True)
    ]
    content = {
        "schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas},
        "examples": {body["type"].rpartition(":")[2]: {"value": body} for body in bodies},
    }
    headers = {name: _HEADERS[name] for name in _HEADERS if any(name in a["headers"] for a in answers)}
    return {
        "description": " ".join(f"{body['title']}." for body in bodies),
        **({"headers": headers} if headers else {}),
        "content": {"application/problem+json": content},
    }


def _by_gateway(description: str, body: Mapping[str, str]) -> dict[str, Any]:
    content = {"schema": _schema(ApiGatewayProblem), "example": body}
    return {"description": description, "content": {"application/problem+json": content}}


def _schema(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
