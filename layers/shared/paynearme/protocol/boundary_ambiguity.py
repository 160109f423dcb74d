"""Reject callbacks with ambiguous signed text (``docs/adr/0002-reject-ambiguous-signed-text.md``).

PayNearMe signs names and values without separators, so two parameter sets can have one signature. For example,
``payment_typecredit`` is a payment type, or an unknown parameter without a value. ``423836181548`` followed by
``pnm_processing_fee`` and ``4.99`` can be one identifier. A message is ambiguous if another split of its signed text
is also a complete message, with another decisive field. ``split_search`` moves documented names. This module moves the
boundaries between a decisive value and an unknown name.

Known limits: merchant identifiers that start with an underscore, and undocumented words that are also the start of a
valid name.
"""

import re
from collections.abc import Iterator, Mapping, Set

from pydantic.fields import FieldInfo

from paynearme.protocol.signed_text import KNOWN_VALUES, PUSH_PREFIX, SignedText, ValueFormat
from paynearme.protocol.split_search import find_other_message
from paynearme.protocol.types import PARAMETER_NAME_PREFIX

_NAME_IN_VALUE = "must not contain the name of a parameter"
_UNEXPECTED_START = "must not form another parameter with the text before it"
_AMBIGUOUS = "must not form another value with the next parameter"
_TOO_LONG = "must not contain a value and another parameter"

# A null can be a bare name.
_BARE_NAME = "(?:standin|status|test)$"
# The start of an absorbed parameter in a value of any format.
_NAME_START = re.compile(rf"(?=payment_[a-z]|{PARAMETER_NAME_PREFIX}|{_BARE_NAME})")
# Not within a word: a customer identifier can be website_guest.
_SITE_NAME_START = re.compile(rf"(?<=[0-9A-Z])(?=[a-z]{{3,}}_[a-z]|{_BARE_NAME})|^(?=site_[a-z]|{_BARE_NAME})")
_ABSORBED_PATTERN: Mapping[str, re.Pattern[str]] = {
    "payment_type": _NAME_START,
    "pnm_payment_identifier": re.compile(r"(?<=[0-9]{6})(?=[a-z])"),
    "reverse_code": _NAME_START,
    "reverse_type": _NAME_START,
    "site_channel": _NAME_START,
    "site_customer_identifier": re.compile(rf"(?=site_customer_[a-z])|{_SITE_NAME_START.pattern}"),
    "site_order_identifier": _SITE_NAME_START,
    "site_payment_identifier": _SITE_NAME_START,
    "site_subchannel": _NAME_START,
}
_TIMESTAMP = re.compile(r"timestamp[0-9]")
_DISBURSEMENT_WORD = re.compile(r"pin4|payout")
# ``endpos`` of a search counts as the end of the text.
_NAME_END = re.compile(r"[a-z][a-z0-9_]*_$")
_MAX_NAME_LENGTH = 64
_MIN_WORD_LENGTH = 3
# Sorts after every name.
_AFTER_ALL_NAMES = "~"


def ambiguous_parameters(
    parameters: Mapping[str, str], model_fields: Mapping[str, FieldInfo], all_field_names: Set[str], exempt: Set[str]
) -> dict[str, str]:
    """Return an error for each parameter with an ambiguous boundary, by name.

    ``parameters`` have the signed text, with an empty value for a null. ``model_fields`` are the fields of the message,
    and ``all_field_names`` the names of all callbacks. Consumers control the ``exempt`` parameters, which can contain
    decisive fields that the message has. The duration is proportional to the length of the text.
    """
    signed = SignedText(parameters, model_fields, all_field_names, exempt)
    other = find_other_message(signed)
    return {
        **dict.fromkeys(_values_with_timestamp(signed), _NAME_IN_VALUE),
        **({other: _NAME_IN_VALUE} if other else {}),
        **dict.fromkeys(_values_after_name(signed), _UNEXPECTED_START),
        **dict.fromkeys(_values_with_parameter(signed), _TOO_LONG),
        **dict.fromkeys(_split_values(signed), _AMBIGUOUS),
        **dict.fromkeys(_split_words(signed), _AMBIGUOUS),
    }


def _values_with_timestamp(signed: SignedText) -> Iterator[str]:
    """Yield the parameters that can contain the timestamp of a message without one. Every callback has a timestamp."""
    if not signed.parameters.get("timestamp"):
        for found in _TIMESTAMP.finditer(signed.text):
            yield signed.names[signed.owner(found.start())]


def _next_name(signed: SignedText, index: int) -> str:
    following = signed.next_documented(index)
    return signed.names[following] if following < len(signed.names) else _AFTER_ALL_NAMES


