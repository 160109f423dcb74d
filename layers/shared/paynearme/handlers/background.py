"""The decorator for functions that a schedule or a stream invokes."""

import time
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from paynearme.errors import InvocationFailedError
from paynearme.handlers.lambda_types import Clock, utc_now
from paynearme.platform import observability

type BackgroundHandler = Callable[[Any, object], None]


def background_handler(
    operation: str, *, clock: Clock = utc_now
) -> Callable[[Callable[[Any, datetime], None]], BackgroundHandler]:
    """Convert a function that receives an event and the time (UTC) to a Lambda handler.

    The handler always writes the log line. Every error becomes ``InvocationFailedError``, which has no text:
    Lambda logs the text of an error, and it could quote the event.
    """

    def decorate(function: Callable[[Any, datetime], None]) -> BackgroundHandler:
        @wraps(function)
        def handler(event: Any, context: object) -> None:
            started = time.perf_counter()
            observability.add_request(event, context)
            status = 200
            try:
                function(event, clock())
            except Exception as error:
                observability.record_error(error)
                status = 500
            observability.flush(operation, status, (time.perf_counter() - started) * 1000)
            if status != 200:
                raise InvocationFailedError

        return handler

    return decorate
