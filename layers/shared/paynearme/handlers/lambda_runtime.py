"""The types, the clock and the setting of garbage collection for all decorators."""

import gc
from collections.abc import Callable
from datetime import UTC, datetime

from paynearme.platform.http_request import ProxyEvent
from paynearme.platform.http_response import HttpResponse

type HttpHandler = Callable[[ProxyEvent, object], HttpResponse]
"""A Lambda handler behind a REST API."""

type Clock = Callable[[], datetime]
"""Return the current time, timezone-aware, in UTC."""


def freeze_imports() -> None:
    """Exclude all current objects from garbage collection: they live as long as the process.

    Without it, a collection during a call would examine tens of thousands of objects of the imported modules.
    """
    gc.freeze()


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)
