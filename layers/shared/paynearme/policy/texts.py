"""Consumer texts: templates with PayNearMe's and this project's placeholders, validated before use."""

import re
from collections.abc import Mapping
from functools import lru_cache
from string import Formatter
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from paynearme.policy.reasons import Reason
from paynearme.protocol.types import invalid

MAX_TEXT = 3000
"""The maximum length of a receipt in characters (PayNearMe docs, Using Authorization Callbacks)."""

# The maximum length of each value that replaces a placeholder of this project.
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


# The texts of many sites are the same.
@lru_cache(maxsize=1024)
def _template(text: str) -> str:
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        raise invalid("has an unmatched brace: write {{ or }} for a brace") from None
    length = 0
    for literal, name, form, conversion in parts:
        length += len(literal)
        if name is None:
            continue
        if name not in _MAX_LENGTHS or form or conversion:
            raise invalid(f"has a placeholder other than {{{'}, {'.join(sorted(_MAX_LENGTHS))}}}")
        length += _MAX_LENGTHS[name]
    if length > MAX_TEXT:
        raise invalid(f"can exceed {MAX_TEXT} characters")
    if not set(_PLACEHOLDER_PATTERN.findall(text)) <= _PAYNEARME_PLACEHOLDERS:
        raise invalid("has a <pnm_…> placeholder that PayNearMe does not document")
    return text


Template = Annotated[
    str,
    # XML cannot contain these characters, and the response can be XML.
    StringConstraints(min_length=1, pattern=r"^[^\x00-\x1f\x7f\x{fffe}\x{ffff}]*$"),
    AfterValidator(_template),
]
"""A text of at most 3,000 characters, with this project's placeholders replaced. PayNearMe replaces its own."""


class ConsumerText(BaseModel):
    """The texts of a decision for the consumer. An acceptance has no ``decline_reason``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decline_reason: Template | None = None
    receipt: Template


def render(template: str, values: Mapping[str, str]) -> str:
    """Return a valid template with this project's placeholders replaced by ``values``."""
    return template.format_map(values)


def has_placeholders(template: str) -> bool:
    """Return whether a valid template contains a placeholder of this project."""
    return any(name is not None for _, name, _, _ in Formatter().parse(template))


_DECLINED_RECEIPT = "^This payment cannot be made."
_ACCEPTED_RECEIPT = (
    "Payment = <pnm_payment /><br>Fee = <pnm_fee /><br>Net Payment = <pnm_net /><br>Balance Due = <pnm_balance_due />"
)

DEFAULT_TEXTS: Mapping[Reason, ConsumerText] = {
    reason: ConsumerText(
        decline_reason=reason.decline_text,
        receipt=_ACCEPTED_RECEIPT if reason is Reason.ACCEPTED else _DECLINED_RECEIPT,
    )
    for reason in Reason
}
"""The texts of each reason that a policy does not replace."""
