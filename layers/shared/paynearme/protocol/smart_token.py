"""The request for a Smart Token, and its response (PayNearMe docs, get_smart_token and Guaranteed ACH)."""

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from paynearme.protocol.api_call import (
    IdentifierText,
    PayNearMeRequest,
    PayNearMeResponse,
    WholeNumber,
    single_object,
    valid_entries,
)
from paynearme.protocol.types import CalendarDate, Flag, Identifier, Lenient, PositiveMoney, invalid

_URL = re.compile(r"([a-z][a-z0-9+.-]*):/.*", re.IGNORECASE | re.ASCII)
# These schemes run code, read or write data, or start a call. No app uses them for its links.
_FORBIDDEN_SCHEME = re.compile(
    "about|blob|chrome|content|data|file|filesystem|ftp|ftps|intent|jar|javascript|livescript|mailto|mocha"
    "|resource|sms|tel|urn|vbscript|view-source|ws|wss"
)
_ORDER_IDENTIFIERS = (
    "pnm_order_identifier",
    "site_order_identifier",
    "pnm_customer_identifier",
    "site_customer_identifier",
    "site_creator_identifier",
)
_URL_REQUIRED = "must be an absolute URL: https, http, or an app's own scheme"
_EXT_CUSTOMER_FIELDS = ("ext_customer_enrollment_date", "ext_customer_date_of_birth_pii", "ext_customer_tax_id_pii")
_GUARANTEED_ACH_REQUIRED = (*_EXT_CUSTOMER_FIELDS, "flow_bank_oauth_redirect_url")


def _return_url(value: object) -> str:
    # PayNearMe's sample starts with a space.
    url = value.strip(" ") if isinstance(value, str) else ""
    match = _URL.fullmatch(url)
    if match is None or len(url) > 2048 or not url.isprintable() or any(c in ' "<>\\' for c in url):
        raise invalid(_URL_REQUIRED)
    scheme = match[1].lower()
    if _FORBIDDEN_SCHEME.fullmatch(scheme) or (scheme in {"http", "https"} and not _has_host(url)):
        raise invalid(_URL_REQUIRED)
    return url


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


ReturnUrl = Annotated[
    str, BeforeValidator(_return_url), WithJsonSchema({"type": "string", "format": "uri", "maxLength": 2048})
]
"""An absolute URL: ``https``, ``http`` or an app's own scheme. Schemes that run or read something are invalid."""


TaxIdentifier = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,32}$")]


class SmartTokenRequest(PayNearMeRequest):
    """A request for a Smart Token, which opens PayNearMe's payment page.

    A reconnect requires none of the parameters of guaranteed ACH, because PayNearMe's sample omits some of them.
    """

    pnm_order_identifier: Identifier | None = None
    site_order_identifier: Identifier | None = None
    pnm_customer_identifier: Identifier | None = None
    site_customer_identifier: Identifier | None = None
    site_creator_identifier: Identifier | None = None

    flow_debit: Flag | None = None
    flow_credit: Flag | None = None
    flow_ach: Flag | None = None
    flow_retailer: Flag | None = None
    flow_apple_pay: Flag | None = None
    flow_google_pay: Flag | None = None
    flow_paypal: Flag | None = None
    flow_venmo: Flag | None = None
    flow_pin4: Flag | None = None
    flow_push_debit: Flag | None = None
    flow_push_ach: Flag | None = None
    flow_cash_app: Flag | None = None
    flow_push_paypal: Flag | None = None
    flow_secure_all: Flag | None = None
    flow_edit_schedule: Flag | None = None
    flow_tokenize: Flag | None = None
    flow_hide_saved_payment_methods: Flag | None = None
    flow_show_all_ppas: Flag | None = None
    flow_trustly: Flag | None = None
    flow_trustly_reconnect: Identifier | None = None

    payment_amount: PositiveMoney | None = None
    payment_field_fixed: Flag | None = None

    link_lifetime_seconds: WholeNumber | None = None
    short_order_url: Flag | None = None
    flow_pay_url: ReturnUrl | None = None
    flow_no_pay_url: ReturnUrl | None = None
    flow_add_url: ReturnUrl | None = None
    flow_no_add_url: ReturnUrl | None = None
    flow_return_url: ReturnUrl | None = None
    flow_expired_url: ReturnUrl | None = None
    flow_error_url: ReturnUrl | None = None
    flow_venmo_return_url: ReturnUrl | None = None
    flow_bank_oauth_redirect_url: ReturnUrl | None = None

    ext_customer_enrollment_date: CalendarDate | None = None
    ext_customer_date_of_birth_pii: CalendarDate | None = None
    ext_customer_tax_id_pii: TaxIdentifier | None = None

    @classmethod
    def cross_field_errors(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return also errors for missing dependent parameters, and for another number of order identifiers than one."""
        errors = super().cross_field_errors(parameters)
        if len(parameters.keys() & set(_ORDER_IDENTIFIERS)) != 1:
            errors |= dict.fromkeys(_ORDER_IDENTIFIERS, "exactly one of the five order identifiers is required")
        if "payment_field_fixed" in parameters and "payment_amount" not in parameters:
            errors["payment_amount"] = "is required with payment_field_fixed"
        if parameters.get("flow_trustly") == "true" and "flow_trustly_reconnect" not in parameters:
            text = "is required with flow_trustly without flow_trustly_reconnect"
            errors |= {name: text for name in _GUARANTEED_ACH_REQUIRED if name not in parameters}
        if parameters.get("flow_trustly") != "true" and parameters.keys() & set(_EXT_CUSTOMER_FIELDS):
            # PayNearMe needs these personal data for guaranteed ACH only.
            errors["flow_trustly"] = "must be true with ext_customer parameters"
        return errors


class SmartTokenOrder(PayNearMeResponse):
    """One order of the response. Other fields of PayNearMe are omitted."""

    pnm_order_identifier: IdentifierText
    site_order_identifier: Lenient[IdentifierText] = None
    type: Lenient[IdentifierText] = None
    secure_smart_token: str = Field(min_length=1, repr=False)
    secure_smart_link: str = Field(min_length=1, repr=False)
    order_tracking_url: Lenient[IdentifierText] = Field(default=None, repr=False)


class SmartTokenResponse(PayNearMeResponse):
    """The orders with their tokens and links."""

    orders: Annotated[list[SmartTokenOrder], valid_entries(SmartTokenOrder, required=True)] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _find_orders(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping) or isinstance(raw.get("orders"), list):
            return raw
        return {"orders": [single_object(raw, "order")]}
