"""The control addresses, for tests and the demo: JSON in, JSON out. ``api`` lists them."""

import json
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from local.callbacks import Delivery
from local.paynearme_side.answers import RejectedError
from local.paynearme_side.behaviour import Behaviour
from local.paynearme_side.books import Method, new_method_identifier, save_method
from local.paynearme_side.consumer import Visit
from local.paynearme_side.outgoing import CallbackSettings
from local.paynearme_side.side import PayNearMeSide

type _Text = Annotated[str, StringConstraints(min_length=1)]


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TokenCommand(_Command):
    """What happens to all access tokens, and how many ``seconds`` new ones live."""

    expire: bool = False
    revoke: bool = False
    seconds: float | None = Field(default=None, gt=0)


class SavedMethod(_Command):
    """A bank account that a customer has saved."""

    site_identifier: _Text
    site_customer_identifier: _Text
    description: _Text
    number: _Text
    guaranteed_ach: bool = True
    payment_method_identifier: _Text = Field(default_factory=new_method_identifier)


class MethodNamed(_Command):
    """A payment method."""

    payment_method_identifier: _Text


class PaymentNamed(_Command):
    """A payment."""

    pnm_payment_identifier: _Text


class Control:
    """The control addresses' handlers."""

    def __init__(self, side: PayNearMeSide) -> None:
        """Take what is controlled."""
        self._side = side

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the addresses, all under ``/control``."""
        router.add_post("/control/behaviour", self._set_behaviour)
        router.add_get("/control/calls", self._get_calls)
        router.add_post("/control/sites", self._set_sites)
        router.add_post("/control/reset", self._reset)
        router.add_post("/control/callbacks", self._set_callbacks)
        router.add_get("/control/access-token-requests", self._get_token_calls)
        router.add_post("/control/tokens", self._change_tokens)
        router.add_post("/control/methods", self._save_method)
        router.add_post("/control/expire", self._expire)
        router.add_get("/control/payments", self._get_payments)
        router.add_post("/control/settled", self._settle)
        router.add_post("/control/confirm", self._confirm)
        router.add_post("/control/consumer", self._visit)

    async def _set_behaviour(self, request: web.Request) -> web.Response:
        self._side.behaviours.tell(await _read(request, Behaviour))
        return web.Response(status=204)

    async def _get_calls(self, request: web.Request) -> web.Response:
        return web.json_response(self._side.calls.received)

    async def _set_sites(self, request: web.Request) -> web.Response:
        try:
            self._side.set_sites(json.loads(await request.read())["sites"])
        except (ValueError, LookupError, TypeError, AttributeError):
            raise web.HTTPBadRequest(text="not a document with sites") from None
        return web.Response(status=204)

    async def _reset(self, request: web.Request) -> web.Response:
        self._side.reset()
        return web.Response(status=204)

    async def _set_callbacks(self, request: web.Request) -> web.Response:
        self._side.outgoing.change(await _read(request, CallbackSettings))
        return web.Response(status=204)

    async def _get_token_calls(self, request: web.Request) -> web.Response:
        tokens = self._side.access_tokens
        return web.json_response({"count": tokens.called, "granted": tokens.granted})

    async def _change_tokens(self, request: web.Request) -> web.Response:
        command = await _read(request, TokenCommand)
        tokens = self._side.access_tokens
        if command.expire:
            tokens.expire()
        if command.revoke:
            tokens.revoke()
        if command.seconds is not None:
            tokens.seconds = command.seconds
        return web.Response(status=204)

    async def _save_method(self, request: web.Request) -> web.Response:
        saved = await _read(request, SavedMethod)
        customer = self._side.books.customer(
            saved.site_identifier, "site_customer_identifier", saved.site_customer_identifier
        )
        identifier = saved.payment_method_identifier
        save_method(customer, Method(identifier, saved.description, saved.number, saved.guaranteed_ach))
        return web.json_response({"payment_method_identifier": identifier})

    async def _expire(self, request: web.Request) -> web.Response:
        named = await _read(request, MethodNamed)
        if not self._side.books.expire(named.payment_method_identifier):
            raise web.HTTPNotFound(text="no such payment method")
        return web.Response(status=204)

    async def _get_payments(self, request: web.Request) -> web.Response:
        return web.json_response([payment.shown() for payment in self._side.books.payments.values()])

    async def _settle(self, request: web.Request) -> web.Response:
        await self._side.background.settle()
        return await self._get_payments(request)

    async def _confirm(self, request: web.Request) -> web.Response:
        named = await _read(request, PaymentNamed)
        payment = self._side.books.payments.get(named.pnm_payment_identifier)
        if payment is None:
            raise web.HTTPNotFound(text="no such payment")
        if payment.state not in ("taken", "confirmed"):
            raise web.HTTPConflict(text="its money was not taken")
        delivery = await self._side.payments.confirm(payment)
        if delivery is None:
            raise web.HTTPConflict(text="there is no address for callbacks")
        return web.json_response(_shown(delivery))

    async def _visit(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(await self._side.consumer.visit(await _read(request, Visit)))
        except RejectedError as error:
            return error.answer


async def _read[M: BaseModel](request: web.Request, model: type[M]) -> M:
    """Return the command in the body; whatever is wrong with it is answered in fixed words."""
    try:
        return model.model_validate_json(await request.read())
    except ValidationError:
        raise web.HTTPBadRequest(text="not what this address takes") from None


def _shown(delivery: Delivery) -> dict[str, object]:
    return {
        "status": delivery.status,
        "accepted": delivery.accepted,
        "reason": delivery.reason,
        "fields": delivery.fields,
    }
