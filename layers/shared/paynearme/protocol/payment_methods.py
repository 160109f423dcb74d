"""The request for a customer's saved payment methods, and its response (PayNearMe docs, Guaranteed ACH)."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from paynearme.protocol.api_call import (
    IdentifierText,
    PayNearMeRequest,
    PayNearMeResponse,
    ResponseAmount,
    ResponseFlag,
    valid_entries,
)
from paynearme.protocol.types import Identifier, Lenient

_TRUSTLY_ACCOUNT_TYPE = "trustly_ach"


_IDENTIFIERS = (
    "site_customer_identifier",
    "pnm_customer_identifier",
    "pnm_order_identifier",
    "site_order_identifier",
    "site_creator_identifier",
)


class FindPaymentMethodsRequest(PayNearMeRequest):
    """A request for the saved payment methods of a customer, of an order or of a creator."""

    site_customer_identifier: Identifier | None = None
    pnm_customer_identifier: Identifier | None = None
    pnm_order_identifier: Identifier | None = None
    site_order_identifier: Identifier | None = None
    site_creator_identifier: Identifier | None = None

    @classmethod
    def cross_field_errors(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return also an error without an identifier."""
        errors = super().cross_field_errors(parameters)
        if not parameters.keys() & set(_IDENTIFIERS):
            errors[_IDENTIFIERS[0]] = "is required, or another identifier of a customer, order or creator"
        return errors


class PaymentMethod(PayNearMeResponse):
    """A saved payment method of a customer.

    ``guaranteed_ach`` is a field of this API. PayNearMe marks such a method with the ``account_type`` ``trustly_ach``.
    """

    payment_method_identifier: IdentifierText = Field(min_length=1)
    guaranteed_ach: bool = Field(description="Whether the method is guaranteed ACH. Its bank authorization can expire.")
    status: Lenient[IdentifierText] = None
    description: Lenient[IdentifierText] = None
    account_type: Lenient[IdentifierText] = Field(default=None, description="PayNearMe's value.")
    pull_enabled: Lenient[ResponseFlag] = Field(default=None, description="Whether the method can pay.")
    push_enabled: Lenient[ResponseFlag] = Field(default=None, description="Whether the method can receive payouts.")
    number: Lenient[IdentifierText] = Field(default=None, description="The last digits of the account.")
    fee_amount: Lenient[ResponseAmount] = None

    @model_validator(mode="before")
    @classmethod
    def _detect_guaranteed_ach(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            return raw
        words = str(raw.get("account_type") or "").lower().split()
        return {**raw, "guaranteed_ach": _TRUSTLY_ACCOUNT_TYPE in words}


class PaymentMethods(PayNearMeResponse):
    """A customer's saved payment methods. The list can be empty."""

    # Without a valid list, the response is an upstream error.
    accounts: Annotated[list[PaymentMethod], valid_entries(PaymentMethod, required=True)]
