"""A log of the received API requests, without sensitive values."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

REDACTED = "(redacted)"
"""The replacement of a sensitive value."""

_REDACTED_SUFFIXES = (
    "_pii",
    "_token",
    "_name",
    "_addressee",
    "_email",
    "_phone",
    "_street",
    "_city",
    "_postal_code",
    "_year_of_birth",
    "signature",
)


class CallLog:
    """The received requests in the order of their arrival."""

    def __init__(self) -> None:
        """Create an empty log."""
        self.received: list[dict[str, Any]] = []

    def record(self, operation: str, timestamp: float, parameters: Mapping[str, Any] | None, *, bearer: bool) -> None:
        """Record a request of ``timestamp`` (Unix seconds) with redacted parameters."""
        self.received.append(
            {
                "number": len(self.received) + 1,
                "operation": operation,
                "time": datetime.fromtimestamp(timestamp, UTC).isoformat(),
                "authentication": "oauth" if bearer else "hmac",
                "parameters": {name: _redact(name, value) for name, value in (parameters or {}).items()},
            }
        )


def _redact(name: str, value: object) -> str:
    return value if isinstance(value, str) and not name.endswith(_REDACTED_SUFFIXES) else REDACTED
