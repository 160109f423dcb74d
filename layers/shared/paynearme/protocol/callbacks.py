"""What all callbacks share; the authorization and the confirmation callback, and our answers to them.

Parameters and their types: seed ``authorization_callbacks``, "Request Parameters" and its samples;
seed ``guaranteed_ach``, its callbacks. Every parameter but the required ones can be left out, some
because a site excludes them, some because the payment type has none. What only informs is None if it
cannot be read. The third callback is in ``reversals``.
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
    LenientCurrency,
    LenientMoney,
    LenientSeconds,
    Money,
    PaymentTypeOrOther,
    PnmIdentifier,
    PricingScheduleNameOrOther,
    SiteChannelOrOther,
    SiteSubchannelOrOther,
    UserDeviceOrOther,
)

_AMOUNTS = ("payment_amount", "payment_currency", "net_payment_amount", "net_payment_currency")

REVERSAL_FIELDS = frozenset({"reverse_amount", "reverse_code", "reverse_reason", "reverse_type"})
"""What PayNearMe tells of a reversal only, and always something of it."""

# Texts of consumers. Refusing one for what it says would let a consumer stop the merchant's confirmations.
_CONSUMER_CONTROLLED = frozenset(
    {
        "agent_email",
        "agent_name",
        "payment_bank_name",
        "payment_card_last4",
        "user_agent_string",
        "user_environment",
    }
)


class CallbackMessage(Message):
    """What every callback can carry."""

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

    due_to_site_amount: LenientMoney = None
    due_to_site_currency: LenientCurrency = None
    due_to_parent_amount: LenientMoney = None
    due_to_parent_currency: LenientCurrency = None
    due_to_child_amount: LenientMoney = None
    due_to_child_currency: LenientCurrency = None
    pnm_withheld_amount: LenientMoney = None
    pnm_withheld_currency: LenientCurrency = None
    pnm_processing_fee: LenientMoney = None
    # The table says the first, every sample says the second.
    pnm_processing_currency: LenientCurrency = None
    pnm_processing_fee_currency: LenientCurrency = None

    payment_date: LenientSeconds = None
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
    pricing_schedule_name: PricingScheduleNameOrOther | None = None
    settlement_method: Identifier | None = None

    agent_name: FreeText | None = None
    agent_email: FreeText | None = None
    user_device: UserDeviceOrOther | None = None
    user_environment: FreeText | None = None
    user_agent_string: FreeText | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, parameters: Any) -> Any:
        # A form or a query cannot leave a value out, it can only leave it empty.
        return {name: text for name, text in parameters.items() if text != "" or name not in cls.model_fields}

    @classmethod
    def cross_field_errors(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Name what may be cut in other places than PayNearMe cut it (``cuts``)."""
        return ambiguous_parameters(parameters, cls.model_fields, _all_field_names(), _CONSUMER_CONTROLLED)


@cache
def _all_field_names() -> frozenset[str]:
    """Return the names that callbacks know. Asked at the first message, when all kinds are defined."""
    models = CallbackMessage.__subclasses__()
    return frozenset(name for model in models for name in model.model_fields)


class Authorization(CallbackMessage):
    """PayNearMe asks whether a payment may happen."""

    payment_amount: Money
    payment_currency: Currency
    net_payment_amount: Money | None = None
    net_payment_currency: Currency | None = None


class Outcome(StrEnum):
    """What became of a payment (``status`` of a confirmation)."""

    PAYMENT = "payment"
    DECLINE = "decline"


class Confirmation(CallbackMessage):
    """PayNearMe tells what became of a payment.

    A ``payment`` needs its amounts, in dollars and not negative: they move the customer's balance.
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
        """Name also the amounts that a ``payment`` lacks, and those that cannot be added to a balance."""
        errors = super().cross_field_errors(parameters)
        # The address is not signed: an authentic reversal that is sent to this one must post nothing.
        errors |= dict.fromkeys(REVERSAL_FIELDS & parameters.keys(), "is not told by a confirmation")
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
    """An answer to a callback: ``envelope`` and ``part`` are the names that enclose its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    envelope: str = Field(exclude=True)
    element: str = Field(exclude=True)

    pnm_order_identifier: PnmIdentifier

    def fields(self) -> dict[str, str]:
        """Return the fields that are set, in the order of PayNearMe's samples."""
        return self.model_dump(exclude_none=True)


class AuthorizationResponse(CallbackResponse):
    """Our answer to an authorization (seed ``authorization_callbacks``, "Response Parameters")."""

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
    """Our acknowledgement of a confirmation: equal for the first and for every repeat."""

    envelope: str = Field(default="payment_confirmation_response", exclude=True)
    element: str = Field(default="confirmation", exclude=True)
