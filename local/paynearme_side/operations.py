"""The four operations on the books, by the name that a call has in its path."""

import re
import secrets
from collections.abc import Callable, Mapping

from aiohttp import web

from local.events import load
from local.paynearme_side.answers import Carried, RejectedError, error
from local.paynearme_side.background import Background
from local.paynearme_side.books import Books, Customer, Method, Order, Payment
from local.paynearme_side.callback_fields import authorization_of_call
from local.paynearme_side.orders import Orders
from local.paynearme_side.outgoing import Outgoing
from local.paynearme_side.payments import Payments
from local.paynearme_side.printed import Printed, accounts
from local.paynearme_side.values import choice, dollars, required

OPERATIONS = ("get_smart_token", "create_order", "find_payment_methods", "make_payment")
"""The operations that there are."""

_DECLINED = ("Declined by the merchant", "9410")


class Operations:
    """What PayNearMe does for a site whose call is authentic."""

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
        self._orders = Orders(books, clock)

    def carry_out(self, operation: str, site: str, parameters: Mapping[str, str]) -> Carried:
        """Carry out one of ``OPERATIONS``. Raises ``RejectedError`` for what is refused at once."""
        if operation == "make_payment":
            return self._make_payment(site, parameters)
        answer = {
            "get_smart_token": self._orders.get_smart_token,
            "create_order": self._orders.create,
            "find_payment_methods": self._find_payment_methods,
        }[operation]
        return Carried(web.json_response(answer(site, parameters)))

    def _find_payment_methods(self, site: str, parameters: Mapping[str, str]) -> Printed:
        name, value = choice(parameters, ("site_customer_identifier", "pnm_customer_identifier"))
        customer = self._books.find_customer(site, name, value)
        if customer is None:
            raise RejectedError("Customer not found", "9405")
        return {"status": "ok", "accounts": accounts(customer.methods)}

    def _make_payment(self, site: str, parameters: Mapping[str, str]) -> Carried:
        amount = dollars(parameters, "payment_amount", "payment_currency")
        identifier = required(parameters, "payment_method_identifier")
        order = self._orders.named(site, parameters, ("pnm_order_identifier", "site_order_identifier"))
        owner, method = self._method(order, identifier)
        if method.expired:
            raise RejectedError(_expired(), "6513")
        payment = Payment(
            order,
            method,
            owner.site_customer_identifier,
            amount,
            self._clock(),
            parameters.get("site_payment_identifier") or None,
        )
        self._books.payments[payment.pnm_payment_identifier] = payment
        # Before the merchant's answer can name it: an answer tells what the call named.
        accepted = web.json_response(_made(payment))
        return Carried(accepted, self._background.start(self._pay(payment, accepted)))

    async def _pay(self, payment: Payment, accepted: web.Response) -> web.Response:
        message = authorization_of_call(payment, test=self._outgoing.settings.test)
        await self._payments.pay(payment, message)
        return error(*_DECLINED) if payment.state == "voided" else accepted

    def _method(self, order: Order, identifier: str) -> tuple[Customer, Method]:
        """Return the method with its owner, who must be the order's customer if it has one."""
        found = self._books.find_method(order.site_identifier, identifier)
        if found is None or order.customer not in (None, found[0]):
            raise RejectedError("Payment method not found", "9406")
        return found


def _made(payment: Payment) -> Printed:
    named = payment.site_payment_identifier
    return {
        "status": "ok",
        "payment": {
            "pnm_payment_identifier": payment.pnm_payment_identifier,
            "pnm_order_identifier": payment.order.pnm_order_identifier,
            **({} if named is None else {"site_payment_identifier": named}),
            "payment_amount": f"{payment.amount:.2f}",
            "payment_currency": "USD",
            "payment_status": "authorized",
        },
    }


def _expired() -> str:
    """Return the guide's words for a bank authorization that has expired, with a reference of their own."""
    (printed,) = load("make_payment_answer")["expired"]["errors"]
    reference = f"(ref {secrets.randbelow(10**12):012d})"
    return re.sub(r"\(ref [0-9]+\)", reference, printed["description"])
