"""The consumer's part as one call: opening the link, signing in at the bank, submitting the payment."""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from local.paynearme_side.answers import RejectedError
from local.paynearme_side.background import Background
from local.paynearme_side.books import Books, Customer, Link, Method, Payment, new_method_identifier
from local.paynearme_side.callback_fields import authorization_from_link
from local.paynearme_side.outgoing import Outgoing
from local.paynearme_side.payments import Payments
from local.paynearme_side.printed import Printed
from local.paynearme_side.values import money

type _Text = Annotated[str, StringConstraints(min_length=1)]


class Visit(BaseModel):
    """What a consumer does with a link.

    ``bank`` and ``number`` are the account's description and last four digits. ``payment_amount`` is what
    the consumer enters; without it, the link's holds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    secure_smart_token: str
    bank: _Text = "Demo Checking Account"
    number: _Text = "6576"
    payment_amount: str | None = None


class Consumer:
    """Whoever opens a link."""

    def __init__(
        self,
        books: Books,
        payments: Payments,
        outgoing: Outgoing,
        background: Background,
        clock: Callable[[], float],
    ) -> None:
        """Take the books and what makes payments. ``clock`` gives Unix seconds."""
        self._books = books
        self._payments = payments
        self._outgoing = outgoing
        self._background = background
        self._clock = clock

    async def visit(self, visit: Visit) -> Printed:
        """Do what the link asks for, and tell what came of it.

        Raises ``RejectedError`` with status 400 for a link that is unknown or has no bank in its flow, and
        for a payment without an amount.
        """
        link = self._books.links.get(visit.secure_smart_token)
        if link is None:
            raise RejectedError("Unknown Smart Token", status=400)
        if link.parameters.get("flow_trustly") != "true":
            raise RejectedError("No bank in this flow", status=400)
        if link.parameters.get("flow_trustly_reconnect"):
            return self._reconnect(link)
        amount = money(visit.payment_amount or link.parameters.get("payment_amount", ""))
        if amount is None:
            raise RejectedError("No amount", status=400)
        # So that it goes on when the caller does not wait, and is waited for when all is to settle.
        return await self._background.start(self._pay(link, visit, amount))

    def _reconnect(self, link: Link) -> Printed:
        site, identifier = link.order.site_identifier, link.parameters["flow_trustly_reconnect"]
        found = self._books.find_method(site, identifier)
        if found is None or link.order.customer not in (None, found[0]):
            raise RejectedError("Unknown payment method", status=400)
        found[1].expired = False
        return _told(link, found[1], "flow_add_url")

    async def _pay(self, link: Link, visit: Visit, amount: Decimal) -> Printed:
        order = link.order
        customer = self._customer(link)
        method = _signed_in(customer, visit)
        payment = Payment(order, method, customer.site_customer_identifier, amount, self._clock())
        self._books.payments[payment.pnm_payment_identifier] = payment
        message = authorization_from_link(payment, test=self._outgoing.settings.test)
        asked = await self._payments.pay(payment, message)
        answer = _told(link, method, "flow_no_pay_url" if payment.state == "voided" else "flow_pay_url")
        answer["pnm_payment_identifier"] = payment.pnm_payment_identifier
        if asked is not None:
            answer["authorization"] = {"accepted": payment.state != "voided", "fields": asked.fields}
        confirmed = await self._payments.first_confirmation(payment)
        if confirmed is not None:
            answer["confirmation"] = {"acknowledged": confirmed.accepted}
        return answer

    def _customer(self, link: Link) -> Customer:
        order = link.order
        if order.customer is not None:
            return order.customer
        return self._books.customer(order.site_identifier, "site_customer_identifier", order.payer)


def _signed_in(customer: Customer, visit: Visit) -> Method:
    """Return the customer's account with a fresh authorization, added if it is new."""
    for method in customer.methods:
        if (method.description, method.number) == (visit.bank, visit.number) and method.guaranteed_ach:
            method.expired = False
            return method
    added = Method(new_method_identifier(), visit.bank, visit.number)
    customer.methods.append(added)
    return added


def _told(link: Link, method: Method, redirect: str) -> Printed:
    return {
        "payment_method_identifier": method.payment_method_identifier,
        "pnm_payment_identifier": None,
        "authorization": None,
        "confirmation": None,
        "redirect_url": link.parameters.get(redirect, "").strip() or None,
    }
