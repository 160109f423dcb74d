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

from paynearme.messages.values import PaymentType, SiteChannel, SiteSubchannel
from paynearme.signing import UNSIGNED

_NAME_IN_VALUE = "must not hold the name of a parameter"
_OUT_OF_PLACE = "must not read as another parameter"
_CUT = "must not be cut in two"
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
_ANY = re.compile(r".", re.DOTALL)
_AMOUNT = re.compile(r"[0-9-]")
_CURRENCY = re.compile(r"[A-Z]")
# The same and the rest of what decides, with how a value of it begins.
_DECIDES: Mapping[str, re.Pattern[str]] = {
    "net_payment_amount": _AMOUNT,
    "net_payment_currency": _CURRENCY,
    "payment_amount": _AMOUNT,
    "payment_currency": _CURRENCY,
    "payment_type": _ANY,
    "reverse_amount": _AMOUNT,
    "reverse_code": _ANY,
    "reverse_currency": _CURRENCY,
    "reverse_type": _ANY,
    "site_channel": _ANY,
    "site_customer_identifier": _ANY,
    "site_payment_identifier": _ANY,
    "site_subchannel": _ANY,
    **{name: re.compile("|".join(_DOCUMENTED[name])) for name in ("standin", "status", "test")},
}
# How a new name goes on that begins like one we know: PayNearMe's are words between underscores.
_NEW_NAME = re.compile(r"_|s(?:_|$)")
_BEHIND_A_NAME = re.compile(r"[^\W_]|[$+@#{-]")

# Where in a value of any form another parameter may begin that was swallowed.
_AT_A_NAME = re.compile(
    r"(?=(?:payment|pnm|pricing|refund|retailer|return|reversal|reverse|settlement|site|user)_[a-z])"
)
_SWALLOWED_AT: Mapping[str, re.Pattern[str]] = {
    "payment_type": _AT_A_NAME,
    "pnm_payment_identifier": re.compile(r"(?<=[0-9]{6})(?=[a-z])"),
    "reverse_code": _AT_A_NAME,
    "reverse_type": _AT_A_NAME,
    "site_channel": _AT_A_NAME,
    # Not within a word: a merchant's customer may be called website_guest.
    "site_customer_identifier": re.compile(r"(?=site_customer_[a-z])|(?<=[0-9A-Z])(?=site_[a-z])"),
    "site_subchannel": _AT_A_NAME,
}
# Sorts behind every name.
_NO_MORE = "~"


class _Cut:
    """A message as it was cut: its signed text, and where in that each parameter stands."""

    def __init__(self, parameters: Mapping[str, str], known: Collection[str]) -> None:
        self.names = sorted(name for name in parameters if name not in UNSIGNED)
        self.values = [parameters[name] for name in self.names]
        self.text = "".join(name + value for name, value in zip(self.names, self.values, strict=True))
        self.known = known
        self.begins: list[int] = []
        at = 0
        for name, value in zip(self.names, self.values, strict=True):
            self.begins.append(at)
            at += len(name) + len(value)

    def name_behind(self, index: int) -> str:
        return self.names[index + 1] if index + 1 < len(self.names) else _NO_MORE

    def could_hold(self, index: int, name: str) -> bool:
        """Return whether ``name`` fits between the known names around that place: the text is sorted.

        Only known ones tell it: an unknown name can have been cut out of a value.
        """
        around = [other if other in self.known and other != name else "" for other in self.names]
        before = max(around[: index + 1])
        behind = next(filter(None, around[index + 1 :]), _NO_MORE)
        return before < name < behind


def cut_elsewhere(
    parameters: Mapping[str, str], known: Collection[str], all_known: Set[str], exempt: Set[str]
) -> dict[str, str]:
    """Return the parameters that may have been cut elsewhere, by name, with what is wrong.

    ``known`` are the message's own names and ``all_known`` those of all callbacks. The texts of ``exempt``
    parameters may hold names: consumers choose them, and could stop their own payments' callbacks. But
    what decides must not stand in them where it could, and be missing.
    """
    cut = _Cut(parameters, known)
    return {
        **dict.fromkeys(_swallowers(cut, _swallowed(frozenset(all_known)), exempt), _NAME_IN_VALUE),
        **dict.fromkeys(_names_out_of_place(cut, exempt), _OUT_OF_PLACE),
        **dict.fromkeys(_values_too_long(cut), _TOO_LONG),
        **dict.fromkeys(_values_in_two(cut), _CUT),
    }


