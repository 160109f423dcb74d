"""What PayNearMe keeps in its books, in memory: customers, payment methods, orders, links and payments."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

type State = Literal["authorizing", "captured", "confirmed", "voided"]
"""How far a payment is: the merchant is asked; the money is taken; the merchant knows; nothing is taken."""

type AuthorizationOutcome = Literal["yes", "no", "none"]
"""What the merchant answered to the authorization callback; ``none`` also where there was no callback."""

_UNKNOWN_ORDER = "000"


@dataclass
class Method:
    """A customer's bank account. ``expired`` says that its bank has taken back the authorization."""

    payment_method_identifier: str
    description: str
    number: str
    guaranteed_ach: bool = True
    expired: bool = False


@dataclass
class Customer:
    """A customer of a site. ``details`` holds what is printed of one, under its names there."""

    site_identifier: str
    pnm_customer_identifier: str
    site_customer_identifier: str
    details: dict[str, str] = field(default_factory=dict)
    methods: list[Method] = field(default_factory=list)


@dataclass
class Order:
    """An order. One made on first sight has no ``details``, and mostly no customer.

    ``annotation`` is the merchant's ``site_order_annotation``, which its callbacks repeat.
    """

    site_identifier: str
    pnm_order_identifier: str
    site_order_identifier: str
    customer: Customer | None = None
    details: dict[str, str] = field(default_factory=dict)
    annotation: str | None = None

    @property
    def customer_identifier(self) -> str:
        """The customer's identifier with the site; for an order of nobody's always the same made-up one."""
        if self.customer is not None:
            return self.customer.site_customer_identifier
        return digits(9, self.site_identifier, self.pnm_order_identifier)


@dataclass(frozen=True)
class Link:
    """What a Smart Token stands for: an order, and the flow's parameters without personal data."""

    order: Order
    parameters: Mapping[str, str]


@dataclass
class Payment:
    """A payment. ``site_payment_identifier`` is the call's, or else the one of the merchant's answer.

    ``started`` and ``taken`` are when it was made and when its money was taken, in Unix seconds.
    """

    order: Order
    method: Method
    site_customer_identifier: str
    amount: Decimal
    created_at: float
    site_payment_identifier: str | None = None
    pnm_payment_identifier: str = field(default_factory=lambda: str(10**11 + secrets.randbelow(9 * 10**11)))
    state: State = "authorizing"
    authorization: AuthorizationOutcome = "none"
    confirmations: int = 0
    captured: float = 0

    @property
    def is_confirmed(self) -> bool:
        """Whether the merchant has acknowledged the confirmation."""
        return self.state == "confirmed"

    def to_json(self) -> dict[str, str | int | None]:
        """Return what the control address tells of it."""
        return {
            "site_identifier": self.order.site_identifier,
            "pnm_payment_identifier": self.pnm_payment_identifier,
            "pnm_order_identifier": self.order.pnm_order_identifier,
            "site_order_identifier": self.order.site_order_identifier,
            "site_customer_identifier": self.site_customer_identifier,
            "site_payment_identifier": self.site_payment_identifier,
            "payment_method_identifier": self.method.payment_method_identifier,
            "payment_amount": f"{self.amount:.2f}",
            "payment_currency": "USD",
            "state": self.state,
            "authorization": self.authorization,
            "confirmations": self.confirmations,
        }


class Store:
    """All of it. What is not found is made on first sight where that is said."""

    def __init__(self) -> None:
        """Begin empty."""
        self.links: dict[str, Link] = {}
        self.payments: dict[str, Payment] = {}
        self._orders: list[Order] = []
        self._customers: list[Customer] = []

    def find_customer(self, site: str, name: str, value: str) -> Customer | None:
        """Return the site's customer whose identifier ``name`` is ``value``, or None."""
        candidates = (each for each in self._customers if each.site_identifier == site)
        return next((each for each in candidates if getattr(each, name) == value), None)

    def customer(self, site: str, name: str, value: str) -> Customer:
        """Return the customer whose identifier ``name`` is ``value``, made on first sight."""
        existing = self.find_customer(site, name, value)
        if existing is None:
            is_pnm_identifier = name == "pnm_customer_identifier"
            existing = Customer(
                site,
                pnm_customer_identifier=value if is_pnm_identifier else f"U{digits(10, site, name, value)}",
                site_customer_identifier=digits(9, site, name, value) if is_pnm_identifier else value,
            )
            self._customers.append(existing)
        return existing

    def find_order(self, site: str, name: str, value: str) -> Order | None:
        """Return the site's order whose identifier ``name`` is ``value``, or None."""
        candidates = (each for each in self._orders if each.site_identifier == site)
        return next((each for each in candidates if getattr(each, name) == value), None)

    def order(self, site: str, name: str, value: str) -> Order | None:
        """Return the order that an identifier of it, of a customer or of its creator stands for.

        It is made on first sight, unless the identifier begins with 000: then None is returned. Of a
        customer's orders the last one is meant.
        """
        if name in ("pnm_customer_identifier", "site_customer_identifier"):
            customer = self.find_customer(site, name, value)
            customer_orders = (each for each in reversed(self._orders) if each.customer is customer)
            existing = next(customer_orders, None) if customer is not None else None
            if existing is None and (customer is not None or not value.startswith(_UNKNOWN_ORDER)):
                return self.new_order(site, name, value, self.customer(site, name, value))
            return existing
        identifier_name = name if name == "site_order_identifier" else "pnm_order_identifier"
        identifier = value if name == identifier_name else _pnm_order_identifier(site, name, value)
        existing = self.find_order(site, identifier_name, identifier)
        if existing is None and not value.startswith(_UNKNOWN_ORDER):
            return self.new_order(site, name, value)
        return existing

    def new_order(self, site: str, name: str, value: str, customer: Customer | None = None) -> Order:
        """Enter an order; the numbers that ``name`` does not give follow from ``value``."""
        order = Order(
            site,
            pnm_order_identifier=_pnm_order_identifier(site, name, value),
            site_order_identifier=(value if name == "site_order_identifier" else f"6{digits(9, site, name, value)}"),
            customer=customer,
        )
        self._orders.append(order)
        return order

    def find_method(self, site: str, identifier: str) -> tuple[Customer, Method] | None:
        """Return the site's payment method with its customer, or None."""
        for customer in self._customers:
            for method in customer.methods:
                if customer.site_identifier == site and method.payment_method_identifier == identifier:
                    return customer, method
        return None

    def expire(self, identifier: str) -> bool:
        """Take back the bank's authorization of every method of that identifier; False if there is none."""
        matching = [
            method
            for customer in self._customers
            for method in customer.methods
            if method.payment_method_identifier == identifier
        ]
        for method in matching:
            method.expired = True
        return bool(matching)


def save_method(customer: Customer, method: Method) -> None:
    """Add the method to the customer's, in the place of one with the same identifier."""
    for position, saved in enumerate(customer.methods):
        if saved.payment_method_identifier == method.payment_method_identifier:
            customer.methods[position] = method
            return
    customer.methods.append(method)


def new_method_identifier() -> str:
    """Return 13 hexadecimal digits."""
    return secrets.token_hex(7)[:13]


def digits(count: int, *names: str) -> str:
    """Return ``count`` digits that are always the same for ``names``."""
    digest = hashlib.sha256(" ".join(names).encode(errors="replace")).digest()
    return f"{int.from_bytes(digest) % 10**count:0{count}d}"


def _pnm_order_identifier(site: str, name: str, value: str) -> str:
    return value if name == "pnm_order_identifier" else f"8{digits(10, site, name, value)}"
