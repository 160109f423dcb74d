"""Decide authorizations: pure rules over the message, the decision context and the policy."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from paynearme.policy.calendar import WindowKind, local_date, within_days
from paynearme.policy.context import (
    CustomerStatus,
    DecisionContext,
    MerchantCustomer,
    OrderStatus,
    OrderType,
    TypeName,
    WindowTotals,
    payment_type_name,
)
from paynearme.policy.document import SitePolicy
from paynearme.policy.reasons import Decision, Reason
from paynearme.policy.texts import render
from paynearme.protocol.callbacks import Authorization
from paynearme.protocol.types import SiteChannel, SiteSubchannel

_LIMIT_REASONS = {
    WindowKind.DAY: Reason.DAY_LIMIT_EXCEEDED,
    WindowKind.WEEK: Reason.WEEK_LIMIT_EXCEEDED,
    WindowKind.MONTH: Reason.MONTH_LIMIT_EXCEEDED,
}
_SELF_IMPOSED_LIMIT_REASONS = {
    WindowKind.DAY: Reason.SELF_IMPOSED_DAY_LIMIT_EXCEEDED,
    WindowKind.WEEK: Reason.SELF_IMPOSED_WEEK_LIMIT_EXCEEDED,
    WindowKind.MONTH: Reason.SELF_IMPOSED_MONTH_LIMIT_EXCEEDED,
}


@dataclass(frozen=True)
class Evaluation:
    """The input of a rule: the message, the context, the site's policy, and the current time (aware)."""

    message: Authorization
    context: DecisionContext
    policy: SitePolicy
    now: datetime

    @property
    def amount_net_of_fees(self) -> Decimal:
        """Return the amount without fees, if the message contains a valid net amount, else the whole amount.

        A net amount is invalid if it is negative, more than the amount, or in another currency.
        """
        # An order is the merchant's amount, and a limit is the customer's amount: only orders compare this one.
        message, net = self.message, self.message.net_payment_amount
        same_currency = message.net_payment_currency in (None, message.payment_currency)
        if net is None or not same_currency or not 0 <= net <= message.payment_amount:
            return message.payment_amount
        return net


type Rule = Callable[[Evaluation], Reason | None]


@dataclass(frozen=True)
class Limit:
    """The maximum spending in a window with ``types``, or with all payment types if ``types`` is ``None``."""

    window: WindowKind
    amount: Decimal
    types: frozenset[TypeName] | None
    reason: Reason


def payments_are_not_paused(evaluation: Evaluation) -> Reason | None:
    """Decline every payment of a site whose payments the merchant paused."""
    return Reason.PAYMENTS_PAUSED if evaluation.policy.pause_payments else None


def currency_is_accepted(evaluation: Evaluation) -> Reason | None:
    """Decline a payment in another currency than the policy's."""
    accepted = evaluation.message.payment_currency == evaluation.policy.currency
    return None if accepted else Reason.CURRENCY_NOT_ACCEPTED


def amount_is_positive(evaluation: Evaluation) -> Reason | None:
    """Decline a zero or negative amount."""
    return None if evaluation.message.payment_amount > 0 else Reason.AMOUNT_NOT_POSITIVE


def payment_type_is_accepted(evaluation: Evaluation) -> Reason | None:
    """Decline a payment type that the policy's list does not contain."""
    allowed = evaluation.policy.payment_types
    declined = allowed is not None and payment_type_name(evaluation.message) not in allowed
    return Reason.PAYMENT_TYPE_NOT_ACCEPTED if declined else None


def channel_is_accepted(evaluation: Evaluation) -> Reason | None:
    """Decline a channel that the policy's list does not contain. A cash payment has no channel."""
    allowed, channel = evaluation.policy.channels, evaluation.message.site_channel
    name = "none" if channel is None else channel if isinstance(channel, SiteChannel) else "other"
    return Reason.CHANNEL_NOT_ACCEPTED if allowed is not None and name not in allowed else None


