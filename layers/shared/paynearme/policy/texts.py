"""What consumers read: templates with placeholders of PayNearMe's and of ours, checked before use."""

import re
from collections.abc import Mapping
from string import Formatter
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from paynearme.policy.reasons import Reason
from paynearme.protocol.types import invalid

MAX_TEXT = 3000
"""Characters of a receipt (seed ``authorization_callbacks``, "Response Parameters")."""

# The most characters that each of our placeholders can become.
_MAX_LENGTHS = {"payment_amount": 16, "net_payment_amount": 16, "order": 64, "date": 10}
_PAYNEARME_PLACEHOLDERS = frozenset(
    f"<pnm_{name}>"
    for name in (
        "payee_name",
        "payment /",
        "balance_due /",
        "fee /",
        "net /",
        "minimum /",
        "minimum_fee /",
        "minimum_net /",
    )
)
_PLACEHOLDER_PATTERN = re.compile(r"</?\s*pnm[^>]*>?")


def _template(text: str) -> str:
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        raise invalid("has a brace without its fellow; write {{ or }} for a brace") from None
    length = 0
    for literal, name, form, conversion in parts:
        length += len(literal)
        if name is None:
            continue
        if name not in _MAX_LENGTHS or form or conversion:
            raise invalid(f"has a placeholder that is none of {{{'}, {'.join(sorted(_MAX_LENGTHS))}}}")
        length += _MAX_LENGTHS[name]
    if length > MAX_TEXT:
        raise invalid(f"can become longer than {MAX_TEXT} characters")
    if not set(_PLACEHOLDER_PATTERN.findall(text)) <= _PAYNEARME_PLACEHOLDERS:
        raise invalid("has a <pnm_…> that PayNearMe does not document")
    return text


Template = Annotated[
    str,
    # What XML cannot carry would break the answer.
    StringConstraints(min_length=1, pattern=r"^[^\x00-\x1f\x7f\x{fffe}\x{ffff}]*$"),
    AfterValidator(_template),
]
"""A text of at most 3,000 characters once ours of its placeholders are filled; PayNearMe fills its own."""


class ConsumerText(BaseModel):
    """What a consumer reads of a decision. An acceptance has no ``decline_reason``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decline_reason: Template | None = None
    receipt: Template


def render(template: str, values: Mapping[str, str]) -> str:
    """Return a template that was checked, with our placeholders filled from ``values``."""
    return template.format_map(values)


def has_placeholders(template: str) -> bool:
    """Return whether a template that was checked has any of our placeholders."""
    return any(name is not None for _, name, _, _ in Formatter().parse(template))


_DECLINED_RECEIPT = "^This payment cannot be made."
_DECLINE_REASONS = {
    Reason.CURRENCY_NOT_ACCEPTED: "Currency not accepted",
    Reason.AMOUNT_NOT_POSITIVE: "Amount not accepted",
    Reason.PAYMENT_TYPE_NOT_ACCEPTED: "Payment type not accepted",
    Reason.CHANNEL_NOT_ACCEPTED: "Payment not accepted this way",
    Reason.SUBCHANNEL_NOT_ACCEPTED: "Scheduled payment not accepted",
    Reason.ORDER_UNKNOWN: "Order not found",
    Reason.ORDER_CLOSED: "Order closed",
    Reason.ORDER_EXPIRED: "Offer expired",
    Reason.ORDER_AMOUNT_DIFFERS: "Amount differs from the order",
    Reason.ORDER_AMOUNT_TOO_LOW: "Amount below the order's minimum",
    Reason.ORDER_AMOUNT_TOO_HIGH: "Amount above the order's amount",
    Reason.CUSTOMER_UNKNOWN: "Account not found",
    Reason.CUSTOMER_SUSPENDED: "Account suspended",
    Reason.CUSTOMER_CLOSED: "Account closed",
    Reason.AMOUNT_TOO_LOW: "Amount too low",
    Reason.AMOUNT_TOO_HIGH: "Amount too high",
    Reason.TOO_MANY_CHARGEBACKS: "Payment not accepted",
    Reason.TOO_MANY_RETURNS: "Payment not accepted",
    Reason.DAY_LIMIT_EXCEEDED: "Daily limit reached",
    Reason.WEEK_LIMIT_EXCEEDED: "Weekly limit reached",
    Reason.MONTH_LIMIT_EXCEEDED: "Monthly limit reached",
    Reason.SELF_IMPOSED_DAY_LIMIT_EXCEEDED: "Your own daily limit is reached",
    Reason.SELF_IMPOSED_WEEK_LIMIT_EXCEEDED: "Your own weekly limit is reached",
    Reason.SELF_IMPOSED_MONTH_LIMIT_EXCEEDED: "Your own monthly limit is reached",
    Reason.CONFLICTS_WITH_EARLIER: "Payment details changed",
    Reason.CANNOT_DECIDE_NOW: "Temporarily unavailable",
}

DEFAULT_TEXTS: Mapping[Reason, ConsumerText] = {
    Reason.ACCEPTED: ConsumerText(
        receipt="Payment = <pnm_payment /><br>Fee = <pnm_fee /><br>Net Payment = <pnm_net />"
        "<br>Balance Due = <pnm_balance_due />"
    ),
    **{
        reason: ConsumerText(decline_reason=text, receipt=_DECLINED_RECEIPT)
        for reason, text in _DECLINE_REASONS.items()
    },
}
"""What holds where a policy says nothing else."""
