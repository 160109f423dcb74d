"""Parse text parameters into a typed message, or raise an error with the names of the invalid ones."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from paynearme.errors import ValidationFailedError

_DESCRIPTIONS = {"missing": "is required", "extra_forbidden": "is not a parameter of this request"}


class RedactedModel(BaseModel):
    """A model without values in ``str``, ``repr`` and its errors, so that no value reaches a log by accident."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    def __repr__(self) -> str:
        """Return only the name of the class."""
        return f"<{type(self).__name__}>"

    __str__ = __repr__


class Message(RedactedModel):
    """A message of flat parameters. ``model_extra`` contains the unknown ones."""

    model_config = ConfigDict(extra="allow")

    header_fields: ClassVar[tuple[str, ...]] = ()
    """The parameters that are headers of the request."""

    @classmethod
    def cross_field_errors(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return cross-field errors by parameter name."""
        return {}


def read_message[M: Message](model: type[M], parameters: Mapping[str, str]) -> M:
    """Return ``parameters`` as a ``model``.

    Raises ``ValidationFailedError`` with the names of the missing and invalid parameters.
    """
    errors = model.cross_field_errors(parameters)
    try:
        message = model.model_validate(dict(parameters))
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            # pydantic's own messages can quote a value. Those of type ``invalid`` are this project's.
            is_invalid = detail["type"] == "invalid"
            description = detail["msg"] if is_invalid else _DESCRIPTIONS.get(detail["type"], "is invalid")
            errors[str(detail["loc"][0])] = description
        raise ValidationFailedError(errors) from None
    if errors:
        raise ValidationFailedError(errors)
    return message
