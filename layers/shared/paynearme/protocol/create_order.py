"""The request for a new order, and its response (PayNearMe docs, Guaranteed ACH)."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from paynearme.errors import UnprocessableCallbackError
from paynearme.protocol.api_call import (
    IdentifierText,
    PayNearMeRequest,
    PayNearMeResponse,
    ResponseAmount,
    ResponseFlag,
    UsDollars,
    WholeNumber,
    identifier_text,
    single_object,
    valid_entries,
)
from paynearme.protocol.api_responses import OrderTypeValue
from paynearme.protocol.callbacks import Confirmation, read_callback
from paynearme.protocol.payment_methods import PaymentMethod
from paynearme.protocol.types import (
    Flag,
    Identifier,
    Lenient,
    NonNegativeMoney,
    PnmIdentifier,
    PositiveMoney,
    matching,
    one_of,
)

Year = Annotated[
    str,
    matching(r"(19|20)[0-9]{2}", "must be a year like 1982"),
    WithJsonSchema({"type": ["string", "integer"], "pattern": "^(19|20)[0-9]{2}$", "minimum": 1900, "maximum": 2099}),
]
ShortText = Identifier
"""One line of 1 to 256 characters."""

_CONFIRMATION = {
    **dict.fromkeys(("site_identifier", "pnm_order_identifier", "pnm_payment_identifier", "timestamp"), "1"),
    **{"version": "3.0", "status": "payment", "payment_amount": "1.00", "net_payment_amount": "1.00"},
    **{"payment_currency": "USD", "net_payment_currency": "USD"},
}


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

    site_order_description: ShortText | None = Field(
        default=None, description="A text for PayNearMe's support, without personal data."
    )
    site_creator_identifier: Identifier | None = Field(
        default=None, description="The merchant's identifier of the person or the system that creates the order."
    )
    minimum_payment_amount: NonNegativeMoney | None = None
    minimum_payment_currency: UsDollars | None = None
    order_duration: WholeNumber | None = Field(
        default=None, description="The number of days in which PayNearMe accepts payments. Default: no limit."
    )
    return_minimal_info: Flag | None = Field(
        default=None, description="Whether the response contains only PayNearMe's identifiers."
    )
    return_no_pmts: Flag | None = Field(default=None, description="Whether the response contains no payments.")
    last_pmt_only: Flag | None = Field(default=None, description="Whether the response contains only the last payment.")

    site_customer_name: ShortText | None = None
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
        """Return also an error for an annotation that would make the order's confirmations ambiguous."""
        errors = super().cross_field_errors(parameters)
        annotation = parameters.get("site_order_annotation", "")
        try:
            read_callback(Confirmation, {**_CONFIRMATION, "site_order_annotation": annotation})
        except UnprocessableCallbackError as error:
            errors |= {name: text for name, text in error.errors.items() if name == "site_order_annotation"}
        return errors


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
    accounts: Annotated[list[PaymentMethod], valid_entries(PaymentMethod)] = Field(default=[])


class CreatedOrder(PayNearMeResponse):
    """An order that PayNearMe created, without personal data of the customer.

    Invalid optional fields are ``null``, and invalid entries are left out: after an error a caller repeats the order.
    """

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
    payment_methods: Annotated[list[PaymentMethodsOfType], valid_entries(PaymentMethodsOfType)] = Field(
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

    @model_validator(mode="before")
    @classmethod
    def _find_order(cls, raw: Any) -> Any:
        return {"order": single_object(raw, "order")} if isinstance(raw, Mapping) else raw
