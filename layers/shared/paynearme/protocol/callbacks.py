"""The shared base of all callbacks, the authorization and the confirmation callback, and their responses.

The parameters and their types are from PayNearMe docs, Using Authorization Callbacks, and from PayNearMe docs,
Guaranteed ACH. A site's settings and the payment type determine which optional parameters a callback contains.
``reversals`` has the third callback.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator

from paynearme.errors import UnprocessableCallbackError, ValidationFailedError
from paynearme.protocol.boundary_ambiguity import ambiguous_parameters
from paynearme.protocol.fingerprint import callback_fingerprint
from paynearme.protocol.parsing import Message, read_message
from paynearme.protocol.quarantine import CallbackKind, QuarantineReason
from paynearme.protocol.signing import VERSION_PATTERN, string_to_sign
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

_REVERSAL_FIELDS = ("reverse_amount", "reverse_code", "reverse_reason", "reverse_type")

# PayNearMe publishes neither the parameters nor the payment types of disbursements. These occur in records.
_PUSH_PARAMETER_PREFIX = "due_to_recipient_"
_PUSH_PAYMENT_TYPE = re.compile(r"push|pin4|payout|cashout|disburse|withdraw")
_SEPARATORS = re.compile(r"[^a-z0-9]+")

# A changed boundary in these texts gives a consumer no advantage.
_CONSUMER_CONTROLLED = frozenset(
    {"agent_email", "agent_name", "payment_bank_name", "payment_card_last4", "user_agent_string", "user_environment"}
)


Version = Annotated[str, StringConstraints(pattern=VERSION_PATTERN)]
"""PayNearMe's version of the protocol."""


class CallbackMessage(Message):
    """The parameters of every callback."""

    callback_kind: ClassVar[CallbackKind]

    site_identifier: Identifier
    pnm_order_identifier: PnmIdentifier
    pnm_payment_identifier: PnmIdentifier
    version: Version
    # Confirmations and reversals can arrive hours late, so only an authorization requires a valid timestamp.
    timestamp: Lenient[EpochSeconds] = None
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
        if "" not in parameters.values():
            return parameters
        return {name: text for name, text in parameters.items() if text != "" or name not in cls.model_fields}

    @classmethod
    def unsupported_reason(cls, parameters: Mapping[str, str]) -> QuarantineReason | None:
        """Return the reason for which a message is none that this project processes, or ``None``."""
        is_push = any(value and name.startswith(_PUSH_PARAMETER_PREFIX) for name, value in parameters.items())
        payment_type = _SEPARATORS.sub("", parameters.get("payment_type", "").lower())
        if is_push or _PUSH_PAYMENT_TYPE.search(payment_type):
            return QuarantineReason.PUSH_CALLBACK
        return None if parameters.get("pnm_payment_identifier") else QuarantineReason.UNSUPPORTED_CALLBACK


def read_callback[M: CallbackMessage](model: type[M], parameters: Mapping[str, str]) -> M:
    """Return authentic ``parameters`` as a ``model``.

    Raises ``UnprocessableCallbackError`` with the reason. An ambiguous message has no other reason: the quarantine
    never replays it as it was received.
    """
    if ambiguous := ambiguous_parameters(parameters, _all_field_names(), _CONSUMER_CONTROLLED):
        raise UnprocessableCallbackError(QuarantineReason.AMBIGUOUS_TEXT, ambiguous)
    if reason := model.unsupported_reason(parameters):
        raise UnprocessableCallbackError(reason)
    try:
        return read_message(model, parameters)
    except ValidationFailedError as error:
        raise UnprocessableCallbackError(QuarantineReason.INVALID_PARAMETERS, error.errors) from None


def fingerprint(parameters: Mapping[str, str]) -> str:
    """Return the ``callback_fingerprint`` of a callback, from the parameters that its signature covers."""
    return callback_fingerprint(string_to_sign(parameters), _all_field_names())


@cache
def _all_field_names() -> frozenset[str]:
    """Return the parameter names of all callbacks. The first message calls it, after all subclasses exist."""
    models = CallbackMessage.__subclasses__()
    return frozenset(name for model in models for name in model.model_fields)


