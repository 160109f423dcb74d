"""The wire format of DynamoDB for the types of this table's attributes."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def to_wire(value: Any) -> dict[str, Any]:
    """Return the attribute value of text, a number, ``bool``, ``None``, a list, a map or a set of text.

    A ``Decimal`` keeps its exact text. Raises ``TypeError`` for other types.
    """
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, (Decimal, int)):
        return {"N": str(value)}
    if value is None:
        return {"NULL": True}
    if isinstance(value, dict):
        return {"M": {name: to_wire(member) for name, member in value.items()}}
    if isinstance(value, (set, frozenset)):
        return {"SS": sorted(value)}
    if isinstance(value, (list, tuple)):
        return {"L": [to_wire(member) for member in value]}
    raise TypeError(type(value).__name__)


def from_wire(value: Mapping[str, Any]) -> Any:
    """Return the value of an attribute. Raises ``TypeError`` for a type that ``to_wire`` does not write."""
    [(kind, content)] = value.items()
    match kind:
        case "S" | "BOOL":
            return content
        case "N":
            return Decimal(content)
        case "SS":
            return set(content)
        case "M":
            return from_wire_item(content)
        case "L":
            return [from_wire(member) for member in content]
        case "NULL":
            return None
    raise TypeError(kind)


def from_wire_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of an item."""
    return {name: from_wire(value) for name, value in item.items()}
