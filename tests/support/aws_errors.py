"""Errors of AWS services."""

from typing import Any

from botocore.exceptions import ClientError

MARKER = "zq7marker7qz"
"""A part of every error text, which no output may contain."""


def client_error(code: str, status: int = 400, **fields: Any) -> ClientError:
    """Return an error response with additional ``fields``."""
    error = {"Code": code, "Message": MARKER}
    response: Any = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}, **fields}
    return ClientError(response, "Operation")
