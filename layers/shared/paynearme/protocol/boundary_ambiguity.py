"""What the signature leaves open, and how it is closed: where in the signed text a name ends, and a value.

The signed text has no separators: ``payment_typecredit`` is a type of payment as well as an unknown parameter
of that name without a value, and ``423836181548`` followed by ``pnm_processing_fee`` and ``4.99`` could be
told as one identifier. So nothing may be told that would read as something that decides if it were cut in
another place.

Left open is what PayNearMe could mean either way: where an identifier of the merchant's begins with an
underscore, and where words that are not documented yet could be a name as well as a value.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Set
from functools import lru_cache

from paynearme.protocol.signing import UNSIGNED
from paynearme.protocol.types import PaymentType, SiteChannel, SiteSubchannel

_NAME_IN_VALUE = "must not hold the name of a parameter"
_UNEXPECTED_POSITION = "must not read as another parameter"
_AMBIGUOUS = "must not be cut in two"
_TOO_LONG = "must not read as a value and another parameter"
_FLAG = ("true", "false")

# What a policy, a balance or the kind of a message depends on, with its beginnings that are documented.
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
# The same and the rest of what decides, with how a value of it begins.
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
# How a new name goes on that begins like one we know: PayNearMe's are words between underscores.
_NEW_NAME = re.compile(r"_|s(?:_|$)")
_AFTER_NAME = re.compile(r"[^\W_]|[$+@#{-]")

# Where in a value of any form another parameter may begin that was swallowed.
_NAME_START = re.compile(
    r"(?=(?:payment|pnm|pricing|refund|retailer|return|reversal|reverse|settlement|site|user)_[a-z])"
)
_ABSORBED_PATTERN: Mapping[str, re.Pattern[str]] = {
    "payment_type": _NAME_START,
    "pnm_payment_identifier": re.compile(r"(?<=[0-9]{6})(?=[a-z])"),
    "reverse_code": _NAME_START,
    "reverse_type": _NAME_START,
    "site_channel": _NAME_START,
    # Not within a word: a merchant's customer may be called website_guest.
    "site_customer_identifier": re.compile(r"(?=site_customer_[a-z])|(?<=[0-9A-Z])(?=site_[a-z])"),
    "site_subchannel": _NAME_START,
}
# Sorts behind every name.
_AFTER_ALL_NAMES = "~"


class _FieldSequence:
    """A message as it was cut: its signed text, and where in that each parameter stands."""

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
        """Return whether ``name`` fits between the known names around that place: the text is sorted.

        Only known ones tell it: an unknown name can have been cut out of a value.
        """
        neighbors = [other if other in self.model_fields and other != name else "" for other in self.names]
        previous_name = max(neighbors[: index + 1])
        following_name = next(filter(None, neighbors[index + 1 :]), _AFTER_ALL_NAMES)
        return previous_name < name < following_name


def ambiguous_parameters(
    parameters: Mapping[str, str], model_fields: Collection[str], all_field_names: Set[str], exempt: Set[str]
) -> dict[str, str]:
    """Return the parameters that may have been cut elsewhere, by name, with what is wrong.

    ``known`` are the message's own names and ``all_known`` those of all callbacks. The texts of ``exempt``
    parameters may hold names: consumers choose them, and could stop their own payments' callbacks. But
    what decides must not stand in them where it could, and be missing.
    """
    sequence = _FieldSequence(parameters, model_fields)
    return {
        **dict.fromkeys(
            _values_containing_parameter(sequence, _absorbed_names(frozenset(all_field_names)), exempt),
            _NAME_IN_VALUE,
        ),
        **dict.fromkeys(_names_at_unexpected_position(sequence, exempt), _UNEXPECTED_POSITION),
        **dict.fromkeys(_values_over_max_length(sequence), _TOO_LONG),
        **dict.fromkeys(_split_values(sequence), _AMBIGUOUS),
    }


def _values_containing_parameter(
    sequence: _FieldSequence, absorbed_names: re.Pattern[str], exempt: Set[str]
) -> Iterator[str]:
    """Yield the names of the values that hold a name with its value."""
    for index, name in enumerate(sequence.names):
        if name in exempt:
            continue
        for found in absorbed_names.finditer(sequence.values[index]):
            # What is signed is sorted, so a name stands only behind one that comes before it. But an unknown
            # one can have been cut out of a value that stands further in front.
            if found[1] > name or (name not in sequence.model_fields and sequence.accepts(index, found[1])):
                yield name
                break


def _names_at_unexpected_position(sequence: _FieldSequence, exempt: Set[str]) -> Iterator[str]:
    """Yield the names of the parameters in which something begins that decides, but is not told as itself."""
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
    """Return whether ``name``, found at ``at`` its value's beginning to ``value_at``, is disguised."""
    owner, end = sequence.names[index], position + len(name)
    owner_end = sequence.offsets[index] + len(owner)
    next_start = owner_end + len(sequence.values[index])
    if position >= owner_end and value_position > next_start:
        # From the end of a value into the next name. A name that we know begins there by itself.
        disguised = sequence.next_name(index) not in sequence.model_fields
    elif position >= owner_end:
        missing = name not in sequence.names or not sequence.values[sequence.names.index(name)]
        following = _AFTER_NAME.match(sequence.text, end)
        disguised = owner in exempt and missing and following is not None
    elif end > owner_end:
        disguised = True
    elif end == owner_end:
        # A new name may end like one we know, with an underscore in front; so does no value.
        disguised = position > sequence.offsets[index] and sequence.text[position - 1] != "_"
    else:
        documented = sequence.text.startswith(_DOCUMENTED.get(name, ()), end)
        disguised = documented or not _NEW_NAME.match(owner, end - sequence.offsets[index])
    return disguised and sequence.accepts(index, name)


