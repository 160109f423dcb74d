"""The operations on orders. Each raises ``RejectedError`` for an invalid request."""

import secrets
import string
from collections.abc import Mapping

from sandbox.fake_paynearme.callback_fields import local_time
from sandbox.fake_paynearme.request_parameters import one_of, required, usd_amount
from sandbox.fake_paynearme.responses import RejectedError
from sandbox.fake_paynearme.serializers import Json, created_order, new_smart_token, tracked_order
from sandbox.fake_paynearme.store import Link, Order, Store

_ORDER_IDENTIFIERS = (
    "pnm_order_identifier",
    "site_order_identifier",
    "pnm_customer_identifier",
    "site_customer_identifier",
    "site_creator_identifier",
)


def create_order(store: Store, site: str, parameters: Mapping[str, str], now: float) -> Json:
    """Return a new order, or the existing order with the same ``site_order_identifier``.

    ``now`` is in Unix seconds.
    """
    amount = usd_amount(parameters, "order_amount", "order_currency", minimum="0.00")
    customer_identifier = required(parameters, "site_customer_identifier")
    site_order_identifier = parameters.get("site_order_identifier")
    if site_order_identifier:
        name = "site_order_identifier"
        order = store.find_order(site, name, site_order_identifier)
        order = order or store.new_order(site, name, site_order_identifier)
    else:
        order = store.new_order(site, "", secrets.token_hex(8))
    customer = order.customer
    if customer is None or not order.details:
        customer = store.customer(site, "site_customer_identifier", customer_identifier)
        customer.details = _customer_details(parameters)
        order.customer = customer
        order.annotation = parameters.get("site_order_annotation")
        letters = _random_text(string.ascii_uppercase, 4)
        order.details = {
            "pnm_order_crid": _random_text(string.ascii_letters + string.digits, 6),
            "pnm_order_short_identifier": letters[:2] + _random_text(string.digits, 2) + letters[2:],
            "order_created": local_time(now),
            "order_amount": f"{amount:.2f}",
            "order_type": parameters.get("order_type") or "any",
            "order_is_standing": parameters.get("order_is_standing") or "false",
            "minimum_payment_amount": parameters.get("minimum_payment_amount") or "0.00",
        }
    if parameters.get("return_minimal_info") == "true":
        identifiers = {"pnm_order_identifier": order.pnm_order_identifier}
        return {"status": "ok", "order": identifiers | {"pnm_customer_identifier": customer.pnm_customer_identifier}}
    smart_token = _new_link(store, order, {}, short=True)
    return {"status": "ok", "order": created_order(order, customer, smart_token)}


def get_smart_token(store: Store, site: str, parameters: Mapping[str, str]) -> Json:
    """Return the order of the identifier, with a new token."""
    order = find_order(store, site, parameters, _ORDER_IDENTIFIERS)
    smart_token = _new_link(store, order, parameters)
    return {"status": "ok", "orders": [tracked_order(order, smart_token, parameters)]}


def find_order(store: Store, site: str, parameters: Mapping[str, str], names: tuple[str, ...]) -> Order:
    """Return the order of the only identifier among ``names``."""
    order = store.order(site, *one_of(parameters, names))
    if order is None:
        raise RejectedError("Order not found", "9404")
    return order


def _new_link(store: Store, order: Order, parameters: Mapping[str, str], *, short: bool = False) -> str:
    smart_token = new_smart_token(short=short)
    link_parameters = {name: value for name, value in parameters.items() if not name.endswith("_pii")}
    store.links[smart_token] = Link(order, link_parameters)
    return smart_token


def _customer_details(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the customer's fields of the response, without empty fields."""

    def customer_parameter(name: str) -> str:
        return parameters.get(f"site_customer_{name}", "")

    name = " ".join(filter(None, (customer_parameter("first_name"), customer_parameter("last_name"))))
    details = {
        "name": name,
        "email": customer_parameter("email"),
        "phone": "".join(filter(str.isdigit, customer_parameter("phone"))),
        "addressee": name,
        "street": customer_parameter("street").replace("+", " "),
        "city": customer_parameter("city"),
        "state": customer_parameter("state"),
        "postal_code": customer_parameter("postal_code"),
        "language": customer_parameter("language") or "en",
    }
    return {f"pnm_customer_{name}": value for name, value in details.items() if value}


def _random_text(alphabet: str, count: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(count))
