"""Store customers, payment methods, orders, links and payments in memory."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from sandbox.fake_paynearme.messages import new_payment_identifier

type State = Literal["authorizing", "captured", "confirmed", "voided"]
"""The state of a payment. ``confirmed`` follows ``captured`` when the merchant acknowledges the confirmation."""

type AuthorizationOutcome = Literal["yes", "no", "none"]
"""The merchant's decision: ``none`` without a valid response or without a callback."""

_UNKNOWN_ORDER = "000"


@dataclass
class Method:
    """A customer's bank account. ``expired`` means that the bank's authorization has expired."""

    payment_method_identifier: str
    description: str
    number: str
    guaranteed_ach: bool = True
    expired: bool = False


@dataclass
class Customer:
    """A customer of a site. ``details`` are the other fields of a response, by their names there."""

    site_identifier: str
    pnm_customer_identifier: str
    site_customer_identifier: str
    details: dict[str, str] = field(default_factory=dict)
    methods: list[Method] = field(default_factory=list)


@dataclass
class Order:
    """An order. Without ``create_order`` it has no ``details``.

    ``annotation`` is the merchant's ``site_order_annotation``, which the callbacks contain.
    """

    site_identifier: str
    pnm_order_identifier: str
    site_order_identifier: str
    customer: Customer | None = None
    details: dict[str, str] = field(default_factory=dict)
    annotation: str | None = None

    @property
    def customer_identifier(self) -> str:
        """The site's identifier of the customer. An order without a customer has a derived identifier."""
        if self.customer is not None:
            return self.customer.site_customer_identifier
        return digits(9, self.site_identifier, self.pnm_order_identifier)


@dataclass(frozen=True)
class Link:
    """The content of a Smart Token: an order and the parameters of the flow, without PII."""

    order: Order
    parameters: Mapping[str, str]


@dataclass
class Payment:
    """A payment. ``site_payment_identifier`` is from the request, or else from the merchant's decision.

    ``created_at`` and ``captured_at`` are in Unix seconds.
    """

    order: Order
    method: Method
    site_customer_identifier: str
    amount: Decimal
    created_at: float
    site_payment_identifier: str | None = None
    pnm_payment_identifier: str = field(default_factory=new_payment_identifier)
    state: State = "authorizing"
    authorization: AuthorizationOutcome = "none"
    confirmations: int = 0
    captured_at: float = 0

    @property
    def is_confirmed(self) -> bool:
        """Whether the merchant has acknowledged the confirmation."""
        return self.state == "confirmed"

    def to_json(self) -> dict[str, str | int | None]:
        """Return the payment as ``GET /control/payments`` contains it."""
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
    """All records. ``customer`` and ``order`` create a missing record, the ``find`` methods do not."""

    def __init__(self) -> None:
        """Create an empty store."""
        self.links: dict[str, Link] = {}
        self.payments: dict[str, Payment] = {}
        self._orders: list[Order] = []
        self._customers: list[Customer] = []

    def find_customer(self, site: str, name: str, value: str) -> Customer | None:
        """Return the site's customer with ``value`` as the identifier ``name``, or None."""
        candidates = (customer for customer in self._customers if customer.site_identifier == site)
        return next((candidate for candidate in candidates if getattr(candidate, name) == value), None)

    def customer(self, site: str, name: str, value: str) -> Customer:
        """Return the site's customer with ``value`` as the identifier ``name``, created if it is missing."""
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
        """Return the site's order with ``value`` as the identifier ``name``, or None."""
        candidates = (order for order in self._orders if order.site_identifier == site)
        return next((candidate for candidate in candidates if getattr(candidate, name) == value), None)

    def order(self, site: str, name: str, value: str) -> Order | None:
        """Return the order for an identifier of the order, of its customer or of its creator.

        A missing order is created, unless the identifier starts with 000: the result is then None. For a customer,
        the result is the last order.
        """
        if name in ("pnm_customer_identifier", "site_customer_identifier"):
            customer = self.find_customer(site, name, value)
            customer_orders = (order for order in reversed(self._orders) if order.customer is customer)
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
        """Create an order with ``value`` as the identifier ``name``. The other identifiers are derived."""
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
        """Expire the bank's authorization of all methods with the identifier. Returns False without a method."""
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
    """Add a method to the customer, or replace the method with the same identifier."""
    for position, saved in enumerate(customer.methods):
        if saved.payment_method_identifier == method.payment_method_identifier:
            customer.methods[position] = method
            return
    customer.methods.append(method)


def new_method_identifier() -> str:
    """Return 13 random hexadecimal digits."""
    return secrets.token_hex(7)[:13]


def digits(count: int, *names: str) -> str:
    """Return ``count`` digits that are derived from ``names``."""
    digest = hashlib.sha256(" ".join(names).encode(errors="replace")).digest()
    return f"{int.from_bytes(digest) % 10**count:0{count}d}"


def _pnm_order_identifier(site: str, name: str, value: str) -> str:
    return value if name == "pnm_order_identifier" else f"8{digits(10, site, name, value)}"
