"""What the merchant's backend asks and feeds: a ``…Request`` asks, an ``…Entry`` feeds.

Words are PayNearMe's where it has them. ``records`` has what is told.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from paynearme.protocol.api_responses import Code, CustomerStatusValue, OrderStatusValue, OrderTypeValue
from paynearme.protocol.parsing import Message
from paynearme.protocol.types import (
    Flag,
    Identifier,
    NonNegativeMoney,
    PnmIdentifier,
    PositiveMoney,
    Timestamp,
    invalid,
    one_of,
)


class MerchantDataRequest(Message):
    """A call about something of a site; the address names both."""

    model_config = ConfigDict(extra="forbid")

    site_identifier: Identifier = Field(description="PayNearMe's identifier of the merchant's site.")


class OrderRequest(MerchantDataRequest):
    """Asks for an order."""

    pnm_order_identifier: PnmIdentifier = Field(description="PayNearMe's identifier of the order.")


class OrderInput(OrderRequest):
    """All that the merchant says of an order. What is left out holds no more."""

    status: Annotated[OrderStatusValue, one_of(OrderStatusValue)] = Field(
        default="open", description="Whether the order can be paid."
    )
    order_type: Annotated[OrderTypeValue, one_of(OrderTypeValue)] = Field(
        default="any",
        description="How much of it must be paid: exactly order_amount, up to order_amount, or any amount.",
    )
    order_amount: PositiveMoney | None = Field(
        default=None, description="In dollars, without fees. Required for exact and up-to."
    )
    minimum_payment_amount: PositiveMoney | None = Field(
        default=None,
        description="The least that a payment may be, in dollars, without fees; at most order_amount.",
    )
    expires_at: Timestamp | None = Field(
        default=None,
        description="From when on it cannot be paid any more, with an offset from UTC. Without it: never.",
    )

    @classmethod
    def cross_field_errors(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Name the amount that a type of order needs and lacks."""
        if parameters.get("order_type") in ("exact", "up-to") and "order_amount" not in parameters:
            return {"order_amount": "is required with order_type exact and up-to"}
        return {}

    @field_validator("minimum_payment_amount")
    @classmethod
    def _check_minimum(cls, minimum: Decimal | None, info: ValidationInfo) -> Decimal | None:
        amount = info.data.get("order_amount")
        if minimum is not None and amount is not None and minimum > amount:
            raise invalid("must not be more than order_amount")
        return minimum


class CustomerRequest(MerchantDataRequest):
    """Asks for a customer."""

    site_customer_identifier: Identifier = Field(
        description="The merchant's identifier of the customer, as callbacks carry it."
    )


class CustomerInput(CustomerRequest):
    """All that the merchant says of a customer. What is left out holds no more.

    The limits are those that the customer set. Whatever the policy says holds as well.
    """

    status: Annotated[CustomerStatusValue, one_of(CustomerStatusValue)] = Field(
        default="active", description="Whether the customer may pay."
    )
    suspended_reason: Code | None = Field(
        default=None,
        description="Why the customer is suspended, as a code of the merchant's. Required for suspended.",
    )
    self_imposed_day_limit: NonNegativeMoney | None = Field(
        default=None, description="The most that the customer wants to spend in a calendar day, in dollars."
    )
    self_imposed_week_limit: NonNegativeMoney | None = Field(
        default=None, description="The same for a week, which begins on Monday."
    )
    self_imposed_month_limit: NonNegativeMoney | None = Field(
        default=None, description="The same for a calendar month."
    )

    @classmethod
    def cross_field_errors(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Name a reason that is missing, or that nothing needs."""
        suspended = parameters.get("status") == "suspended"
        if suspended and "suspended_reason" not in parameters:
            return {"suspended_reason": "is required with status suspended"}
        if not suspended and "suspended_reason" in parameters:
            return {"suspended_reason": "is only for status suspended"}
        return {}


class PaymentRequest(MerchantDataRequest):
    """Asks for the story of a payment."""

    pnm_payment_identifier: PnmIdentifier = Field(description="PayNearMe's identifier of the payment.")
    test: Flag = Field(default=False, description="Whether it is a test payment: those are kept apart.")
