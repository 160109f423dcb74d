"""What stands in for connections: which errors come before anything is sent."""

from collections.abc import Iterable

from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError


def body_received(body: Iterable[bytes], response: object) -> bytes:
    """Return what arrives of a request's body: nothing where ``answer`` is that there was no connection."""
    reason = response.reason if isinstance(response, MaxRetryError) else response
    return b"" if isinstance(reason, NewConnectionError | ConnectTimeoutError) else b"".join(body)
