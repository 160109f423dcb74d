"""The calls that PayNearMe received, without what nobody may see."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

HIDDEN = "(hidden)"
"""What stands in the place of a value that nobody may see."""

_HIDDEN_ENDINGS = (
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


class Calls:
    """The calls in the order of their arrival."""

    def __init__(self) -> None:
        """Begin without any."""
        self.received: list[dict[str, Any]] = []

    def record(
        self, operation: str, moment: float, parameters: Mapping[str, Any] | None, *, bearer: bool
    ) -> None:
        """Keep what may be shown of a call at ``moment`` (Unix seconds)."""
        self.received.append(
            {
                "number": len(self.received) + 1,
                "operation": operation,
                "time": datetime.fromtimestamp(moment, UTC).isoformat(),
                "authentication": "oauth" if bearer else "hmac",
                "parameters": {name: _shown(name, value) for name, value in (parameters or {}).items()},
            }
        )


def _shown(name: str, value: object) -> str:
    return value if isinstance(value, str) and not name.endswith(_HIDDEN_ENDINGS) else HIDDEN
