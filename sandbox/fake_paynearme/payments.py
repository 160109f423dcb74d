"""Process a payment: authorize it, capture or void it, and confirm it."""

import asyncio
from collections.abc import Callable

from sandbox.fake_paynearme.callback_dispatch import CallbackDispatcher
from sandbox.fake_paynearme.callback_fields import confirmation
from sandbox.fake_paynearme.callback_sender import Delivery
from sandbox.fake_paynearme.messages import Parameters
from sandbox.fake_paynearme.store import Payment
from sandbox.fake_paynearme.task_group import TaskGroup

CONFIRMATION_ATTEMPTS = 40
"""The maximum number of attempts. PayNearMe then suspends the callback."""


class Payments:
    """Process payments in one event loop."""

    def __init__(self, dispatcher: CallbackDispatcher, task_group: TaskGroup, clock: Callable[[], float]) -> None:
        """Create the processor. ``clock`` returns Unix seconds."""
        self._dispatcher = dispatcher
        self._task_group = task_group
        self._clock = clock
        self._first_confirmations: dict[str, asyncio.Task[Delivery | None]] = {}
        self._retries: dict[str, asyncio.Task[None]] = {}

    async def pay(self, payment: Payment, authorization: Parameters) -> Delivery | None:
        """Authorize the payment, capture or void it, and return the delivery of the authorization.

        The delivery is None without a callback URL. A task confirms a captured payment.
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
        payment.state, payment.captured_at = "captured", self._clock()
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
        # Not ``deliver_until_acknowledged``, because a task can be cancelled and updates the count.
        await asyncio.shield(first_task)
        for _ in range(CONFIRMATION_ATTEMPTS - 1):
            if payment.is_confirmed:
                return
            await asyncio.sleep(self._dispatcher.settings.retry_interval)
            await self._send(payment, message)
