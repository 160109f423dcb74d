"""From parameters, as text, to a typed message, or to an error that names the parameters at fault."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, ValidationError

from paynearme.errors import InvalidMessageError

_DESCRIPTIONS = {"missing": "is required", "extra_forbidden": "is not a parameter of this call"}


class Message(BaseModel):
    """A message made of flat parameters. Unknown ones are kept in ``model_extra``.

    ``str`` and ``repr`` show no values, so that a message cannot reach a log by accident.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    def __repr__(self) -> str:
        """Return the kind of message and nothing that it says."""
        return f"<{type(self).__name__}>"

    __str__ = __repr__


def read_message[M: Message](model: type[M], parameters: Mapping[str, str]) -> M:
    """Return ``parameters`` as a ``model``.

    Raises ``InvalidMessageError`` with the names of the parameters that are missing or unreadable.
    """
    try:
        return model.model_validate(dict(parameters))
    except ValidationError as error:
        faults: dict[str, str] = {}
        for fault in error.errors(include_url=False, include_input=False):
            # A check over the whole message has no location: it carries its own faults.
            if fault["loc"]:
                name = str(fault["loc"][0])
                faults.setdefault(name, _DESCRIPTIONS.get(fault["type"], "is not readable"))
            else:
                faults.update(fault["ctx"]["faults"])
        raise InvalidMessageError(faults) from None
