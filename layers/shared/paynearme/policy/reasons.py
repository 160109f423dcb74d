"""Why a payment was accepted or declined, and the decision itself."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """The code of a decision: stored with the payment, logged and counted. Never the person's name for it.

    In the order in which the rules are asked; the last two are given by no rule. ``docs/policy.md`` has
    an example of each.
    """

    ACCEPTED = "accepted"
    CURRENCY_NOT_ACCEPTED = "currency_not_accepted"
    AMOUNT_NOT_POSITIVE = "amount_not_positive"
    PAYMENT_TYPE_NOT_ACCEPTED = "payment_type_not_accepted"
    CHANNEL_NOT_ACCEPTED = "channel_not_accepted"
    SUBCHANNEL_NOT_ACCEPTED = "subchannel_not_accepted"
    ORDER_UNKNOWN = "order_unknown"
    ORDER_CLOSED = "order_closed"
    ORDER_EXPIRED = "order_expired"
    ORDER_AMOUNT_DIFFERS = "order_amount_differs"
    ORDER_AMOUNT_TOO_LOW = "order_amount_too_low"
    ORDER_AMOUNT_TOO_HIGH = "order_amount_too_high"
    CUSTOMER_UNKNOWN = "customer_unknown"
    CUSTOMER_SUSPENDED = "customer_suspended"
    CUSTOMER_CLOSED = "customer_closed"
    AMOUNT_TOO_LOW = "amount_too_low"
    AMOUNT_TOO_HIGH = "amount_too_high"
    TOO_MANY_CHARGEBACKS = "too_many_chargebacks"
    TOO_MANY_RETURNS = "too_many_returns"
    DAY_LIMIT_EXCEEDED = "day_limit_exceeded"
    WEEK_LIMIT_EXCEEDED = "week_limit_exceeded"
    MONTH_LIMIT_EXCEEDED = "month_limit_exceeded"
    SELF_IMPOSED_DAY_LIMIT_EXCEEDED = "self_imposed_day_limit_exceeded"
    SELF_IMPOSED_WEEK_LIMIT_EXCEEDED = "self_imposed_week_limit_exceeded"
    SELF_IMPOSED_MONTH_LIMIT_EXCEEDED = "self_imposed_month_limit_exceeded"
    CONFLICTS_WITH_EARLIER = "conflicts_with_earlier"
    CANNOT_DECIDE_NOW = "cannot_decide_now"


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
