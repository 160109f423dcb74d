"""Shared base of the requests to PayNearMe, from the merchant's backend, and of PayNearMe's responses.

A request has PayNearMe's own parameters and no others. A response has the fields that a backend needs. PayNearMe may
send identifiers and amounts as numbers.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict

from paynearme.protocol.api_responses import Dollars
from paynearme.protocol.parsing import Message, RedactedModel
from paynearme.protocol.types import FreeText, Identifier, one_of, parse_flag, parse_money

_ENVELOPE_FIELDS = {"site_identifier", "timestamp", "version", "signature"}


def _strip_spaces(value: object) -> object:
    # PayNearMe's sample ends with a space.
    return value.strip(" ") if isinstance(value, str) else value


def _wire_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class PayNearMeRequest(Message):
    """A request of the merchant's backend to PayNearMe.

    ``site_identifier`` selects the site. Without it, the default site applies. ``timestamp``, ``version`` and
    ``signature`` are accepted and replaced, so that PayNearMe's samples can be sent unchanged.
    """

    model_config = ConfigDict(extra="forbid")

    site_identifier: Annotated[Identifier, BeforeValidator(_strip_spaces)] | None = None
    timestamp: FreeText | None = None
    version: FreeText | None = None
    signature: FreeText | None = None

    def to_parameters(self) -> dict[str, str]:
        """Return the set fields as text for signing and sending, without the fields of every request."""
        values = self.model_dump(mode="json", exclude_none=True, exclude=_ENVELOPE_FIELDS)
        return {name: _wire_text(value) for name, value in values.items()}


def identifier_text(value: object) -> object:
    """Return an integer as text, and any other value unchanged."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


UsDollars = Annotated[Literal["USD"], one_of(Literal["USD"])]
"""The only currency."""

IdentifierText = Annotated[str, BeforeValidator(identifier_text)]
"""An identifier or a text that PayNearMe may send as a number."""

ResponseFlag = Annotated[bool, BeforeValidator(lambda value: parse_flag(_wire_text(value)))]
"""``true`` or ``false``, as text or as a boolean."""

ResponseAmount = Annotated[
    Dollars, BeforeValidator(lambda value: parse_money(str(value) if isinstance(value, int | float) else value))
]
"""An amount, as text or as a number."""


class PayNearMeResponse(RedactedModel):
    """The fields of PayNearMe's response that a backend needs."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)
