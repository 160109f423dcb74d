"""A search for cuts of a signed message that say something else: boundaries moved, put in and taken out.

A cut is a list that takes turns: a name, its value, the next name, and so on. The text that is signed is all
of it in a row, so whatever moves a boundary in it keeps the signature.
"""

import re
from collections.abc import Callable, Iterator, Mapping

import pytest

from local.drive import confirmation_of, reversal_of
from local.events import as_text, load
from paynearme.errors import ValidationFailedError
from paynearme.messages import Authorization, Confirmation, Reversal, ReversalKind, read_message
from paynearme.signing import UNSIGNED, string_to_sign
from tests.messages import valid_authorization, valid_confirmation, valid_reversal

type Parameters = dict[str, str]
type Model = type[Authorization | Confirmation | Reversal]
type Cut = list[str]
type Search = Callable[[Cut, int], Iterator[Cut]]

NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
LAST = "~"

PAYMENT = (
    "pnm_payment_identifier",
    "pnm_order_identifier",
    "site_customer_identifier",
    "test",
    "payment_type",
    "payment_currency",
)
ASKED = (*PAYMENT, "payment_amount", "net_payment_amount", "site_channel", "site_subchannel")
DECIDING: dict[Model, tuple[str, ...]] = {
    Authorization: ASKED,
    Confirmation: (*ASKED, "status"),
    Reversal: (*PAYMENT, "amount", "kind", "fingerprint"),
}
# What ``amount`` and ``kind`` are made of.
SPELLED = {"payment_amount", "reverse_amount", "reverse_currency", "reverse_type", "reverse_code"}

PLAUSIBLE = {
    "payment_amounts_total": "7.00",
    "payment_type_detail": "visa",
    "payment_types_total": "2",
    "original_payment_type": "credit",
    "pnm_payment_new": "7",
    "promo_code": "abc",
    "refund_amount": "7",
    "reverse_type_detail": "first",
    "reverse_zzz": "7",
    "risk_score": "7",
    "site_channel_detail": "web",
    "site_city": "rome",
    "site_customer_identifier_type": "email",
    "site_customer_name": "Zoe",
    "site_is_test": "true",
    "site_zone": "7",
    "status_code": "7",
    "tested_at": "1749067230",
    "is_latest": "true",
    "is_test": "false",
    "processing_mode": "live",
    "prepayment_type": "full",
    "created_at": "2025-06-04",
}
RICH = {
    **PLAUSIBLE,
    "test": "true",
    "site_customer_identifier": "player-zoe",
    "site_order_annotation": "one for the road",
    "site_subchannel": "scheduled_one_time",
    "agent_name": "Joe Doe",
}
LOWER = {"test": "true", "site_customer_identifier": "test-true", "settlement_method": "sm1"}


def documented() -> Iterator[tuple[str, Model, Mapping[str, str | bool]]]:
    for name, message in load("authorization").items():
        yield f"authorization {name}", Authorization, message
        yield f"confirmation of {name}", Confirmation, confirmation_of(message)
        yield f"decline of {name}", Confirmation, confirmation_of(message, status="decline")
        yield f"reversal of {name}", Reversal, reversal_of(message, reverse_amount="20", payment_arn="24011")
    for name, message in load("confirmation").items():
        yield f"confirmation {name}", Confirmation, message
    for name, message in load("reversal").items():
        yield f"reversal {name}", Reversal, message


MESSAGES: dict[str, tuple[Model, Parameters]] = {
    name: (model, {"timestamp": "1748969962", **as_text(message)}) for name, model, message in documented()
}
FEW = {"test": "true", "site_customer_identifier": "player-zoe", "payment_type": "paypal"}
SCHEDULED = {"site_channel": "consumer", "site_subchannel": "scheduled_one_time"}
SHORT: dict[str, tuple[Model, Parameters]] = {
    "an authorization": (
        Authorization,
        valid_authorization(**FEW, **SCHEDULED, net_payment_amount="350", site_customer_identifier_type="id"),
    ),
    "a decline": (
        Confirmation,
        valid_confirmation(**FEW, status="decline", payment_date="1749067230", payment_type_detail="visa"),
    ),
    "a reversal": (
        Reversal,
        valid_reversal(**FEW, reverse_reason="for the rest", reverse_type="chargeback", promo_code="abc"),
    ),
}


def cut_of(parameters: Parameters) -> Cut:
    return [part for name in sorted(parameters) for part in (name, parameters[name])]


def fits(cut: Cut, at: int) -> bool:
    """Return whether the name there is one, and sorts between its neighbours."""
    before = cut[at - 2] if at else ""
    behind = cut[at + 2] if at + 2 < len(cut) else LAST
    return before < cut[at] < behind and cut[at] not in UNSIGNED and NAME.fullmatch(cut[at]) is not None


def with_one_moved(cut: Cut, at: int) -> Iterator[Cut]:
    """Yield the cuts in which the boundary behind that part is elsewhere between its neighbours."""
    if at + 1 < len(cut):
        both = cut[at] + cut[at + 1]
        for place in range(len(both) + 1):
            changed = [*cut[:at], both[:place], both[place:], *cut[at + 2 :]]
            if place != len(cut[at]) and fits(changed, at + at % 2):
                yield changed


