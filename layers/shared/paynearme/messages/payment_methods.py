"""Saved payment methods: the request for a customer's, and PayNearMe's answer (seed ``guaranteed_ach``)."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from paynearme.messages.calls import PayNearMeResponse, PayNearMeRequest, IdentifierText, ToldAmount, ToldFlag, ToldText
from paynearme.messages.values import Identifier

_GUARANTEED_ACH = "trustly_ach"


class FindPaymentMethodsRequest(PayNearMeRequest):
    """Asks which payment methods a customer has saved."""

    site_customer_identifier: Identifier


class PaymentMethod(PayNearMeResponse):
    """A payment method that a customer has saved."""

    payment_method_identifier: IdentifierText = Field(min_length=1)
    guaranteed_ach: bool = Field(
        description="Whether it is guaranteed ACH, so that its bank's authorization can expire."
    )
    status: ToldText = None
    description: ToldText = None
    account_type: ToldText = Field(default=None, description="In PayNearMe's words.")
    pull_enabled: ToldFlag = Field(default=None, description="Whether it can pay.")
    push_enabled: ToldFlag = Field(default=None, description="Whether it can be paid to.")
    number: ToldText = Field(default=None, description="The last digits of the account.")
    fee_amount: ToldAmount = None

    @model_validator(mode="before")
    @classmethod
    def _recognise(cls, told: Any) -> Any:
        if not isinstance(told, Mapping):
            return told
        words = str(told.get("account_type") or "").lower().split()
        return {**told, "guaranteed_ach": _GUARANTEED_ACH in words}


class PaymentMethods(PayNearMeResponse):
    """A customer's saved payment methods: none for a customer who has saved none."""

    accounts: list[PaymentMethod]
