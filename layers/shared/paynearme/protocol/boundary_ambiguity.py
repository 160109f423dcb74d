"""Find callbacks with ambiguous signed text (``docs/adr/0002-reject-ambiguous-signed-text.md``).

PayNearMe signs names and values without separators, so two parameter sets can have one signature. For example,
``payment_typecredit`` is a payment type, or an unknown parameter without a value. ``423836181548`` followed by
``pnm_processing_fee`` and ``4.99`` can be one identifier. A message is ambiguous if another split of its signed text
would change a decisive field: money, identity or kind. A name counts only where the order of the names permits it, only
once, and only before a possible value. A new parameter of PayNearMe is never a reason.

Known limits: identifiers of the merchant that start with an underscore or that an unknown parameter follows, values
without a documented format that contain a valid name, nulls, and consumer-controlled texts.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Set
from functools import cache

from paynearme.protocol.signing import UNSIGNED
from paynearme.protocol.types import PARAMETER_NAME_PREFIX, PaymentType, SiteChannel, SiteSubchannel

_NAME_IN_VALUE = "must not contain the name of a parameter"
_UNEXPECTED_POSITION = "must not form another parameter"
_AMBIGUOUS = "must not form another value with the next parameter"
_TOO_LONG = "must not contain a value and another parameter"

# The decisive fields with documented values: a policy, a balance or the message type depends on them.
_DOCUMENTED: Mapping[str, tuple[str, ...]] = {
    # The last two are types of disbursements, which are also names.
    "payment_type": (*PaymentType, "pin4", "payout"),
    "site_channel": tuple(SiteChannel),
    "site_subchannel": tuple(SiteSubchannel),
    "standin": ("true", "false"),
    "status": ("payment", "decline"),
    "test": ("true", "false"),
}
_ANY_TEXT = re.compile(r".", re.DOTALL)
# A name starts with a lowercase letter, so an amount, a currency or a flag ends there.
_AMOUNT = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,2})?(?=[a-z]|$)")
_CURRENCY = re.compile(r"[A-Z]{3}(?=[a-z]|$)")
_FLAG = re.compile(r"(?:true|false)(?=[a-z]|$)")
_NAME_BEFORE = re.compile(r"[a-z][a-z0-9_]*_$")
_AFTER_NAME = re.compile(r"[^\W_]|[$+@#{-]")
# All decisive fields, with the start of their values.
_DECISIVE_FIELDS: Mapping[str, re.Pattern[str]] = {
    "due_to_recipient_amount": _AMOUNT,
    "due_to_recipient_currency": _CURRENCY,
    "net_payment_amount": _AMOUNT,
    "net_payment_currency": _CURRENCY,
    "payment_amount": _AMOUNT,
    "payment_currency": _CURRENCY,
    "payment_type": _ANY_TEXT,
    "reverse_amount": _AMOUNT,
    "reverse_code": _ANY_TEXT,
    "reverse_currency": _CURRENCY,
    "reverse_reason": _ANY_TEXT,
    "reverse_type": _ANY_TEXT,
    "site_channel": _ANY_TEXT,
    "site_customer_identifier": _ANY_TEXT,
    "site_payment_identifier": _ANY_TEXT,
    "site_subchannel": _ANY_TEXT,
    "standin": _FLAG,
    "status": re.compile(r"(?i:payment|decline)(?=[a-z]|$)"),
    "test": _FLAG,
}
# The continuation of a new name that starts with a documented one. PayNearMe's names are words between underscores.
_NEW_NAME = re.compile(r"_|s(?:_|$)")
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

    def __init__(self, parameters: Mapping[str, str], documented: Set[str]) -> None:
        self.names = sorted(name for name in parameters if name not in UNSIGNED)
        self.values = [parameters[name] for name in self.names]
        self.text = "".join(name + value for name, value in zip(self.names, self.values, strict=True))
        self.documented = documented
        # No name occurs twice, so only a name without a value can be hidden in another parameter.
        self.missing = documented - {name for name, value in zip(self.names, self.values, strict=True) if value}
        self.offsets: list[int] = []
        position = 0
        for name, value in zip(self.names, self.values, strict=True):
            self.offsets.append(position)
            position += len(name) + len(value)

    def next_name(self, index: int, excluded: str = "") -> str:
        """Return the next documented name. Unknown names do not count, because they can be a part of a value."""
        following = (name for name in self.names[index + 1 :] if name in self.documented and name != excluded)
        return next(following, _AFTER_ALL_NAMES)

    def accepts(self, index: int, name: str) -> bool:
        """Return whether ``name`` sorts between the documented names around ``index``."""
        previous = (other for other in self.names[: index + 1] if other in self.documented and other != name)
        return max(previous, default="") < name < self.next_name(index, name)


def ambiguous_parameters(parameters: Mapping[str, str], field_names: Set[str], exempt: Set[str]) -> dict[str, str]:
    """Return an error for each parameter with an ambiguous boundary, by name.

    ``field_names`` are the documented names of all callbacks. Consumers control the ``exempt`` parameters, which can
    contain names, because an error would block the callbacks of a payment. But they must not contain a decisive field
    that the message lacks.
    """
    sequence = _FieldSequence(parameters, {*field_names, *_DECISIVE_FIELDS})
    return {
        **dict.fromkeys(_values_containing_parameter(sequence, exempt), _NAME_IN_VALUE),
        **dict.fromkeys(_names_at_unexpected_position(sequence, exempt), _UNEXPECTED_POSITION),
        **dict.fromkeys(_values_over_max_length(sequence), _TOO_LONG),
        **dict.fromkeys(_split_values(sequence), _AMBIGUOUS),
    }


def _values_containing_parameter(sequence: _FieldSequence, exempt: Set[str]) -> Iterator[str]:
    """Yield the parameters with a value that contains a missing decisive field and its value."""
    others = sorted(sequence.missing & _DECISIVE_FIELDS.keys())
    for index, (name, value) in enumerate(zip(sequence.names, sequence.values, strict=True)):
        if name not in exempt and any(
            other in value and _value_after(other).search(value) and sequence.accepts(index, other) for other in others
        ):
            yield name


def _names_at_unexpected_position(sequence: _FieldSequence, exempt: Set[str]) -> Iterator[str]:
    """Yield the parameters that contain the start of a decisive field of another split."""
    for name, pattern in _DECISIVE_FIELDS.items():
        position = sequence.text.find(name)
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
        disguised = sequence.names[index + 1] not in sequence.documented
    elif position >= owner_end:
        following = _AFTER_NAME.match(sequence.text, end)
        disguised = owner in exempt and name in sequence.missing and following is not None
    elif end > owner_end:
        disguised = True
    elif end == owner_end:
        # A new name can end with an underscore and a documented name. A value does not.
        is_start = position == sequence.offsets[index]
        disguised = _ends_name(sequence, index) if is_start else sequence.text[position - 1] != "_"
    else:
        documented = sequence.text.startswith(_DOCUMENTED.get(name, ()), end)
        disguised = documented or not _NEW_NAME.match(owner, end - sequence.offsets[index])
    return disguised and sequence.accepts(index, name)


def _ends_name(sequence: _FieldSequence, index: int) -> bool:
    """Return whether the name at ``index`` can be the end of an unknown name that starts in the value before it."""
    found = _NAME_BEFORE.search(sequence.values[index - 1][-64:]) if index else None
    return found is not None and any(
        sequence.names[index - 1] < found[0][start:] + sequence.names[index] < sequence.next_name(index)
        for start in range(len(found[0]))
        if found[0][start].isalpha()
    )


def _values_over_max_length(sequence: _FieldSequence) -> Iterator[str]:
    """Yield the parameters with a value that can be a shorter value and an unknown parameter."""
    for index, (name, value) in enumerate(zip(sequence.names, sequence.values, strict=True)):
        if name not in _ABSORBED_PATTERN:
            continue
        ends = {len(documented) for documented in _DOCUMENTED.get(name, ()) if value.startswith(documented)}
        value_start = sequence.offsets[index] + len(name)
        for split_point in ends | {found.start() for found in _ABSORBED_PATTERN[name].finditer(value)}:
            # The unknown parameter can end after the value. After a documented value, it can also be the next one.
            remainder = sequence.text[value_start + split_point :]
            is_name = split_point < len(value) and "a" <= remainder[0] <= "z"
            if is_name and name < remainder < sequence.next_name(index) + (
                _AFTER_ALL_NAMES if split_point in ends else ""
            ):
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


@cache
def _value_after(name: str) -> re.Pattern[str]:
    """Return a pattern for a decisive field that a possible value follows directly.

    A merchant's JSON has a quotation mark after a name, so it does not match.
    """
    value = _AFTER_NAME if _DECISIVE_FIELDS[name] is _ANY_TEXT else _DECISIVE_FIELDS[name]
    return re.compile(f"{name}(?:{value.pattern})")
