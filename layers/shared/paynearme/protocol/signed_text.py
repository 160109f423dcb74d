"""The documented parameters in a signed text, and the format of their values.

A signed text has no separators, so a documented name is a candidate for a parameter wherever a possible value follows
it. ``split_search`` combines the candidates to complete messages.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Set
from enum import Enum
from functools import lru_cache

from pydantic.fields import FieldInfo

from paynearme.protocol.signing import UNSIGNED, VERSION_PATTERN
from paynearme.protocol.types import PaymentType, SiteChannel, SiteSubchannel

PUSH_PREFIX = "due_to_recipient_"
"""The start of the names that only a disbursement has."""


class ValueFormat(Enum):
    """The possible ends of a value: one (``FIXED``), or any position."""

    FIXED = "fixed"
    OPEN = "open"
    """An identifier, or a word from a list that PayNearMe extends. It rarely contains another documented parameter."""
    TEXT = "text"


_AMOUNT = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,2})?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_FLAG = re.compile(r"true|false")
_STATUS = re.compile(r"\s*(?:payment|decline)\s*", re.IGNORECASE)
_TIMESTAMP = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_VERSION = re.compile(VERSION_PATTERN.strip("^$"))
# PayNearMe's new names continue a documented name with an underscore or ``s_``.
_PNM_IDENTIFIER = re.compile(r"(?!s?_)[A-Za-z0-9-]")
# A merchant's text has a separator
# after a name, such as the quotation mark of JSON.
_OPEN = re.compile(r"""(?!s_|[\s_"'`:=,.;)\]}>])""")
_TEXT = re.compile(r"(?!s?_)")

# The fields that determine money, identity or kind.
_DECISIVE: Mapping[str, tuple[ValueFormat, re.Pattern[str]]] = {
    **dict.fromkeys(("net_payment_amount", "payment_amount", "reverse_amount"), (ValueFormat.FIXED, _AMOUNT)),
    **dict.fromkeys(("net_payment_currency", "payment_currency", "reverse_currency"), (ValueFormat.FIXED, _CURRENCY)),
    **dict.fromkeys(("standin", "test"), (ValueFormat.FIXED, _FLAG)),
    "status": (ValueFormat.FIXED, _STATUS),
    **dict.fromkeys(("pnm_order_identifier", "pnm_payment_identifier"), (ValueFormat.OPEN, _PNM_IDENTIFIER)),
    **dict.fromkeys(("payment_type", "reverse_code", "reverse_type"), (ValueFormat.OPEN, _OPEN)),
    **dict.fromkeys(("site_channel", "site_subchannel"), (ValueFormat.OPEN, _OPEN)),
    **dict.fromkeys(
        ("site_customer_identifier", "site_order_identifier", "site_payment_identifier"), (ValueFormat.OPEN, _OPEN)
    ),
    **dict.fromkeys(("reverse_reason", PUSH_PREFIX), (ValueFormat.TEXT, _TEXT)),
}
_DECISIVE_OF_REVERSALS = {name: value for name, value in _DECISIVE.items() if name != "status"}
_ANY = re.compile("")
KNOWN_VALUES: Mapping[str, tuple[str, ...]] = {
    # The last two are types of disbursements, which are also names that can follow.
    "payment_type": (*PaymentType, "pin4", "payout"),
    "site_channel": tuple(SiteChannel),
    "site_subchannel": tuple(SiteSubchannel),
    **dict.fromkeys(("standin", "test"), ("true", "false")),
    "status": ("payment", "decline"),
}
"""The decisive fields with documented values."""
# The names without an underscore, with the start of their values, because they are also words.
_SHORT_NAMES = r"(?:test|standin)(?:true|false)|status(?:payment|decline)|timestamp[0-9]|version[23]"
_NEW_NAME = re.compile(r"s?_")
_MAX_NAME_LENGTH = 64
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


class SignedText:
    """A received message, its signed text, and the offset of each parameter in it."""

    def __init__(
        self,
        parameters: Mapping[str, str],
        model_fields: Mapping[str, FieldInfo],
        all_field_names: Set[str],
        exempt: Set[str],
    ) -> None:
        """Sort and join ``parameters``. ``model_fields`` are those of the message, the other names of all callbacks."""
        self.parameters = parameters
        self.required = {name for name, field in model_fields.items() if field.is_required()}
        # The status of a reversal is any text.
        has_any_status = "status" in model_fields and "status" not in self.required
        self.decisive = _DECISIVE_OF_REVERSALS if has_any_status else _DECISIVE
        self.names = sorted(parameters.keys() - UNSIGNED)
        self.values = [parameters[name] for name in self.names]
        self.exempt = exempt
        self.documented = documented_names(frozenset(all_field_names))
        self.offsets: list[int] = []
        parts: list[str] = []
        position = 0
        for name, value in zip(self.names, self.values, strict=True):
            self.offsets.append(position)
            parts += (name, value)
            position += len(name) + len(value)
        self.text = "".join(parts)
        self.index_at = dict(zip(self.offsets, range(len(self.names)), strict=True))
        self.name_indexes = self._name_indexes()

    def _name_indexes(self) -> list[int | None]:
        """Return the index of each documented name, or ``None``. Nulls and empty values count as absent."""
        indexes = self.documented.indexes
        found = [indexes.get(name) if value else None for name, value in zip(self.names, self.values, strict=True)]
        for position, name in enumerate(self.names):
            if found[position] is None and name.startswith(PUSH_PREFIX):
                found[position] = indexes[PUSH_PREFIX]
                break
        return found

    def next_documented(self, index: int) -> int:
        """Return the index of the next parameter with a documented name and a value, or the number of parameters."""
        index += 1
        while index < len(self.names) and self.name_indexes[index] is None:
            index += 1
        return index

    def format_of(self, name: str) -> tuple[ValueFormat, re.Pattern[str]]:
        """Return the format of the values of a documented name."""
        if name == "site_identifier":
            # It selected the key, so every split has the same value.
            return ValueFormat.FIXED, re.compile(re.escape(self.parameters.get(name, "")))
        if name == "version":
            return ValueFormat.FIXED, _VERSION
        if name == "timestamp" and name in self.required:
            return ValueFormat.FIXED, _TIMESTAMP
        return self.decisive.get(name, (ValueFormat.TEXT, _ANY))

    def owner(self, position: int) -> int:
        """Return the index of the parameter that contains ``position``."""
        return bisect_right(self.offsets, position) - 1

    def foreign_positions(self, name: str) -> Iterator[int]:
        """Yield the positions of a documented name that are not the start of its own parameter."""
        position = self.text.find(name)
        while position >= 0:
            index = self.index_at.get(position)
            if index is None or self.names[index] != name:
                yield position
            position = self.text.find(name, position + 1)

    def hidden_decisive(self, name: str) -> Iterator[int]:
        """Yield the positions at which another split of the text can have this decisive field."""
        for position in self.foreign_positions(name):
            end = position + len(name)
            if self.can_be_value(name, end) and self._is_hidden(name, position, end):
                yield position

    def can_be_value(self, name: str, position: int) -> bool:
        """Return whether a value of a decisive field can start at ``position``."""
        value_format, pattern = self.decisive[name]
        if not pattern.match(self.text, position):
            return False
        return value_format is ValueFormat.FIXED or position < len(self.text)

    @property
    def _name_pattern(self) -> re.Pattern[str]:
        return self.documented.pattern if "status" in self.decisive else self.documented.pattern_with_any_status

    def has_unlikely_parameter(self) -> bool:
        """Return whether a documented parameter follows in an open value, or at the start of an unknown name."""
        for index, name in enumerate(self.names):
            offset, value = self.offsets[index], self.values[index]
            if self.name_indexes[index] is None:
                if self._name_pattern.match(self.text, offset) and name not in self.documented.indexes:
                    return True
            elif self.decisive.get(name, (None,))[0] is ValueFormat.OPEN:
                start = offset + len(name)
                found = self._name_pattern.search(self.text, start, start + len(value) + _MAX_NAME_LENGTH)
                if found and found.start() < start + len(value):
                    return True
        return False

    def is_inside_documented_name(self, position: int, end: int) -> bool:
        """Return whether a name is a part of a documented name of the message."""
        index = self.owner(position)
        name = self.names[index]
        return end <= self.offsets[index] + len(name) and name in self.documented.indexes

    def is_repeated(self, name: str, position: int) -> bool:
        """Return whether a decisive field with the value at ``position`` has the value that the message has."""
        received = self.parameters.get(name, "")
        value_format, pattern = self.decisive[name]
        value = pattern.match(self.text, position)
        if value_format is not ValueFormat.FIXED or value is None:
            return False
        return value[0].strip().lower() == received.strip().lower()

    def _is_hidden(self, name: str, position: int, end: int) -> bool:
        """Return whether the parameter that contains ``name`` can be split there."""
        index = self.owner(position)
        owner, offset = self.names[index], self.offsets[index]
        owner_end = offset + len(owner)
        if position >= owner_end:
            # A consumer who writes a field that the message has gains nothing, and could block the callbacks.
            is_inside = end <= owner_end + len(self.values[index])
            return not (is_inside and owner in self.exempt and self.parameters.get(name))
        if end > owner_end:
            return True
        if owner in self.documented.indexes or (name == PUSH_PREFIX and position == offset):
            return False
        if end == owner_end:
            # A new name can end with an underscore and a documented name. A value does not.
            return self.text[position - 1] != "_"
        return not _NEW_NAME.match(owner, end - offset) or self.text.startswith(KNOWN_VALUES.get(name, ()), end)

    def name_above(self, position: int, lower: str) -> str | None:
        """Return the shortest name at ``position`` that sorts after ``lower``, or ``None``."""
        text, length = self.text, 0
        for character in lower:
            if not text.startswith(character, position + length):
                break
            length += 1
        end = position + length
        following = text[end : end + 1]
        is_name = following in _NAME_CHARACTERS and (length > 0 or following.isalpha())
        if not is_name or following <= lower[length : length + 1]:
            return None
        name = text[position : end + 1]
        if name not in UNSIGNED:
            return name
        # A longer name is signed.
        return text[position : end + 2] if text[end + 1 : end + 2] in _NAME_CHARACTERS else None


class DocumentedNames:
    """The documented names in their order, and a pattern for a documented name and the start of its value."""

    def __init__(self, names: Set[str]) -> None:
        """Sort ``names`` and compile the patterns."""
        self.names = sorted({*names, *_DECISIVE})
        self.indexes = {name: index for index, name in enumerate(self.names)}
        long_names = "|".join(sorted((name for name in self.names if "_" in name), key=len, reverse=True))
        self.pattern = re.compile(f"{long_names}|{_SHORT_NAMES}")
        self.pattern_with_any_status = re.compile(f"{long_names}|{_SHORT_NAMES}|status")


@lru_cache(maxsize=2)
def documented_names(names: frozenset[str]) -> DocumentedNames:
    """Return ``DocumentedNames``, compiled once."""
    return DocumentedNames(names)
