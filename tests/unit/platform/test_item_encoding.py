"""The wire format of items, compared with boto3's."""

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from paynearme.platform.item_encoding import from_wire_item, to_wire

# DynamoDB stores at most 38 digits.
numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=2)
scalars = st.text() | numbers | st.integers(-(10**30), 10**30) | st.booleans() | st.none()
values = st.recursive(
    scalars | st.sets(st.text(min_size=1), min_size=1),
    lambda members: st.lists(members) | st.dictionaries(st.text(min_size=1), members),
    max_leaves=4,
)


def in_order(value: Any) -> Any:
    """Return a wire value with the members of sets in order."""
    if isinstance(value, dict):
        return {name: sorted(member) if name == "SS" else in_order(member) for name, member in value.items()}
    return [in_order(member) for member in value] if isinstance(value, list) else value


@given(values)
def test_item_encoding_value_as_by_boto3(value: Any) -> None:
    assert in_order(to_wire(value)) == in_order(TypeSerializer().serialize(value))


@given(st.dictionaries(st.text(min_size=1), values))
def test_item_encoding_item_decoded_as_by_boto3(item: dict[str, Any]) -> None:
    wire = {name: TypeSerializer().serialize(value) for name, value in item.items()}
    decoded = from_wire_item(wire)
    assert decoded == item == {name: TypeDeserializer().deserialize(value) for name, value in wire.items()}


def test_item_encoding_decimal_keeps_text() -> None:
    assert to_wire(Decimal("10.50")) == {"N": "10.50"}
    assert str(from_wire_item({"amount": {"N": "10.50"}})["amount"]) == "10.50"


@pytest.mark.parametrize("value", [1.5, b"1", object()])
def test_item_encoding_other_type_raises(value: object) -> None:
    with pytest.raises(TypeError):
        to_wire(value)


def test_item_encoding_other_wire_type_raises() -> None:
    with pytest.raises(TypeError, match=r"^B$"):
        from_wire_item({"blob": {"B": b"1"}})
