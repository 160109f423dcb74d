"""Events of a REST API for a function, with one builder for each transport."""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from paynearme.platform.http_request import ProxyEvent


def query_event(pairs: Iterable[tuple[str, str]]) -> ProxyEvent:
    """Return a ``GET`` with the decoded pairs of its query string."""
    values_by_name: dict[str, list[str]] = {}
    for name, value in pairs:
        values_by_name.setdefault(name, []).append(value)
    event = _event("GET")
    if values_by_name:
        # As in API Gateway, one map has the last of two equal names, and the other map has both.
        event["queryStringParameters"] = {name: values[-1] for name, values in values_by_name.items()}
        event["multiValueQueryStringParameters"] = values_by_name
    return event


def body_event(body: str | None, *, is_base64: bool = False) -> ProxyEvent:
    """Return a ``POST`` with a body."""
    return _event("POST") | {"body": body, "isBase64Encoded": is_base64}


def bytes_event(body: bytes) -> ProxyEvent:
    """Return a ``POST`` with a base64 body."""
    return body_event(base64.b64encode(body).decode(), is_base64=True)


def form_event(parameters: Mapping[str, str]) -> ProxyEvent:
    """Return a ``POST`` of a form."""
    return body_event(urlencode(parameters))


def json_event(parameters: Mapping[str, Any]) -> ProxyEvent:
    """Return a ``POST`` of a JSON object."""
    return body_event(json.dumps(parameters))


def _event(method: str) -> ProxyEvent:
    absent = dict.fromkeys(("headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters"))
    return {
        **absent,
        "resource": "/callbacks/authorize",
        "path": "/callbacks/authorize",
        "httpMethod": method,
        "pathParameters": None,
        "requestContext": {"httpMethod": method, "stage": "test"},
        "body": None,
        "isBase64Encoded": False,
    }