def subchannel_is_accepted(evaluation: Evaluation) -> Reason | None:
    """Decline a sub-channel that the policy's list does not contain. Scheduled payments have one."""
    allowed, subchannel = evaluation.policy.subchannels, evaluation.message.site_subchannel
    name = "none" if subchannel is None else subchannel if isinstance(subchannel, SiteSubchannel) else "other"
    return Reason.SUBCHANNEL_NOT_ACCEPTED if allowed is not None and name not in allowed else None


def order_is_known(evaluation: Evaluation) -> Reason | None:
    """Decline an unknown order, if the policy declines unknown orders."""
    unknown = evaluation.context.order is None and evaluation.policy.unknown_order == "decline"
    return Reason.ORDER_UNKNOWN if unknown else None


def order_is_open(evaluation: Evaluation) -> Reason | None:
    """Decline a payment for a closed order."""
    order = evaluation.context.order
    return Reason.ORDER_CLOSED if order and order.status is OrderStatus.CLOSED else None


def order_has_not_expired(evaluation: Evaluation) -> Reason | None:
    """Decline an order from its ``expires_at`` on (PayNearMe docs, Using Authorization Callbacks)."""
    order = evaluation.context.order
    expired = order and order.expires_at is not None and evaluation.now >= order.expires_at
    return Reason.ORDER_EXPIRED if expired else None


def order_amount_is_exact(evaluation: Evaluation) -> Reason | None:
    """Decline an amount, without fees, that differs from the amount of an ``exact`` order."""
    order = evaluation.context.order
    differs = order and order.order_type is OrderType.EXACT and evaluation.amount_net_of_fees != order.order_amount
    return Reason.ORDER_AMOUNT_DIFFERS if differs else None


def order_amount_is_not_too_low(evaluation: Evaluation) -> Reason | None:
    """Decline an amount, without fees, below the order's minimum."""
    order = evaluation.context.order
    minimum = order.minimum_payment_amount if order else None
    return Reason.ORDER_AMOUNT_TOO_LOW if minimum is not None and evaluation.amount_net_of_fees < minimum else None


def order_amount_is_not_too_high(evaluation: Evaluation) -> Reason | None:
    """Decline an amount, without fees, above the amount of an ``up-to`` order."""
    order = evaluation.context.order
    if order is None or order.order_type is not OrderType.UP_TO:
        return None
    # An ``up-to`` order without an amount accepts no payment.
    within = order.order_amount is not None and evaluation.amount_net_of_fees <= order.order_amount
    return None if within else Reason.ORDER_AMOUNT_TOO_HIGH


def customer_is_known(evaluation: Evaluation) -> Reason | None:
    """Decline an unknown customer, if the policy declines unknown customers.

    If the policy has rules by customer, decline every payment without a customer, because no rule can evaluate it.
    """
    policy = evaluation.policy
    unknown = evaluation.context.customer is None and policy.unknown_customer == "decline"
    has_customer_rules = bool(policy.spending_limits or policy.chargebacks or policy.returns)
    unidentified = evaluation.message.site_customer_identifier is None and has_customer_rules
    return Reason.CUSTOMER_UNKNOWN if unknown or unidentified else None


def customer_is_not_suspended(evaluation: Evaluation) -> Reason | None:
    """Decline a suspended customer."""
    customer = evaluation.context.customer
    return Reason.CUSTOMER_SUSPENDED if customer and customer.status is CustomerStatus.SUSPENDED else None


def customer_is_not_closed(evaluation: Evaluation) -> Reason | None:
    """Decline a closed customer."""
    customer = evaluation.context.customer
    return Reason.CUSTOMER_CLOSED if customer and customer.status is CustomerStatus.CLOSED else None


def amount_is_not_too_low(evaluation: Evaluation) -> Reason | None:
    """Decline an amount below the minimum for the payment type. The minimum is accepted."""
    bounds = evaluation.policy.amounts.get(payment_type_name(evaluation.message))
    too_low = bounds and bounds.minimum is not None and evaluation.message.payment_amount < bounds.minimum
    return Reason.AMOUNT_TOO_LOW if too_low else None


