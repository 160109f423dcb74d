"""May this payment happen? Pure rules over what PayNearMe tells: no clock, no network, no state."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from paynearme.messages import Authorization

CURRENCY = "USD"
"""The only currency of the documents (seed ``authorization_callbacks``, ``payment_currency``)."""

_ACCEPTED_RECEIPT = (
    "Payment = <pnm_payment /><br>Fee = <pnm_fee /><br>Net Payment = <pnm_net />"
    "<br>Balance Due = <pnm_balance_due />"
)
_DECLINED_RECEIPT = "^This payment cannot be made."


class Reason(StrEnum):
    """Why a payment was accepted or declined: the code that is stored, logged and counted."""

    ACCEPTED = "accepted"
    CURRENCY_NOT_ACCEPTED = "currency_not_accepted"
    AMOUNT_NOT_POSITIVE = "amount_not_positive"
    CONFLICTS_WITH_EARLIER = "conflicts_with_earlier"
    CANNOT_DECIDE_NOW = "cannot_decide_now"


_DECLINE_TEXTS = {
    Reason.CURRENCY_NOT_ACCEPTED: "Currency not accepted",
    Reason.AMOUNT_NOT_POSITIVE: "Amount not accepted",
    Reason.CONFLICTS_WITH_EARLIER: "Payment details changed",
    Reason.CANNOT_DECIDE_NOW: "Temporarily unavailable",
}


@dataclass(frozen=True)
class Decision:
    """The answer to an authorization, with its reason code and the texts for the consumer.

    ``reason`` is a ``Reason``, or the code of a former version. ``decline_reason`` is None when ``accept``
    is true. ``receipt`` holds at most 3,000 characters (seed ``authorization_callbacks``, "Response
    Parameters").
    """

    accept: bool
    reason: str
    decline_reason: str | None
    receipt: str


def accepted() -> Decision:
    """Return the decision to let a payment happen."""
    return Decision(accept=True, reason=Reason.ACCEPTED, decline_reason=None, receipt=_ACCEPTED_RECEIPT)


def declined(reason: Reason) -> Decision:
    """Return the decision to decline a payment for ``reason``."""
    return Decision(
        accept=False, reason=reason, decline_reason=_DECLINE_TEXTS[reason], receipt=_DECLINED_RECEIPT
    )


def currency_is_accepted(authorization: Authorization) -> Reason | None:
    """Decline what is not paid in ``CURRENCY``."""
    return None if authorization.payment_currency == CURRENCY else Reason.CURRENCY_NOT_ACCEPTED


def amount_is_positive(authorization: Authorization) -> Reason | None:
    """Decline an amount of nothing or less."""
    return None if authorization.payment_amount > Decimal(0) else Reason.AMOUNT_NOT_POSITIVE


RULES: tuple[Callable[[Authorization], Reason | None], ...] = (currency_is_accepted, amount_is_positive)
"""In the order in which they are asked: the first that gives a reason declines the payment."""


def decide(authorization: Authorization) -> Decision:
    """Return the decision on an authentic and valid authorization."""
    for rule in RULES:
        if reason := rule(authorization):
            return declined(reason)
    return accepted()
