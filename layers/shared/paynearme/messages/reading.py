"""From parameters, as text, to a typed message, or to an error that names the parameters at fault."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from paynearme.errors import ValidationFailedError

_DESCRIPTIONS = {"missing": "is required", "extra_forbidden": "is not a parameter of this call"}


def _described(kind: str, message: str) -> str:
    """Return what to say of a fault. pydantic's own messages may quote what was sent; ours do not."""
    return message if kind == "unreadable" else _DESCRIPTIONS.get(kind, "is not readable")


class Message(BaseModel):
    """A message made of flat parameters. Unknown ones are kept in ``model_extra``.

    ``str`` and ``repr`` show no values, so that a message cannot reach a log by accident.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    in_headers: ClassVar[tuple[str, ...]] = ()
    """The parameters that come as headers of the request."""

    @classmethod
    def faults_together(cls, parameters: Mapping[str, str]) -> dict[str, str]:
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
    faults = model.faults_together(parameters)
    try:
        message = model.model_validate(dict(parameters))
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            faults[str(fault["loc"][0])] = _described(fault["type"], fault["msg"])
        raise ValidationFailedError(faults) from None
    if faults:
        raise ValidationFailedError(faults)
    return message
