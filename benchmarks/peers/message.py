"""A model of PayNearMe's callbacks, and their signature, for the handlers of this package."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

SECRET = "a-secret-of-the-benchmark"  # noqa: S105 # a test secret


class CallbackModel(BaseModel):
    """A callback with 35 optional parameters."""

    model_config = ConfigDict(extra="allow")

    due_to_site_amount: str | None = None
    due_to_site_currency: str | None = None
    net_payment_amount: str | None = None
    net_payment_currency: str | None = None
    payer_email: str | None = None
    payer_name: str | None = None
    payer_phone: str | None = None
    payment_account: str | None = None
    payment_amount: str | None = None
    payment_bank_name: str | None = None
    payment_brand: str | None = None
    payment_currency: str | None = None
    payment_date: str | None = None
    payment_expires: str | None = None
    payment_last_four: str | None = None
    payment_timestamp: str | None = None
    payment_type: str | None = None
    pnm_customer_identifier: str | None = None
    pnm_order_identifier: str
    pnm_payment_identifier: str
    pnm_processing_fee: str | None = None
    pnm_processing_fee_currency: str | None = None
    pnm_withheld_amount: str | None = None
    pnm_withheld_currency: str | None = None
    signature: str
    site_channel: str | None = None
    site_customer_identifier: str | None = None
    site_identifier: str
    site_name: str | None = None
    site_order_annotation: str | None = None
    site_order_identifier: str | None = None
    site_payment_identifier: str | None = None
    site_subchannel: str | None = None
    timestamp: str
    version: str


def is_authentic(parameters: Mapping[str, Any]) -> bool:
    """Return whether the signature of a message is correct."""
    text = "".join(f"{name}{parameters[name]}" for name in sorted(parameters) if name != "signature")
    expected = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parameters["signature"])


def acceptance(order: str) -> dict[str, Any]:
    """Return the response that accepts a payment of an order."""
    authorization = {"pnm_order_identifier": order, "accept_payment": "yes"}
    return {"payment_authorization_response": {"version": "3.0", "authorization": authorization}}
