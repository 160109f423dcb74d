"""How PayNearMe meets a call when it is told to: slowly, with an error, or not at all."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from sandbox.fake_paynearme.responses import PendingResult, error_response
from sandbox.faults.fault_proxy import abort_connection


class Behaviour(BaseModel):
    """How the next ``times`` calls of ``operation`` whose body holds the text ``about`` are met.

    Without ``times`` all are until the next change; without ``operation`` those of any, the token address's
    included, whose operation is ``access_token``; and without ``about`` whatever they are about. Where a body holds
    several texts, the one that was told of first counts. ``slow`` answers as usual after ``seconds``;
    ``status`` answers with the HTTP ``status`` (500 unless given) and an error as JSON; ``html`` with a page
    (status 200 unless given); ``reject`` with an error of PayNearMe's under ``response_code``; ``response``
    with the given ``response`` as JSON; ``hang`` never; ``truncate`` closes the connection in the middle of the
    answer, and ``abort`` before it.

    With ``taken`` the call is carried out first and then meets this; without it, only ``normal``, ``slow``
    and ``truncate`` carry it out at all. What a call that was carried out goes on with (the callbacks) then
    goes on by itself: only ``normal`` and ``slow`` wait for it, since they tell how it ends. ``truncate`` then
    cuts the answer that an accepted payment gets.
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
    """The behaviours in force: one for any operation and one for each, and the same again about each text."""

    def __init__(self) -> None:
        """Begin as usual."""
        self._active: dict[tuple[str | None, str | None], tuple[Behaviour, int]] = {}
        self._release = asyncio.Event()

    def add(self, behaviour: Behaviour) -> None:
        """Replace the operation's behaviour about the same text; one for any operation replaces all those."""
        for operation, body_contains in list(self._active):
            if body_contains == behaviour.body_contains and behaviour.operation in (None, operation):
                del self._active[operation, body_contains]
        self._active[behaviour.operation, behaviour.body_contains] = (behaviour, 0)

    def clear(self) -> None:
        """Behave as usual, and let go what hangs."""
        self._active.clear()
        self.release()

    def release(self) -> None:
        """Let go what hangs."""
        self._release.set()
        self._release = asyncio.Event()

    async def handle(
        self, request: web.Request, operation: str, process: Callable[[], PendingResult]
    ) -> web.StreamResponse:
        """Carry out the call, or not, and answer it as the operation's behaviour says."""
        behaviour = self._next(operation, await request.read())
        result = process() if behaviour.process_first else None
        match behaviour.mode:
            case "status":
                return error_response("Told to fail", None, behaviour.status or 500)
            case "html":
                page = "<!DOCTYPE html><title>Sorry</title><p>Something went wrong.</p>"
                return web.Response(status=behaviour.status or 200, text=page, content_type="text/html")
            case "reject":
                return error_response("Told to refuse", behaviour.response_code)
            case "response":
                return web.json_response(behaviour.response)
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
        """Return what this call meets, and count it against the ``times``.

        What is about a text that it holds comes first, then what is about its operation.
        """
        texts = [about for _, about in self._active if about and about.encode() in body]
        for body_contains in (*texts, None):
            for name in (operation, None):
                behaviour, match_count = self._active.get((name, body_contains), (Behaviour(), 0))
                if (name, body_contains) in self._active and (behaviour.times is None or match_count < behaviour.times):
                    self._active[name, body_contains] = (behaviour, match_count + 1)
                    return behaviour
        return Behaviour()

    async def _wait(self, seconds: float | None) -> None:
        """Wait for ``seconds``, None for ever, or until everything is let go."""
        try:
            async with asyncio.timeout(seconds):
                await self._release.wait()
        except TimeoutError:
            return


async def _truncate(request: web.Request, response: web.Response) -> web.StreamResponse:
    """Send the first half of ``response`` and break the connection."""
    body = response.body if isinstance(response.body, bytes) else b""
    half = web.StreamResponse(status=response.status, headers=response.headers)
    half.content_length = len(body)
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    abort_connection(request)
    return half
