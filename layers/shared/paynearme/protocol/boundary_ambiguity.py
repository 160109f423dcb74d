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
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Set
from functools import cache
from itertools import accumulate

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
# A value precedes its own prefixes.
_DOCUMENTED_PATTERN: Mapping[str, re.Pattern[str]] = {
    name: re.compile("|".join(sorted(values, key=len, reverse=True))) for name, values in _DOCUMENTED.items()
}
# Sorts after every name.
_AFTER_ALL_NAMES = "~"
_MAX_NAME = 64


class _SignedText:
    """The signed text of a message, its parameters, and the offset of each parameter in it."""

    def __init__(self, parameters: Mapping[str, str], documented: Set[str]) -> None:
        self.parameters = parameters
        self.names = sorted(parameters.keys() - UNSIGNED)
        fields = [name + parameters[name] for name in self.names]
        self.text = "".join(fields)
        self.offsets = [0, *accumulate(map(len, fields))]
        # Unknown names do not count, because they can be a part of a value.
        self.documented = [name for name in self.names if name in documented]

    def neighbors(self, owner: str, excluded: str = "") -> tuple[str, str]:
        """Return the last documented name up to ``owner`` and the next one, without the name ``excluded``."""
        documented = [name for name in self.documented if name != excluded]
        index = bisect_right(documented, owner)
        return documented[index - 1] if index else "", [*documented[index:], _AFTER_ALL_NAMES][0]

    def accepts(self, owner: str, name: str) -> bool:
        """Return whether ``name`` sorts between the documented names around ``owner``."""
        previous, following = self.neighbors(owner, name)
        return previous < name < following


def ambiguous_parameters(
    parameters: Mapping[str, str], field_names: frozenset[str], exempt: Set[str]
) -> dict[str, str]:
    """Return an error for each parameter with an ambiguous boundary, by name.

    ``field_names`` are the documented names of all callbacks. Consumers control the ``exempt`` parameters, which can
    contain names, because an error would block the callbacks of a payment. But they must not contain a decisive field
    that the message lacks. The duration is linear in the size of the message.
    """
    signed = _SignedText(parameters, _documented_names(field_names))
    errors: dict[str, str] = {}
    for owner, error in _decisive_fields(signed, exempt):
        if errors.get(owner) != _UNEXPECTED_POSITION:
            errors[owner] = error
    for name in _ABSORBED_PATTERN:
        value = parameters.get(name, "")
        # The name of an absorbed parameter has letters.
        if value and not value.isdigit() and _absorbs_parameter(signed, name, value):
            errors[name] = _TOO_LONG
    for name, pattern in _DOCUMENTED_PATTERN.items():
        if name in parameters:
            # A documented value that the value forms only with the text after it.
            value_start = signed.offsets[bisect_left(signed.names, name)] + len(name)
            found = pattern.match(signed.text, value_start)
            if found and found.end() > value_start + len(parameters[name]):
                errors[name] = _AMBIGUOUS
    return errors


@cache
def _documented_names(field_names: frozenset[str]) -> frozenset[str]:
    return field_names | _DECISIVE_FIELDS.keys()


def _decisive_fields(signed: _SignedText, exempt: Set[str]) -> Iterator[tuple[str, str]]:
    """Yield the parameters that contain the start of a decisive field of another split, each with its error."""
    text, names, offsets = signed.text, signed.names, signed.offsets
    for name, pattern in _DECISIVE_FIELDS.items():
        position = text.find(name)
        while position >= 0:
            index, end = bisect_right(offsets, position) - 1, position + len(name)
            owner, next_start = names[index], offsets[index + 1]
            error: str | None = None
            if position < offsets[index] + len(owner):
                if _is_disguised(signed, index, name, position) and pattern.match(text, end):
                    error = _UNEXPECTED_POSITION
            elif (found := pattern.match(text, end)) and found.end() > next_start:
                # From the end of a value into the next name. A documented next name starts there on its own.
                error = None if names[index + 1] in signed.documented else _UNEXPECTED_POSITION
            # No name occurs twice, so only a name without a value can be hidden in another parameter. A merchant's
            # JSON has a quotation mark after a name, so it is no value.
            elif not signed.parameters.get(name) and _AFTER_NAME.match(text, end, next_start):
                if owner in exempt:
                    error = _UNEXPECTED_POSITION if found else None
                elif pattern.match(text, end, next_start):
                    error = _NAME_IN_VALUE
            if error and signed.accepts(owner, name):
                yield owner, error
            position = text.find(name, position + 1)


def _is_disguised(signed: _SignedText, index: int, name: str, position: int) -> bool:
    """Return whether ``name`` at ``position`` in the name at ``index`` can start another parameter."""
    owner, offset, end = signed.names[index], signed.offsets[index], position + len(name)
    if end > offset + len(owner):
        return True
    if end == offset + len(owner):
        # A new name can end with an underscore and a documented name. A value does not.
        return _ends_name(signed, index) if position == offset else signed.text[position - 1] != "_"
    return signed.text.startswith(_DOCUMENTED.get(name, ()), end) or not _NEW_NAME.match(owner, end - offset)


def _ends_name(signed: _SignedText, index: int) -> bool:
    """Return whether the name at ``index`` can be the end of an unknown name that starts in the value before it."""
    offset, owner = signed.offsets[index], signed.names[index]
    # Only a value with an underscore at its end can contain the start of such a name.
    if "_" not in signed.text[max(offset - 2, 0) : offset]:
        return False
    previous = signed.names[index - 1]
    found = _NAME_BEFORE.search(signed.parameters[previous][-_MAX_NAME:])
    _, following = signed.neighbors(owner)
    return found is not None and any(
        previous < found[0][start:] + owner < following for start in range(len(found[0])) if found[0][start].isalpha()
    )


def _absorbs_parameter(signed: _SignedText, name: str, value: str) -> bool:
    """Return whether ``value`` can be a shorter value and an unknown parameter."""
    pattern = _ABSORBED_PATTERN[name]
    if pattern is _NAME_START and value.startswith(("_", "s_")):
        # The end of a new name that starts with this one.
        return True
    ends = {len(documented) for documented in _DOCUMENTED.get(name, ()) if value.startswith(documented)}
    split_points = ends | {found.start() for found in pattern.finditer(value)}
    split_points = {point for point in split_points if "a" <= value[point : point + 1] <= "z"}
    if not split_points:
        return False
    value_start = signed.offsets[bisect_left(signed.names, name)] + len(name)
    _, following = signed.neighbors(name)
    # The unknown parameter can end after the value. After a documented value, it can also be the next one.
    return any(
        name
        < signed.text[value_start + point : value_start + point + _MAX_NAME]
        < following + (_AFTER_ALL_NAMES if point in ends else "")
        for point in split_points
    )
