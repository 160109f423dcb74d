"""HTTP requests that are cancelled when their deadline passes."""

from collections.abc import Iterator, Mapping
from functools import partial
from threading import Lock

from urllib3 import BaseHTTPResponse, PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError
from urllib3.exceptions import TimeoutError as HttpTimeoutError

from paynearme.errors import (
    RequestNotAcceptedError,
    ServiceError,
    UpstreamConnectTimeoutError,
    UpstreamError,
    UpstreamTimeoutError,
)
from paynearme.platform.deadline import Deadline

_CONNECT_SECONDS = 1.0


class _CancellableBody:
    """A request body that records whether it was sent, and that is not sent after the deadline.

    A timed-out request continues in its thread, and can resume minutes later, after a Lambda freeze. The body is
    then withheld, so the request has no effect.
    """

    def __init__(self, content: bytes, deadline: Deadline) -> None:
        self._content = content
        self._deadline = deadline
        self._lock = Lock()
        self._is_cancelled = False
        self._is_sent = False

    def __iter__(self) -> Iterator[bytes]:
        with self._lock:
            if self._is_cancelled or self._deadline.remaining <= 0:
                raise TimeoutError
            self._is_sent = True
        yield self._content

    def cancel(self) -> bool:
        """Prevent the body from being sent. Return whether it was already sent."""
        with self._lock:
            self._is_cancelled = True
            return self._is_sent


def post(
    http: PoolManager,
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    retries: Retry | bool,
    max_attempt: float,
    deadline: Deadline,
) -> BaseHTTPResponse:
    """Return the response to a POST, with any status. Follows no redirect.

    An attempt takes at most ``max_attempt`` seconds, and all attempts end at the deadline. Raises
    ``RequestNotAcceptedError`` or ``UpstreamConnectTimeoutError`` if the server cannot have received the request.
    Raises ``UpstreamTimeoutError`` or ``UpstreamError`` if it can have received it.
    """
    if deadline.remaining <= 0:
        raise UpstreamConnectTimeoutError
    body = _CancellableBody(content, deadline)
    seconds = max(min(max_attempt, deadline.remaining), 0.001)
    send = partial(
        http.request,
        "POST",
        url,
        body=body,
        headers={**headers, "Content-Length": str(len(content))},
        timeout=Timeout(total=seconds, connect=_CONNECT_SECONDS),
        retries=retries,
        redirect=False,
    )
    try:
        return deadline.run(send)
    except TimeoutError:
        raise (UpstreamTimeoutError() if body.cancel() else UpstreamConnectTimeoutError()) from None
    except HTTPError as error:
        raise _map_error(error, is_sent=body.cancel()) from None


def _map_error(error: HTTPError, *, is_sent: bool) -> ServiceError:
    """Return the error for a request without a response."""
    reason = error.reason if isinstance(error, MaxRetryError) else error
    # For urllib3, a refused connection and an unknown host are timeouts.
    timed_out = isinstance(reason, HttpTimeoutError) and not isinstance(reason, NewConnectionError)
    if is_sent:
        return UpstreamTimeoutError() if timed_out else UpstreamError("no response")
    return UpstreamConnectTimeoutError() if timed_out else RequestNotAcceptedError("no connection")
