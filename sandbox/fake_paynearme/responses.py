"""Errors in PayNearMe's words, and what comes of a call that was carried out."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web


def error_response(
    description: str,
    response_code: str | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return an error in PayNearMe's form. ``description`` holds no value of the call."""
    content: dict[str, Any] = {"status": "error", "errors": [{"description": description}]}
    if response_code is not None:
        content = {"response_code": response_code, **content}
    return web.json_response(content, status=status, headers=headers)


class RejectedError(Exception):
    """The call is refused. ``answer`` says so to the caller."""

    def __init__(
        self,
        description: str,
        response_code: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Take what ``error`` takes."""
        super().__init__(description)
        self.response = error_response(description, response_code, status, headers)


@dataclass(frozen=True)
class PendingResult:
    """A call that was carried out.

    ``answer`` is what the caller gets if nothing is left to be done. ``rest`` is what still goes on, if
    anything does, and ends with the answer: ``answer`` is then what it will be if the merchant accepts.
    """

    response: web.Response
    continuation: asyncio.Task[web.Response] | None = None

    async def wait(self) -> web.Response | None:
        """Wait for what goes on and return the answer; None when it was cancelled."""
        if self.continuation is None:
            return self.response
        try:
            # Whether or not the caller still waits, what was begun goes on.
            return await asyncio.shield(self.continuation)
        except asyncio.CancelledError:
            if self.continuation.cancelled():
                return None
            raise