def _swallowers(cut: _Cut, swallowed: re.Pattern[str], exempt: Set[str]) -> Iterator[str]:
    """Yield the names of the values that hold a name with its value."""
    for index, name in enumerate(cut.names):
        if name in exempt:
            continue
        for found in swallowed.finditer(cut.values[index]):
            # What is signed is sorted, so a name stands only behind one that comes before it. But an unknown
            # one can have been cut out of a value that stands further in front.
            if found[1] > name or (name not in cut.known and cut.could_hold(index, found[1])):
                yield name
                break


def _names_out_of_place(cut: _Cut, exempt: Set[str]) -> Iterator[str]:
    """Yield the names of the parameters in which something begins that decides, but is not told as itself."""
    for name, value in _DECIDES.items():
        at = cut.text.find(name) if name in cut.known else -1
        while at >= 0:
            index = bisect_right(cut.begins, at) - 1
            found = value.match(cut.text, at + len(name))
            if found and _is_out_of_place(cut, index, name, at, found.end(), exempt):
                yield cut.names[index]
            at = cut.text.find(name, at + 1)


def _is_out_of_place(cut: _Cut, index: int, name: str, at: int, value_at: int, exempt: Set[str]) -> bool:
    """Return whether ``name``, found at ``at`` its value's beginning to ``value_at``, is disguised."""
    own, ends = cut.names[index], at + len(name)
    name_ends = cut.begins[index] + len(own)
    next_begins = name_ends + len(cut.values[index])
    if at >= name_ends and value_at > next_begins:
        # From the end of a value into the next name. A name that we know begins there by itself.
        disguised = cut.name_behind(index) not in cut.known
    elif at >= name_ends:
        missing = name not in cut.names or not cut.values[cut.names.index(name)]
        behind = _BEHIND_A_NAME.match(cut.text, ends)
        disguised = own in exempt and missing and behind is not None
    elif ends > name_ends:
        disguised = True
    elif ends == name_ends:
        # A new name may end like one we know, with an underscore in front; so does no value.
        disguised = at > cut.begins[index] and cut.text[at - 1] != "_"
    else:
        documented = cut.text.startswith(_DOCUMENTED.get(name, ()), ends)
        disguised = documented or not _NEW_NAME.match(own, ends - cut.begins[index])
    return disguised and cut.could_hold(index, name)


def _values_too_long(cut: _Cut) -> Iterator[str]:
    """Yield the names whose value may be a shorter one and an unknown parameter that follows it."""
    for index, (name, value) in enumerate(zip(cut.names, cut.values, strict=True)):
        if name not in _SWALLOWED_AT:
            continue
        places = [found.start() for found in _SWALLOWED_AT[name].finditer(value)]
        places += [len(one) for one in _DOCUMENTED.get(name, ()) if value.startswith(one)]
        begins = cut.begins[index] + len(name)
        for place in places:
            # The parameter may end behind the value.
            rest = cut.text[begins + place :]
            if "a" <= rest[:1] <= "z" and name < rest < cut.name_behind(index):
                yield name
        if _SWALLOWED_AT[name] is _AT_A_NAME and value.startswith(("_", "s_")):
            # The end of a new name that begins like this one.
            yield name


def _values_in_two(cut: _Cut) -> Iterator[str]:
    """Yield the names whose value reads as a documented one only together with what stands behind it."""
    for index, (name, own) in enumerate(zip(cut.names, cut.values, strict=True)):
        begins = cut.begins[index] + len(name)
        for value in _DOCUMENTED.get(name, ()):
            if len(own) < len(value) and cut.text.startswith(value, begins):
                yield name


@lru_cache(maxsize=1)
def _swallowed(names: frozenset[str]) -> re.Pattern[str]:
    """Return what finds a name with its value right behind it.

    A merchant's own JSON, say, has a quotation mark there, and may pass.
    """
    long = "|".join(sorted(name for name in names if "_" in name))
    short = r"(test|standin)(true|false)|status(payment|decline)|timestamp[0-9]|version[23]\.0"
    return re.compile(rf"(?=((?:{long})(?:{_BEHIND_A_NAME.pattern})|{short}))")
