"""The request for a new order, and its response (PayNearMe docs, Guaranteed ACH)."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema, model_validator

from paynearme.protocol.api_call import (
    IdentifierText,
    PayNearMeRequest,
    PayNearMeResponse,
    ResponseAmount,
    ResponseFlag,
    UsDollars,
    identifier_text,
)
from paynearme.protocol.api_responses import OrderTypeValue
from paynearme.protocol.callbacks import Confirmation
from paynearme.protocol.payment_methods import PaymentMethod
from paynearme.protocol.types import Flag, Identifier, Lenient, PnmIdentifier, PositiveMoney, matching, one_of

Year = Annotated[
    str,
    matching(r"(19|20)[0-9]{2}", "must be a year like 1982"),
    WithJsonSchema({"type": ["string", "integer"], "pattern": "^(19|20)[0-9]{2}$", "minimum": 1900, "maximum": 2099}),
]
ShortText = Identifier
"""One line of 1 to 256 characters."""


class CreateOrderRequest(PayNearMeRequest):
    """A request for a new order. PayNearMe alone receives the personal data of the customer.

    PayNearMe requires that the requests for one customer are sequential. Sample values are accepted unchanged, such as
    a masked e-mail address.
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
        default=None, description="A text for the order's callbacks, without personal data."
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
        """Return an error for an annotation that would invalidate the order's confirmations."""
        returned = {name: text for name, text in parameters.items() if name == "site_order_annotation"}
        return Confirmation.cross_field_errors(returned)


def _skip_invalid[M: PayNearMeResponse](model: type[M]) -> BeforeValidator:
    """Return a validator that omits invalid items: the order exists, and without its identifier a caller repeats it."""

    def validate(value: object) -> list[M]:
        valid: list[M] = []
        for raw in value if isinstance(value, list) else []:
            with suppress(ValidationError):
                valid.append(model.model_validate(raw))
        return valid

    return BeforeValidator(validate)


PII_FIELDS = frozenset(
    name
    for name in CreateOrderRequest.model_fields
    if name.startswith("site_customer_")
    and name not in ("site_customer_identifier", "site_customer_language", "site_customer_state")
)
"""The parameters with personal data of the customer."""


class PaymentMethodsOfType(PayNearMeResponse):
    """A payment type of a customer, and the saved methods of this type."""

    type: str
    fee_amount: Lenient[ResponseAmount] = None
    fee_currency: Lenient[IdentifierText] = None
    accounts: Annotated[list[PaymentMethod], _skip_invalid(PaymentMethod)] = Field(default=[])


class CreatedOrder(PayNearMeResponse):
    """An order that PayNearMe created, without personal data of the customer. Invalid optional fields are ``null``."""

    pnm_order_identifier: Annotated[PnmIdentifier, BeforeValidator(identifier_text)]
    site_order_identifier: Lenient[IdentifierText] = None
    pnm_order_short_identifier: Lenient[IdentifierText] = None
    pnm_customer_identifier: Lenient[IdentifierText] = None
    site_customer_identifier: Lenient[IdentifierText] = None
    order_status: Lenient[IdentifierText] = None
    order_type: Lenient[IdentifierText] = None
    order_is_standing: Lenient[ResponseFlag] = None
    order_amount: Lenient[ResponseAmount] = None
    order_currency: Lenient[IdentifierText] = None
    minimum_payment_amount: Lenient[ResponseAmount] = None
    secure_smart_token: Lenient[IdentifierText] = Field(default=None, repr=False)
    secure_smart_link: Lenient[IdentifierText] = Field(default=None, repr=False)
    order_tracking_url: Lenient[IdentifierText] = Field(default=None, repr=False)
    payment_methods: Annotated[list[PaymentMethodsOfType], _skip_invalid(PaymentMethodsOfType)] = Field(
        default=[], description="The payment types."
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
    """The new order with its first payment link."""

    order: CreatedOrder
