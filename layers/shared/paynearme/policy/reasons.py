"""Decision reasons with their default texts, and the decision itself."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """The code of a decision. It is stored with the payment, logged and counted. ``docs/policy.md`` describes each.

    The order is that of the rules. No rule returns ``accepted`` and the last two. ``decline_text`` is the default
    ``decline_reason`` for consumers.
    """

    decline_text: str | None

    def __new__(cls, code: str, decline_text: str | None) -> Self:
        """Return a member with its default text."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.decline_text = decline_text
        return member

    ACCEPTED = ("accepted", None)
    CURRENCY_NOT_ACCEPTED = ("currency_not_accepted", "Currency not accepted")
    AMOUNT_NOT_POSITIVE = ("amount_not_positive", "Amount not accepted")
    PAYMENT_TYPE_NOT_ACCEPTED = ("payment_type_not_accepted", "Payment type not accepted")
    CHANNEL_NOT_ACCEPTED = ("channel_not_accepted", "Payment not accepted this way")
    SUBCHANNEL_NOT_ACCEPTED = ("subchannel_not_accepted", "Scheduled payment not accepted")
    ORDER_UNKNOWN = ("order_unknown", "Order not found")
    ORDER_CLOSED = ("order_closed", "Order closed")
    ORDER_EXPIRED = ("order_expired", "Offer expired")
    ORDER_AMOUNT_DIFFERS = ("order_amount_differs", "Amount differs from the order")
    ORDER_AMOUNT_TOO_LOW = ("order_amount_too_low", "Amount below the order's minimum")
    ORDER_AMOUNT_TOO_HIGH = ("order_amount_too_high", "Amount above the order's amount")
    CUSTOMER_UNKNOWN = ("customer_unknown", "Account not found")
    CUSTOMER_SUSPENDED = ("customer_suspended", "Account suspended")
    CUSTOMER_CLOSED = ("customer_closed", "Account closed")
    AMOUNT_TOO_LOW = ("amount_too_low", "Amount too low")
    AMOUNT_TOO_HIGH = ("amount_too_high", "Amount too high")
    TOO_MANY_CHARGEBACKS = ("too_many_chargebacks", "Payment not accepted")
    TOO_MANY_RETURNS = ("too_many_returns", "Payment not accepted")
    DAY_LIMIT_EXCEEDED = ("day_limit_exceeded", "Daily limit reached")
    WEEK_LIMIT_EXCEEDED = ("week_limit_exceeded", "Weekly limit reached")
    MONTH_LIMIT_EXCEEDED = ("month_limit_exceeded", "Monthly limit reached")
    SELF_IMPOSED_DAY_LIMIT_EXCEEDED = ("self_imposed_day_limit_exceeded", "Your own daily limit is reached")
    SELF_IMPOSED_WEEK_LIMIT_EXCEEDED = ("self_imposed_week_limit_exceeded", "Your own weekly limit is reached")
    SELF_IMPOSED_MONTH_LIMIT_EXCEEDED = ("self_imposed_month_limit_exceeded", "Your own monthly limit is reached")
    CONFLICTS_WITH_EARLIER = ("conflicts_with_earlier", "Payment details changed")
    CANNOT_DECIDE_NOW = ("cannot_decide_now", "Temporarily unavailable")


@dataclass(frozen=True)
class Decision:
    """The decision on an authorization, with its reason and the texts for the consumer.

    ``reason`` is a ``Reason``, or a code that an earlier version stored. ``decline_reason`` is ``None`` if ``accept``
    is true. ``receipt`` has at most 3,000 characters (PayNearMe docs, Using Authorization Callbacks).
    """

    accept: bool
    reason: str
    decline_reason: str | None
    receipt: str
