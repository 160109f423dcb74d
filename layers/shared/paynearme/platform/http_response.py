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
    known = error if isinstance(error, ServiceError) else ServiceError()
    body: dict[str, Any] = {
        "type": f"{PROBLEM_NAMESPACE}{known.problem_type}",
        "title": known.title,
        "status": known.status,
    }
    if isinstance(known, ValidationFailedError):
        if omit_descriptions:
            body["parameters"] = sorted(known.errors)
        else:
            errors = sorted(known.errors.items())
            body["errors"] = [{"parameter": name, "description": text} for name, text in errors]
    response = http_response(known.status, "application/problem+json", json.dumps({**body, **known.extensions()}))
    response["headers"].update(known.headers())
    return response


def json_response(content: Mapping[str, Any]) -> HttpResponse:
    """Return a 200 response with ``content`` as JSON."""
    return http_response(200, "application/json", json.dumps(content))


def http_response(status: int, content_type: str, body: str) -> HttpResponse:
    """Return a response with a UTF-8 text body that no cache stores."""
    headers = {"Content-Type": f"{content_type}; charset=utf-8", "Cache-Control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": False}
