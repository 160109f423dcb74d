"""Process a payment: authorize it, capture or void it, and confirm it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.fake_paynearme.background_tasks import BackgroundTasks
from sandbox.fake_paynearme.callback_dispatch import CallbackDispatcher
from sandbox.fake_paynearme.callback_fields import confirmation
from sandbox.fake_paynearme.callback_sender import Delivery
from sandbox.fake_paynearme.messages import Parameters
from sandbox.fake_paynearme.store import Payment

CONFIRMATION_ATTEMPTS = 40
"""The maximum number of attempts. PayNearMe then suspends the callback."""


@dataclass(frozen=True)
class Payments:
    """Process payments in one event loop. ``clock`` returns Unix seconds."""

    dispatcher: CallbackDispatcher
    background_tasks: BackgroundTasks
    clock: Callable[[], float]
    _first_confirmations: dict[str, asyncio.Task[Delivery | None]] = field(default_factory=dict)
    _retries: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def pay(self, payment: Payment, authorization: Parameters) -> Delivery | None:
        """Authorize the payment, capture or void it, and return the delivery of the authorization.

        The delivery is None without a callback URL. A task confirms a captured payment.
        """
        delivery = None
        if self.dispatcher.settings.url is not None:
            delivery = await self.dispatcher.send("authorize", self.dispatcher.complete(authorization))
        if delivery is not None:
            fields = (delivery.fields if delivery.accepted else None) or {}
            accept_payment = fields.get("accept_payment")
            payment.authorization = "yes" if accept_payment == "yes" else "no" if accept_payment == "no" else "none"
            if accept_payment != "yes":
                payment.state = "voided"
                return delivery
            if payment.site_payment_identifier is None:
                payment.site_payment_identifier = fields.get("site_payment_identifier")
        payment.state, payment.captured_at = "captured", self.clock()
        self._start_confirmation(payment)
        return delivery

    async def first_confirmation(self, payment: Payment) -> Delivery | None:
        """Wait for the first delivery of the confirmation, and return it. Returns None for a deferred confirmation."""
        first_task = self._first_confirmations.get(payment.pnm_payment_identifier)
        return await asyncio.shield(first_task) if first_task else None

    async def confirm(self, payment: Payment) -> Delivery | None:
        """Send the confirmation of a captured payment once. Returns None without a callback URL.

        An acknowledgement stops the retries.
        """
        delivery = await self._send(payment, self.dispatcher.complete(confirmation(payment)))
        retry_task = self._retries.get(payment.pnm_payment_identifier)
        if payment.is_confirmed and retry_task is not None:
            retry_task.cancel()
        return delivery

    def _start_confirmation(self, payment: Payment) -> None:
        settings = self.dispatcher.settings
        if settings.url is None or settings.defer_confirmations:
            return
        message = self.dispatcher.complete(confirmation(payment))
        first_task = self.background_tasks.start(self._send(payment, message))
        self._first_confirmations[payment.pnm_payment_identifier] = first_task
        retry_task = self.background_tasks.start(self._retry(payment, message, first_task))
        self._retries[payment.pnm_payment_identifier] = retry_task

    async def _send(self, payment: Payment, message: Parameters) -> Delivery | None:
        if self.dispatcher.settings.url is not None:
            payment.confirmations += 1
        delivery = await self.dispatcher.send("confirm", message)
        if delivery is not None and delivery.accepted:
            payment.state = "confirmed"
        return delivery

    async def _retry(self, payment: Payment, message: Parameters, first_task: asyncio.Task[Delivery | None]) -> None:
        # Not ``deliver_until_acknowledged``, because a task can be cancelled and updates the count.
        await asyncio.shield(first_task)
        for _ in range(CONFIRMATION_ATTEMPTS - 1):
            if payment.is_confirmed:
                return
            await asyncio.sleep(self.dispatcher.settings.retry_interval)
            await self._send(payment, message)
