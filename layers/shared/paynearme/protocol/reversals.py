"""The reverse callback: a payment's money came back, by cancellation, refund, chargeback or ACH return.

What is public: the identifiers, ``payment_amount`` (of the whole payment), ``payment_arn``, and
``reverse_type``, ``reverse_code`` and ``reverse_reason`` with a few examples, by PayNearMe; the other
names, by a third party. Open is which of them are always there, what else they can say, and how a
reversal is acknowledged: each reading of something open is named as one.
"""

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from itertools import takewhile
from typing import Any, Self, cast

from pydantic import ModelWrapValidatorHandler, PrivateAttr, model_validator

from paynearme.protocol.callbacks import REVERSAL_FIELDS, CallbackMessage, CallbackResponse
from paynearme.protocol.signing import string_to_sign
from paynearme.protocol.types import (
    Currency,
    Flag,
    FreeText,
    Identifier,
    LenientCurrency,
    LenientMoney,
    Money,
)

# Another time, such as a new parameter's, tells two reversals apart.
# What belongs to the sending: a repeat may be signed anew, and by then for another version of the site's.
_TRANSPORT_FIELDS = re.compile(r"(?<!_)(?:timestamp[0-9]+|version[23]\.0)", re.ASCII)
_ACH_RETURN = re.compile(r"R[0-9]{2}", re.ASCII | re.IGNORECASE)


class ReversalKind(StrEnum):
    """What is counted of a customer: chargebacks and returns. The rest is cancellations and refunds."""

    CHARGEBACK = "chargeback"
    RETURN = "return"
    OTHER = "other"


class Reversal(CallbackMessage):
    """PayNearMe tells that a payment's money came back, all of it or a part.

    It needs the amount that came back, in dollars and more than nothing: it moves the customer's balance.
    """

    reverse_amount: Money | None = None
    reverse_currency: Currency | None = None
    reverse_type: Identifier | None = None
    reverse_code: Identifier | None = None
    # Written by a bank, by PayNearMe or by a merchant's agent, not by a consumer, and what decides stands
    # right behind it, so it gets no exception: it must not hold the name of a parameter.
    reverse_reason: FreeText | None = None
    reverse_date: FreeText | None = None

    payment_amount: Money | None = None
    payment_currency: Currency | None = None
    net_payment_amount: LenientMoney = None
    net_payment_currency: LenientCurrency = None
    payment_arn: Identifier | None = None
    payment_timestamp: FreeText | None = None
    order_payee_identifier: Identifier | None = None
    status: FreeText | None = None
    standin: Flag = False

    _fingerprint: str = PrivateAttr(default="")

    @classmethod
    def cross_field_errors(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Name also the amount that is missing, or that cannot be taken off a balance.

        What carries nothing of a reversal is none: the address is not signed, so an authentic confirmation
        that is sent to this one would take its money back.
        """
        errors = super().cross_field_errors(parameters)
        if not any(parameters.get(name) for name in REVERSAL_FIELDS):
            errors["reverse_type"] = "is required"
        amount, currency = _amount_fields(parameters)
        text = parameters.get(amount, "")
        if not text:
            errors |= dict.fromkeys(("payment_amount", "reverse_amount"), "one of the two is required")
        elif text.startswith("-") or not text.strip("0."):
            errors[amount] = "must be more than nothing"
        if not parameters.get(currency):
            errors[currency] = "is required"
        elif parameters[currency] != "USD":
            errors[currency] = "must be in USD"
        return errors

    @model_validator(mode="wrap")
    @classmethod
    def _store_fingerprint(cls, parameters: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        reversal = handler(parameters)
        text = _TRANSPORT_FIELDS.sub("", string_to_sign(parameters))
        reversal._fingerprint = hashlib.sha256(text.encode()).hexdigest()
        return reversal

    @property
    def fingerprint(self) -> str:
        """Return what is equal for the repeats of a reversal and differs between two: 64 hex digits.

        PayNearMe gives reversals no identifier that is public. So this is made of the text that was
        signed, however that is cut into parameters: one message cannot be told as two reversals. Left
        out are its time and its version. Two reversals that are alike in everything else are one.
        """
        return self._fingerprint

    @property
    def amount(self) -> Decimal:
        """Return how much came back, in dollars: ``reverse_amount``, or the whole payment without it.

        This is a reading: whether ``reverse_amount`` is always there is not public.
        """
        # read_message has seen that one of them is there.
        return cast("Decimal", self.payment_amount if self.reverse_amount is None else self.reverse_amount)

    @property
    def kind(self) -> ReversalKind:
        """Return what to count it as: by the word in ``reverse_type``, else by an ACH return's code.

        This is a reading: of the types, only ``Bank Return`` and ``Chargeback`` are public.
        """
        signed_type = self._type_as_signed().lower()
        if "chargeback" in signed_type:
            return ReversalKind.CHARGEBACK
        if "return" in signed_type or _ACH_RETURN.fullmatch(self.reverse_code or ""):
            return ReversalKind.RETURN
        return ReversalKind.OTHER

    def _type_as_signed(self) -> str:
        """Return the type with the unknown parameters that stand right behind it in the signed text.

        A signed ``Chargeback`` could also be told as the type ``Cha`` and a new parameter ``rgeback``.
        """
        if self.reverse_type is None:
            return ""
        unknown_parameters = self.model_extra or {}
        following_names = sorted(
            name for name in {*self.model_fields_set, *unknown_parameters} if name > "reverse_type"
        )
        return self.reverse_type + "".join(
            name + unknown_parameters[name] for name in takewhile(unknown_parameters.__contains__, following_names)
        )


def _amount_fields(parameters: Mapping[str, str]) -> tuple[str, str]:
    """Return the names of the amount that came back and of its currency."""
    if not parameters.get("reverse_amount"):
        return "payment_amount", "payment_currency"
    # The part of a payment is in the payment's currency, where it has none of its own.
    has_currency = parameters.get("reverse_currency") or not parameters.get("payment_currency")
    return "reverse_amount", "reverse_currency" if has_currency else "payment_currency"


class ReversalResponse(CallbackResponse):
    """Our acknowledgement of a reversal, equal for the first and for every repeat.

    Its envelope is not public: ``envelope`` and ``part`` are the site's ``reverse_envelope`` and
    ``reverse_element``.
    """
