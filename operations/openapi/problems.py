"""The problem responses of failed requests, derived from the error classes, and their schemas."""

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
    ServiceError,
    ValidationFailedError,
)
from paynearme.platform.http_response import PROBLEM_NAMESPACE, problem_response


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(_Model):
    """A failed request (RFC 9457)."""

    type: str
    title: str
    status: int


class InvalidParameter(_Model):
    """An invalid parameter with its error. The response never contains the value."""

    parameter: str
    description: str


class InvalidParameters(Problem):
    """A request with invalid parameters."""

    errors: list[InvalidParameter]


class RejectionDetail(_Model):
    """A description from PayNearMe."""

    description: str


class RejectedByPayNearMe(Problem):
    """A request that PayNearMe processed and rejected."""

    response_code: str | None
    errors: list[RejectionDetail]


class Reconnect(_Model):
    """Parameters of a Smart Token with which the customer connects the bank again. Add your return URLs."""

    site_identifier: str
    pnm_order_identifier: str
    flow_trustly: Literal["true"]
    flow_trustly_reconnect: str


class BankAuthorizationExpired(RejectedByPayNearMe):
    """A payment method that requires the customer to connect the bank again."""

    payment_method_identifier: str
    reconnect: Reconnect


class OrderNotRecorded(Problem):
    """An order that exists at PayNearMe and is not recorded. Write it with PUT /orders. Do not create it again."""

    pnm_order_identifier: str = Field(description="The identifier of the order, for PUT /orders.")


_SITE_PAYMENT_IDENTIFIER = Field(
    description="This API's identifier of the payment, derived from the site and the Idempotency-Key."
)


class PaymentOutcomeUnknown(Problem):
    """A payment with an unknown outcome. PayNearMe can have made it."""

    site_payment_identifier: str = _SITE_PAYMENT_IDENTIFIER


class PaymentFailed(RejectedByPayNearMe):
    """A payment that PayNearMe declined. After a decline by a confirmation only, there is no code and no error."""

    site_payment_identifier: str = _SITE_PAYMENT_IDENTIFIER
    pnm_payment_identifier: str | None


class ApiGatewayProblem(_Model):
    """A response of API Gateway. With a 5xx status, the function can have processed the request."""

    type: str
    title: str


_MODEL_BY_ERROR: Mapping[type[ServiceError], type[Problem]] = {
    ValidationFailedError: InvalidParameters,
    RequestRejectedError: RejectedByPayNearMe,
    BankAuthorizationExpiredError: BankAuthorizationExpired,
    OrderNotRecordedError: OrderNotRecorded,
    PaymentOutcomeUnknownError: PaymentOutcomeUnknown,
    PaymentFailedError: PaymentFailed,
}
"""The models of the errors with extension members. The other errors have ``Problem``."""

MODELS: tuple[type[BaseModel], ...] = (Problem, *_MODEL_BY_ERROR.values(), ApiGatewayProblem)

_REJECTED = {"type": f"{PROBLEM_NAMESPACE}rejected", "title": "Rejected"}
_GATEWAY_ERROR = {"type": f"{PROBLEM_NAMESPACE}gateway-error", "title": "The request failed"}
API_GATEWAY_RESPONSES: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "403": ("Forbidden", "The caller's signature is missing or wrong, or the caller lacks the permission.", _REJECTED),
    "429": ("TooManyRequests", "The request exceeds the rate limit.", _REJECTED),
    "default": (
        "Default",
        "API Gateway received no valid response of the function (status 500, 502, 503 or 504). The function can have "
        "processed the request.",
        _GATEWAY_ERROR,
    ),
}
"""The responses of API Gateway by status: a name, a description, and the body in the template."""

_HEADERS: Mapping[str, Any] = {
    "Retry-After": {
        "description": "Seconds after which the caller can retry. Only while the payment is in progress.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
"""The additional headers of some problems."""


class Responses:
    """The problem responses of all operations, each once. Operations share equal responses."""

    def __init__(self, errors: Mapping[str, Sequence[ServiceError]]) -> None:
        """Create the responses from one example of each error, by operation."""
        self._names: dict[str, dict[int, str]] = {}
        self._errors: dict[str, list[ServiceError]] = {}
        for operation, operation_errors in errors.items():
            by_status: dict[int, list[ServiceError]] = {}
            for error in operation_errors:
                by_status.setdefault(error.status, []).append(error)
            self._names[operation] = {
                status: self._response_name(operation, status, by_status[status]) for status in sorted(by_status)
            }

    def _response_name(self, operation: str, status: int, errors: list[ServiceError]) -> str:
        """Return the name of the response: the status, with the operation if the status has other errors."""
        shared_name = "".join(word.capitalize() for word in HTTPStatus(status).name.split("_"))
        specific_name = f"{shared_name}Of{operation[0].upper()}{operation[1:]}"
        shared_errors = self._errors.setdefault(shared_name, errors)
        is_shared = {error.problem_type for error in shared_errors} == {error.problem_type for error in errors}
        name = shared_name if is_shared else specific_name
        self._errors.setdefault(name, errors)
        return name

    def build(self, operation: str, descriptions: Mapping[str, str]) -> dict[str, Any]:
        """Return references to the responses of an operation and of API Gateway, by status.

        ``descriptions`` replaces the description of a status, which otherwise consists of the problems' titles.
        """
        operation_names = {str(status): name for status, name in self._names[operation].items()}
        names = operation_names | {status: name for status, (name, *_) in API_GATEWAY_RESPONSES.items()}
        overrides = {status: {"description": description} for status, description in descriptions.items()}
        return {
            status: {"$ref": f"#/components/responses/{name}", **overrides.get(status, {})}
            for status, name in sorted(names.items())
        }

    def components(self) -> dict[str, Any]:
        """Return all responses, including those of API Gateway, by name."""
        operation_responses = {name: _response(errors) for name, errors in self._errors.items()}
        return operation_responses | {
            name: _api_gateway_response(description, body) for name, description, body in API_GATEWAY_RESPONSES.values()
        }


def _response(errors: Sequence[ServiceError]) -> dict[str, Any]:
    responses = {error: problem_response(error, omit_descriptions=False) for error in errors}
    schemas = [
        {
            **_schema(_MODEL_BY_ERROR.get(type(error), Problem)),
            "properties": {
                "type": {"const": f"{PROBLEM_NAMESPACE}{error.problem_type}"},
                "status": {"const": error.status},
            },
        }
        for error in errors
    ]
    content = {
        "schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas},
        "examples": {error.problem_type: {"value": json.loads(responses[error]["body"])} for error in errors},
    }
    headers = {name: _HEADERS[name] for error in errors for name in error.headers()}
    return {
        "description": " ".join(f"{error.title}." for error in errors),
        **({"headers": headers} if headers else {}),
        "content": {"application/problem+json": content},
    }


def _api_gateway_response(description: str, body: Mapping[str, str]) -> dict[str, Any]:
    content = {"schema": _schema(ApiGatewayProblem), "example": body}
    return {"description": description, "content": {"application/problem+json": content}}


def _schema(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
