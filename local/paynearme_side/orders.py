"""``create_order`` and ``get_smart_token``: orders enter the books, and links to them are handed out."""

import secrets
import string
from collections.abc import Callable, Mapping

from local.paynearme_side.answers import RejectedError
from local.paynearme_side.books import Books, Link, Order
from local.paynearme_side.callback_fields import local_time
from local.paynearme_side.printed import Printed, created_order, new_token, tracked_order
from local.paynearme_side.values import choice, dollars, required

_ORDER_IDENTIFIERS = (
    "pnm_order_identifier",
    "site_order_identifier",
    "pnm_customer_identifier",
    "site_customer_identifier",
    "site_creator_identifier",
)


class Orders:
    """The operations on orders. Each raises ``RejectedError`` for what it does not do."""

    def __init__(self, books: Books, clock: Callable[[], float]) -> None:
        """Take the books. ``clock`` gives Unix seconds."""
        self._books = books
        self._clock = clock

    def create(self, site: str, parameters: Mapping[str, str]) -> Printed:
        """Return a new order; a ``site_order_identifier`` that the site has used gives that order again."""
        amount = dollars(parameters, "order_amount", "order_currency", at_least="0.00")
        customer_identifier = required(parameters, "site_customer_identifier")
        given = parameters.get("site_order_identifier")
        name, value = ("site_order_identifier", given) if given else ("", secrets.token_hex(8))
        order = self._books.find_order(site, name, value) if given else None
        order = order or self._books.new_order(site, name, value)
        customer = order.customer
        if customer is None or not order.details:
            customer = self._books.customer(site, "site_customer_identifier", customer_identifier)
            customer.details = _details_of_customer(parameters)
            order.customer = customer
            order.annotation = parameters.get("site_order_annotation")
            order.details = {
                "pnm_order_crid": _any_of(string.ascii_letters + string.digits, 6),
                "pnm_order_short_identifier": _short_identifier(),
                "order_created": local_time(self._clock()),
                "order_amount": f"{amount:.2f}",
                "order_type": parameters.get("order_type") or "any",
                "order_is_standing": parameters.get("order_is_standing") or "false",
            }
        token = self._new_link(order, {}, short=True)
        return {"status": "ok", "order": created_order(order, customer, token)}

    def get_smart_token(self, site: str, parameters: Mapping[str, str]) -> Printed:
        """Return the order that the one identifier stands for, with a new token."""
        order = self.named(site, parameters, _ORDER_IDENTIFIERS)
        token = self._new_link(order, parameters)
        return {"status": "ok", "orders": [tracked_order(order, token, parameters)]}

    def named(self, site: str, parameters: Mapping[str, str], names: tuple[str, ...]) -> Order:
        """Return the order that exactly one of the parameters ``names`` stands for."""
        order = self._books.order(site, *choice(parameters, names))
        if order is None:
            raise RejectedError("Order not found", "9404")
        return order

    def _new_link(self, order: Order, parameters: Mapping[str, str], *, short: bool = False) -> str:
        token = new_token(short=short)
        kept = {name: value for name, value in parameters.items() if not name.endswith("_pii")}
        self._books.links[token] = Link(order, kept)
        return token


def _details_of_customer(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what is printed of a customer. What was not given is left out."""

    def given(name: str) -> str:
        return parameters.get(f"site_customer_{name}", "")

    name = " ".join(filter(None, (given("first_name"), given("last_name"))))
    printed = {
        "name": name,
        "email": given("email"),
        "phone": "".join(filter(str.isdigit, given("phone"))),
        "addressee": name,
        "street": given("street").replace("+", " "),
        "city": given("city"),
        "state": given("state"),
        "postal_code": given("postal_code"),
        "language": given("language") or "en",
    }
    return {f"pnm_customer_{name}": value for name, value in printed.items() if value}


def _any_of(alphabet: str, count: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(count))


def _short_identifier() -> str:
    letters = _any_of(string.ascii_uppercase, 4)
    return letters[:2] + _any_of(string.digits, 2) + letters[2:]
