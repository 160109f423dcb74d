"""The control endpoints for tests and the demo, with JSON bodies. ``api`` lists them."""

import json
from dataclasses import dataclass
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from sandbox.fake_paynearme.callback_dispatch import CallbackSettings
from sandbox.fake_paynearme.consumer import CheckoutRequest
from sandbox.fake_paynearme.fault_modes import Behaviour
from sandbox.fake_paynearme.responses import RejectedError
from sandbox.fake_paynearme.service import FakePayNearMe
from sandbox.fake_paynearme.store import Method, new_method_identifier, save_method

type _Text = Annotated[str, StringConstraints(min_length=1)]


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AccessTokenCommand(_Command):
    """Expire or revoke all access tokens, or set the lifetime of new ones in ``seconds``."""

    expire: bool = False
    revoke: bool = False
    seconds: float | None = Field(default=None, gt=0)


class SavedMethod(_Command):
    """A saved bank account of a customer."""

    site_identifier: _Text
    site_customer_identifier: _Text
    description: _Text
    number: _Text
    guaranteed_ach: bool = True
    payment_method_identifier: _Text = Field(default_factory=new_method_identifier)


class MethodReference(_Command):
    """The identifier of a payment method."""

    payment_method_identifier: _Text


class PaymentReference(_Command):
    """The identifier of a payment."""

    pnm_payment_identifier: _Text


@dataclass(frozen=True)
class ControlRoutes:
    """The handlers of the control endpoints."""

    service: FakePayNearMe

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the routes below ``/control``."""
        router.add_post("/control/behaviour", self._set_behaviour)
        router.add_get("/control/calls", self._get_calls)
        router.add_post("/control/sites", self._set_sites)
        router.add_post("/control/reset", self._reset)
        router.add_post("/control/callbacks", self._set_callbacks)
        router.add_get("/control/access-token-requests", self._get_access_token_requests)
        router.add_post("/control/access-tokens", self._change_access_tokens)
        router.add_post("/control/methods", self._save_method)
        router.add_post("/control/expire", self._expire)
        router.add_get("/control/payments", self._get_payments)
        router.add_post("/control/settled", self._settle)
        router.add_post("/control/confirm", self._confirm)
        router.add_post("/control/consumer", self._check_out)

    async def _set_behaviour(self, request: web.Request) -> web.Response:
        self.service.behaviours.add(await _read(request, Behaviour))
        return web.Response(status=204)

    async def _get_calls(self, request: web.Request) -> web.Response:
        return web.json_response(self.service.calls.received)

    async def _set_sites(self, request: web.Request) -> web.Response:
        try:
            self.service.set_sites(json.loads(await request.read())["sites"])
        except (ValueError, LookupError, TypeError):
            raise web.HTTPBadRequest(text="not a document with sites") from None
        return web.Response(status=204)

    async def _reset(self, request: web.Request) -> web.Response:
        self.service.reset()
        return web.Response(status=204)

    async def _set_callbacks(self, request: web.Request) -> web.Response:
        self.service.dispatcher.change(await _read(request, CallbackSettings))
        return web.Response(status=204)

    async def _get_access_token_requests(self, request: web.Request) -> web.Response:
        access_tokens = self.service.access_tokens
        return web.json_response({"count": access_tokens.request_count, "granted": access_tokens.grant_count})

    async def _change_access_tokens(self, request: web.Request) -> web.Response:
        command = await _read(request, AccessTokenCommand)
        access_tokens = self.service.access_tokens
        if command.expire:
            access_tokens.expire()
        if command.revoke:
            access_tokens.revoke()
        if command.seconds is not None:
            access_tokens.seconds = command.seconds
        return web.Response(status=204)

    async def _save_method(self, request: web.Request) -> web.Response:
        command = await _read(request, SavedMethod)
        customer = self.service.store.customer(
            command.site_identifier, "site_customer_identifier", command.site_customer_identifier
        )
        identifier = command.payment_method_identifier
        save_method(customer, Method(identifier, command.description, command.number, command.guaranteed_ach))
        return web.json_response({"payment_method_identifier": identifier})

    async def _expire(self, request: web.Request) -> web.Response:
        reference = await _read(request, MethodReference)
        if not self.service.store.expire(reference.payment_method_identifier):
            raise web.HTTPNotFound(text="no such payment method")
        return web.Response(status=204)

    async def _get_payments(self, request: web.Request) -> web.Response:
        return web.json_response([payment.to_json() for payment in self.service.store.payments.values()])

    async def _settle(self, request: web.Request) -> web.Response:
        await self.service.background_tasks.settle()
        return await self._get_payments(request)

    async def _confirm(self, request: web.Request) -> web.Response:
        reference = await _read(request, PaymentReference)
        payment = self.service.store.payments.get(reference.pnm_payment_identifier)
        if payment is None:
            raise web.HTTPNotFound(text="no such payment")
        if payment.state not in ("captured", "confirmed"):
            raise web.HTTPConflict(text="the payment is not captured")
        delivery = await self.service.payments.confirm(payment)
        if delivery is None:
            raise web.HTTPConflict(text="there is no callback URL")
        names = ("status", "accepted", "reason", "fields")
        return web.json_response({name: getattr(delivery, name) for name in names})

    async def _check_out(self, request: web.Request) -> web.Response:
        try:
            return web.json_response(await self.service.consumer.check_out(await _read(request, CheckoutRequest)))
        except RejectedError as error:
            return error.response


async def _read[M: BaseModel](request: web.Request, model: type[M]) -> M:
    """Return the command in the body. The response to an invalid body has a fixed text, without its values."""
    try:
        return model.model_validate_json(await request.read())
    except ValidationError:
        raise web.HTTPBadRequest(text="invalid body") from None