def _values_with_parameter(signed: SignedText) -> Iterator[str]:
    """Yield the parameters with a value that can be a shorter value and an unknown parameter."""
    for index, (name, value) in enumerate(zip(signed.names, signed.values, strict=True)):
        pattern = _ABSORBED_PATTERN.get(name)
        known_values = KNOWN_VALUES.get(name, ())
        if not value or name not in signed.decisive or not (pattern or known_values):
            continue
        following = "" if signed.next_documented(index) == index + 1 else signed.names[index + 1]
        split_points = [found.start() for found in pattern.finditer(value + following)] if pattern else []
        lower = value.lower()
        padding = len(lower) - len(lower.lstrip()) if name == "status" else 0
        split_points += [padding + len(known) for known in known_values if lower.startswith(known, padding)]
        value_start = signed.offsets[index] + len(name)
        for split_point in split_points:
            if split_point >= len(value):
                continue
            # The unknown parameter can end after the value.
            start = value_start + split_point
            is_below = signed.text[start : start + _MAX_NAME_LENGTH] < _next_name(signed, index)
            if is_below and signed.name_above(start, name) is not None:
                yield name
        if pattern is _NAME_START and value.startswith(("_", "s_")):
            # The end of a new name that starts with this one.
            yield name


def _values_after_name(signed: SignedText) -> Iterator[str]:
    """Yield the optional decisive fields that are the end of a name or of a text in another split."""
    for index, name in enumerate(signed.names[1:], 1):
        if name not in signed.decisive or name in signed.required or not signed.values[index]:
            continue
        before = index - 1
        is_known = signed.name_indexes[before] is not None
        if is_known and (
            signed.names[before] in signed.exempt or signed.format_of(signed.names[before])[0] is ValueFormat.FIXED
        ):
            continue
        value_format, pattern = signed.decisive[name]
        if value_format is ValueFormat.OPEN and not pattern.match(signed.values[index]):
            # A merchant's text can contain a name that a separator follows.
            if not signed.values[index].startswith(("_", "s_")):
                yield name
            continue
        if signed.text[signed.offsets[index] - 1] == "_" and _ends_new_name(signed, index):
            yield name


def _ends_new_name(signed: SignedText, index: int) -> bool:
    """Return whether the name, with the text before it, is also one that sorts between its neighbours."""
    before = index - 1
    offset, end = signed.offsets[index], signed.offsets[index] + len(signed.names[index])
    first = signed.offsets[before]
    while signed.name_indexes[before] is None and before > 0:
        before -= 1
    if signed.name_indexes[before] is not None:
        first = max(first, signed.offsets[before] + len(signed.names[before]))
    lower = signed.names[before] if signed.name_indexes[before] is not None else ""
    start = _NAME_END.search(signed.text, max(first, offset - _MAX_NAME_LENGTH), offset)
    positions = range(start.start(), offset) if start else ()
    upper = _next_name(signed, index)
    return any(signed.text[position].isalpha() and lower < signed.text[position:end] < upper for position in positions)


def _split_values(signed: SignedText) -> Iterator[str]:
    """Yield the parameters that form a documented value only with the text after them."""
    for name, known_values in KNOWN_VALUES.items():
        if name not in signed.parameters or name not in signed.decisive:
            continue
        value = signed.parameters[name]
        index = signed.names.index(name)
        value_start = signed.offsets[index] + len(name)
        text = signed.text[value_start : value_start + _MAX_NAME_LENGTH]
        if name == "status":
            text, value = text.lower().lstrip(), value.strip()
        if any(len(value) < len(known) and text.startswith(known) for known in known_values):
            yield name
        elif name == "payment_type" and value not in known_values:
            # Such as the type ach_payout.
            following = "".join(signed.names[index + 1 : index + 2])
            if _DISBURSEMENT_WORD.match(following):
                yield name


def _split_words(signed: SignedText) -> Iterator[str]:
    """Yield the decisive values that an unknown parameter follows as the end of a word."""
    for index, (name, value) in enumerate(zip(signed.names[:-1], signed.values, strict=False)):
        if name not in signed.decisive or signed.decisive[name][0] not in (ValueFormat.OPEN, ValueFormat.TEXT):
            continue
        unknown = signed.names[index + 1]
        if unknown in signed.documented.indexes or unknown.startswith(PUSH_PREFIX):
            continue
        first_word, separator, _ = unknown.partition("_")
        is_word_part = not separator or len(first_word) < _MIN_WORD_LENGTH
        is_word = not value or value[-1].islower() or value[-1].isspace()
        found = signed.documented.pattern.match(signed.text, signed.offsets[index + 1])
        if found and not signed.text.startswith(("_", "s_"), found.end()):
            yield name
            continue
        is_fragment = len(unknown) < _MIN_WORD_LENGTH or unknown.endswith("_") or value.endswith("_")
        if is_fragment or (is_word_part and is_word):
            yield name
