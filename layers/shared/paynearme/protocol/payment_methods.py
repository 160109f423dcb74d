"""Saved payment methods: the request for a customer's, and PayNearMe's answer (seed ``guaranteed_ach``)."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from paynearme.protocol.api_call import (
    IdentifierText,
    LenientAmount,
    LenientFlag,
    LenientText,
    PayNearMeRequest,
    PayNearMeResponse,
)
from paynearme.protocol.types import Identifier

_TRUSTLY_ACCOUNT_TYPE = "trustly_ach"


class FindPaymentMethodsRequest(PayNearMeRequest):
    """Asks which payment methods a customer has saved."""

    site_customer_identifier: Identifier


class PaymentMethod(PayNearMeResponse):
    """A payment method that a customer has saved."""

    payment_method_identifier: IdentifierText = Field(min_length=1)
    guaranteed_ach: bool = Field(
        description="Whether it is guaranteed ACH, so that its bank's authorization can expire."
    )
    status: LenientText = None
    description: LenientText = None
    account_type: LenientText = Field(default=None, description="In PayNearMe's words.")
    pull_enabled: LenientFlag = Field(default=None, description="Whether it can pay.")
    push_enabled: LenientFlag = Field(default=None, description="Whether it can be paid to.")
    number: LenientText = Field(default=None, description="The last digits of the account.")
    fee_amount: LenientAmount = None

    @model_validator(mode="before")
    @classmethod
    def _detect_guaranteed_ach(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            return raw
        words = str(raw.get("account_type") or "").lower().split()
        return {**raw, "guaranteed_ach": _TRUSTLY_ACCOUNT_TYPE in words}


class PaymentMethods(PayNearMeResponse):
    """A customer's saved payment methods: none for a customer who has saved none."""

    accounts: list[PaymentMethod]