def with_two_put_in(cut: Cut, at: int) -> Iterator[Cut]:
    """Yield the cuts in which a value became a value and a parameter, or a name two parameters."""
    part = cut[at]
    if at % 2:
        for found in re.finditer(r"(?=([a-z][a-z0-9_]*))", part):
            for ends in range(found.start() + 1, found.end(1) + 1):
                changed = [*cut[:at], part[: found.start()], part[found.start() : ends], part[ends:]]
                changed += cut[at + 1 :]
                if fits(changed, at + 1):
                    yield changed
        return
    for ends in range(1, len(part)):
        for begins in range(ends, len(part)):
            changed = [*cut[:at], part[:ends], part[ends:begins], part[begins:], *cut[at + 1 :]]
            if part[:ends] < part[begins:] and fits(changed, at) and fits(changed, at + 2):
                yield changed


def with_two_taken_out(cut: Cut, at: int) -> Iterator[Cut]:
    """Yield the cut in which that part swallowed the two behind it."""
    if at + 2 < len(cut):
        changed = [*cut[:at], "".join(cut[at : at + 3]), *cut[at + 3 :]]
        if at % 2 or fits(changed, at):
            yield changed


SEARCHES: tuple[Search, ...] = (with_one_moved, with_two_put_in, with_two_taken_out)


def changes(cut: Cut, places: range) -> Iterator[tuple[Cut, int]]:
    for at in places:
        for search in SEARCHES:
            yield from ((changed, at) for changed in search(cut, at))


def single_changes(cut: Cut) -> Iterator[Cut]:
    yield from (changed for changed, _ in changes(cut, range(len(cut))))


def pairs_of_changes(cut: Cut) -> Iterator[Cut]:
    """Yield the cuts with two changes that are near each other."""
    for once, at in changes(cut, range(len(cut))):
        near = range(max(at - 2, 0), min(at + 4, len(once)))
        yield from (twice for twice, _ in changes(once, near))


def what_decides(model: Model, parameters: Parameters) -> dict[str, object]:
    message = read_message(model, parameters)
    return {name: getattr(message, name) for name in DECIDING[model]}


def that_get_through(
    model: Model, original: Parameters, search: Callable[[Cut], Iterator[Cut]]
) -> Iterator[tuple[Parameters, dict[str, object]]]:
    """Yield the cuts that are not refused, and what they say that the original does not."""
    before = what_decides(model, original)
    spelled = SPELLED | set(DECIDING[model])
    for cut in search(cut_of(original)):
        told = dict(zip(cut[::2], cut[1::2], strict=True))
        if all(told.get(name) == original.get(name) for name in spelled):
            # Spelled alike, so it says the same: most cuts do, and need not be read.
            continue
        try:
            after = what_decides(model, told)
        except ValidationFailedError:
            continue
        if after != before:
            assert string_to_sign(told) == string_to_sign(original)
            yield told, {name: value for name, value in after.items() if value != before[name]}


@pytest.mark.parametrize("name", MESSAGES)
def test_no_single_change_of_a_documented_messages_cut_says_something_else(name: str) -> None:
    model, parameters = MESSAGES[name]
    assert list(that_get_through(model, parameters, single_changes)) == []


@pytest.mark.parametrize("additions", [LOWER, RICH], ids=["lower case", "rich"])
@pytest.mark.parametrize(
    "name", [name for name in MESSAGES if re.search("ach_scheduled_one|cash$|reversal [bcr]", name)]
)
def test_no_single_change_of_a_longer_messages_cut_says_something_else(
    name: str, additions: Parameters
) -> None:
    model, parameters = MESSAGES[name]
    assert list(that_get_through(model, parameters | additions, single_changes)) == []


@pytest.mark.parametrize("name", SHORT)
def test_no_two_changes_of_a_cut_say_something_else(name: str) -> None:
    model, parameters = SHORT[name]
    assert list(that_get_through(model, parameters, pairs_of_changes)) == []


def test_a_new_parameter_of_any_plausible_name_is_accepted_alone_and_with_all_others() -> None:
    for name, value in PLAUSIBLE.items():
        for new in ({name: value}, {name: ""}, PLAUSIBLE):
            assert read_message(Authorization, valid_authorization(**new)).payment_type is None
            assert read_message(Confirmation, valid_confirmation(**new)).test is False
            assert read_message(Reversal, valid_reversal(**new)).kind is ReversalKind.RETURN


@pytest.mark.parametrize(
    "changed",
    [
        {"payment_type": "ach_guaranteed"},
        {"payment_type": "crypto"},
        {"site_channel": "consumer_kiosk"},
        {"site_channel": "onsite_kiosk"},
        {"site_subchannel": "scheduled_two_times"},
        {"site_customer_identifier": "website_guest"},
        {"site_customer_identifier": "test-true"},
        {"pnm_payment_identifier": "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"},
        {"payment_type": ""},
    ],
    ids=str,
)
def test_a_new_value_of_what_decides_is_accepted(changed: Parameters) -> None:
    for model, parameters in MESSAGES.values():
        message = read_message(model, parameters | changed)
        assert {name: getattr(message, name) or "" for name in changed} == changed
