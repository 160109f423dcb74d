"""What a call is answered with when it fails: bodies as ``answers.problem`` makes them, and their schemas."""

import json
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict

from paynearme.answers import problem
from paynearme.errors import InvalidMessageError, RefusedByPayNearMeError


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(_Part):
    """A call that failed (RFC 9457)."""

    type: str
    title: str
    status: int


class Fault(_Part):
    """A parameter that cannot be taken, and why. Its value is never repeated."""

    parameter: str
    description: str


class InvalidParameters(Problem):
    """A call with faulty parameters, each by its name."""

    errors: list[Fault]


class Refusal(_Part):
    """A reason in PayNearMe's words."""

    description: str


class RefusedByPayNearMe(Problem):
    """A call that PayNearMe understood and refused."""

    response_code: str | None
    errors: list[Refusal]


class GatewayProblem(_Part):
    """An answer of API Gateway's own: the call reached no function."""

    type: str
    title: str


MODELS = (Problem, InvalidParameters, RefusedByPayNearMe, GatewayProblem)

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
        "API Gateway could not hand the call on. It answers so with status 500 and 504, too.",
        {"type": "urn:problem-type:paynearme:unavailable", "title": "Temporarily unavailable"},
    ),
}
"""What API Gateway answers by itself, by status: its name, a description, and the body of the template."""

_OF_ERRORS: Mapping[type[Exception], type[Problem]] = {
    InvalidMessageError: InvalidParameters,
    RefusedByPayNearMeError: RefusedByPayNearMe,
}


def references(errors: Iterable[Exception]) -> dict[str, Any]:
    """Return references to the answers to ``errors``, and to those of API Gateway, by status."""
    own = {str(status): _name(status) for status in sorted({_status(error) for error in errors})}
    names = own | {status: name for status, (name, *_) in BY_GATEWAY.items()}
    return {status: {"$ref": f"#/components/responses/{name}"} for status, name in sorted(names.items())}


def responses(errors: Iterable[Exception]) -> dict[str, Any]:
    """Return the answers to ``errors``, and those of API Gateway, by name."""
    by_status: dict[int, list[Exception]] = {}
    for error in errors:
        by_status.setdefault(_status(error), []).append(error)
    own = {_name(status): _answers(by_status[status]) for status in sorted(by_status)}
    return own | {name: _by_gateway(said, body) for name, said, body in BY_GATEWAY.values()}


def _status(error: Exception) -> int:
    status: int = problem(error, names_only=False)["statusCode"]
    return status


def _name(status: int) -> str:
    return "".join(word.capitalize() for word in HTTPStatus(status).name.split("_"))


def _answers(errors: Sequence[Exception]) -> dict[str, Any]:
    bodies = [json.loads(problem(error, names_only=False)["body"]) for error in errors]
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
    description = " ".join(f"{body['title']}." for body in bodies)
    return {"description": description, "content": {"application/problem+json": content}}


def _by_gateway(description: str, body: Mapping[str, str]) -> dict[str, Any]:
    content = {"schema": _schema(GatewayProblem), "example": body}
    return {"description": description, "content": {"application/problem+json": content}}


def _schema(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
