"""PayNearMe's API, as far as this project calls it: ``POST /json-api/get_smart_token``.

Known from the documents and from PayNearMe's public material: the parameters, the signature, the form
of the answer and of an error, and that a token is base64 with ``!`` and ``$``. Our own choice, because
nothing public says it: that every value must be text; five minutes for the timestamp; 401 for whatever
is not authentic, 400 for what is no JSON object, and 200 with ``"status": "error"`` for the rest; the
response codes 9400 and 9404; that every order is known except those whose identifier begins with 000.

Control, for tests and the demo, is under ``/control``:

- ``POST /control/behaviour`` with a ``Behaviour`` as JSON;
- ``GET /control/calls`` returns the calls received, without personal data, tokens and signatures;
- ``POST /control/sites`` with ``{"sites": {…}}`` replaces the sites;
- ``POST /control/reset`` forgets behaviour and calls, and lets go what hangs.
"""

import asyncio
import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote, urlencode

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from local.faults import GRACE_SECONDS, abort_connection
from local.sites import read_sites
from paynearme.errors import SignatureError
from paynearme.settings import Site
from paynearme.signing import verify

TIMESTAMP_SECONDS = 300
"""By how much a call's timestamp may differ from the clock."""

HIDDEN = "(hidden)"
"""What ``GET /control/calls`` shows in the place of a value that nobody may see."""

_PAGES = "https://www.paynearme-sandbox.com"
_UNKNOWN_ORDER = "000"
_TOKEN_BYTES = 608
_ORDER_IDENTIFIERS = (
    "pnm_order_identifier",
    "site_order_identifier",
    "pnm_customer_identifier",
    "site_customer_identifier",
    "site_creator_identifier",
)
_RETURN_URLS = (
    "flow_pay_url",
    "flow_no_pay_url",
    "flow_add_url",
    "flow_no_add_url",
    "flow_return_url",
    "flow_expired_url",
    "flow_error_url",
    "flow_venmo_return_url",
    "flow_bank_oauth_redirect_url",
)


class Behaviour(BaseModel):
    """How the API meets the next ``times`` calls; None: all until the next change.

    ``slow`` answers as usual after ``seconds``; ``status`` answers with the HTTP ``status`` (500 unless
    given) and an error as JSON; ``html`` with a page (status 200 unless given); ``refuse`` with an error
    of PayNearMe's under ``response_code``; ``hang`` never; ``cut`` closes the connection in the middle of
    the answer, and ``abort`` before it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["normal", "slow", "status", "html", "refuse", "hang", "cut", "abort"] = "normal"
    seconds: float = Field(default=30, ge=0)
    status: int | None = Field(default=None, ge=200, le=599)
    response_code: str = "6513"
    times: int | None = Field(default=None, ge=1)


class _RefusedError(Exception):
    def __init__(self, description: str, response_code: str | None = None, status: int = 200) -> None:
        super().__init__(description)
        self.answer = _error(description, response_code, status)


class PayNearMeApi:
    """The API's state and its handlers. All of it lives in one event loop."""

    def __init__(self, sites: Mapping[str, Site], clock: Callable[[], float] = time.time) -> None:
        """Take the sites that PayNearMe knows. ``clock`` gives Unix seconds."""
        self._sites = dict(sites)
        self._clock = clock
        self._calls: list[dict[str, Any]] = []
        self._behaviour = Behaviour()
        self._met = 0
        self._release = asyncio.Event()

    def application(self) -> web.Application:
        """Return the web application, to be run once."""
        application = web.Application()
        application.router.add_post("/json-api/{operation}", self._call)
        application.router.add_post("/control/behaviour", self._set_behaviour)
        application.router.add_get("/control/calls", self._get_calls)
        application.router.add_post("/control/sites", self._set_sites)
        application.router.add_post("/control/reset", self._reset)
        application.on_shutdown.append(self._let_go)
        return application

    async def _let_go(self, application: web.Application) -> None:
        self._release.set()

    async def _set_behaviour(self, request: web.Request) -> web.Response:
        try:
            self._behaviour = Behaviour.model_validate_json(await request.read())
        except ValidationError as error:
            return web.Response(status=400, text=error.json(), content_type="application/json")
        self._met = 0
        return web.Response(status=204)

    async def _get_calls(self, request: web.Request) -> web.Response:
        return web.json_response(self._calls)

    async def _set_sites(self, request: web.Request) -> web.Response:
        try:
            self._sites = read_sites((await request.json())["sites"])
        except (ValueError, LookupError, TypeError, AttributeError):
            return web.Response(status=400, text="not a document with sites")
        return web.Response(status=204)

    async def _reset(self, request: web.Request) -> web.Response:
        self._calls.clear()
        self._behaviour = Behaviour()
        self._release.set()
        self._release = asyncio.Event()
        return web.Response(status=204)

    async def _call(self, request: web.Request) -> web.StreamResponse:
        operation = request.match_info["operation"]
        parameters = _object_of(await request.read())
        self._record(operation, parameters)
        behaviour = self._next_behaviour()
        match behaviour.mode:
            case "status":
                return _error("Told to fail", None, behaviour.status or 500)
            case "html":
                page = "<!DOCTYPE html><title>Sorry</title><p>Something went wrong.</p>"
                return web.Response(status=behaviour.status or 200, text=page, content_type="text/html")
            case "refuse":
                return _error("Told to refuse", behaviour.response_code)
            case "abort":
                return abort_connection(request)
            case "hang":
                await self._wait(None)
                return abort_connection(request)
            case "slow":
                await self._wait(behaviour.seconds)
        try:
            answer = self._answer(operation, parameters)
        except _RefusedError as error:
            answer = error.answer
        return await _cut(request, answer) if behaviour.mode == "cut" else answer

    def _record(self, operation: str, parameters: Mapping[str, Any] | None) -> None:
        moment = datetime.fromtimestamp(self._clock(), UTC).isoformat()
        shown = {name: _shown(name, value) for name, value in (parameters or {}).items()}
        call = {"number": len(self._calls) + 1, "operation": operation, "time": moment, "parameters": shown}
        self._calls.append(call)

    def _next_behaviour(self) -> Behaviour:
        if self._behaviour.times is not None and self._met >= self._behaviour.times:
            return Behaviour()
        self._met += 1
        return self._behaviour

    async def _wait(self, seconds: float | None) -> None:
        """Wait for ``seconds``, None for ever, or until everything is let go."""
        try:
            async with asyncio.timeout(seconds):
                await self._release.wait()
        except TimeoutError:
            return

    def _answer(self, operation: str, parameters: Mapping[str, Any] | None) -> web.Response:
        if operation != "get_smart_token":
            raise _RefusedError("Unknown operation", status=404)
        if parameters is None:
            raise _RefusedError("The body is not a JSON object", status=400)
        not_text = sorted(name for name, value in parameters.items() if not isinstance(value, str))
        if not_text:
            raise _RefusedError(f"Not text: {', '.join(not_text)}", "9400")
        self._authenticate(parameters)
        given = {name: parameters[name] for name in _ORDER_IDENTIFIERS if parameters.get(name)}
        if len(given) != 1:
            raise _RefusedError("Exactly one order identifier is required", "9400")
        ((name, value),) = given.items()
        if value.startswith(_UNKNOWN_ORDER):
            raise _RefusedError("Order not found", "9404")
        return web.json_response({"status": "ok", "orders": [_order(name, value, parameters)]})

    def _authenticate(self, parameters: Mapping[str, str]) -> None:
        site = self._sites.get(parameters.get("site_identifier", ""))
        if site is None:
            raise _RefusedError("Unknown site", status=401)
        if parameters.get("version") != site.version:
            raise _RefusedError("Wrong version", status=401)
        timestamp = parameters.get("timestamp", "")
        seconds = int(timestamp) if timestamp.isdecimal() and len(timestamp) <= 12 else 0
        if abs(self._clock() - seconds) > TIMESTAMP_SECONDS:
            raise _RefusedError("Wrong timestamp", status=401)
        secret = (site.api_secret or site.secret).get_secret_value()
        try:
            verify(parameters, parameters.get("signature", ""), [secret], site.version)
        except SignatureError:
            raise _RefusedError("Wrong signature", status=401) from None


