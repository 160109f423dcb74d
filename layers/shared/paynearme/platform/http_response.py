"""HTTP responses of a REST API: JSON, and problem details with fixed texts (RFC 9457)."""

import json
from collections.abc import Mapping
from typing import Any

from paynearme.errors import ServiceError, ValidationFailedError

type HttpResponse = dict[str, Any]
"""The return value of a function behind a REST API: ``statusCode``, ``headers``, ``body``."""

PROBLEM_NAMESPACE = "urn:problem-type:paynearme:"


def problem_response(error: Exception, *, omit_descriptions: bool) -> HttpResponse:
    """Return the fixed response of ``error``. An error of another kind gets 500.

    With ``omit_descriptions``, invalid parameters are listed without descriptions, as for callbacks.
    """
    service_error = error if isinstance(error, ServiceError) else ServiceError()
    body: dict[str, Any] = {
        "type": f"{PROBLEM_NAMESPACE}{service_error.problem_type}",
        "title": service_error.title,
        "status": service_error.status,
    }
    if isinstance(service_error, ValidationFailedError):
        if omit_descriptions:
            body["parameters"] = sorted(service_error.errors)
        else:
            errors = sorted(service_error.errors.items())
            body["errors"] = [{"parameter": name, "description": text} for name, text in errors]
    response = http_response(
        service_error.status, "application/problem+json", json.dumps({**body, **service_error.extensions()})
    )
    response["headers"].update(service_error.headers())
    return response


def json_response(content: Mapping[str, Any]) -> HttpResponse:
    """Return a 200 response with ``content`` as JSON."""
    return http_response(200, "application/json", json.dumps(content))


def http_response(status: int, content_type: str, body: str) -> HttpResponse:
    """Return a response with a UTF-8 text body that no cache stores."""
    headers = {"Content-Type": f"{content_type}; charset=utf-8", "Cache-Control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": False}
