"""Assertions on HTTP responses, and the part of a request body that a stub of connections receives."""

from collections.abc import Iterable
from typing import Any

from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from tests.support.harness import CapturedOutput, Response

MARKER = "zq7marker7qz"
"""A value of rejected requests that no response and no log contains."""


def body_received(body: Iterable[bytes], response: object) -> bytes:
    """Return the body, which is empty if ``response`` is a connection error."""
    reason = response.reason if isinstance(response, MaxRetryError) else response
    return b"" if isinstance(reason, NewConnectionError | ConnectTimeoutError) else b"".join(body)


def assert_rejected(response: Response, status: int, captured_output: CapturedOutput) -> dict[str, Any]:
    """Return the problem. Fails if its form is wrong, or if it or the log contains the marker."""
    assert response.status == status
    assert response.content_type.startswith("application/problem+json")
    assert MARKER not in response.body + captured_output.text()
    problem = response.content
    assert set(problem) - {"parameters"} == {"type", "title", "status"}
    assert problem["status"] == status
    return problem
