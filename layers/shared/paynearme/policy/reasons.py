"""Decision reasons, their default texts and descriptions, and the decision itself."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """The code of a decision. It is stored with the payment, logged and counted.

    The order is that of the rules. No rule returns ``accepted``, ``conflicts_with_earlier`` or one of
    ``UNDECIDED_REASONS``.
    ``decline_text`` is the default ``decline_reason`` for consumers, and ``description`` is the row in
    ``docs/policy.md``.
    """

    decline_text: str | None
    description: str

    def __new__(cls, code: str, decline_text: str | None, description: str) -> Self:
        """Return a member with its attributes."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.decline_text = decline_text
        member.description = description
        return member

    ACCEPTED = ("accepted", None, "no rule declines the payment")
    PAYMENTS_PAUSED = ("payments_paused", "Payments paused", "`pause_payments` is `true`")
    CURRENCY_NOT_ACCEPTED = (
        "currency_not_accepted",
        "Currency not accepted",
        "the payment's currency is not the policy's",
    )
    AMOUNT_NOT_POSITIVE = ("amount_not_positive", "Amount not accepted", "the payment's amount is zero or negative")
    PAYMENT_TYPE_NOT_ACCEPTED = (
        "payment_type_not_accepted",
        "Payment type not accepted",
        "`payment_types` does not contain the payment's type",
    )
    CHANNEL_NOT_ACCEPTED = (
        "channel_not_accepted",
        "Payment not accepted this way",
        "`channels` does not contain the payment's channel",
    )
    SUBCHANNEL_NOT_ACCEPTED = (
        "subchannel_not_accepted",
        "Scheduled payment not accepted",
        "`subchannels` does not contain the payment's sub-channel",
    )
    ORDER_UNKNOWN = (
        "order_unknown",
        "Order not found",
        "the backend API neither received nor created the order, and `unknown_order` is `decline`",
    )
    ORDER_CLOSED = ("order_closed", "Order closed", "the order's `status` is `closed`")
    ORDER_EXPIRED = ("order_expired", "Offer expired", "the current time is at or after the order's `expires_at`")
    ORDER_AMOUNT_DIFFERS = (
        "order_amount_differs",
        "Amount differs from the order",
        "the order is `exact`, and the payment has another amount",
    )
    ORDER_AMOUNT_TOO_LOW = (
        "order_amount_too_low",
        "Amount below the order's minimum",
        "the payment is less than the order's `minimum_payment_amount`",
    )
    ORDER_AMOUNT_TOO_HIGH = (
        "order_amount_too_high",
        "Amount above the order's amount",
        "the order is `up-to`, and the payment is more than its amount",
    )
    CUSTOMER_UNKNOWN = (
        "customer_unknown",
        "Account not found",
        "the backend API did not receive the customer, and `unknown_customer` is `decline`; "
        "or the payment has no customer, and the policy has rules by customer",
    )
    CUSTOMER_SUSPENDED = ("customer_suspended", "Account suspended", "the customer's `status` is `suspended`")
    CUSTOMER_CLOSED = ("customer_closed", "Account closed", "the customer's `status` is `closed`")
    AMOUNT_TOO_LOW = ("amount_too_low", "Amount too low", "the payment is less than the `minimum` for its type")
    AMOUNT_TOO_HIGH = ("amount_too_high", "Amount too high", "the payment is more than the `maximum` for its type")
    TOO_MANY_CHARGEBACKS = (
        "too_many_chargebacks",
        "Payment not accepted",
        "the customer had more than `max_count` chargebacks within `within_days`",
    )
    TOO_MANY_RETURNS = (
        "too_many_returns",
        "Payment not accepted",
        "the customer had more than `max_count` bank returns within `within_days`",
    )
    DAY_LIMIT_EXCEEDED = (
        "day_limit_exceeded",
        "Daily limit reached",
        "the customer's spending would exceed a `day` limit of `spending_limits`",
    )
    WEEK_LIMIT_EXCEEDED = (
        "week_limit_exceeded",
        "Weekly limit reached",
        "the customer's spending would exceed a `week` limit of `spending_limits`",
    )
    MONTH_LIMIT_EXCEEDED = (
        "month_limit_exceeded",
        "Monthly limit reached",
        "the customer's spending would exceed a `month` limit of `spending_limits`",
    )
    SELF_IMPOSED_DAY_LIMIT_EXCEEDED = (
        "self_imposed_day_limit_exceeded",
        "Your own daily limit is reached",
        "the customer's spending would exceed the `self_imposed_day_limit`",
    )
    SELF_IMPOSED_WEEK_LIMIT_EXCEEDED = (
        "self_imposed_week_limit_exceeded",
        "Your own weekly limit is reached",
        "the customer's spending would exceed the `self_imposed_week_limit`",
    )
    SELF_IMPOSED_MONTH_LIMIT_EXCEEDED = (
        "self_imposed_month_limit_exceeded",
        "Your own monthly limit is reached",
        "the customer's spending would exceed the `self_imposed_month_limit`",
    )
    CONFLICTS_WITH_EARLIER = (
        "conflicts_with_earlier",
        "Payment details changed",
        "an earlier authorization of this payment had other content",
    )
    CANNOT_DECIDE_NOW = ("cannot_decide_now", "Temporarily unavailable", "the ledger or the policy is unavailable")
    CALLBACK_QUARANTINED = (
        "callback_quarantined",
        "Payment could not be processed",
        "the authorization is authentic and cannot be processed; it is in the quarantine",
    )
    STALE_TIMESTAMP = (
        "stale_timestamp",
        "Request expired",
        "the authorization is authentic, and its `timestamp` is too old or in the future",
    )


UNDECIDED_REASONS = frozenset({Reason.CANNOT_DECIDE_NOW, Reason.CALLBACK_QUARANTINED, Reason.STALE_TIMESTAMP})
"""The reasons of declines without a stored decision. Their texts contain no value of the message."""


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
