"""Convert orders, links, customers and payment methods to PayNearMe's responses."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from sandbox.fake_paynearme.store import Customer, Method, Order

type Json = dict[str, object]
"""A JSON object of a response."""

_PAGES_URL = "https://www.paynearme-sandbox.com"
_SHORT_TOKEN_BYTES = 48
_TOKEN_BYTES = 608
_RETURN_URLS = (
    "flow_pay_url",
    "flow_no_pay_url",
    "flow_add_url",
    "flow_no_add_url",
    "flow_return_url",
    "flow_expired_url",
    "flow_error_url",
    "flow_venmo_return_url",
    "flow_bank_oauth_redirect_url",
)
_FEES = {
    "ach": "0.00",
    "apple_pay_credit": "0.00",
    "paypal": "10.00",
    "debit": "0.00",
    "credit": "0.00",
    "gpay": "0.00",
    "apple_pay_debit": "0.00",
}


def new_smart_token(*, short: bool = False) -> str:
    """Return a random Smart Token. ``create_order`` returns a ``short`` one."""
    # The length of the long one is not a multiple of three, so that it ends with "=", like the sample.
    size = _SHORT_TOKEN_BYTES if short else _TOKEN_BYTES
    return base64.b64encode(secrets.token_bytes(size), altchars=b"!$").decode()


def tracked_order(order: Order, smart_token: str, parameters: Mapping[str, str]) -> Json:
    """Return an order for ``get_smart_token``, with the return URLs of ``parameters``."""
    # A sample request has a space before a URL, and its response does not.
    urls = {url.removeprefix("flow_"): parameters[url].strip() for url in _RETURN_URLS if parameters.get(url)}
    page = _page(order)
    return {
        "pnm_order_identifier": order.pnm_order_identifier,
        "site_order_identifier": order.site_order_identifier,
        "type": "order",
        "secure_smart_token": smart_token,
        "secure_smart_link": f"{_PAGES_URL}/ssl/{smart_token}",
        "order_tracking_url": f"{page}/tr?{urlencode(urls, quote_via=quote, safe='')}" if urls else page,
    }


def created_order(order: Order, customer: Customer, smart_token: str) -> Json:
    """Return an order for ``create_order``."""
    details = order.details
    return {
        "site_name": f"Site {order.site_identifier}",
        "site_logo_url": _PAGES_URL,
        "site_order_identifier": order.site_order_identifier,
        "type": "order",
        "site_identifier": order.site_identifier,
        "require_auth_tracker": "false",
        "pnm_order_crid": details["pnm_order_crid"],
        "pnm_customer_language": customer.details["pnm_customer_language"],
        "pnm_order_identifier": order.pnm_order_identifier,
        "pnm_order_short_identifier": details["pnm_order_short_identifier"],
        "site_order_key": customer.site_customer_identifier,
        "order_created": details["order_created"],
        "order_status": "open",
        "order_amount": details["order_amount"],
        "order_currency": "USD",
        "minimum_payment_amount": details["minimum_payment_amount"],
        "minimum_payment_currency": "USD",
        "order_type": details["order_type"],
        "order_is_standing": details["order_is_standing"],
        "secure_smart_token": smart_token,
        "secure_smart_link": f"{_PAGES_URL}/ssl/{smart_token}",
        "order_tracking_url": _page(order),
        "electronic_payments": {
            "payment_methods": [
                {
                    "type": kind,
                    "fee_amount": fee,
                    "fee_currency": "USD",
                    "accounts": accounts(customer.methods) if kind == "ach" else [],
                }
                for kind, fee in _FEES.items()
            ]
        },
        "cards": None,
        "customer": {
            "pnm_customer_identifier": customer.pnm_customer_identifier,
            "site_customer_identifier": customer.site_customer_identifier,
            **customer.details,
        },
    }


def accounts(methods: Sequence[Method]) -> list[Json]:
    """Return bank accounts for ``find_payment_methods``.

    An expired account is like the others, because PayNearMe detects the expiry when it submits a payment.
    """
    return [
        {
            "payment_method_identifier": method.payment_method_identifier,
            "status": "active",
            "description": method.description,
            "account_type": "Personal trustly_ach" if method.guaranteed_ach else "Personal checking",
            "pull_enabled": "true",
            "push_enabled": "false",
            "number": method.number,
            "fee_amount": "0.00",
        }
        for method in methods
    ]


def _page(order: Order) -> str:
    return f"{_PAGES_URL}/{quote(order.pnm_order_identifier, safe='')}"
