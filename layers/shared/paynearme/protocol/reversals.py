"""The reverse callback: a cancellation, a refund, a chargeback or a bank return of a payment.

PayNearMe publishes the identifiers, ``payment_amount`` (of the whole payment), ``payment_arn``, and ``reverse_type``,
``reverse_code`` and ``reverse_reason`` with a few examples. A third party publishes the other names, and the
acknowledgement, which it states to be PayNearMe's own wording. It is not public which parameters are required, and
which other values they have. The docstrings mark each assumption.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from itertools import takewhile
from typing import Any, ClassVar, Self, cast

from pydantic import ModelWrapValidatorHandler, PrivateAttr, model_validator

from paynearme.protocol.callbacks import CallbackMessage, CallbackResponse, fingerprint, has_outcome, is_reversal
from paynearme.protocol.quarantine import CallbackKind, QuarantineReason
from paynearme.protocol.types import PARAMETER_NAME_PREFIX, Currency, Flag, FreeText, Identifier, Lenient, Money

_PARAMETER_NAME = re.compile(PARAMETER_NAME_PREFIX)
_ACH_RETURN = re.compile(r"R[0-9]{2}", re.ASCII | re.IGNORECASE)


class ReversalKind(StrEnum):
    """The category of a reversal. The customer's chargebacks and bank returns are counted.

    ``other`` is a refund, a cancellation, or a reversal without a type and a code. ``undone`` is the end of a
    chargeback, a dispute or a return that was itself reversed, or that the merchant won: it debits nothing.
    ``unknown`` has another type or code.
    """

    CHARGEBACK = "chargeback"
    RETURN = "return"
    OTHER = "other"
    UNDONE = "undone"
    UNKNOWN = "unknown"


# A parameter that follows the type or the code in the signed text, if it has no value of its own. Only names from
# ``reverse_type`` to ``site_identifier`` can follow, and PayNearMe's names contain an underscore.
_NEXT_NAME = r"(?-i:(?=(?:r[e-z]|s[a-i])[a-z0-9]*_))"
_CHARGEBACK = r"charge[ _-]*back"
_REFUND = r"(?:(?:full|partial)[ _-])?refund(?:ed)?|cancel(?:led|ed|lation)|void(?:ed)?"


def _whole(words: str) -> str:
    return rf"^\s*(?:{words})(?:\s*$|{_NEXT_NAME})"


# The first pattern that the type contains determines the kind.
_KINDS = tuple(
    (re.compile(pattern, re.ASCII | re.DOTALL | re.IGNORECASE), kind)
    for pattern, kind in (
        (_whole(_CHARGEBACK), ReversalKind.CHARGEBACK),
        (_whole(r"(?:(?:ach|bank)[ _-])?return(?:ed)?"), ReversalKind.RETURN),
        (_whole(_REFUND), ReversalKind.OTHER),
        (
            rf"^(?=.*(?:{_CHARGEBACK}|dispute|return)).*(?:revers|overturn|withdrawn|reject|recover|favor|w[io]n(?![a-z]))",
            ReversalKind.UNDONE,
        ),
        (r"re[ _-]?present", ReversalKind.UNDONE),
        (_CHARGEBACK, ReversalKind.UNKNOWN),
        (r"return", ReversalKind.RETURN),
    )
)


class Reversal(CallbackMessage):
    """PayNearMe's message about returned money: a whole payment or a part of it.

    The returned amount is required, in dollars and greater than zero, because it changes the customer's balance.
    """

    callback_kind: ClassVar[CallbackKind] = CallbackKind.REVERSAL

    reverse_amount: Money | None = None
    reverse_currency: Currency | None = None
    reverse_type: Identifier | None = None
    reverse_code: Identifier | None = None
    # A bank, PayNearMe or a merchant's agent writes it, not the consumer.
    reverse_reason: FreeText | None = None
    reverse_date: FreeText | None = None

    payment_amount: Money | None = None
    payment_currency: Currency | None = None
    net_payment_amount: Lenient[Money] = None
    net_payment_currency: Lenient[Currency] = None
    payment_arn: Identifier | None = None
    payment_timestamp: FreeText | None = None
    order_payee_identifier: Identifier | None = None
    status: FreeText | None = None
    standin: Flag = False

    _fingerprint: str = PrivateAttr(default="")
    # As received. The fields do not distinguish an empty parameter from an absent one.
    _parameters: Mapping[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def unsupported_reason(cls, parameters: Mapping[str, str]) -> QuarantineReason | None:
        """Return also a reason for a confirmation, and for an amount that is not in dollars."""
        if reason := super().unsupported_reason(parameters):
            return reason
        # The URL is not signed: an authentic confirmation that arrives at this endpoint must not debit a balance.
        if not is_reversal(parameters) and has_outcome(parameters):
            return QuarantineReason.WRONG_ENDPOINT
        _, currency = _amount_fields(parameters)
        is_foreign = is_reversal(parameters) and (parameters.get(currency) or "USD") != "USD"
        return QuarantineReason.CURRENCY_NOT_SUPPORTED if is_foreign else None

    @classmethod
    def cross_field_errors(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return errors for a message that is not a reversal, and for a missing or an invalid amount."""
        errors = {}
        if not is_reversal(parameters):
            errors["reverse_type"] = "is required"
        amount, currency = _amount_fields(parameters)
        text = parameters.get(amount, "")
        if not text:
            errors |= dict.fromkeys(("payment_amount", "reverse_amount"), "one of the two is required")
        elif text.startswith("-") or not text.strip("0."):
            errors[amount] = "must be greater than zero"
        if not parameters.get(currency):
            errors[currency] = "is required"
        return errors

    @model_validator(mode="wrap")
    @classmethod
    def _store_fingerprint(cls, parameters: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        reversal = handler(parameters)
        reversal._fingerprint = fingerprint(parameters)
        reversal._parameters = parameters
        return reversal

    def replayed_with(self, stored_fingerprint: str) -> Self:
        """Return this reversal with the fingerprint of the received message, of which it has only some parameters."""
        self._fingerprint = stored_fingerprint
        return self

    @property
    def fingerprint(self) -> str:
        """Return 64 hex digits that are equal for retries of one reversal and differ between reversals.

        PayNearMe publishes no identifier for reversals, so ``callback_fingerprint`` identifies one. Two reversals
        with the same parameters other than timestamp and version have one fingerprint.
        """
        return self._fingerprint

    @property
    def amount(self) -> Decimal:
        """Return the returned amount in dollars: ``reverse_amount``, or ``payment_amount`` without it.

        This is an assumption: PayNearMe does not publish whether ``reverse_amount`` is required.
        """
        # cross_field_errors requires one of them.
        return cast("Decimal", self.payment_amount if self.reverse_amount is None else self.reverse_amount)

    @property
    def kind(self) -> ReversalKind:
        """Return the category by ``reverse_type``, or else by ``reverse_code``.

        This is an assumption: only the types ``Bank Return`` and ``Chargeback``, the codes ``canceled`` and
        ``refunded``, and ACH return codes are public.
        """
        signed_type, code = self._as_signed("reverse_type"), self._as_signed("reverse_code")
        if not signed_type and not code:
            return ReversalKind.OTHER
        kind = _kind_of(signed_type)
        if kind in (None, ReversalKind.OTHER) and _ACH_RETURN.fullmatch(self.reverse_code or ""):
            return ReversalKind.RETURN
        return kind or _kind_of(code) or ReversalKind.UNKNOWN

    def _as_signed(self, name: str) -> str:
        """Return a parameter's value with the unknown parameters that follow it directly in the signed text.

        The signed text of ``Chargeback`` is also that of the type ``Cha`` and an unknown parameter ``rgeback``. A
        name that a value must not contain starts no part of it.
        """
        if name not in self._parameters:
            return ""
        following_names = takewhile(
            (self.model_extra or {}).__contains__, sorted(other for other in self._parameters if other > name)
        )
        text = self._parameters[name] + "".join(other + self._parameters[other] for other in following_names)
        ends = (found.start() for found in _PARAMETER_NAME.finditer(text) if text[found.start() :] > name)
        return text[: next(ends, len(text))]


def _kind_of(signed_text: str) -> ReversalKind | None:
    """Return the category of a type or a code, or ``None`` if it is unknown."""
    return next((kind for pattern, kind in _KINDS if pattern.search(signed_text)), None)


def _amount_fields(parameters: Mapping[str, str]) -> tuple[str, str]:
    """Return the names of the returned amount and of its currency."""
    if not parameters.get("reverse_amount"):
        return "payment_amount", "payment_currency"
    # Without ``reverse_currency``, the payment's currency applies.
    has_currency = parameters.get("reverse_currency") or not parameters.get("payment_currency")
    return "reverse_amount", "reverse_currency" if has_currency else "payment_currency"


class ReversalResponse(CallbackResponse):
    """The acknowledgement of a reversal. Duplicates receive the same response.

    Only a third party publishes its names, so ``envelope`` and ``element`` are settings of the site,
    ``reverse_envelope`` and ``reverse_element``.
    """
