"""Requests of the merchant's backend: a ``…Request`` reads, an ``…Input`` writes.

The fields have PayNearMe's names if PayNearMe has one. ``api_responses`` has the responses.
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
    """A request about an object of a site. The URL identifies both."""

    model_config = ConfigDict(extra="forbid")

    site_identifier: Identifier = Field(description="PayNearMe's identifier of the merchant's site.")


class OrderRequest(MerchantDataRequest):
    """A request for an order."""

    pnm_order_identifier: PnmIdentifier = Field(description="PayNearMe's identifier of the order.")


class OrderInput(OrderRequest):
    """The whole order. It replaces the earlier one, and omitted fields are removed."""

    status: Annotated[OrderStatusValue, one_of(OrderStatusValue)] = Field(
        default="open", description="Whether the order accepts payments."
    )
    order_type: Annotated[OrderTypeValue, one_of(OrderTypeValue)] = Field(
        default="any", description="The payable amount: exactly order_amount, up to order_amount, or any amount."
    )
    order_amount: PositiveMoney | None = Field(
        default=None, description="In dollars, without fees. Required for exact and up-to."
    )
    minimum_payment_amount: PositiveMoney | None = Field(
        default=None, description="The minimum of a payment in dollars, without fees. At most order_amount."
    )
    expires_at: Timestamp | None = Field(
        default=None,
        description="The time from which the order accepts no payment, with an offset from UTC. Default: never.",
    )

    @classmethod
    def cross_field_errors(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return an error for an order type without its amount."""
        if parameters.get("order_type") in ("exact", "up-to") and "order_amount" not in parameters:
            return {"order_amount": "is required with order_type exact and up-to"}
        return {}

    @field_validator("minimum_payment_amount")
    @classmethod
    def _check_minimum(cls, minimum: Decimal | None, info: ValidationInfo) -> Decimal | None:
        amount = info.data.get("order_amount")
        if minimum is not None and amount is not None and minimum > amount:
            raise invalid("must not exceed order_amount")
        return minimum


class CustomerRequest(MerchantDataRequest):
    """A request for a customer."""

    site_customer_identifier: Identifier = Field(
        description="The merchant's identifier of the customer, as in callbacks."
    )


class CustomerInput(CustomerRequest):
    """The whole customer. It replaces the earlier one, and omitted fields are removed.

    The limits are self-imposed. The policy's limits apply too.
    """

    status: Annotated[CustomerStatusValue, one_of(CustomerStatusValue)] = Field(
        default="active", description="Whether the customer may pay."
    )
    suspended_reason: Code | None = Field(
        default=None, description="The merchant's code for the suspension. Required for suspended."
    )
    self_imposed_day_limit: NonNegativeMoney | None = Field(
        default=None, description="The customer's own maximum spending in a calendar day, in dollars."
    )
    self_imposed_week_limit: NonNegativeMoney | None = Field(
        default=None, description="The same for a week, which starts on Monday."
    )
    self_imposed_month_limit: NonNegativeMoney | None = Field(
        default=None, description="The same for a calendar month."
    )

    @classmethod
    def cross_field_errors(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return an error for a missing or an unnecessary reason."""
        suspended = parameters.get("status") == "suspended"
        if suspended and "suspended_reason" not in parameters:
            return {"suspended_reason": "is required with status suspended"}
        if not suspended and "suspended_reason" in parameters:
            return {"suspended_reason": "requires status suspended"}
        return {}


class PaymentRequest(MerchantDataRequest):
    """A request for a payment."""

    pnm_payment_identifier: PnmIdentifier = Field(description="PayNearMe's identifier of the payment.")
    test: Flag = Field(
        default=False, description="Whether the payment is a test payment. Test payments are stored separately."
    )