def _object_of(body: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _shown(name: str, value: object) -> str:
    if name.endswith(("_pii", "_token")) or name == "signature" or not isinstance(value, str):
        return HIDDEN
    return value


def _error(description: str, response_code: str | None = None, status: int = 200) -> web.Response:
    content: dict[str, Any] = {"status": "error", "errors": [{"description": description}]}
    if response_code is not None:
        content["response_code"] = response_code
    return web.json_response(content, status=status)


def _order(name: str, value: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the order that the identifier ``name`` with ``value`` stands for, with a new token."""
    numbers = {
        "pnm_order_identifier": f"8{_digits(name, value, 10)}",
        "site_order_identifier": f"6{_digits(name, value, 9)}",
    }
    if name in numbers:
        numbers[name] = value
    # One byte short of a multiple of three: it ends in "=", as the documents' long token does.
    token = base64.b64encode(secrets.token_bytes(_TOKEN_BYTES), altchars=b"!$").decode()
    # The documents' example has a blank before an address, and its answer does not.
    urls = {url.removeprefix("flow_"): parameters[url].strip() for url in _RETURN_URLS if parameters.get(url)}
    page = f"{_PAGES}/{quote(numbers['pnm_order_identifier'], safe='')}"
    return {
        **numbers,
        "type": "order",
        "secure_smart_token": token,
        "secure_smart_link": f"{_PAGES}/ssl/{token}",
        "order_tracking_url": f"{page}/tr?{urlencode(urls, quote_via=quote, safe='')}" if urls else page,
    }


def _digits(name: str, value: str, count: int) -> str:
    """Return digits that are always the same for an identifier."""
    digest = hashlib.sha256(f"{name} {value}".encode(errors="replace")).digest()
    return f"{int.from_bytes(digest) % 10**count:0{count}d}"


async def _cut(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """Send the first half of ``answer`` and break the connection."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    half = web.StreamResponse(status=answer.status, headers=answer.headers)
    half.content_length = len(body)
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    abort_connection(request)
    return half


def runner(sites: Mapping[str, Site], clock: Callable[[], float] = time.time) -> web.AppRunner:
    """Return PayNearMe's API for ``sites``, ready to be set up and given an address to listen on."""
    application = PayNearMeApi(sites, clock).application()
    return web.AppRunner(application, access_log=None, shutdown_timeout=GRACE_SECONDS)
