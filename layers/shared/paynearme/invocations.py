"""What Lambda calls by itself, on a schedule or with a stream's records: it always ends with a log line."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from paynearme import telemetry, telling
from paynearme.errors import InvocationFailedError

type Handler = Callable[[Any, object], None]
type Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


def async_handler(operation: str, *, clock: Clock = _now) -> Callable[[Callable[[Any, datetime], None]], Handler]:
    """Make a Lambda handler of a function that works on an event, at a time (UTC).

    Whatever fails in it becomes ``InvocationFailedError``, which says nothing: Lambda writes an error's text into
    the log, and it may quote what was worked on.
    """

    def decorate(function: Callable[[Any, datetime], None]) -> Handler:
        @wraps(function)
        def handler(event: Any, context: object) -> None:
            started = time.perf_counter()
            telemetry.add_request(event, context)
            status = 200
            try:
                function(event, clock())
            except Exception as error:
                telling.record_error(error)
                status = 500
            telemetry.flush(operation, status, (time.perf_counter() - started) * 1000)
            if status != 200:
                raise InvocationFailedError

        return handler

    return decorate
