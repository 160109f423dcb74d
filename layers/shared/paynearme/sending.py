"""Requests that are not sent any more once nobody waits for their answer."""

from collections.abc import Iterator, Mapping
from functools import partial
from threading import Lock

from urllib3 import BaseHTTPResponse, PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError
from urllib3.exceptions import TimeoutError as HttpTimeoutError

from paynearme.deadline import Deadline
from paynearme.errors import (
    UpstreamConnectTimeoutError,
    RequestNotAcceptedError,
    ServiceError,
    UpstreamError,
    UpstreamTimeoutError,
)

_CONNECT_SECONDS = 1.0


class _Body:
    """A body that knows whether it was sent, and that is not sent after the deadline.

    A call that was given up goes on in its thread, and Lambda may freeze that for minutes: without its body,
    what is sent then has no effect.
    """

    def __init__(self, content: bytes, deadline: Deadline) -> None:
        self._content = content
        self._deadline = deadline
        self._turn = Lock()
        self._is_given_up = False
        self._is_sent = False

    def __iter__(self) -> Iterator[bytes]:
        with self._turn:
            if self._is_given_up or self._deadline.remaining <= 0:
                raise TimeoutError
            self._is_sent = True
        yield self._content

    def give_up(self) -> bool:
        """See that it is not sent from now on; return whether it was."""
        with self._turn:
            self._is_given_up = True
            return self._is_sent


def post(
    http: PoolManager,
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    repeat: Retry | bool,
    longest_attempt: float,
    deadline: Deadline,
) -> BaseHTTPResponse:
    """Return the answer to a POST, whatever it is. Follows no redirect.

    An attempt takes ``longest_attempt`` seconds at most, and all of them end at the deadline. Raises
    ``RequestNotAcceptedError`` and ``UpstreamConnectTimeoutError`` where nothing can have arrived, and
    ``UpstreamTimeoutError`` and ``UpstreamError`` where something can.
    """
    if deadline.remaining <= 0:
        raise UpstreamConnectTimeoutError
    body = _Body(content, deadline)
    seconds = max(min(longest_attempt, deadline.remaining), 0.001)
    send = partial(
        http.request,
        "POST",
        url,
        body=body,
        headers={**headers, "Content-Length": str(len(content))},
        timeout=Timeout(total=seconds, connect=_CONNECT_SECONDS),
        retries=repeat,
        redirect=False,
    )
    try:
        return deadline.bound(send)
    except TimeoutError:
        raise (UpstreamTimeoutError() if body.give_up() else UpstreamConnectTimeoutError()) from None
    except HTTPError as error:
        raise _unanswered(error, is_sent=body.give_up()) from None


def _unanswered(error: HTTPError, *, is_sent: bool) -> ServiceError:
    """Return what it means that there was no answer."""
    reason = error.reason if isinstance(error, MaxRetryError) else error
    # urllib3 counts a refused connection and an unknown host among the time-outs.
    timed_out = isinstance(reason, HttpTimeoutError) and not isinstance(reason, NewConnectionError)
    if is_sent:
        return UpstreamTimeoutError() if timed_out else UpstreamError("no answer")
    return UpstreamConnectTimeoutError() if timed_out else RequestNotAcceptedError("no connection")
