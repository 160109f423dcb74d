"""The decorator for functions that a schedule, a stream or an operator invokes."""

import time
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from paynearme.errors import InvocationFailedError
from paynearme.handlers.lambda_runtime import Clock, freeze_imports, utc_now
from paynearme.platform import observability

type BackgroundHandler[R] = Callable[[Any, object], R]


def background_handler[R](
    operation: str, *, clock: Clock = utc_now
) -> Callable[[Callable[[Any, datetime], R]], BackgroundHandler[R]]:
    """Convert a function that receives an event and the time (UTC) to a Lambda handler with the same result.

    The handler always writes the log line. Every error becomes ``InvocationFailedError``, which has no text:
    Lambda logs the text of an error, and it could quote the event.
    """

    def decorate(function: Callable[[Any, datetime], R]) -> BackgroundHandler[R]:
        @wraps(function)
        def handler(event: Any, context: object) -> R:
            started = time.perf_counter()
            observability.add_request(event, context)
            failed, status = True, 500
            try:
                result = function(event, clock())
                failed, status = False, 200
            except Exception as error:
                observability.record_error(error)
            observability.flush(operation, status, (time.perf_counter() - started) * 1000)
            if failed:
                raise InvocationFailedError
            return result

        freeze_imports()
        return handler

    return decorate