class Authorization(CallbackMessage):
    """PayNearMe's request for a decision about a payment."""

    callback_kind: ClassVar[CallbackKind] = CallbackKind.AUTHORIZATION

    timestamp: EpochSeconds
    payment_amount: Money
    payment_currency: Currency
    net_payment_amount: Money | None = None
    net_payment_currency: Currency | None = None

    @classmethod
    def unsupported_reason(cls, parameters: Mapping[str, str]) -> QuarantineReason | None:
        """Return also a reason for a confirmation and for a reversal, which need no decision."""
        if reason := super().unsupported_reason(parameters):
            return reason
        # An authorization has no status.
        is_other = parameters.get("status") or is_reversal(parameters)
        return QuarantineReason.WRONG_ENDPOINT if is_other else None


class Outcome(StrEnum):
    """The outcome of a payment: the ``status`` of a confirmation, which can have another case."""

    PAYMENT = "payment"
    DECLINE = "decline"


def _normalized_status(value: object) -> str:
    return str(value).strip().lower()


def has_outcome(parameters: Mapping[str, str]) -> bool:
    """Return whether the parameters have the outcome of a payment, as those of a confirmation."""
    return _normalized_status(parameters.get("status", "")) in tuple(Outcome)


def _is_paid(parameters: Mapping[str, str]) -> bool:
    return _normalized_status(parameters.get("status", "")) == Outcome.PAYMENT


def message_kind(parameters: Mapping[str, str]) -> CallbackKind | None:
    """Return the kind that the parameters themselves have, or ``None`` if they are those of several kinds."""
    if is_reversal(parameters):
        return CallbackKind.REVERSAL
    return CallbackKind.CONFIRMATION if has_outcome(parameters) else None


def is_reversal(parameters: Mapping[str, str]) -> bool:
    """Return whether the parameters are those of a reversal: at least one exists only in reversals."""
    return any(parameters.get(name) for name in _REVERSAL_FIELDS)


class Confirmation(CallbackMessage):
    """PayNearMe's message about the outcome of a payment.

    The outcome ``payment`` requires non-negative amounts in dollars, because they change the customer's balance.
    """

    callback_kind: ClassVar[CallbackKind] = CallbackKind.CONFIRMATION

    status: Annotated[Outcome, BeforeValidator(_normalized_status)]
    payment_amount: Money | None = None
    payment_currency: Currency | None = None
    net_payment_amount: Money | None = None
    net_payment_currency: Currency | None = None
    standin: Flag = False
    payment_timestamp: FreeText | None = None
    order_payee_identifier: Identifier | None = None

    @classmethod
    def unsupported_reason(cls, parameters: Mapping[str, str]) -> QuarantineReason | None:
        """Return also a reason for a reversal, for an unknown outcome, and for a paid amount that is not in dollars."""
        if reason := super().unsupported_reason(parameters):
            return reason
        # The URL is not signed: an authentic reversal that arrives at this endpoint must not post a payment.
        if is_reversal(parameters):
            return QuarantineReason.WRONG_ENDPOINT
        if parameters.get("status") and not has_outcome(parameters):
            return QuarantineReason.UNKNOWN_STATUS
        currencies = {parameters.get(name) or "USD" for name in _AMOUNTS if "currency" in name}
        is_foreign = _is_paid(parameters) and currencies != {"USD"}
        return QuarantineReason.CURRENCY_NOT_SUPPORTED if is_foreign else None

    @classmethod
    def cross_field_errors(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return errors for missing and negative amounts of the outcome ``payment``."""
        if not _is_paid(parameters):
            return {}
        amounts = {name: parameters.get(name, "") for name in _AMOUNTS}
        return {name: "must not be negative" for name, text in amounts.items() if text.startswith("-")} | {
            name: "is required" for name, text in amounts.items() if not text
        }


class CallbackResponse(BaseModel):
    """A response to a callback. ``envelope`` and ``element`` are the names of its outer and inner object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    envelope: str = Field(exclude=True)
    element: str = Field(exclude=True)

    # An authentic callback can name an order with an identifier that its model does not accept.
    pnm_order_identifier: Identifier

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
