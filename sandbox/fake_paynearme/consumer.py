"""Simulate a consumer: open a link, sign in at the bank, and submit the payment."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from sandbox.fake_paynearme.background_tasks import BackgroundTasks
from sandbox.fake_paynearme.callback_dispatch import CallbackDispatcher
from sandbox.fake_paynearme.callback_fields import authorization_for_link
from sandbox.fake_paynearme.payments import Payments
from sandbox.fake_paynearme.request_parameters import parse_amount
from sandbox.fake_paynearme.responses import RejectedError
from sandbox.fake_paynearme.serializers import Json
from sandbox.fake_paynearme.store import Customer, Link, Method, Payment, Store, new_method_identifier

type _Text = Annotated[str, StringConstraints(min_length=1)]


class CheckoutRequest(BaseModel):
    """The input of a consumer.

    ``bank`` and ``number`` are the description and the last four digits of the account. ``payment_amount`` defaults to
    the amount of the link.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    secure_smart_token: str
    bank: _Text = "Demo Checking Account"
    number: _Text = "6576"
    payment_amount: str | None = None


@dataclass(frozen=True)
class Consumer:
    """A consumer with a link. ``clock`` returns Unix seconds."""

    store: Store
    payments: Payments
    dispatcher: CallbackDispatcher
    background_tasks: BackgroundTasks
    clock: Callable[[], float]

    async def check_out(self, request: CheckoutRequest) -> Json:
        """Complete the flow of the link, and return the result.

        Raises ``RejectedError`` with status 400 for an unknown link, for a flow without a bank, and for a payment
        without an amount.
        """
        link = self.store.links.get(request.secure_smart_token)
        if link is None:
            raise RejectedError("Unknown Smart Token", status=400)
        if link.parameters.get("flow_trustly") != "true":
            raise RejectedError("No bank in this flow", status=400)
        if link.parameters.get("flow_trustly_reconnect"):
            return self._reconnect(link)
        amount = parse_amount(request.payment_amount or link.parameters.get("payment_amount", ""))
        if amount is None:
            raise RejectedError("No amount", status=400)
        # In a task, so that it continues without the caller, and ``settle`` waits for it.
        return await self.background_tasks.start(self._pay(link, request, amount))

    def _reconnect(self, link: Link) -> Json:
        site, identifier = link.order.site_identifier, link.parameters["flow_trustly_reconnect"]
        saved = self.store.find_method(site, identifier)
        if saved is None or link.order.customer not in (None, saved[0]):
            raise RejectedError("Unknown payment method", status=400)
        saved[1].expired = False
        return _result(link, saved[1], "flow_add_url")

    async def _pay(self, link: Link, request: CheckoutRequest, amount: Decimal) -> Json:
        order = link.order
        customer = order.customer
        if customer is None:
            customer = self.store.customer(order.site_identifier, "site_customer_identifier", order.customer_identifier)
        method = _sign_in(customer, request)
        payment = Payment(order, method, customer.site_customer_identifier, amount, self.clock())
        self.store.payments[payment.pnm_payment_identifier] = payment
        message = authorization_for_link(payment, test=self.dispatcher.settings.test)
        authorization_delivery = await self.payments.pay(payment, message)
        result = _result(link, method, "flow_no_pay_url" if payment.state == "voided" else "flow_pay_url")
        result["pnm_payment_identifier"] = payment.pnm_payment_identifier
        if authorization_delivery is not None:
            result["authorization"] = {"accepted": payment.state != "voided", "fields": authorization_delivery.fields}
        confirmation_delivery = await self.payments.first_confirmation(payment)
        if confirmation_delivery is not None:
            result["confirmation"] = {"acknowledged": confirmation_delivery.accepted}
        return result


def _sign_in(customer: Customer, request: CheckoutRequest) -> Method:
    """Return the customer's account with a renewed authorization. A new account is saved."""
    for method in customer.methods:
        if (method.description, method.number) == (request.bank, request.number) and method.guaranteed_ach:
            method.expired = False
            return method
    new_method = Method(new_method_identifier(), request.bank, request.number)
    customer.methods.append(new_method)
    return new_method


def _result(link: Link, method: Method, redirect: str) -> Json:
    return {
        "payment_method_identifier": method.payment_method_identifier,
        "pnm_payment_identifier": None,
        "authorization": None,
        "confirmation": None,
        "redirect_url": link.parameters.get(redirect, "").strip() or None,
    }
