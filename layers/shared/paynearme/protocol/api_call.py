"""Shared base of the requests to PayNearMe, from the merchant's backend, and of PayNearMe's responses.

A request has PayNearMe's own parameters and no others. A response has the fields that a backend needs. PayNearMe may
send identifiers and amounts as numbers.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from paynearme.protocol.api_responses import Dollars
from paynearme.protocol.parsing import Message, RedactedModel
from paynearme.protocol.signing import UNSIGNED
from paynearme.protocol.types import FreeText, Identifier, matching, one_of, parse_flag, parse_money

_ENVELOPE_FIELDS = {"site_identifier", "timestamp", "version", "signature"}
# Set by the client, or excluded from signatures by PayNearMe's sample code.
_RESERVED = UNSIGNED | {"api_key_id", "site_payment_identifier", "controller", "route_info"}
_ADDITIONAL = "additional_parameters."
_MAX_ADDITIONAL_COUNT = 32
_MAX_ADDITIONAL_NAME = 64
_ADDITIONAL_TEXT = re.compile(r"[^\x00-\x1f\x7f\ufffe\uffff]{0,2048}")


def _strip_spaces(value: object) -> object:
    # PayNearMe's sample ends with a space.
    return value.strip(" ") if isinstance(value, str) else value


def _wire_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


AdditionalParameters = Annotated[
    dict[str, str],
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": f"^[a-z][a-z0-9_]{{0,{_MAX_ADDITIONAL_NAME - 1}}}$"},
            "additionalProperties": {"type": ["string", "number", "boolean", "null"], "maxLength": 2048},
            "maxProperties": _MAX_ADDITIONAL_COUNT,
        }
    ),
]
"""Parameters by name, with values as text."""


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
    additional_parameters: AdditionalParameters | None = Field(
        default=None,
        exclude=True,
        description="PayNearMe's parameters that this request does not define. They are signed and sent. Their values "
        "are never stored or logged.",
    )

    @model_validator(mode="before")
    @classmethod
    def _nest_additional_parameters(cls, parameters: Any) -> Any:
        additional = _additional_parameters(parameters)
        others = {name: value for name, value in parameters.items() if not name.startswith(_ADDITIONAL)}
        return {**others, "additional_parameters": additional} if additional else others

    @classmethod
    def cross_field_errors(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return errors for the additional parameters, by names like ``additional_parameters.name``."""
        additional = _additional_parameters(parameters)
        errors = {}
        if len(additional) > _MAX_ADDITIONAL_COUNT:
            errors[_ADDITIONAL.rstrip(".")] = f"must have at most {_MAX_ADDITIONAL_COUNT} entries"
        for name, text in additional.items():
            if name in cls.model_fields or name in _RESERVED:
                errors[_ADDITIONAL + name] = "must not be an additional parameter"
            elif len(name) > _MAX_ADDITIONAL_NAME or not _ADDITIONAL_TEXT.fullmatch(text):
                errors[_ADDITIONAL + name[:_MAX_ADDITIONAL_NAME]] = "is invalid"
        return errors

    def to_parameters(self) -> dict[str, str]:
        """Return the set fields as text for signing and sending, without the fields of every request."""
        values = self.model_dump(mode="json", exclude_none=True, exclude=_ENVELOPE_FIELDS)
        return {name: _wire_text(value) for name, value in values.items()} | (self.additional_parameters or {})


def _additional_parameters(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the additional parameters of a request by their own names."""
    return {n.removeprefix(_ADDITIONAL): text for n, text in parameters.items() if n.startswith(_ADDITIONAL)}


def identifier_text(value: object) -> object:
    """Return an integer as text, and any other value unchanged."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


UsDollars = Annotated[Literal["USD"], one_of(Literal["USD"])]
"""The only currency."""

WholeNumber = Annotated[
    str,
    matching(r"[1-9][0-9]{0,9}", "must be a positive whole number"),
    WithJsonSchema({"type": ["string", "integer"], "pattern": "^[1-9][0-9]{0,9}$", "minimum": 1}),
]
"""A number above zero in a request, as text or as a JSON number."""

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


def valid_entries[M: PayNearMeResponse](model: type[M], *, required: bool = False) -> BeforeValidator:
    """Return a validator that leaves out the invalid entries of a list.

    If ``required``, a value without a list, and a list of invalid entries only, is invalid. Otherwise it is empty. The
    context of the validation can be a list: the names of the models of the invalid entries are added to it.
    """

    def validate(value: object, info: ValidationInfo) -> object:
        valid: list[M] = []
        for entry in value if isinstance(value, list) else []:
            try:
                valid.append(model.model_validate(entry, context=info.context))
            except ValidationError:
                if isinstance(info.context, list):
                    info.context.append(model.__name__)
        return value if required and not valid else valid

    return BeforeValidator(validate)


def is_success(http_status: int, content: Mapping[str, Any]) -> bool:
    """Return whether PayNearMe processed the request: any 2xx with the status ``ok``."""
    return 200 <= http_status < 300 and status_word(content.get("status")) == "ok"


def is_rejection(http_status: int, content: Mapping[str, Any]) -> bool:
    """Return whether PayNearMe rejected the request: the status ``error``, or a 400 with errors or a code."""
    is_error = status_word(content.get("status")) == "error"
    return is_error or (http_status == 400 and bool(content.get("errors") or error_code(content)))


def error_code(content: Mapping[str, Any]) -> str | None:
    """Return the ``response_code`` as text, or ``None`` for success (``0``) and without one."""
    code = identifier_text(content.get("response_code"))
    return code.strip() if isinstance(code, str) and code.strip(" 0") else None


def status_word(value: object) -> str | None:
    """Return a status in lowercase with single spaces, or ``None`` if it is missing or empty."""
    return " ".join(str(value).lower().replace("_", " ").split()) or None if value is not None else None


def single_object(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the object ``name``, the only entry of the list ``<name>s``, or ``content`` itself without both.

    An empty object counts as missing.
    """
    for value in (content.get(name), content.get(f"{name}s")):
        only_entry = value[0] if isinstance(value, list) and len(value) == 1 else value
        if isinstance(only_entry, Mapping) and only_entry:
            return only_entry
    return content