def _values_over_max_length(sequence: _FieldSequence) -> Iterator[str]:
    """Yield the names whose value may be a shorter one and an unknown parameter that follows it."""
    for index, (name, value) in enumerate(zip(sequence.names, sequence.values, strict=True)):
        if name not in _ABSORBED_PATTERN:
            continue
        split_points = [found.start() for found in _ABSORBED_PATTERN[name].finditer(value)]
        split_points += [len(documented) for documented in _DOCUMENTED.get(name, ()) if value.startswith(documented)]
        value_start = sequence.offsets[index] + len(name)
        for split_point in split_points:
            # The parameter may end behind the value.
            remainder = sequence.text[value_start + split_point :]
            if "a" <= remainder[:1] <= "z" and name < remainder < sequence.next_name(index):
                yield name
        if _ABSORBED_PATTERN[name] is _NAME_START and value.startswith(("_", "s_")):
            # The end of a new name that begins like this one.
            yield name


def _split_values(sequence: _FieldSequence) -> Iterator[str]:
    """Yield the names whose value reads as a documented one only together with what stands behind it."""
    for index, (name, value) in enumerate(zip(sequence.names, sequence.values, strict=True)):
        value_start = sequence.offsets[index] + len(name)
        for documented in _DOCUMENTED.get(name, ()):
            if len(value) < len(documented) and sequence.text.startswith(documented, value_start):
                yield name


@lru_cache(maxsize=1)
def _absorbed_names(names: frozenset[str]) -> re.Pattern[str]:
    """Return what finds a name with its value right behind it.

    A merchant's own JSON, say, has a quotation mark there, and may pass.
    """
    long_names = "|".join(sorted(name for name in names if "_" in name))
    short_names = r"(test|standin)(true|false)|status(payment|decline)|timestamp[0-9]|version[23]\.0"
    return re.compile(rf"(?=((?:{long_names})(?:{_AFTER_NAME.pattern})|{short_names}))")
