"""PayNearMe's error responses, and the pending result of an accepted request."""

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web


def error_response(
    description: str, response_code: str | None = None, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return PayNearMe's error response. ``description`` must not contain a value of the request."""
    content: dict[str, Any] = {"status": "error", "errors": [{"description": description}]}
    if response_code is not None:
        content = {"response_code": response_code, **content}
    return web.json_response(content, status=status, headers=headers)


def abort_connection(request: web.BaseRequest) -> web.Response:
    """Reset the TCP connection of ``request``, and return the response that aiohttp discards."""
    transport = request.transport
    if transport is not None:
        # Without lingering, the close sends a reset.
        option = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        transport.abort()
    return web.Response()


class RejectedError(Exception):
    """PayNearMe rejects the request with ``response``."""

    def __init__(
        self,
        description: str,
        response_code: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Create the error. The arguments are those of ``error_response``."""
        super().__init__(description)
        self.response = error_response(description, response_code, status, headers)


@dataclass(frozen=True)
class PendingResult:
    """The result of an accepted request.

    Without a ``continuation``, ``response`` is final. Otherwise ``response`` applies if the merchant accepts the
    payment, and ``continuation`` returns the final response.
    """

    response: web.Response
    continuation: asyncio.Task[web.Response] | None = None

    async def wait(self) -> web.Response | None:
        """Wait for the continuation and return the response, or None if the continuation was cancelled."""
        if self.continuation is None:
            return self.response
        try:
            # The continuation continues even if the caller closes the connection.
            return await asyncio.shield(self.continuation)
        except asyncio.CancelledError:
            if self.continuation.cancelled():
                return None
            raise
