"""What the calls to PayNearMe share: a merchant's backend asks us, and we ask PayNearMe.

What is asked are PayNearMe's own parameters, and no others. What PayNearMe answers is trimmed to what a
backend needs; it may spell identifiers and amounts as numbers.
"""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from paynearme.protocol.api_responses import Dollars
from paynearme.protocol.parsing import Message
from paynearme.protocol.types import FreeText, Identifier, one_of

_AMOUNT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,2})?", re.ASCII)
_ENVELOPE_FIELDS = {"site_identifier", "timestamp", "version", "signature"}


def _strip_spaces(value: object) -> object:
    # The guide's own example ends with one.
    return value.strip(" ") if isinstance(value, str) else value


def _wire_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class PayNearMeRequest(Message):
    """What the merchant's backend asks of PayNearMe.

    ``site_identifier`` picks the site; without it the default one is meant. What every call carries,
    ``timestamp``, ``version`` and ``signature``, may be given, so that PayNearMe's examples can be sent
    as they stand, and is replaced by our own.
    """

    model_config = ConfigDict(extra="forbid")

    site_identifier: Annotated[Identifier, BeforeValidator(_strip_spaces)] | None = None
    timestamp: FreeText | None = None
    version: FreeText | None = None
    signature: FreeText | None = None

    def to_parameters(self) -> dict[str, str]:
        """Return what is set, as the text that is signed and sent, without what every call carries."""
        values = self.model_dump(mode="json", exclude_none=True, exclude=_ENVELOPE_FIELDS)
        return {name: _wire_text(value) for name, value in values.items()}


def identifier_text(value: object) -> object:
    """Return a whole number as the text that it is, and everything else as it stands."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _flag_or_none(value: object) -> object:
    return {"true": True, "false": False}.get(_wire_text(value))


def _amount_or_none(value: object) -> object:
    text = str(value)
    is_amount = isinstance(value, str | int | float) and _AMOUNT.fullmatch(text)
    return Decimal(text).quantize(Decimal("0.01")) if is_amount else None


def _text_or_none(value: object) -> object:
    text = identifier_text(value)
    return text if isinstance(text, str) else None


UsDollars = Annotated[Literal["USD"], one_of(Literal["USD"])]
"""The only currency."""

IdentifierText = Annotated[str, BeforeValidator(identifier_text)]
"""An identifier that PayNearMe may spell as a number."""

LenientText = Annotated[str | None, BeforeValidator(_text_or_none)]
"""A text that only informs; None where PayNearMe tells something else."""

LenientFlag = Annotated[bool | None, BeforeValidator(_flag_or_none)]
"""``true`` or ``false`` as PayNearMe may spell it; None where it is neither."""

LenientAmount = Annotated[Dollars | None, BeforeValidator(_amount_or_none)]
"""An amount as PayNearMe may spell it; None where it is none."""


class PayNearMeResponse(BaseModel):
    """What PayNearMe answered, as far as a backend needs it. ``str`` and ``repr`` show nothing of it."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, json_schema_serialization_defaults_required=True)

    def __repr__(self) -> str:
        """Return the kind of answer and nothing that it says."""
        return f"<{type(self).__name__}>"

    __str__ = __repr__
