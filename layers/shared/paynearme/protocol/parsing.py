"""From parameters, as text, to a typed message, or to an error that names the parameters at fault."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from paynearme.errors import ValidationFailedError

_DESCRIPTIONS = {"missing": "is required", "extra_forbidden": "is not a parameter of this call"}


def _description(error_type: str, message: str) -> str:
    """Return what to say of a fault. pydantic's own messages may quote what was sent; ours do not."""
    return message if error_type == "invalid" else _DESCRIPTIONS.get(error_type, "is not readable")


class Message(BaseModel):
    """A message made of flat parameters. Unknown ones are kept in ``model_extra``.

    ``str`` and ``repr`` show no values, so that a message cannot reach a log by accident.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    header_fields: ClassVar[tuple[str, ...]] = ()
    """The parameters that come as headers of the request."""

    @classmethod
    def cross_field_errors(cls, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return what is wrong with the parameters together, by name: each may be well by itself."""
        return {}

    def __repr__(self) -> str:
        """Return the kind of message and nothing that it says."""
        return f"<{type(self).__name__}>"

    __str__ = __repr__


def read_message[M: Message](model: type[M], parameters: Mapping[str, str]) -> M:
    """Return ``parameters`` as a ``model``.

    Raises ``ValidationFailedError`` with the names of the parameters that are missing or unreadable.
    """
    errors = model.cross_field_errors(parameters)
    try:
        message = model.model_validate(dict(parameters))
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            errors[str(detail["loc"][0])] = _description(detail["type"], detail["msg"])
        raise ValidationFailedError(errors) from None
    if errors:
        raise ValidationFailedError(errors)
    return message
