"""What the signature leaves open, and how it is closed: where in the signed text a name ends, and a value.

The signed text has no separators: ``payment_typecredit`` is a type of payment as well as an unknown parameter
of that name without a value, and ``423836181548`` followed by ``pnm_processing_fee`` and ``4.99`` could be
told as one identifier. So nothing may be told that would read as something that decides if it were cut in
another place.

What cannot be told apart is left open: an identifier or a new kind of something that begins or ends with an
underscore, or that holds a name which PayNearMe could bring. Documented ones are digits, and the words below.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Set
from functools import lru_cache

from paynearme.messages.values import PaymentType, SiteChannel, SiteSubchannel
from paynearme.signing import UNSIGNED

_NAME_IN_VALUE = "must not hold the name of a parameter"
_NAME_IN_TEXT = "must not read as another parameter"
_CUT = "must not be cut in two"
_TOO_LONG = "must not hold a parameter behind its value"
_FLAG = ("true", "false")

# What a policy, a balance or the kind of a message depends on, with its beginnings that are documented.
_DOCUMENTED: Mapping[str, Collection[str]] = {
    "payment_type": tuple(PaymentType),
    "site_channel": tuple(SiteChannel),
    "site_subchannel": tuple(SiteSubchannel),
    "standin": _FLAG,
    "status": ("payment", "decline"),
    "test": _FLAG,
}
# The same and the amounts, and how a value of theirs begins.
_DECIDES = re.compile(
    r"(?=((?:net_payment|payment|reverse)_amount)([0-9-]))"
    r"|(?=((?:net_payment|payment|reverse)_currency)([A-Z]))"
    r"|(?=(payment_type|reverse_code|reverse_type|site_channel|site_customer_identifier|site_subchannel)(.))"
    r"|(?=(test|standin)(true|false))|(?=(status)(payment|decline))",
    re.DOTALL,
)
# A name that goes on like this is a new one: an identifier may begin with an underscore, but so may its rest.
_NEW_NAME = re.compile(r"_|s(?:_|$)")
_VALUE_BEGINS = re.compile(r"[^\W_]|[$+@#-]")
# Values of any form, with how a parameter begins that can have been swallowed by one.
_THEIRS = re.compile(
    r"(?=(?:payment|pnm|pricing|refund|retailer|return|reversal|reverse|settlement|site|user)_[a-z])"
)
_BEHIND: Mapping[str, re.Pattern[str]] = {
    "payment_type": _THEIRS,
    "pnm_order_identifier": re.compile(r"(?<=[0-9]{6})(?=[a-z])"),
    "pnm_payment_identifier": re.compile(r"(?<=[0-9]{6})(?=[a-z])"),
    "reverse_code": _THEIRS,
    "reverse_type": _THEIRS,
    "site_channel": _THEIRS,
    # Not in the middle of a word: a merchant's customer may be called website_guest.
    "site_customer_identifier": re.compile(r"(?=site_customer_[a-z])|(?<=[0-9A-Z])(?=site_[a-z])"),
    "site_subchannel": _THEIRS,
}
_LAST = "~"


class _Cut:
    """A message as it was cut: its signed text, and where in it each parameter stands."""

    def __init__(self, parameters: Mapping[str, str], known: Collection[str]) -> None:
        self.parameters = parameters
        self.names = sorted(name for name in parameters if name not in UNSIGNED)
        self.text = "".join(name + parameters[name] for name in self.names)
        self.begins: list[int] = []
        at = 0
        for name in self.names:
            self.begins.append(at)
            at += len(name) + len(parameters[name])
        self._known = frozenset(known)

    def could_stand(self, name: str, index: int) -> bool:
        """Return whether ``name`` fits between the known names around that parameter: the text is sorted.

        Only they tell it: an unknown one can have been cut out of a value.
        """
        around = self._known - {name}
        before = next((other for other in reversed(self.names[: index + 1]) if other in around), "")
        behind = next((other for other in self.names[index + 1 :] if other in around), _LAST)
        return before < name < behind


def cut_elsewhere(
    parameters: Mapping[str, str], known: Collection[str], all_known: Set[str], exempt: Set[str]
) -> dict[str, str]:
    """Return the parameters that may have been cut elsewhere, by name, with what is wrong.

    ``known`` are the message's own names and ``all_known`` those of all callbacks. The texts of ``exempt``
    parameters may hold names: consumers choose them, and could stop their own payments' callbacks. But
    what decides must not be missing and stand there instead.
    """
    cut = _Cut(parameters, known)
    swallowed = _swallowed(frozenset(all_known))
    faults = {
        name: _NAME_IN_VALUE
        for index, name in enumerate(cut.names)
        if name not in exempt
        # What is signed is sorted, so a value has only names behind it that come after its own; but an
        # unknown name can have been cut out of a value that stands further in front.
        and any(
            found[1] > name or (name not in known and cut.could_stand(found[1], index))
            for found in swallowed.finditer(parameters[name])
        )
    }
    faults |= dict.fromkeys(_names_out_of_place(cut, known, exempt), _NAME_IN_TEXT)
    faults |= dict.fromkeys(_values_too_long(cut), _TOO_LONG)
    return faults | dict.fromkeys(_values_in_two(cut), _CUT)


def _names_out_of_place(cut: _Cut, known: Collection[str], exempt: Set[str]) -> Iterator[str]:
    """Yield the names of the parameters in which something begins that decides, under another name or none."""
    for found in _DECIDES.finditer(cut.text):
        group = found.lastindex or 0
        name, begins, ends, value_begins = found[group - 1], *found.span(group - 1), found.end(group)
        index = bisect_right(cut.begins, begins) - 1
        own = cut.names[index]
        if name not in known or not cut.could_stand(name, index):
            continue
        name_ends = cut.begins[index] + len(own)
        next_begins = name_ends + len(cut.parameters[own])
        if begins >= name_ends and value_begins > next_begins:
            # The end of a value and the beginning of a name. What we know begins there by itself.
            wrong = cut.names[index + 1] not in known
        elif begins >= name_ends:
            missing = not cut.parameters.get(name)
            wrong = missing and own in exempt and bool(_VALUE_BEGINS.match(cut.text[ends:next_begins]))
        elif own in known:
            wrong = False
        elif ends > name_ends:
            wrong = True
        elif ends == name_ends:
            wrong = begins > cut.begins[index] and cut.text[begins - 1] != "_"
        else:
            documented = tuple(_DOCUMENTED.get(name, ()))
            wrong = cut.text.startswith(documented, ends) or not _NEW_NAME.match(cut.text[ends:name_ends])
        if wrong:
            yield own


def _values_too_long(cut: _Cut) -> Iterator[str]:
    """Yield the names of the values that an unknown parameter may be a part of."""
    for index, name in enumerate(cut.names):
        value = cut.parameters[name]
        places = [found.start() for found in _BEHIND[name].finditer(value)] if name in _BEHIND else []
        if name in _BEHIND and name in _DOCUMENTED:
            places += [len(one) for one in _DOCUMENTED[name] if value.startswith(one)]
        begins = cut.begins[index] + len(name)
        following = cut.names[index + 1] if index + 1 < len(cut.names) else _LAST
        for place in places:
            # The end of the parameter may stand behind the value.
            rest = cut.text[begins + place :]
            if place < len(value) and "a" <= rest[:1] <= "z" and name < rest < following:
                yield name
        if value.startswith("_") and _BEHIND.get(name) is _THEIRS:
            yield name


def _values_in_two(cut: _Cut) -> Iterator[str]:
    """Yield the names whose value reads as a documented one only together with what stands behind it."""
    for name, values in _DOCUMENTED.items():
        if name in cut.parameters:
            own = cut.parameters[name]
            begins = cut.begins[cut.names.index(name)] + len(name)
            if any(cut.text.startswith(value, begins) and len(own) < len(value) for value in values):
                yield name


@lru_cache(maxsize=1)
def _swallowed(names: frozenset[str]) -> re.Pattern[str]:
    """Return what finds a name with its value right behind it.

    A merchant's own JSON, say, has a quotation mark there, and may pass.
    """
    long = "|".join(sorted(name for name in names if "_" in name))
    short = r"(test|standin)(true|false)|status(payment|decline)|timestamp[0-9]|version[23]\.0"
    return re.compile(rf"(?=((?:{long})(?:{_VALUE_BEGINS.pattern})|{short}))")
