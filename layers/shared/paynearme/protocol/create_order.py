"""The request for a new order and PayNearMe's answer (seed ``guaranteed_ach``, "Creating Orders")."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema, model_validator

from paynearme.protocol.api_call import (
    LenientAmount,
    LenientFlag,
    LenientText,
    PayNearMeRequest,
    PayNearMeResponse,
    UsDollars,
    identifier_text,
)
from paynearme.protocol.api_responses import OrderTypeValue
from paynearme.protocol.callbacks import Confirmation
from paynearme.protocol.payment_methods import PaymentMethod
from paynearme.protocol.types import Flag, Identifier, PnmIdentifier, PositiveMoney, invalid, one_of

_YEAR = re.compile(r"(19|20)[0-9]{2}", re.ASCII)


def _year(value: object) -> str:
    if isinstance(value, str) and _YEAR.fullmatch(value):
        return value
    raise invalid("must be a year like 1982")


Year = Annotated[
    str,
    BeforeValidator(_year),
    WithJsonSchema({"type": ["string", "integer"], "pattern": "^(19|20)[0-9]{2}$", "minimum": 1900, "maximum": 2099}),
]
ShortText = Identifier
"""A line of text of 1 to 256 characters."""


class CreateOrderRequest(PayNearMeRequest):
    """Asks for a new order. What says who the customer is goes to PayNearMe and nowhere else.

    PayNearMe's reference asks for the calls for one customer one after the other, not at once.
    """

    order_amount: PositiveMoney
    order_currency: UsDollars
    order_type: Annotated[OrderTypeValue, one_of(OrderTypeValue)]
    order_is_standing: Flag
    site_customer_identifier: Identifier
    site_order_identifier: Identifier | None = Field(
        default=None, description="The merchant's identifier of the order."
    )
    site_order_annotation: ShortText | None = Field(
        default=None, description="What the order's callbacks repeat. Nothing that says who the customer is."
    )

    site_customer_first_name: ShortText | None = None
    site_customer_last_name: ShortText | None = None
    site_customer_email: ShortText | None = None
    site_customer_phone: ShortText | None = None
    site_customer_language: ShortText | None = None
    site_customer_year_of_birth: Year | None = None
    site_customer_street: ShortText | None = None
    site_customer_city: ShortText | None = None
    site_customer_state: ShortText | None = None
    site_customer_postal_code: ShortText | None = None

    @classmethod
    def cross_field_errors(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Name an annotation over which this order's confirmations would be refused later."""
        returned = {name: text for name, text in parameters.items() if name == "site_order_annotation"}
        return Confirmation.cross_field_errors(returned)


def _skip_invalid[M: PayNearMeResponse](model: type[M]) -> BeforeValidator:
    """Return what leaves out what is no ``model``: the order exists, and must not be lost over it."""

    def read(value: object) -> list[M]:
        valid: list[M] = []
        for raw in value if isinstance(value, list) else []:
            with suppress(ValidationError):
                valid.append(model.model_validate(raw))
        return valid

    return BeforeValidator(read)


PII_FIELDS = frozenset(
    name
    for name in CreateOrderRequest.model_fields
    if name.startswith("site_customer_")
    and name not in ("site_customer_identifier", "site_customer_language", "site_customer_state")
)
"""The parameters that say who the customer is."""


class PaymentMethodsOfType(PayNearMeResponse):
    """What a customer can pay with, of one type, and which of it is saved."""

    type: str
    fee_amount: LenientAmount = None
    fee_currency: LenientText = None
    accounts: Annotated[list[PaymentMethod], _skip_invalid(PaymentMethod)] = Field(default=[])


class CreatedOrder(PayNearMeResponse):
    """An order as PayNearMe created it, without what says who the customer is."""

    pnm_order_identifier: Annotated[PnmIdentifier, BeforeValidator(identifier_text)]
    site_order_identifier: LenientText = None
    pnm_order_short_identifier: LenientText = None
    pnm_customer_identifier: LenientText = None
    site_customer_identifier: LenientText = None
    order_status: LenientText = None
    order_type: LenientText = None
    order_is_standing: LenientFlag = None
    order_amount: LenientAmount = None
    order_currency: LenientText = None
    minimum_payment_amount: LenientAmount = None
    secure_smart_token: LenientText = Field(default=None, repr=False)
    secure_smart_link: LenientText = Field(default=None, repr=False)
    order_tracking_url: LenientText = Field(default=None, repr=False)
    payment_methods: Annotated[list[PaymentMethodsOfType], _skip_invalid(PaymentMethodsOfType)] = Field(
        default=[], description="By type."
    )

    @model_validator(mode="before")
    @classmethod
    def _flatten(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            return raw
        customer = raw.get("customer")
        methods = raw.get("electronic_payments")
        flattened: dict[str, Any] = dict(raw)
        if isinstance(customer, Mapping):
            flattened |= {n: customer[n] for n in cls.model_fields if "customer" in n and n in customer}
        if isinstance(methods, Mapping):
            flattened["payment_methods"] = methods.get("payment_methods")
        return flattened


class CreateOrderResponse(PayNearMeResponse):
    """The order, and the first link to pay it with."""

    order: CreatedOrder
