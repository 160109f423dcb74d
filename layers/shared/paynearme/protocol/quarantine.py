"""Reasons for which an authentic callback cannot be processed, and the parameters that the quarantine stores."""

import re
from collections.abc import Mapping
from enum import StrEnum

from pydantic import TypeAdapter, ValidationError

from paynearme.protocol.types import Identifier, PnmIdentifier

MAX_VALUE_LENGTH = 256
"""The maximum length of a stored value, which is that of an identifier. A longer value is left out."""


class CallbackKind(StrEnum):
    """The endpoint of a callback, which PayNearMe's signature does not cover."""

    AUTHORIZATION = "authorization"
    CONFIRMATION = "confirmation"
    REVERSAL = "reversal"


class QuarantineReason(StrEnum):
    """The reason for which an authentic callback cannot be processed."""

    AMBIGUOUS_TEXT = "ambiguous_text"
    """The signed text is also that of another valid message with other money, another identity or another kind."""
    PUSH_CALLBACK = "push_callback"
    """The message is about a disbursement (a withdrawal), not about a payment to the merchant."""
    WRONG_ENDPOINT = "wrong_endpoint"
    """A reversal at the endpoint of confirmations, or the other way round."""
    UNSUPPORTED_CALLBACK = "unsupported_callback"
    """The message names no payment, as PayNearMe's callbacks about orders and schedules."""
    UNKNOWN_STATUS = "unknown_status"
    """The ``status`` of a confirmation is neither ``payment`` nor ``decline``."""
    CURRENCY_NOT_SUPPORTED = "currency_not_supported"
    """The amount to post or to debit is not in dollars."""
    INVALID_PARAMETERS = "invalid_parameters"
    """A required parameter is missing, or a parameter is malformed."""
    STALE_TIMESTAMP = "stale_timestamp"
    """The timestamp of an authorization is too far in the past or in the future."""
    UNEXPECTED_ERROR = "unexpected_error"
    """The function failed with an unexpected error while it processed the message."""


STORED_PARAMETERS = frozenset(
    {
        "due_to_child_amount",
        "due_to_child_currency",
        "due_to_parent_amount",
        "due_to_parent_currency",
        "due_to_recipient_amount",
        "due_to_recipient_currency",
        "due_to_site_amount",
        "due_to_site_currency",
        "net_payment_amount",
        "net_payment_currency",
        "payment_amount",
        "payment_currency",
        "payment_date",
        "payment_timestamp",
        "payment_type",
        "pnm_order_identifier",
        "pnm_payment_identifier",
        "pnm_schedule_identifier",
        "pnm_withheld_amount",
        "pnm_withheld_currency",
        "reverse_amount",
        "reverse_code",
        "reverse_currency",
        "reverse_date",
        "reverse_type",
        "site_channel",
        "site_customer_identifier",
        "site_identifier",
        "site_order_identifier",
        "site_payment_identifier",
        "site_subchannel",
        "standin",
        "status",
        "test",
        "timestamp",
        "version",
    }
)
"""The parameters that the quarantine stores: identifiers, amounts, currencies, types, statuses, dates and codes."""

# A moved boundary can put a consumer's text into a stored parameter. Such a value contains the name of that text.
_ABSORBED_NAME = re.compile(r"(?:agent|payment|pnm|retailer|reverse|site|user)_[a-z]|_pii")
_identifier: TypeAdapter[str] = TypeAdapter(Identifier)
_pnm_identifier: TypeAdapter[str] = TypeAdapter(PnmIdentifier)


def stored_parameters(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that the quarantine stores: those of the allow-list without free text."""
    return {
        name: value
        for name, value in sorted(parameters.items())
        if name in STORED_PARAMETERS
        and value
        and len(value) <= MAX_VALUE_LENGTH
        and value.isprintable()
        and not _ABSORBED_NAME.search(value)
    }


def omitted_parameters(parameters: Mapping[str, str]) -> list[str]:
    """Return the names of the allow-list that have a value and are not stored."""
    given = {name for name in STORED_PARAMETERS if parameters.get(name)}
    return sorted(given - stored_parameters(parameters).keys())


def parse_identifier(value: str | None) -> str | None:
    """Return the identifier, or ``None`` if no response can contain it."""
    return _valid(_identifier, value)


def order_identifier(parameters: Mapping[str, str]) -> str | None:
    """Return the order that a callback names, or ``None`` if no response can contain it."""
    return parse_identifier(parameters.get("pnm_order_identifier"))


def payment_identifier(parameters: Mapping[str, str]) -> str | None:
    """Return the payment that a callback names, or ``None`` if it names none that the ledger can contain."""
    return _valid(_pnm_identifier, parameters.get("pnm_payment_identifier"))


def _valid(adapter: TypeAdapter[str], value: str | None) -> str | None:
    try:
        return adapter.validate_python(value)
    except ValidationError:
        return None
