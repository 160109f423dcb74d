"""Types and the clock that all decorators share."""

from collections.abc import Callable
from datetime import UTC, datetime

from paynearme.platform.http_request import ProxyEvent
from paynearme.platform.http_response import HttpResponse

type HttpHandler = Callable[[ProxyEvent, object], HttpResponse]
"""A Lambda handler behind a REST API."""

type Clock = Callable[[], datetime]
"""Return the current time, timezone-aware, in UTC."""


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)
