"""The shared base of all callbacks, the authorization and the confirmation callback, and their responses.

The parameters and their types are from PayNearMe docs, Using Authorization Callbacks, and from PayNearMe docs,
Guaranteed ACH. A site's settings and the payment type determine which optional parameters a callback contains.
``reversals`` has the third callback.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from paynearme.protocol.boundary_ambiguity import ambiguous_parameters
from paynearme.protocol.parsing import Message
from paynearme.protocol.types import (
    Currency,
    EpochSeconds,
    Flag,
    FreeText,
    Identifier,
    Lenient,
    Money,
    PaymentTypeOrOther,
    PnmIdentifier,
    SiteChannelOrOther,
    SiteSubchannelOrOther,
)

_AMOUNTS = ("payment_amount", "payment_currency", "net_payment_amount", "net_payment_currency")

REVERSAL_FIELDS = frozenset({"reverse_amount", "reverse_code", "reverse_reason", "reverse_type"})
"""The parameters of reversals only. Every reversal has at least one of them."""

# A rejection by content would let a consumer block the merchant's confirmations.
_CONSUMER_CONTROLLED = frozenset(
    {"agent_email", "agent_name", "payment_bank_name", "payment_card_last4", "user_agent_string", "user_environment"}
)


class CallbackMessage(Message):
    """The parameters of every callback."""

    site_identifier: Identifier
    pnm_order_identifier: PnmIdentifier
    pnm_payment_identifier: PnmIdentifier
    version: Literal["2.0", "3.0"]
    timestamp: EpochSeconds
    test: Flag = False

    site_customer_identifier: Identifier | None = None
    site_order_identifier: Identifier | None = None
    site_payment_identifier: Identifier | None = None
    site_order_annotation: FreeText | None = None

    due_to_site_amount: Lenient[Money] = None
    due_to_site_currency: Lenient[Currency] = None
    due_to_parent_amount: Lenient[Money] = None
    due_to_parent_currency: Lenient[Currency] = None
    due_to_child_amount: Lenient[Money] = None
    due_to_child_currency: Lenient[Currency] = None
    pnm_withheld_amount: Lenient[Money] = None
    pnm_withheld_currency: Lenient[Currency] = None
    pnm_processing_fee: Lenient[Money] = None
    # PayNearMe's table has the first name, and its samples have the second.
    pnm_processing_currency: Lenient[Currency] = None
    pnm_processing_fee_currency: Lenient[Currency] = None

    payment_date: Lenient[EpochSeconds] = None
    payment_type: PaymentTypeOrOther | None = None
    payment_method_identifier: Identifier | None = None
    payment_card_type: FreeText | None = None
    payment_card_last4: FreeText | None = None
    payment_bank_name: FreeText | None = None
    payment_bank_last4: FreeText | None = None
    payment_longitude: FreeText | None = None
    payment_latitude: FreeText | None = None

    retailer_name: FreeText | None = None
    retailer_location_address: FreeText | None = None
    retailer_location_identifier: FreeText | None = None

    pnm_schedule_identifier: Identifier | None = None
    next_payment_date: FreeText | None = None
    site_channel: SiteChannelOrOther | None = None
    site_subchannel: SiteSubchannelOrOther | None = None
    pricing_schedule_name: Identifier | None = None
    settlement_method: Identifier | None = None

    agent_name: FreeText | None = None
    agent_email: FreeText | None = None
    user_device: Identifier | None = None
    user_environment: FreeText | None = None
    user_agent_string: FreeText | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, parameters: Any) -> Any:
        # A form or a query contains absent values as empty text.
        return {name: text for name, text in parameters.items() if text != "" or name not in cls.model_fields}

    @classmethod
    def cross_field_errors(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return errors for parameters with an ambiguous boundary (``boundary_ambiguity``)."""
        return ambiguous_parameters(parameters, cls.model_fields, _all_field_names(), _CONSUMER_CONTROLLED)


@cache
def _all_field_names() -> frozenset[str]:
    """Return the parameter names of all callbacks. The first message calls it, after all subclasses exist."""
    models = CallbackMessage.__subclasses__()
    return frozenset(name for model in models for name in model.model_fields)


class Authorization(CallbackMessage):
    """PayNearMe's request for a decision about a payment."""

    payment_amount: Money
    payment_currency: Currency
    net_payment_amount: Money | None = None
    net_payment_currency: Currency | None = None


class Outcome(StrEnum):
    """The outcome of a payment: the ``status`` of a confirmation."""

    PAYMENT = "payment"
    DECLINE = "decline"


class Confirmation(CallbackMessage):
    """PayNearMe's message about the outcome of a payment.

    The outcome ``payment`` requires non-negative amounts in dollars, because they change the customer's balance.
    """

    status: Outcome
    payment_amount: Money | None = None
    payment_currency: Currency | None = None
    net_payment_amount: Money | None = None
    net_payment_currency: Currency | None = None
    standin: Flag = False
    payment_timestamp: FreeText | None = None
    order_payee_identifier: Identifier | None = None

    @classmethod
    def cross_field_errors(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return also errors for missing and invalid amounts of the outcome ``payment``."""
        errors = super().cross_field_errors(parameters)
        # The URL is not signed: an authentic reversal that arrives at this endpoint must not post a payment.
        errors |= dict.fromkeys(REVERSAL_FIELDS & parameters.keys(), "is not a parameter of a confirmation")
        if parameters.get("status") != Outcome.PAYMENT:
            return errors
        amounts = {name: parameters.get(name, "") for name in _AMOUNTS}
        return (
            errors
            | {name: "must be in USD" for name, text in amounts.items() if "currency" in name and text != "USD"}
            | {name: "must not be negative" for name, text in amounts.items() if text.startswith("-")}
            | {name: "is required" for name, text in amounts.items() if not text}
        )


class CallbackResponse(BaseModel):
    """A response to a callback. ``envelope`` and ``element`` are the names of its outer and inner object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    envelope: str = Field(exclude=True)
    element: str = Field(exclude=True)

    pnm_order_identifier: PnmIdentifier

    def fields(self) -> dict[str, str]:
        """Return the set fields in the order of PayNearMe's samples."""
        return self.model_dump(exclude_none=True)


class AuthorizationResponse(CallbackResponse):
    """The response to an authorization (PayNearMe docs, Using Authorization Callbacks)."""

    envelope: str = Field(default="payment_authorization_response", exclude=True)
    element: str = Field(default="authorization", exclude=True)

    accept_payment: Literal["yes", "no"]
    decline_reason: str | None = None
    receipt: str | None = Field(default=None, max_length=3000)
    memo: str | None = None
    site_payment_identifier: Identifier | None = None

    @field_validator("decline_reason", "receipt", "memo")
    @classmethod
    def _not_empty(cls, text: str | None) -> str | None:
        return text or None


class ConfirmationResponse(CallbackResponse):
    """The acknowledgement of a confirmation. Duplicates receive the same response."""

    envelope: str = Field(default="payment_confirmation_response", exclude=True)
    element: str = Field(default="confirmation", exclude=True)
