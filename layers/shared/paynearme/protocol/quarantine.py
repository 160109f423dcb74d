"""Reasons for which an authentic callback cannot be processed, and the parameters that the quarantine stores."""

import re
from collections.abc import Mapping
from enum import StrEnum

from pydantic import TypeAdapter, ValidationError

from paynearme.protocol.types import Identifier

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
    """A confirmation or a reversal at another endpoint."""
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

# A moved boundary can put a consumer's text into a stored parameter, so a value has the format of its parameter. The
# first two patterns find the name of such a text in a merchant's identifier and in a word.
_ABSORBED_NAME = re.compile(r"[a-z]{2}_[a-z]|_pii|[0-9]{6}[a-z]")
_ABSORBED_TEXT = re.compile(r"(?:agent|payment|pnm|retailer|reverse|site|user)_[a-z]|_pii")
_AMOUNT = re.compile(r"-?[0-9][0-9.,]{0,19}")
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_TIME = re.compile(r"[0-9TZ:.+ -]{1,40}")
_FLAG = re.compile(r"[A-Za-z]{1,5}")
_VERSION = re.compile(r"[0-9.]{1,8}")
_PNM_IDENTIFIER = re.compile(r"(?!.*[0-9]{6}[a-z])[A-Za-z0-9-]{1,64}")
_WORDS = re.compile(r"[A-Za-z0-9 _.-]{1,64}")
_TIMES = ("payment_date", "payment_timestamp", "reverse_date", "timestamp")
_identifier: TypeAdapter[str] = TypeAdapter(Identifier)


def _format_of(name: str) -> re.Pattern[str] | None:
    """Return the format of a stored parameter, or ``None`` for a merchant's identifier and for a word."""
    if name.startswith("pnm_") and name.endswith("_identifier"):
        return _PNM_IDENTIFIER
    if name in _TIMES:
        return _TIME
    formats = {"amount": _AMOUNT, "currency": _CURRENCY, "standin": _FLAG, "test": _FLAG, "version": _VERSION}
    return formats.get(name.rpartition("_")[2])


def _is_storable(name: str, value: str, reason: QuarantineReason) -> bool:
    if (value_format := _format_of(name)) is not None:
        return value_format.fullmatch(value) is not None
    if reason is QuarantineReason.AMBIGUOUS_TEXT:
        # Each value can contain another parameter. It is never replayed.
        return name == "site_identifier"
    if name.endswith("_identifier"):
        return len(value) <= MAX_VALUE_LENGTH and value.isprintable() and not _ABSORBED_NAME.search(value)
    return _WORDS.fullmatch(value) is not None and not _ABSORBED_TEXT.search(value)


def stored_parameters(parameters: Mapping[str, str], reason: QuarantineReason) -> dict[str, str]:
    """Return the parameters that the quarantine stores: those of the allow-list in the format of their parameter."""
    return {
        name: value
        for name, value in sorted(parameters.items())
        if name in STORED_PARAMETERS and value and _is_storable(name, value, reason)
    }


def omitted_parameters(parameters: Mapping[str, str], reason: QuarantineReason) -> list[str]:
    """Return the names of the allow-list that have a value and are not stored."""
    given = {name for name in STORED_PARAMETERS if parameters.get(name)}
    return sorted(given - stored_parameters(parameters, reason).keys())


def parse_identifier(value: str | None) -> str | None:
    """Return the identifier, or ``None`` if no response can contain it."""
    try:
        return _identifier.validate_python(value)
    except ValidationError:
        return None


def order_identifier(parameters: Mapping[str, str]) -> str | None:
    """Return the order that a callback names, or ``None`` if no response can contain it."""
    return parse_identifier(parameters.get("pnm_order_identifier"))


def pnm_identifier(parameters: Mapping[str, str], name: str) -> str | None:
    """Return PayNearMe's identifier ``name``, or ``None`` if it is missing or can contain another parameter."""
    value = parameters.get(name, "")
    return value if _PNM_IDENTIFIER.fullmatch(value) else None
