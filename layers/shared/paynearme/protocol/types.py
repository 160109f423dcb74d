"""Types of single parameters, parsed from their text on the wire.

The signed text has no separators, so a value that absorbs the next name has the same signature. Therefore amounts and
flags have a fixed format, and PayNearMe's identifiers have a small alphabet. ``callbacks`` validates the other
identifiers.
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import with_default_schema

PARAMETER_NAME_PREFIX = r"(?:pnm|pricing|refund|retailer|return|reversal|reverse|settlement|site|user)_[a-z]"
"""The start of the names that can follow an identifier of PayNearMe, with names that are not documented yet."""

_CENT = Decimal("0.01")
_MONEY = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,2})?", re.ASCII)
_EPOCH = re.compile(r"([0-9]{1,13})(?:\.[0-9]*)?", re.ASCII)
_PARAMETER_NAME = re.compile(PARAMETER_NAME_PREFIX)
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])",
    re.ASCII | re.IGNORECASE,
)


def invalid(description: str) -> PydanticCustomError:
    """Return the error of an invalid parameter. ``description`` must not contain its value."""
    return PydanticCustomError("invalid", "{description}", {"description": description})


def one_of(literal: Any) -> BeforeValidator:
    """Return a validator that accepts the values of ``literal``. Its error lists them."""
    choices = get_args(literal)
    requirement = f"must be {' or '.join(filter(None, (', '.join(choices[:-1]), choices[-1])))}"

    def validate(value: object) -> object:
        if value not in choices:
            raise invalid(requirement)
        return value

    return BeforeValidator(validate)


def matching(pattern: str, requirement: str) -> BeforeValidator:
    """Return a validator that accepts text that matches ``pattern`` in ASCII. Its error is ``requirement``."""
    compiled = re.compile(pattern, re.ASCII)

    def validate(value: object) -> str:
        if isinstance(value, str) and compiled.fullmatch(value):
            return value
        raise invalid(requirement)

    return BeforeValidator(validate)


def parse_money(value: object) -> Decimal:
    """Return the amount in ``value``, a text, with two places. Raises ``invalid`` if it is not an amount."""
    if isinstance(value, str) and _MONEY.fullmatch(value):
        return Decimal(value).quantize(_CENT)
    raise invalid("must be an amount like 25.00")


def parse_flag(value: object) -> bool:
    """Return the flag in ``value``, the text ``true`` or ``false``. Raises ``invalid`` for other values."""
    if value == "true" or value == "false":
        return value == "true"
    raise invalid("must be true or false")


def _calendar_date(value: object) -> date:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value, re.ASCII):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise invalid("must be an existing date in the format YYYY-MM-DD")


def _timestamp(value: object) -> datetime:
    if isinstance(value, str) and _TIMESTAMP.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            # The day does not exist, or the time in UTC is outside the calendar.
            pass
    raise invalid("must be a time with its offset from UTC, like 2026-11-20T18:00:00-05:00")


def _epoch_seconds(value: object) -> int:
    if isinstance(value, str) and (parsed := _EPOCH.fullmatch(value)):
        return int(parsed[1]) // (1000 if len(parsed[1]) == 13 else 1)
    raise invalid("must be seconds since 1970")


def _positive(value: Decimal) -> Decimal:
    if value <= 0:
        raise invalid("must be greater than zero")
    return value


def _not_negative(value: Decimal) -> Decimal:
    if value.is_signed():
        raise invalid("must not be negative")
    return value


def _reject_parameter_name(value: str) -> str:
    if _PARAMETER_NAME.search(value):
        raise invalid("must not contain the name of a parameter")
    return value


class _NoneIfInvalid:
    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return with_default_schema(handler(source), default=None, on_error="default")


_T = TypeVar("_T")

Lenient = Annotated[_T | None, _NoneIfInvalid()]
"""A value that no decision depends on: ``None`` if it is invalid, so that PayNearMe can change its format."""

Money = Annotated[
    Decimal,
    BeforeValidator(parse_money),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,2})?$"}),
]
"""Dollars and cents: up to 12 digits and at most two decimals. ``-`` is allowed."""

PositiveMoney = Annotated[
    Money,
    AfterValidator(_positive),
    WithJsonSchema({"type": "string", "pattern": r"^(?!0+(\.0+)?$)[0-9]{1,12}(\.[0-9]{1,2})?$"}),
]
"""``Money`` greater than zero."""

NonNegativeMoney = Annotated[
    Money, AfterValidator(_not_negative), WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,2})?$"})
]
"""``Money`` of zero or more."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""An ISO 4217 code."""

EpochSeconds = Annotated[int, BeforeValidator(_epoch_seconds)]
"""Seconds since 1970-01-01 UTC. A value of 13 digits is in milliseconds, and a fraction is ignored."""

Flag = Annotated[bool, BeforeValidator(parse_flag), WithJsonSchema({"enum": [True, False, "true", "false"]})]
"""``true`` or ``false``, as text or as a JSON boolean."""

CalendarDate = Annotated[date, BeforeValidator(_calendar_date)]
"""An existing date in the format YYYY-MM-DD."""

Timestamp = Annotated[datetime, BeforeValidator(_timestamp), WithJsonSchema({"type": "string", "format": "date-time"})]
"""An RFC 3339 time with its offset, converted to UTC and truncated to microseconds."""

PnmIdentifier = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$"), AfterValidator(_reject_parameter_name)
]
"""An identifier of PayNearMe without the start of a parameter name. PayNearMe's samples contain only digits."""

Identifier = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00-\x1f\x7f\x{fffe}\x{ffff}]{1,256}$"),
    # The same pattern in the dialect of JSON Schema.
    WithJsonSchema({"type": "string", "pattern": r"^[^\u0000-\u001f\u007f\ufffe\uffff]{1,256}$"}),
]
"""1 to 256 characters that XML and a log line can contain."""

FreeText = str
"""Free text. Only the size of the request limits it, because a consumer could exceed a limit and block payments."""


class PaymentType(StrEnum):
    """The documented payment types. Apple Pay and Google Pay have the type of their card, Venmo has ``paypal``."""

    CASH = "cash"
    CREDIT = "credit"
    DEBIT = "debit"
    ACH = "ach"
    PAYPAL = "paypal"
    CASH_APP = "cash_app"


class SiteChannel(StrEnum):
    """The documented sources of a payment."""

    CONSUMER = "consumer"
    CONSUMER_RECURRING = "consumer_recurring"
    AGENT_RECURRING = "agent_recurring"


class SiteSubchannel(StrEnum):
    """The documented kinds of schedules."""

    SCHEDULED_ONE_TIME = "scheduled_one_time"
    SCHEDULED_RECURRING = "scheduled_recurring"


# PayNearMe adds values without notice, so a new value stays text.
PaymentTypeOrOther = Annotated[PaymentType | Identifier, Field(union_mode="left_to_right")]
SiteChannelOrOther = Annotated[SiteChannel | Identifier, Field(union_mode="left_to_right")]
SiteSubchannelOrOther = Annotated[SiteSubchannel | Identifier, Field(union_mode="left_to_right")]
