"""The request for a new order and PayNearMe's answer (seed ``guaranteed_ach``, "Creating Orders")."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema, model_validator

from paynearme.messages.callbacks import Confirmation
from paynearme.messages.calls import (
    PayNearMeResponse,
    PayNearMeRequest,
    ToldAmount,
    ToldFlag,
    ToldText,
    UsDollars,
    identifier_text,
)
from paynearme.messages.payment_methods import PaymentMethod
from paynearme.messages.records import OrderTypeWord
from paynearme.messages.values import Flag, Identifier, PnmIdentifier, PositiveMoney, one_of, unreadable

_YEAR = re.compile(r"(19|20)[0-9]{2}", re.ASCII)


def _year(value: object) -> str:
    if isinstance(value, str) and _YEAR.fullmatch(value):
        return value
    raise unreadable("must be a year like 1982")


Year = Annotated[
    str,
    BeforeValidator(_year),
    WithJsonSchema(
        {"type": ["string", "integer"], "pattern": "^(19|20)[0-9]{2}$", "minimum": 1900, "maximum": 2099}
    ),
]
Line = Identifier
"""A line of text of 1 to 256 characters."""


class CreateOrderRequest(PayNearMeRequest):
    """Asks for a new order. What says who the customer is goes to PayNearMe and nowhere else.

    PayNearMe's reference asks for the calls for one customer one after the other, not at once.
    """

    order_amount: PositiveMoney
    order_currency: UsDollars
    order_type: Annotated[OrderTypeWord, one_of(OrderTypeWord)]
    order_is_standing: Flag
    site_customer_identifier: Identifier
    site_order_identifier: Identifier | None = Field(
        default=None, description="The merchant's identifier of the order."
    )
    site_order_annotation: Line | None = Field(
        default=None, description="What the order's callbacks repeat. Nothing that says who the customer is."
    )

    site_customer_first_name: Line | None = None
    site_customer_last_name: Line | None = None
    site_customer_email: Line | None = None
    site_customer_phone: Line | None = None
    site_customer_language: Line | None = None
    site_customer_year_of_birth: Year | None = None
    site_customer_street: Line | None = None
    site_customer_city: Line | None = None
    site_customer_state: Line | None = None
    site_customer_postal_code: Line | None = None

    @classmethod
    def faults_together(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Name an annotation over which this order's confirmations would be refused later."""
        returned = {name: text for name, text in parameters.items() if name == "site_order_annotation"}
        return Confirmation.faults_together(returned)


def _readable[M: PayNearMeResponse](model: type[M]) -> BeforeValidator:
    """Return what leaves out what is no ``model``: the order exists, and must not be lost over it."""

    def read(value: object) -> list[M]:
        found: list[M] = []
        for told in value if isinstance(value, list) else []:
            with suppress(ValidationError):
                found.append(model.model_validate(told))
        return found

    return BeforeValidator(read)


PERSONAL = frozenset(
    name
    for name in CreateOrderRequest.model_fields
    if name.startswith("site_customer_")
    and name not in ("site_customer_identifier", "site_customer_language", "site_customer_state")
)
"""The parameters that say who the customer is."""


class PaymentMethodsOfType(PayNearMeResponse):
    """What a customer can pay with, of one type, and which of it is saved."""

    type: str
    fee_amount: ToldAmount = None
    fee_currency: ToldText = None
    accounts: Annotated[list[PaymentMethod], _readable(PaymentMethod)] = Field(default=[])


class CreatedOrder(PayNearMeResponse):
    """An order as PayNearMe created it, without what says who the customer is."""

    pnm_order_identifier: Annotated[PnmIdentifier, BeforeValidator(identifier_text)]
    site_order_identifier: ToldText = None
    pnm_order_short_identifier: ToldText = None
    pnm_customer_identifier: ToldText = None
    site_customer_identifier: ToldText = None
    order_status: ToldText = None
    order_type: ToldText = None
    order_is_standing: ToldFlag = None
    order_amount: ToldAmount = None
    order_currency: ToldText = None
    minimum_payment_amount: ToldAmount = None
    secure_smart_token: ToldText = Field(default=None, repr=False)
    secure_smart_link: ToldText = Field(default=None, repr=False)
    order_tracking_url: ToldText = Field(default=None, repr=False)
    payment_methods: Annotated[list[PaymentMethodsOfType], _readable(PaymentMethodsOfType)] = Field(
        default=[], description="By type."
    )

    @model_validator(mode="before")
    @classmethod
    def _flatten(cls, told: Any) -> Any:
        if not isinstance(told, Mapping):
            return told
        customer = told.get("customer")
        methods = told.get("electronic_payments")
        found: dict[str, Any] = dict(told)
        if isinstance(customer, Mapping):
            found |= {n: customer[n] for n in cls.model_fields if "customer" in n and n in customer}
        if isinstance(methods, Mapping):
            found["payment_methods"] = methods.get("payment_methods")
        return found


class CreateOrderResponse(PayNearMeResponse):
    """The order, and the first link to pay it with."""

    order: CreatedOrder
