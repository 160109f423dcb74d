"""The life of a payment: the merchant is asked, the money is taken or not, the merchant is told."""

import asyncio
from collections.abc import Callable

from sandbox.clients.callback_sender import Delivery
from sandbox.clients.sample_messages import Parameters
from sandbox.fake_paynearme.callback_dispatch import CallbackDispatcher
from sandbox.fake_paynearme.callback_fields import confirmation
from sandbox.fake_paynearme.store import Payment
from sandbox.fake_paynearme.task_group import TaskGroup

CONFIRMATION_ATTEMPTS = 40
"""How often a confirmation is sent, about, before callbacks are suspended."""


class Payments:
    """Leads payments from their beginning to their end. All of it lives in one event loop."""

    def __init__(self, dispatcher: CallbackDispatcher, task_group: TaskGroup, clock: Callable[[], float]) -> None:
        """Take what sends the callbacks. ``clock`` gives Unix seconds."""
        self._dispatcher = dispatcher
        self._task_group = task_group
        self._clock = clock
        self._first_confirmations: dict[str, asyncio.Task[Delivery | None]] = {}
        self._retries: dict[str, asyncio.Task[None]] = {}

    async def pay(self, payment: Payment, authorization: Parameters) -> Delivery | None:
        """Ask the merchant, then take the money or void the payment; return the authorization's delivery.

        None if there was nobody to ask. What is taken is confirmed in the background.
        """
        delivery = None
        if self._dispatcher.settings.url is not None:
            message = self._dispatcher.complete(authorization)
            delivery = await self._dispatcher.send("authorize", message)
        if delivery is not None:
            fields = (delivery.fields if delivery.accepted else None) or {}
            accept_payment = fields.get("accept_payment")
            payment.authorization = "yes" if accept_payment == "yes" else "no" if accept_payment == "no" else "none"
            if accept_payment != "yes":
                payment.state = "voided"
                return delivery
            if payment.site_payment_identifier is None:
                payment.site_payment_identifier = fields.get("site_payment_identifier")
        payment.state, payment.captured = "captured", self._clock()
        self._start_confirmation(payment)
        return delivery

    async def first_confirmation(self, payment: Payment) -> Delivery | None:
        """Wait until the confirmation was sent once, and return what came of it; None if it is kept."""
        first_task = self._first_confirmations.get(payment.pnm_payment_identifier)
        return await asyncio.shield(first_task) if first_task else None

    async def confirm(self, payment: Payment) -> Delivery | None:
        """Send the confirmation of a payment that was taken, once; None if there is no address.

        If it is acknowledged, it is not repeated any more.
        """
        delivery = await self._send(payment, self._confirmation(payment))
        retry_task = self._retries.get(payment.pnm_payment_identifier)
        if payment.is_confirmed and retry_task is not None:
            retry_task.cancel()
        return delivery

    def _start_confirmation(self, payment: Payment) -> None:
        settings = self._dispatcher.settings
        if settings.url is None or settings.defer_confirmations:
            return
        message = self._confirmation(payment)
        first_task = self._task_group.start(self._send(payment, message))
        self._first_confirmations[payment.pnm_payment_identifier] = first_task
        retry_task = self._task_group.start(self._retry(payment, message, first_task))
        self._retries[payment.pnm_payment_identifier] = retry_task

    def _confirmation(self, payment: Payment) -> Parameters:
        return self._dispatcher.complete(confirmation(payment))

    async def _send(self, payment: Payment, message: Parameters) -> Delivery | None:
        if self._dispatcher.settings.url is not None:
            payment.confirmations += 1
        delivery = await self._dispatcher.send("confirm", message)
        if delivery is not None and delivery.accepted:
            payment.state = "confirmed"
        return delivery

    async def _retry(self, payment: Payment, message: Parameters, first_task: asyncio.Task[Delivery | None]) -> None:
        # Not the sender's own repetition: this one can be cancelled, and its count be told meanwhile.
        await asyncio.shield(first_task)
        for _ in range(CONFIRMATION_ATTEMPTS - 1):
            if payment.is_confirmed:
                return
            await asyncio.sleep(self._dispatcher.settings.retry_interval)
            await self._send(payment, message)
