"""The life of a payment: the merchant is asked, the money is taken or not, the merchant is told."""

import asyncio
from collections.abc import Callable

from local.callbacks import Delivery
from local.events import Parameters
from local.paynearme_side.background import Background
from local.paynearme_side.books import Payment
from local.paynearme_side.callback_fields import confirmation
from local.paynearme_side.outgoing import Outgoing

CONFIRMATION_ATTEMPTS = 40
"""How often a confirmation is sent, about, before callbacks are suspended."""


class Payments:
    """Leads payments from their beginning to their end. All of it lives in one event loop."""

    def __init__(self, outgoing: Outgoing, background: Background, clock: Callable[[], float]) -> None:
        """Take what sends the callbacks. ``clock`` gives Unix seconds."""
        self._outgoing = outgoing
        self._background = background
        self._clock = clock
        self._first: dict[str, asyncio.Task[Delivery | None]] = {}
        self._repeating: dict[str, asyncio.Task[None]] = {}

    async def pay(self, payment: Payment, authorization: Parameters) -> Delivery | None:
        """Ask the merchant, then take the money or void the payment; return the authorization's delivery.

        None if there was nobody to ask. What is taken is confirmed in the background.
        """
        delivery = None
        if self._outgoing.settings.url is not None:
            message = self._outgoing.complete(authorization)
            delivery = await self._outgoing.send("authorize", message)
        if delivery is not None:
            fields = (delivery.fields if delivery.accepted else None) or {}
            answered = fields.get("accept_payment")
            payment.authorization = "yes" if answered == "yes" else "no" if answered == "no" else "none"
            if answered != "yes":
                payment.state = "voided"
                return delivery
            if payment.site_payment_identifier is None:
                payment.site_payment_identifier = fields.get("site_payment_identifier")
        payment.state, payment.taken = "taken", self._clock()
        self._announce(payment)
        return delivery

    async def first_confirmation(self, payment: Payment) -> Delivery | None:
        """Wait until the confirmation was sent once, and return what came of it; None if it is kept."""
        first = self._first.get(payment.pnm_payment_identifier)
        return await asyncio.shield(first) if first else None

    async def confirm(self, payment: Payment) -> Delivery | None:
        """Send the confirmation of a payment that was taken, once; None if there is no address.

        If it is acknowledged, it is not repeated any more.
        """
        delivery = await self._send(payment, self._confirmation(payment))
        repeating = self._repeating.get(payment.pnm_payment_identifier)
        if payment.is_confirmed and repeating is not None:
            repeating.cancel()
        return delivery

    def _announce(self, payment: Payment) -> None:
        settings = self._outgoing.settings
        if settings.url is None or settings.hold_confirmations:
            return
        message = self._confirmation(payment)
        first = self._background.start(self._send(payment, message))
        self._first[payment.pnm_payment_identifier] = first
        repeating = self._background.start(self._repeat(payment, message, first))
        self._repeating[payment.pnm_payment_identifier] = repeating

    def _confirmation(self, payment: Payment) -> Parameters:
        return self._outgoing.complete(confirmation(payment))

    async def _send(self, payment: Payment, message: Parameters) -> Delivery | None:
        if self._outgoing.settings.url is not None:
            payment.confirmations += 1
        delivery = await self._outgoing.send("confirm", message)
        if delivery is not None and delivery.accepted:
            payment.state = "confirmed"
        return delivery

    async def _repeat(
        self, payment: Payment, message: Parameters, first: asyncio.Task[Delivery | None]
    ) -> None:
        # Not the sender's own repetition: this one can be cancelled, and its count be told meanwhile.
        await asyncio.shield(first)
        for _ in range(CONFIRMATION_ATTEMPTS - 1):
            if payment.is_confirmed:
                return
            await asyncio.sleep(self._outgoing.settings.minute)
            await self._send(payment, message)
