"""PayNearMe's API, its token address, and the control addresses, as one web application.

Known from the documents and from PayNearMe's public material: the operations, their parameters, the
signature, that a new client uses OAuth 2.0 with client credentials, the form of the answers to
``get_smart_token``, ``create_order`` and ``find_payment_methods``, the form of an error and code 6513,
the fields of the callbacks, that a merchant has ten seconds for an authorization and an unanswered one is
voided, that an unacknowledged confirmation is sent again once a minute, about 40 times, and that a token
is base64 with ``!`` and ``$``.

Our own choice, because nothing public says it:

- calls: every value must be text; five minutes for the timestamp; 401 for whatever is not authentic, 400
  for what is no JSON object, and 200 with ``"status": "error"`` for the rest; a site with OAuth sends a
  signature exactly if it is set to, and one without sends no ``Authorization``;
- codes: 9400 (a parameter is wrong), 9404 (order), 9405 (customer) and 9406 (payment method not found),
  9410 (declined by the merchant, or its answer was none);
- orders: every order is known except those whose identifier begins with 000. One that nobody created is
  made on first sight and belongs to no one, unless a customer's identifier was named; then any payment
  method of the site pays for it. A customer's last order is the one meant. ``create_order`` needs amount,
  currency and customer; what it is not told of the customer its answer leaves out;
- ``make_payment``: the form of its answer to a payment that was made. It answers when the merchant has;
  without an address for callbacks it takes the money at once. Its ``site_payment_identifier`` stands in the
  authorization as well, and no other that the merchant answers takes its place;
- PayNearMe keeps 2.02 percent, as in the guide's examples; ``order_payee_identifier`` is the site;
- a confirmation that is repeated is the same message; ``/control/confirm`` signs it anew;
- a confirmation is never marked as a test, as the guide's is not, although its authorization is.

Control, for tests and the demo, is under ``/control``. A body that is not as described is answered with 400:

- ``POST behaviour`` with a ``Behaviour``: replaces the operation's about the same text, without an operation
  those of all;
- ``GET calls``: the calls received, without personal data, tokens and signatures;
- ``POST sites`` with ``{"sites": {…}}``: replaces the sites;
- ``POST callbacks`` with ``CallbackSettings``: changes what is named and leaves the rest;
- ``GET access-token-requests``: ``count`` of the requests at the token address, and how many were ``granted``;
- ``POST access-access-tokens`` with a ``AccessTokenCommand``;
- ``POST methods`` with a ``SavedMethod``: returns its ``payment_method_identifier``;
- ``POST expire`` with a ``payment_method_identifier``: its bank takes back the authorization;
- ``GET payments``; ``POST settled``: the same when nothing goes on in the background any more;
- ``POST confirm`` with a ``pnm_payment_identifier``: sends the confirmation, and returns what came of it;
- ``POST consumer`` with a ``Visit``: what a consumer does with a link. A payer of nobody's order is made up;
- ``POST reset``: forgets behaviour, calls, counts and books, cancels what goes on in the background, and
  lets go what hangs. Sites, the settings of the callbacks and the access tokens stay.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from sandbox.fake_paynearme.control import ControlRoutes
from sandbox.fake_paynearme.responses import PendingResult
from sandbox.fake_paynearme.service import FakePayNearMe
from sandbox.faults.fault_proxy import GRACE_SECONDS
from sandbox.stack.sites import SiteEntries

ACCESS_TOKEN_OPERATION = "access_token"  # noqa: S105 # a behaviour's name for the token address
"""What a ``Behaviour`` calls the token address."""


class PayNearMeApi:
    """The addresses that the outside calls."""

    def __init__(self, service: FakePayNearMe) -> None:
        """Take what is behind them."""
        self._service = service

    def application(self) -> web.Application:
        """Return the web application, to be run once."""
        application = web.Application()
        application.router.add_post("/json-api/{operation}", self._call)
        application.router.add_post("/oauth/token", self._grant)
        ControlRoutes(self._service).add_routes(application.router)
        application.on_shutdown.append(self._close)
        return application

    async def _close(self, application: web.Application) -> None:
        self._service.close()

    async def _call(self, request: web.Request) -> web.StreamResponse:
        operation = request.match_info["operation"]
        parameters = _parse_object(await request.read())
        authorization = request.headers.get("Authorization")
        bearer = authorization is not None
        self._service.calls.record(operation, self._service.clock(), parameters, bearer=bearer)
        return await self._service.behaviours.handle(
            request, operation, lambda: self._service.process(operation, parameters, authorization)
        )

    async def _grant(self, request: web.Request) -> web.StreamResponse:
        service, body = self._service, await request.read()
        service.access_tokens.request_count += 1
        return await service.behaviours.handle(
            request,
            ACCESS_TOKEN_OPERATION,
            lambda: PendingResult(service.access_tokens.grant(request.headers, body, service.sites)),
        )


def _parse_object(body: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def runner(entries: SiteEntries, clock: Callable[[], float] = time.time) -> web.AppRunner:
    """Return PayNearMe's side for the secret's sites, ready to be set up and given an address to listen on.

    ``clock`` gives Unix seconds. Raises pydantic's ``ValidationError`` for malformed sites.
    """
    application = PayNearMeApi(FakePayNearMe(entries, clock)).application()
    return web.AppRunner(application, access_log=None, shutdown_timeout=GRACE_SECONDS)