def amount_is_not_too_high(evaluation: Evaluation) -> Reason | None:
    """Decline an amount above the maximum for the payment type. The maximum is accepted."""
    bounds = evaluation.policy.amounts.get(payment_type_name(evaluation.message))
    too_high = bounds and bounds.maximum is not None and evaluation.message.payment_amount > bounds.maximum
    return Reason.AMOUNT_TOO_HIGH if too_high else None


def chargebacks_within_limit(evaluation: Evaluation) -> Reason | None:
    """Decline a customer with more chargebacks within the policy's days than its maximum."""
    rule, counts = evaluation.policy.chargebacks, evaluation.context.chargebacks
    exceeded = rule and within_days(counts.items(), local_date(evaluation.now, UTC), rule.within_days) > rule.max_count
    return Reason.TOO_MANY_CHARGEBACKS if exceeded else None


def returns_within_limit(evaluation: Evaluation) -> Reason | None:
    """Decline a customer with more bank returns within the policy's days than its maximum."""
    rule, counts = evaluation.policy.returns, evaluation.context.returns
    exceeded = rule and within_days(counts.items(), local_date(evaluation.now, UTC), rule.within_days) > rule.max_count
    return Reason.TOO_MANY_RETURNS if exceeded else None


def spending_is_within_limits(evaluation: Evaluation) -> Reason | None:
    """Decline a payment that exceeds the policy's limit of a day, a week or a month, or a self-imposed limit.

    The limit itself may be spent. The payment counts with fees. An accepted payment counts until it fails.
    """
    message, context = evaluation.message, evaluation.context
    for limit in applicable_limits(evaluation.policy, context.customer, payment_type_name(message)):
        spent = context.spending.get(limit.window, WindowTotals()).total_for(limit.types)
        if spent + message.payment_amount > limit.amount:
            return limit.reason
    return None


RULES: tuple[Rule, ...] = (
    payments_are_not_paused,
    currency_is_accepted,
    amount_is_positive,
    payment_type_is_accepted,
    channel_is_accepted,
    subchannel_is_accepted,
    order_is_known,
    order_is_open,
    order_has_not_expired,
    order_amount_is_exact,
    order_amount_is_not_too_low,
    order_amount_is_not_too_high,
    customer_is_known,
    customer_is_not_suspended,
    customer_is_not_closed,
    amount_is_not_too_low,
    amount_is_not_too_high,
    chargebacks_within_limit,
    returns_within_limit,
    spending_is_within_limits,
)
"""The rules in the order of evaluation. The first rule that returns a reason declines the payment."""


def decide(message: Authorization, context: DecisionContext, policy: SitePolicy, now: datetime) -> Decision:
    """Return the decision on an authentic, valid authorization. ``now`` is an aware time."""
    evaluation = Evaluation(message, context, policy, now)
    reason = next(filter(None, (rule(evaluation) for rule in RULES)), Reason.ACCEPTED)
    return decision_for(reason, message, policy, now)


def decision_for(reason: Reason, message: Authorization, policy: SitePolicy, now: datetime) -> Decision:
    """Return the decision for ``reason``, with the policy's texts for ``message``."""
    net = message.net_payment_amount
    values: Mapping[str, str] = {
        "payment_amount": str(message.payment_amount),
        "net_payment_amount": "" if net is None else str(net),
        "order": message.pnm_order_identifier,
        "date": local_date(now, policy.zone).isoformat(),
    }
    text = policy.text(reason)
    decline_reason = None if text.decline_reason is None else render(text.decline_reason, values)
    return Decision(reason is Reason.ACCEPTED, reason, decline_reason, render(text.receipt, values))


def applicable_limits(policy: SitePolicy, customer: MerchantCustomer | None, name: TypeName) -> Iterable[Limit]:
    """Yield the limits for a payment of type ``name``: by day, week and month, then the self-imposed limits."""
    for window in WindowKind:
        for limit in policy.spending_limits:
            if limit.window is window and (limit.payment_types is None or name in limit.payment_types):
                yield Limit(window, limit.amount, limit.payment_types, _LIMIT_REASONS[window])
    self_imposed = customer.self_imposed_limits if customer else {}
    for window in WindowKind:
        if window in self_imposed:
            yield Limit(window, self_imposed[window], None, _SELF_IMPOSED_LIMIT_REASONS[window])
