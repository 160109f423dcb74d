"""The part of a request body that a stub of connections receives."""

from collections.abc import Iterable

from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError


def body_received(body: Iterable[bytes], response: object) -> bytes:
    """Return the body, which is empty if ``response`` is a connection error."""
    reason = response.reason if isinstance(response, MaxRetryError) else response
    return b"" if isinstance(reason, NewConnectionError | ConnectTimeoutError) else b"".join(body)
