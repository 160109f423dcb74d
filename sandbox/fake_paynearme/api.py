"""The web application: PayNearMe's API, its token endpoint, and the control endpoints.

PayNearMe documents:

- the operations, their parameters, the signature, and OAuth 2.0 with client credentials
- the responses of ``get_smart_token``, ``create_order`` and ``find_payment_methods``
- the error response and code 6513
- the fields of the callbacks, and the timeout of ten seconds for an authorization
- the format of a Smart Token: base64 with ``!`` and ``$``

Without a response PayNearMe voids the payment. It retries an unacknowledged confirmation once a
minute, about 40 times.

Assumptions of this project:

- requests: A request is JSON with text, numbers and booleans, a form, or a query. The timestamp differs by at most five
  minutes. A request that is not authentic gets 401. A malformed one gets 400. Every other error gets 200 with
  ``"status": "error"``. A site with OAuth signs its requests only if its entry sets ``send_signature``. A site without
  OAuth sends no ``Authorization``. ``api_key_id`` is optional.
- codes: 9400 (invalid parameter), 9404 (order not found), 9405 (customer not found), 9406 (payment method not found),
  9410 (declined by the merchant, or no valid response).
- orders: Every order exists, except those with an identifier that starts with 000. An order without ``create_order``
  has a customer only if the request contains a customer's identifier. Without a customer, every payment method of the
  site can pay. A customer's identifier selects the last order. ``create_order`` requires an amount, a currency and a
  customer, and its response omits missing details.
- ``make_payment``: The success response is an assumption. It follows the merchant's decision. Without a callback URL
  the payment is captured at once. The request's ``site_payment_identifier`` takes precedence over the merchant's.
- amounts: PayNearMe withholds 2.02 percent, as in the samples. ``order_payee_identifier`` is the site.
- confirmations: A retry is the same message. ``POST /control/confirm`` signs the message again. A confirmation has no
  ``test``, like the samples, even if its authorization has.

The control endpoints are below ``/control``. An invalid body gets 400:

- ``POST behaviour`` with a ``Behaviour``: replace the behaviour of the same operation and ``body_contains``, or of all
  operations without ``operation``
- ``GET calls``: the received requests without PII, tokens and signatures
- ``POST sites`` with ``{"sites": {…}}``: replace the sites
- ``POST callbacks`` with ``CallbackSettings``: change the given settings
- ``GET access-token-requests``: the ``count`` of requests to the token endpoint, and of ``granted`` tokens
- ``POST access-tokens`` with an ``AccessTokenCommand``
- ``POST methods`` with a ``SavedMethod``: save a payment method and return its ``payment_method_identifier``
- ``POST expire`` with a ``payment_method_identifier``: expire the bank's authorization
- ``GET payments``, ``POST settled``: the payments, at once or when no task is running
- ``POST confirm`` with a ``pnm_payment_identifier``: send the confirmation, and return the delivery
- ``POST consumer`` with a ``CheckoutRequest``: open a link, and return the result. An order without a customer has a
  derived customer
- ``POST reset``: delete behaviours, calls, counts and all records, cancel all tasks, and release waiting requests. The
  sites, the callback settings and the access tokens stay
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from sandbox.fake_paynearme.control import ControlRoutes
from sandbox.fake_paynearme.responses import PendingResult
from sandbox.fake_paynearme.service import FakePayNearMe
from sandbox.fake_paynearme.sites import SiteEntries

ACCESS_TOKEN_OPERATION = "access_token"  # noqa: S105 # not a secret
"""The ``operation`` of a ``Behaviour`` for the token endpoint."""

_SHUTDOWN_SECONDS = 0.25


@dataclass(frozen=True)
class PayNearMeApi:
    """The public endpoints."""

    service: FakePayNearMe

    def application(self) -> web.Application:
        """Return the web application."""
        application = web.Application()
        application.router.add_route("*", "/json-api/{operation}", self._call)
        application.router.add_post("/oauth/token", self._grant)
        ControlRoutes(self.service).add_routes(application.router)
        application.on_shutdown.append(self._close)
        return application

    async def _close(self, application: web.Application) -> None:
        self.service.close()

    async def _call(self, request: web.Request) -> web.StreamResponse:
        operation = request.match_info["operation"]
        parameters = _parse_parameters(await request.read() or request.query_string.encode())
        authorization = request.headers.get("Authorization")
        bearer = authorization is not None
        self.service.calls.record(operation, self.service.clock(), parameters, bearer=bearer)
        return await self.service.behaviours.handle(
            request, operation, lambda: self.service.process(operation, parameters, authorization)
        )

    async def _grant(self, request: web.Request) -> web.StreamResponse:
        service, body = self.service, await request.read()
        service.access_tokens.request_count += 1
        return await service.behaviours.handle(
            request,
            ACCESS_TOKEN_OPERATION,
            lambda: PendingResult(service.access_tokens.grant(request.headers, body, service.sites)),
        )


def _parse_parameters(content: bytes) -> dict[str, Any] | None:
    """Return the parameters of a JSON object, a form or a query. Numbers and booleans become text as they are sent."""
    if not content.lstrip().startswith((b"{", b"[", b'"')):
        return dict(parse_qsl(content.decode(errors="replace"), keep_blank_values=True))
    try:
        parsed = json.loads(content, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict):
        return None
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in parsed.items()}


def runner(entries: SiteEntries, clock: Callable[[], float] = time.time) -> web.AppRunner:
    """Return the runner of a fake PayNearMe for the sites. ``clock`` returns Unix seconds.

    Raises pydantic's ``ValidationError`` for an invalid site.
    """
    application = PayNearMeApi(FakePayNearMe(entries, clock)).application()
    return web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
