"""Reject callbacks with ambiguous signed text (``docs/adr/0002-reject-ambiguous-signed-text.md``).

PayNearMe signs names and values without separators, so two parameter sets can have one signature. For example,
``payment_typecredit`` is a payment type, or an unknown parameter without a value. ``423836181548`` followed by
``pnm_processing_fee`` and ``4.99`` can be one identifier. A message is rejected if another split of its signed text
would change a decisive field.

Known limits: merchant identifiers that start with an underscore, and undocumented values that are also valid names.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Set
from functools import lru_cache

from paynearme.protocol.signing import UNSIGNED
from paynearme.protocol.types import PARAMETER_NAME_PREFIX, PaymentType, SiteChannel, SiteSubchannel

_NAME_IN_VALUE = "must not contain the name of a parameter"
_UNEXPECTED_POSITION = "must not form another parameter"
_AMBIGUOUS = "must not form another value with the next parameter"
_TOO_LONG = "must not contain a value and another parameter"
_FLAG = ("true", "false")

# The decisive fields with documented values: a policy, a balance or the message type depends on them.
_DOCUMENTED: Mapping[str, tuple[str, ...]] = {
    "payment_type": tuple(PaymentType),
    "site_channel": tuple(SiteChannel),
    "site_subchannel": tuple(SiteSubchannel),
    "standin": _FLAG,
    "status": ("payment", "decline"),
    "test": _FLAG,
}
_ANY_TEXT = re.compile(r".", re.DOTALL)
_AMOUNT = re.compile(r"[0-9-]")
_CURRENCY = re.compile(r"[A-Z]")
# All decisive fields, with the start of their values.
_DECISIVE_FIELDS: Mapping[str, re.Pattern[str]] = {
    "net_payment_amount": _AMOUNT,
    "net_payment_currency": _CURRENCY,
    "payment_amount": _AMOUNT,
    "payment_currency": _CURRENCY,
    "payment_type": _ANY_TEXT,
    "reverse_amount": _AMOUNT,
    "reverse_code": _ANY_TEXT,
    "reverse_currency": _CURRENCY,
    "reverse_type": _ANY_TEXT,
    "site_channel": _ANY_TEXT,
    "site_customer_identifier": _ANY_TEXT,
    "site_payment_identifier": _ANY_TEXT,
    "site_subchannel": _ANY_TEXT,
    **{name: re.compile("|".join(_DOCUMENTED[name])) for name in ("standin", "status", "test")},
}
# The continuation of a new name that starts with a documented one. PayNearMe's names are words between underscores.
_NEW_NAME = re.compile(r"_|s(?:_|$)")
_AFTER_NAME = re.compile(r"[^\W_]|[$+@#{-]")

# The start of an absorbed parameter in a value of any format.
_NAME_START = re.compile(rf"(?=payment_[a-z]|{PARAMETER_NAME_PREFIX})")
_ABSORBED_PATTERN: Mapping[str, re.Pattern[str]] = {
    "payment_type": _NAME_START,
    "pnm_payment_identifier": re.compile(r"(?<=[0-9]{6})(?=[a-z])"),
    "reverse_code": _NAME_START,
    "reverse_type": _NAME_START,
    "site_channel": _NAME_START,
    # Not within a word: a customer identifier can be website_guest.
    "site_customer_identifier": re.compile(r"(?=site_customer_[a-z])|(?<=[0-9A-Z])(?=site_[a-z])"),
    "site_subchannel": _NAME_START,
}
# Sorts after every name.
_AFTER_ALL_NAMES = "~"


class _FieldSequence:
    """The parameters of a message, its signed text, and the offset of each parameter in it."""

    def __init__(self, parameters: Mapping[str, str], model_fields: Collection[str]) -> None:
        self.names = sorted(name for name in parameters if name not in UNSIGNED)
        self.values = [parameters[name] for name in self.names]
        self.text = "".join(name + value for name, value in zip(self.names, self.values, strict=True))
        self.model_fields = model_fields
        self.offsets: list[int] = []
        position = 0
        for name, value in zip(self.names, self.values, strict=True):
            self.offsets.append(position)
            position += len(name) + len(value)

    def next_name(self, index: int) -> str:
        return self.names[index + 1] if index + 1 < len(self.names) else _AFTER_ALL_NAMES

    def accepts(self, index: int, name: str) -> bool:
        """Return whether ``name`` sorts between the documented names around ``index``.

        Unknown names do not count, because they can be a part of a value.
        """
        neighbors = [other if other in self.model_fields and other != name else "" for other in self.names]
        previous_name = max(neighbors[: index + 1])
        following_name = next(filter(None, neighbors[index + 1 :]), _AFTER_ALL_NAMES)
        return previous_name < name < following_name


def ambiguous_parameters(
    parameters: Mapping[str, str], model_fields: Collection[str], all_field_names: Set[str], exempt: Set[str]
) -> dict[str, str]:
    """Return an error for each parameter with an ambiguous boundary, by name.

    ``model_fields`` are the names of the message, and ``all_field_names`` those of all callbacks. Consumers control the
    ``exempt`` parameters, which may contain names, because an error would block the callbacks of a payment. But they
    must not contain a decisive field that the message lacks.
    """
    sequence = _FieldSequence(parameters, model_fields)
    return {
        **dict.fromkeys(
            _values_containing_parameter(sequence, _absorbed_names(frozenset(all_field_names)), exempt), _NAME_IN_VALUE
        ),
        **dict.fromkeys(_names_at_unexpected_position(sequence, exempt), _UNEXPECTED_POSITION),
        **dict.fromkeys(_values_over_max_length(sequence), _TOO_LONG),
        **dict.fromkeys(_split_values(sequence), _AMBIGUOUS),
    }


def _values_containing_parameter(
    sequence: _FieldSequence, absorbed_names: re.Pattern[str], exempt: Set[str]
) -> Iterator[str]:
    """Yield the parameters with a value that contains another name and its value."""
    for index, name in enumerate(sequence.names):
        if name in exempt:
            continue
        for found in absorbed_names.finditer(sequence.values[index]):
            # The signed text is sorted, so a name can follow only smaller names. But an unknown name can be a part
            # of an earlier value.
            if found[1] > name or (name not in sequence.model_fields and sequence.accepts(index, found[1])):
                yield name
                break


def _names_at_unexpected_position(sequence: _FieldSequence, exempt: Set[str]) -> Iterator[str]:
    """Yield the parameters that contain the start of a decisive field of another split."""
    for name, pattern in _DECISIVE_FIELDS.items():
        position = sequence.text.find(name) if name in sequence.model_fields else -1
        while position >= 0:
            index = bisect_right(sequence.offsets, position) - 1
            found = pattern.match(sequence.text, position + len(name))
            if found and _is_disguised(sequence, index, name, position, found.end(), exempt):
                yield sequence.names[index]
            position = sequence.text.find(name, position + 1)


def _is_disguised(
    sequence: _FieldSequence, index: int, name: str, position: int, value_position: int, exempt: Set[str]
) -> bool:
    """Return whether ``name`` at ``position``, with a value that starts before ``value_position``, is disguised."""
    owner, end = sequence.names[index], position + len(name)
    owner_end = sequence.offsets[index] + len(owner)
    next_start = owner_end + len(sequence.values[index])
    if position >= owner_end and value_position > next_start:
        # From the end of a value into the next name. A documented next name starts there on its own.
        disguised = sequence.next_name(index) not in sequence.model_fields
    elif position >= owner_end:
        missing = name not in sequence.names or not sequence.values[sequence.names.index(name)]
        following = _AFTER_NAME.match(sequence.text, end)
        disguised = owner in exempt and missing and following is not None
    elif end > owner_end:
        disguised = True
    elif end == owner_end:
        # A new name can end with an underscore and a documented name. A value does not.
        disguised = position > sequence.offsets[index] and sequence.text[position - 1] != "_"
    else:
        documented = sequence.text.startswith(_DOCUMENTED.get(name, ()), end)
        disguised = documented or not _NEW_NAME.match(owner, end - sequence.offsets[index])
    return disguised and sequence.accepts(index, name)


def _values_over_max_length(sequence: _FieldSequence) -> Iterator[str]:
    """Yield the parameters with a value that can be a shorter value and an unknown parameter."""
    for index, (name, value) in enumerate(zip(sequence.names, sequence.values, strict=True)):
        if name not in _ABSORBED_PATTERN:
            continue
        split_points = [found.start() for found in _ABSORBED_PATTERN[name].finditer(value)]
        split_points += [len(documented) for documented in _DOCUMENTED.get(name, ()) if value.startswith(documented)]
        value_start = sequence.offsets[index] + len(name)
        for split_point in split_points:
            # The unknown parameter can end after the value.
            remainder = sequence.text[value_start + split_point :]
            if "a" <= remainder[:1] <= "z" and name < remainder < sequence.next_name(index):
                yield name
        if _ABSORBED_PATTERN[name] is _NAME_START and value.startswith(("_", "s_")):
            # The end of a new name that starts with this one.
            yield name


def _split_values(sequence: _FieldSequence) -> Iterator[str]:
    """Yield the parameters that form a documented value only with the text after them."""
    for index, (name, value) in enumerate(zip(sequence.names, sequence.values, strict=True)):
        value_start = sequence.offsets[index] + len(name)
        for documented in _DOCUMENTED.get(name, ()):
            if len(value) < len(documented) and sequence.text.startswith(documented, value_start):
                yield name


@lru_cache(maxsize=1)
def _absorbed_names(names: frozenset[str]) -> re.Pattern[str]:
    """Return a pattern for a name that its value follows directly.

    A merchant's JSON has a quotation mark after a name, so it does not match.
    """
    long_names = "|".join(sorted(name for name in names if "_" in name))
    short_names = r"(test|standin)(true|false)|status(payment|decline)|timestamp[0-9]|version[23]\.0"
    return re.compile(rf"(?=((?:{long_names})(?:{_AFTER_NAME.pattern})|{short_names}))")
