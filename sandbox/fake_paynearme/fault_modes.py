"""Inject faults into PayNearMe's responses: delays, errors and broken connections."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from sandbox.fake_paynearme.responses import PendingResult, abort_connection, error_response


class Behaviour(BaseModel):
    """The behaviour of requests for ``operation`` with ``body_contains`` in their body.

    Without ``operation`` it applies to all operations, including ``access_token`` (the token endpoint). Without
    ``body_contains`` it applies to all bodies. If a body contains several texts, the first behaviour applies. After
    ``times`` requests it expires. The modes:

    - ``normal``: no fault
    - ``slow``: the normal response after ``seconds``
    - ``status``: an error with the HTTP ``status`` (by default 500)
    - ``html``: a page with the HTTP ``status`` (by default 200)
    - ``reject``: PayNearMe's error with ``response_code``
    - ``response``: the given ``response`` as JSON with the HTTP ``status`` (by default 200)
    - ``hang``: no response
    - ``truncate``: the connection breaks in the middle of the response
    - ``abort``: the connection breaks before the response

    With ``process_first`` the request is processed before the fault. Without it, only ``normal``, ``slow`` and
    ``truncate`` process the request. A processed payment continues after every fault. Only ``normal`` and ``slow`` wait
    for its outcome. With ``process_first``, ``truncate`` sends a part of the success response.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["normal", "slow", "status", "html", "reject", "response", "hang", "truncate", "abort"] = "normal"
    operation: str | None = None
    body_contains: str | None = Field(default=None, min_length=1)
    process_first: bool = False
    seconds: float = Field(default=30, ge=0)
    status: int | None = Field(default=None, ge=200, le=599)
    response_code: str = "6513"
    response: dict[str, Any] = Field(default_factory=dict)
    times: int | None = Field(default=None, ge=1)


class Behaviours:
    """The active behaviours: at most one for each combination of operation and ``body_contains``."""

    def __init__(self) -> None:
        """Start without faults."""
        self._active: dict[tuple[str | None, str | None], tuple[Behaviour, int]] = {}
        self._release = asyncio.Event()

    def add(self, behaviour: Behaviour) -> None:
        """Replace the behaviour with the same text and operation, or with the same text if it has no operation."""
        for operation, body_contains in list(self._active):
            if body_contains == behaviour.body_contains and behaviour.operation in (None, operation):
                del self._active[operation, body_contains]
        self._active[behaviour.operation, behaviour.body_contains] = (behaviour, 0)

    def clear(self) -> None:
        """Remove all behaviours, and release the waiting requests."""
        self._active.clear()
        self.release()

    def release(self) -> None:
        """Release the waiting requests."""
        self._release.set()
        self._release = asyncio.Event()

    async def handle(
        self, request: web.Request, operation: str, process: Callable[[], PendingResult]
    ) -> web.StreamResponse:
        """Process the request, or not, and respond according to the behaviour of the operation."""
        behaviour = self._next(operation, await request.read())
        result = process() if behaviour.process_first else None
        match behaviour.mode:
            case "status":
                return error_response("Injected failure", None, behaviour.status or 500)
            case "html":
                page = "<!DOCTYPE html><title>Sorry</title><p>Something went wrong.</p>"
                return web.Response(status=behaviour.status or 200, text=page, content_type="text/html")
            case "reject":
                return error_response("Injected error", behaviour.response_code)
            case "response":
                return web.json_response(behaviour.response, status=behaviour.status or 200)
            case "abort":
                return abort_connection(request)
            case "hang":
                await self._wait(None)
                return abort_connection(request)
            case "slow":
                await self._wait(behaviour.seconds)
            case "truncate" if result is not None:
                return await _truncate(request, result.response)
        response = await (result or process()).wait()
        if response is None:
            return abort_connection(request)
        return await _truncate(request, response) if behaviour.mode == "truncate" else response

    def _next(self, operation: str, body: bytes) -> Behaviour:
        """Return the behaviour for a request, and count the request for ``times``.

        A behaviour with a text takes precedence over one without. Among these, one with an operation does.
        """
        texts = [text for _, text in self._active if text and text.encode() in body]
        for body_contains in (*texts, None):
            for name in (operation, None):
                behaviour, match_count = self._active.get((name, body_contains), (Behaviour(), 0))
                if (name, body_contains) in self._active and (behaviour.times is None or match_count < behaviour.times):
                    self._active[name, body_contains] = (behaviour, match_count + 1)
                    return behaviour
        return Behaviour()

    async def _wait(self, seconds: float | None) -> None:
        """Wait for ``seconds`` (None: without a limit), or until the release."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._release.wait()


async def _truncate(request: web.Request, response: web.Response) -> web.StreamResponse:
    """Send the first half of ``response`` and break the connection."""
    body = response.body if isinstance(response.body, bytes) else b""
    half = web.StreamResponse(status=response.status, headers=response.headers)
    half.content_length = len(body)
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    abort_connection(request)
    return half
