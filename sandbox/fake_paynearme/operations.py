"""The four operations of PayNearMe's API."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from sandbox.fake_paynearme.background_tasks import BackgroundTasks
from sandbox.fake_paynearme.callback_dispatch import CallbackDispatcher
from sandbox.fake_paynearme.callback_fields import authorization_for_call
from sandbox.fake_paynearme.orders import create_order, find_order, get_smart_token
from sandbox.fake_paynearme.payments import Payments
from sandbox.fake_paynearme.request_parameters import required, usd_amount
from sandbox.fake_paynearme.responses import PendingResult, RejectedError, error_response
from sandbox.fake_paynearme.serializers import Json, accounts
from sandbox.fake_paynearme.store import Customer, Method, Order, Payment, Store

OPERATIONS = ("get_smart_token", "create_order", "find_payment_methods", "make_payment")
"""The names of the operations, as in the path of a request."""

_METHOD_OWNERS = (
    "site_customer_identifier",
    "pnm_customer_identifier",
    "pnm_order_identifier",
    "site_order_identifier",
)
_EXPIRED = "Your payment token is expired, please connect your bank account again to make payment."
_DECLINED = ("Declined by the merchant", "9410")


@dataclass(frozen=True)
class Operations:
    """Process authentic requests. ``clock`` returns Unix seconds."""

    store: Store
    payments: Payments
    dispatcher: CallbackDispatcher
    background_tasks: BackgroundTasks
    clock: Callable[[], float]

    def process(self, operation: str, site: str, parameters: Mapping[str, str]) -> PendingResult:
        """Process one of ``OPERATIONS``. Raises ``RejectedError`` for an invalid request."""
        match operation:
            case "get_smart_token":
                content = get_smart_token(self.store, site, parameters)
            case "create_order":
                content = create_order(self.store, site, parameters, self.clock())
            case "find_payment_methods":
                content = self._find_payment_methods(site, parameters)
            case _:
                return self._make_payment(site, parameters)
        return PendingResult(web.json_response(content))

    def _find_payment_methods(self, site: str, parameters: Mapping[str, str]) -> Json:
        name = next((name for name in _METHOD_OWNERS if parameters.get(name)), None)
        if name is None:
            raise RejectedError(f"One is required: {', '.join(_METHOD_OWNERS)}", "9400")
        find = self.store.find_customer if "customer" in name else self.store.find_order
        owner = find(site, name, parameters[name])
        customer = owner.customer if isinstance(owner, Order) else owner
        if customer is None:
            raise RejectedError("Customer not found", "9405")
        return {"status": "ok", "accounts": accounts(customer.methods)}

    def _make_payment(self, site: str, parameters: Mapping[str, str]) -> PendingResult:
        amount = usd_amount(parameters, "payment_amount", "payment_currency")
        identifier = required(parameters, "payment_method_identifier")
        names = ("pnm_order_identifier", "site_order_identifier")
        order = find_order(self.store, site, parameters, names[:1] if parameters.get(names[0]) else names)
        owner, method = self._find_method(order, identifier)
        if method.expired:
            raise RejectedError(f"{_EXPIRED} (ref {secrets.randbelow(10**12):012d})", "6513")
        payment = Payment(order, method, owner.site_customer_identifier, amount, self.clock())
        payment.site_payment_identifier = parameters.get("site_payment_identifier") or None
        self.store.payments[payment.pnm_payment_identifier] = payment
        # Before the merchant's decision, because the response contains the request's identifier only.
        accepted_response = web.json_response(_payment_response(payment))
        return PendingResult(accepted_response, self.background_tasks.start(self._pay(payment, accepted_response)))

    async def _pay(self, payment: Payment, accepted_response: web.Response) -> web.Response:
        message = authorization_for_call(payment, test=self.dispatcher.settings.test)
        await self.payments.pay(payment, message)
        return error_response(*_DECLINED) if payment.state == "voided" else accepted_response

    def _find_method(self, order: Order, identifier: str) -> tuple[Customer, Method]:
        """Return the method with its owner. If the order has a customer, it must be the owner."""
        saved = self.store.find_method(order.site_identifier, identifier)
        if saved is None or order.customer not in (None, saved[0]):
            raise RejectedError("Payment method not found", "9406")
        return saved


def _payment_response(payment: Payment) -> Json:
    site_payment_identifier = payment.site_payment_identifier
    return {
        "status": "ok",
        "payment": {
            "pnm_payment_identifier": payment.pnm_payment_identifier,
            "pnm_order_identifier": payment.order.pnm_order_identifier,
            **({} if site_payment_identifier is None else {"site_payment_identifier": site_payment_identifier}),
            "payment_amount": f"{payment.amount:.2f}",
            "payment_currency": "USD",
            "payment_status": "authorized",
        },
    }
