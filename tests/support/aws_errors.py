"""Errors of AWS services."""

from typing import Any

from botocore.exceptions import ClientError

MARKER = "zq7"
"""A part of all values that must be neither stored nor logged, and of every error text."""


def client_error(code: str, status: int = 400, **fields: Any) -> ClientError:
    """Return an error response with additional ``fields``."""
    error = {"Code": code, "Message": MARKER}
    response: Any = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}, **fields}
    return ClientError(response, "Operation")
