"""How PayNearMe meets a call when it is told to: slowly, with an error, or not at all."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from local.faults import abort_connection
from local.paynearme_side.answers import Carried, error


class Behaviour(BaseModel):
    """How the next ``times`` calls of ``operation`` whose body holds the text ``about`` are met.

    Without ``times`` all are until the next change; without ``operation`` those of any, the token address's
    included, whose operation is ``token``; and without ``about`` whatever they are about. Where a body holds
    several texts, the one that was told of first counts. ``slow`` answers as usual after ``seconds``;
    ``status`` answers with the HTTP ``status`` (500 unless given) and an error as JSON; ``html`` with a page
    (status 200 unless given); ``refuse`` with an error of PayNearMe's under ``response_code``; ``answer``
    with the given ``answer`` as JSON; ``hang`` never; ``cut`` closes the connection in the middle of the
    answer, and ``abort`` before it.

    With ``taken`` the call is carried out first and then meets this; without it, only ``normal``, ``slow``
    and ``cut`` carry it out at all. What a call that was carried out goes on with (the callbacks) then
    goes on by itself: only ``normal`` and ``slow`` wait for it, since they tell how it ends. ``cut`` then
    cuts the answer that an accepted payment gets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["normal", "slow", "status", "html", "refuse", "answer", "hang", "cut", "abort"] = "normal"
    operation: str | None = None
    about: str | None = Field(default=None, min_length=1)
    taken: bool = False
    seconds: float = Field(default=30, ge=0)
    status: int | None = Field(default=None, ge=200, le=599)
    response_code: str = "6513"
    answer: dict[str, Any] = Field(default_factory=dict)
    times: int | None = Field(default=None, ge=1)


class Behaviours:
    """The behaviours in force: one for any operation and one for each, and the same again about each text."""

    def __init__(self) -> None:
        """Begin as usual."""
        self._told: dict[tuple[str | None, str | None], tuple[Behaviour, int]] = {}
        self._release = asyncio.Event()

    def tell(self, behaviour: Behaviour) -> None:
        """Replace the operation's behaviour about the same text; one for any operation replaces all those."""
        for operation, about in list(self._told):
            if about == behaviour.about and behaviour.operation in (None, operation):
                del self._told[operation, about]
        self._told[behaviour.operation, behaviour.about] = (behaviour, 0)

    def forget(self) -> None:
        """Behave as usual, and let go what hangs."""
        self._told.clear()
        self.let_go()

    def let_go(self) -> None:
        """Let go what hangs."""
        self._release.set()
        self._release = asyncio.Event()

    async def meet(
        self, request: web.Request, operation: str, carry_out: Callable[[], Carried]
    ) -> web.StreamResponse:
        """Carry out the call, or not, and answer it as the operation's behaviour says."""
        behaviour = self._next(operation, await request.read())
        carried = carry_out() if behaviour.taken else None
        match behaviour.mode:
            case "status":
                return error("Told to fail", None, behaviour.status or 500)
            case "html":
                page = "<!DOCTYPE html><title>Sorry</title><p>Something went wrong.</p>"
                return web.Response(status=behaviour.status or 200, text=page, content_type="text/html")
            case "refuse":
                return error("Told to refuse", behaviour.response_code)
            case "answer":
                return web.json_response(behaviour.answer)
            case "abort":
                return abort_connection(request)
            case "hang":
                await self._wait(None)
                return abort_connection(request)
            case "slow":
                await self._wait(behaviour.seconds)
            case "cut" if carried is not None:
                return await _cut(request, carried.answer)
        answer = await (carried or carry_out()).final()
        if answer is None:
            return abort_connection(request)
        return await _cut(request, answer) if behaviour.mode == "cut" else answer

    def _next(self, operation: str, body: bytes) -> Behaviour:
        """Return what this call meets, and count it against the ``times``.

        What is about a text that it holds comes first, then what is about its operation.
        """
        texts = [about for _, about in self._told if about and about.encode() in body]
        for about in (*texts, None):
            for name in (operation, None):
                behaviour, met = self._told.get((name, about), (Behaviour(), 0))
                if (name, about) in self._told and (behaviour.times is None or met < behaviour.times):
                    self._told[name, about] = (behaviour, met + 1)
                    return behaviour
        return Behaviour()

    async def _wait(self, seconds: float | None) -> None:
        """Wait for ``seconds``, None for ever, or until everything is let go."""
        try:
            async with asyncio.timeout(seconds):
                await self._release.wait()
        except TimeoutError:
            return


async def _cut(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """Send the first half of ``answer`` and break the connection."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    half = web.StreamResponse(status=answer.status, headers=answer.headers)
    half.content_length = len(body)
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    abort_connection(request)
    return half
