"""The types of single parameters, read from the text that was on the wire.

The signature's text has no separators, so a value that swallowed its neighbour, name and all, fits the
same signature. What decides on money is typed so that it cannot swallow anything: amounts and flags by
their form, PayNearMe's identifiers by their alphabet; ``callbacks`` looks at the other identifiers.
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

_CENT = Decimal("0.01")
_MONEY = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,2})?", re.ASCII)
# How the names begin that can stand behind an identifier of PayNearMe's, those not known yet included.
_PARAMETER_NAME_PREFIX = re.compile(r"(pnm|pricing|refund|retailer|return|reversal|reverse|settlement|site|user)_[a-z]")
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])",
    re.ASCII | re.IGNORECASE,
)


def invalid(description: str) -> PydanticCustomError:
    """Return the error of a parameter that is not what it must be. ``description`` holds no value."""
    return PydanticCustomError("invalid", "{description}", {"description": description})


def one_of(literal: Any) -> BeforeValidator:
    """Return what admits the words of ``literal`` and names them to who sends another."""
    words = get_args(literal)
    requirement = f"must be {' or '.join(filter(None, (', '.join(words[:-1]), words[-1])))}"

    def read(value: object) -> object:
        if value not in words:
            raise invalid(requirement)
        return value

    return BeforeValidator(read)


def _money(value: object) -> Decimal:
    if isinstance(value, str) and _MONEY.fullmatch(value):
        return Decimal(value).quantize(_CENT)
    raise invalid("must be an amount like 25.00")


def _seconds(value: object) -> int:
    if isinstance(value, str) and _SECONDS.fullmatch(value):
        return int(value)
    raise invalid("must be seconds since 1970")


def _flag(value: object) -> bool:
    if value == "true" or value == "false":
        return value == "true"
    raise invalid("must be true or false")


def _calendar_date(value: object) -> date:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value, re.ASCII):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise invalid("must be a day that exists, as YYYY-MM-DD")


def _timestamp(value: object) -> datetime:
    if isinstance(value, str) and _TIMESTAMP.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            # No such day, or one that lies beyond the calendar in UTC.
            pass
    raise invalid("must be a time with its offset from UTC, like 2026-11-20T18:00:00-05:00")


def _positive(value: Decimal) -> Decimal:
    if value <= 0:
        raise invalid("must be more than nothing")
    return value


def _not_negative(value: Decimal) -> Decimal:
    if value.is_signed():
        raise invalid("must not be negative")
    return value


def _reject_parameter_name(value: str) -> str:
    if _PARAMETER_NAME_PREFIX.search(value):
        raise invalid("must not hold the name of a parameter")
    return value


def _none_if_invalid(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    try:
        return handler(value)
    except ValidationError:
        return None


Money = Annotated[
    Decimal,
    BeforeValidator(_money),
    WithJsonSchema({"type": "string", "pattern": r"^-?[0-9]{1,12}(\.[0-9]{1,2})?$"}),
]
"""Dollars and cents: up to 12 digits, at most two places, ``-`` allowed."""

PositiveMoney = Annotated[
    Money,
    AfterValidator(_positive),
    WithJsonSchema({"type": "string", "pattern": r"^(?!0+(\.0+)?$)[0-9]{1,12}(\.[0-9]{1,2})?$"}),
]
"""``Money``, more than nothing."""

NonNegativeMoney = Annotated[
    Money,
    AfterValidator(_not_negative),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,2})?$"}),
]
"""``Money``, nothing or more."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""An ISO 4217 code."""

EpochSeconds = Annotated[int, BeforeValidator(_seconds)]
"""Seconds since 1970-01-01 UTC."""

Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"enum": [True, False, "true", "false"]})]
"""``true`` or ``false``, as text or as a JSON boolean."""

CalendarDate = Annotated[date, BeforeValidator(_calendar_date)]
"""A day that exists, as YYYY-MM-DD."""

Timestamp = Annotated[datetime, BeforeValidator(_timestamp), WithJsonSchema({"type": "string", "format": "date-time"})]
"""A time as RFC 3339 has it, with its offset, read into UTC; what is finer than microseconds is cut off."""

PnmIdentifier = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$"), AfterValidator(_reject_parameter_name)
]
"""An identifier that PayNearMe made, digits in all documents, without any name of PayNearMe's kind in it."""

Identifier = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00-\x1f\x7f\x{fffe}\x{ffff}]{1,256}$"),
    # The same in the dialect of JSON Schema.
    WithJsonSchema({"type": "string", "pattern": r"^[^\u0000-\u001f\u007f\ufffe\uffff]{1,256}$"}),
]
"""1 to 256 characters, all of which XML can carry and a log line can show."""

FreeText = str
"""Free text. Its length is bounded by the request's: a longer limit here could be used to stop payments."""

LenientMoney = Annotated[Money | None, WrapValidator(_none_if_invalid)]
LenientCurrency = Annotated[Currency | None, WrapValidator(_none_if_invalid)]
LenientSeconds = Annotated[EpochSeconds | None, WrapValidator(_none_if_invalid)]
# PayNearMe may write differently what nobody here depends on: it is no reason to refuse a payment.


class PaymentType(StrEnum):
    """The documented funding methods. Apple Pay and Google Pay come as their card, Venmo as PayPal."""

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


class PricingScheduleName(StrEnum):
    """The documented pricing categories."""

    CONSUMER = "consumer"
    CONSUMER_RECURRING = "consumer_recurring"
    AGENT_RECURRING = "agent_recurring"


class UserDevice(StrEnum):
    """The documented devices."""

    MOBILE = "mobile"
    DESKTOP = "desktop"


# PayNearMe adds values without notice: a new one is kept as the text it is.
PaymentTypeOrOther = Annotated[PaymentType | Identifier, Field(union_mode="left_to_right")]
SiteChannelOrOther = Annotated[SiteChannel | Identifier, Field(union_mode="left_to_right")]
SiteSubchannelOrOther = Annotated[SiteSubchannel | Identifier, Field(union_mode="left_to_right")]
PricingScheduleNameOrOther = Annotated[PricingScheduleName | Identifier, Field(union_mode="left_to_right")]
UserDeviceOrOther = Annotated[UserDevice | Identifier, Field(union_mode="left_to_right")]
