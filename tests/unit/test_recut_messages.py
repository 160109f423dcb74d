"""The signed text has no separators: a message can be cut in other places under the same signature."""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

import pytest

from local.drive import confirmation_of, reversal_of
from local.events import as_text, load, signed
from paynearme.errors import InvalidMessageError
from paynearme.messages import Authorization, Confirmation, Reversal, read_message
from paynearme.signing import UNSIGNED, string_to_sign, verify
from tests.messages import SECRET, valid_authorization, valid_confirmation, valid_reversal

type Parameters = dict[str, str]
type Model = type[Authorization | Confirmation | Reversal]

IDENTIFYING = ("pnm_payment_identifier", "pnm_order_identifier", "site_customer_identifier", "test")
DECIDING: dict[Model, tuple[str, ...]] = {
    Authorization: (*IDENTIFYING, "payment_amount", "net_payment_amount"),
    Confirmation: (*IDENTIFYING, "payment_amount", "net_payment_amount", "status"),
    Reversal: (*IDENTIFYING, "amount", "kind", "fingerprint"),
}
MESSAGES: dict[str, tuple[Model, Mapping[str, str | bool]]] = {
    **{f"authorization {name}": (Authorization, message) for name, message in load("authorization").items()},
    **{f"confirmation {name}": (Confirmation, message) for name, message in load("confirmation").items()},
    **{
        f"confirmation of {name}": (Confirmation, confirmation_of(message))
        for name, message in load("authorization").items()
    },
    **{f"reversal {name}": (Reversal, message) for name, message in load("reversal").items()},
    **{
        f"reversal of {name}": (Reversal, reversal_of(confirmation_of(message), payment_arn="24011345"))
        for name, message in load("authorization").items()
    },
    # Whole dollars, which an identifier's alphabet holds, and all that a confirmation carries besides.
    **{
        f"long reversal of {name}": (
            Reversal,
            {
                **confirmation_of(message),
                **reversal_of(message, reverse_amount="20", reverse_type="Chargeback"),
            },
        )
        for name, message in load("authorization").items()
    },
}
# What a message may say besides. Of the two unknown names, the first is next to the payment's identifier.
ADDITIONS: dict[str, dict[str, str | bool]] = {
    "as documented": {},
    "test": {"test": True},
    "unknown name behind the payment": {"pnm_payment_new": "7"},
    "unknown name further behind": {"pnm_zzz_new": "7"},
    "unknown names about money": {"refund_amount": "7", "reverse_zzz": "7", "site_a": "7"},
    "annotation": {"site_order_annotation": "a gift"},
    "all of them": {"test": True, "pnm_payment_new": "7", "pnm_zzz_new": "7", "site_order_annotation": "x"},
}


def names_in_order(parameters: Parameters) -> list[str]:
    return sorted(name for name in parameters if name not in UNSIGNED)


def swallowing(parameters: Parameters, swallower: str, swallowed: list[str]) -> Parameters:
    """Return the message in which a value holds the names and values that follow it."""
    kept = {name: value for name, value in parameters.items() if name not in swallowed}
    return kept | {swallower: parameters[swallower] + "".join(n + parameters[n] for n in swallowed)}


def with_one_swallowed(parameters: Parameters) -> Iterator[tuple[str, Parameters]]:
    for swallower, name in pairwise(names_in_order(parameters)):
        yield f"{swallower} swallowed {name}", swallowing(parameters, swallower, [name])


def with_two_swallowed(parameters: Parameters) -> Iterator[tuple[str, Parameters]]:
    names = names_in_order(parameters)
    for swallower, first, second in zip(names, names[1:], names[2:], strict=False):
        changed = swallowing(parameters, swallower, [first, second])
        yield f"{swallower} swallowed {first} and {second}", changed


def with_one_cut_in_two(parameters: Parameters) -> Iterator[tuple[str, Parameters]]:
    """Yield the messages in which the end of a value became a parameter of its own."""
    for name, following in pairwise([*names_in_order(parameters), "\N{DELETE}"]):
        value = parameters[name]
        for found in re.finditer(r"(?=([a-z][a-z0-9_]*))", value):
            begins, text = found.start(), found[1]
            for ends in range(1, len(text) + 1):
                if name < text[:ends] < following:
                    rest = {text[:ends]: value[begins + ends :]}
                    yield f"{name} lost {text[:ends]}", {**parameters, name: value[:begins], **rest}


def what_decides(model: Model, parameters: Parameters) -> dict[str, object]:
    message = read_message(model, parameters)
    return {name: getattr(message, name) for name in DECIDING[model]}


def differences(model: Model, before: dict[str, object], changed: Parameters) -> dict[str, object]:
    """Return what decides and differs, as the changed message says it; nothing if that is refused."""
    try:
        after = what_decides(model, changed)
    except InvalidMessageError:
        return {}
    return {name: value for name, value in after.items() if value != before[name]}


@pytest.mark.parametrize("cuts", [with_one_swallowed, with_two_swallowed, with_one_cut_in_two])
@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_that_is_cut_differently_is_refused_or_says_the_same_of_the_money(
    name: str, cuts: Callable[[Parameters], Iterator[tuple[str, Parameters]]]
) -> None:
    model, documented = MESSAGES[name]
    got_through = []
    for addition, more in ADDITIONS.items():
        original = signed(documented, SECRET, "3.0", 1748969962, **more)
        before = what_decides(model, original)
        for cut, changed in cuts(original):
            assert string_to_sign(changed) == string_to_sign(original)
            verify(changed, original["signature"], [SECRET], "3.0")
            if told := differences(model, before, changed):
                got_through.append((addition, cut, told))

    assert got_through == []


@pytest.mark.parametrize(
    "name",
    ["user_agent_string", "user_environment", "agent_name", "agent_email", "payment_bank_name"],
)
@pytest.mark.parametrize(
    "text",
    [
        "pnm_processing_fee4.99",
        "site_customer_identifier payment_amount",
        "testtrue statuspayment timestamp1 version3.0",
        "x" * 10_000,
    ],
    ids=["a neighbour", "names", "short names", "long"],
)
def test_a_text_that_consumers_choose_is_accepted_whatever_it_says(name: str, text: str) -> None:
    authorization = read_message(Authorization, valid_authorization(**{name: text}))
    confirmation = read_message(Confirmation, valid_confirmation(**{name: text}))
    reversal = read_message(Reversal, valid_reversal(**{name: text}))

    assert {getattr(message, name) for message in (authorization, confirmation, reversal)} == {text}


@pytest.mark.parametrize("new", ["reverse_new7", "reversal_type7", "return_code7", "refund_amount5"])
def test_an_identifier_that_swallowed_a_new_parameter_about_money_that_came_back_is_refused(new: str) -> None:
    for name in ("pnm_payment_identifier", "pnm_order_identifier"):
        with pytest.raises(InvalidMessageError):
            read_message(Reversal, valid_reversal(**{name: f"830466818968{new}"}))


def test_a_merchants_annotation_may_hold_names_that_cannot_stand_behind_it() -> None:
    annotation = '{"payment_date": "soon", "pnm_order_identifier": "1"}'
    message = load("authorization")["cash"] | {"site_order_annotation": annotation}
    assert read_message(Authorization, as_text(message)).site_order_annotation == annotation


@pytest.mark.parametrize("text", ['{"site_payment_identifier": "1"}', "site_subchannel: none", "test=true"])
@pytest.mark.parametrize("name", ["site_order_annotation", "custom_data"])
def test_a_merchants_own_text_may_name_parameters_as_people_do(name: str, text: str) -> None:
    message = load("authorization")["cash"] | {name: text}
    assert getattr(read_message(Authorization, as_text(message)), name) == text


def test_a_merchants_annotation_that_swallowed_a_test_mark_is_refused() -> None:
    message = load("authorization")["cash"] | {"site_order_annotation": "a note" + "test" + "true"}
    with pytest.raises(InvalidMessageError):
        read_message(Authorization, as_text(message))


type Told = tuple[Parameters, Parameters]
CUT_BY_HAND: dict[str, Told] = {
    "a name with its value": ({"test": "true"}, {"testtrue": ""}),
    "a name with a part of its value": ({"test": "true"}, {"testtr": "ue"}),
    "a part of a name": ({"test": "true"}, {"tes": "ttrue"}),
    "a name at the end of another": (
        {"site_subchannel": "weekly", "test": "true"},
        {"site_subchannelweeklytest": "true"},
    ),
    "a name and a half": (
        {"site_subchannel": "weekly", "test": "true"},
        {"site_subchannel": "weeklytest", "t": "rue"},
    ),
    "a word that sorts behind what it swallows": (
        {"site_order_annotation": "one for the road", "test": "true"},
        {"site_order_annotation": "one for ", "the": " roadtesttrue"},
    ),
    "a type in the name": ({"payment_type": "credit"}, {"payment_typecredit": ""}),
    "a new type in the name": ({"payment_type": "crypto"}, {"payment_typecr": "ypto"}),
    "a type as a name": ({"payment_type": "paypal"}, {"payment_type": "", "paypal": ""}),
    "a type behind digits": (
        {"payment_date": "1749067230", "payment_type": "ach"},
        {"payment_date1749067230payment_type": "ach"},
    ),
    "a type behind another name": (
        {"payment_method": "visa", "payment_type": "credit"},
        {"payment_methodvisapayment_typecredit": ""},
    ),
    "a type with a new parameter": (
        {"payment_type": "ach", "payment_type_detail": "visa"},
        {"payment_type": "achpayment_type_detailvisa"},
    ),
    "a type with a part of a new name": (
        {"payment_type": "ach", "payment_type_detail": "visa"},
        {"payment_type": "achpayment_ty", "pe_detail": "visa"},
    ),
    "the end of a new name as a type": ({"payment_type_detail": "visa"}, {"payment_type": "_detailvisa"}),
    "a part of a channel": ({"site_channel": "consumer"}, {"site_channelcon": "sumer"}),
    "a schedule in two": (
        {"site_subchannel": "scheduled_one_time"},
        {"site_subchannel": "scheduled_one_", "time": ""},
    ),
    "a schedule like a plural": (
        {"site_subchannel": "scheduled_one_time"},
        {"site_subchannels": "cheduled_one_time"},
    ),
    "an amount in the name": ({"net_payment_amount": "350.00"}, {"net_payment_amount350": ".00"}),
    "an amount in the value": ({"net_payment_amount": "350.00"}, {"net_payment": "_amount350.00"}),
    "an amount behind an agent": (
        {"agent_name": "Joe", "net_payment_amount": "350.00"},
        {"agent_name": "Joenet_payment_amount350.00"},
    ),
    "a customer in the name": ({"site_customer_identifier": "773"}, {"site_customer_identifier773": ""}),
    "a customer in the value": ({"site_customer_identifier": "773"}, {"site_customer_identifie": "r773"}),
    "a telephone number in the value": (
        {"settlement_method": "SM7", "site_customer_identifier": "+1555"},
        {"settlement_method": "SM7site_customer_identifier+1555"},
    ),
    "a customer with a new parameter": (
        {"site_customer_identifier": "773", "site_customer_name": "Zoe"},
        {"site_customer_identifier": "773site_customer_nameZoe"},
    ),
    "a customer of another name": (
        {"site_customer_identifier": "773", "site_customer_identifier_type": "email"},
        {"site_cust": "omer_identifier773", "site_customer_identifier": "_typeemail"},
    ),
    "a payment with a new parameter": (
        {"pnm_payment_identifier": "830466818968", "promo_code": "abc"},
        {"pnm_payment_identifier": "830466818968promo_codeabc"},
    ),
}
REVERSAL_CUT_BY_HAND: dict[str, Told] = {
    "a type in the name": ({"reverse_type": "chargeback"}, {"reverse_typecharge": "back"}),
    "a type in the value": ({"reverse_type": "Chargeback"}, {"reverse_typ": "eChargeback"}),
    "a type behind a reason": (
        {"reverse_reason": "Card Absent Environment", "reverse_type": "Chargeback"},
        {"reverse_reason": "Card Absent Envi", "ronmentreverse_type": "Chargeback"},
    ),
    "an amount in the value": (
        {"payment_amount": "354.99", "reverse_amount": "20"},
        {"payment_amount": "354.99", "reverse_amoun": "t20"},
    ),
    "an amount behind a new parameter": (
        {"payment_amount": "354.99", "promo_code": "abc", "reverse_amount": "20"},
        {"payment_amount": "354.99", "promo_codeabcreverse_amount": "20"},
    ),
}


def refuses_the_second(model: Model, valid: Callable[..., Parameters], told: Told) -> bool:
    """Return whether the message with the one is accepted and the same text, cut as the other, is not."""
    one, other = told
    without: dict[str, None] = dict.fromkeys(one)
    original, changed = valid(**one), valid(**{**without, **other})
    assert string_to_sign(changed) == string_to_sign(original)
    read_message(model, original)
    try:
        read_message(model, changed)
    except InvalidMessageError:
        return True
    return False


@pytest.mark.parametrize("name", CUT_BY_HAND)
def test_what_decides_cannot_be_hidden_by_another_cut(name: str) -> None:
    assert refuses_the_second(Authorization, valid_authorization, CUT_BY_HAND[name])


@pytest.mark.parametrize("name", REVERSAL_CUT_BY_HAND)
def test_what_came_back_and_why_cannot_be_hidden_by_another_cut(name: str) -> None:
    assert refuses_the_second(Reversal, valid_reversal, REVERSAL_CUT_BY_HAND[name])


def test_an_agents_name_may_not_stand_for_the_net_amount_but_may_say_what_it_likes_beside_it() -> None:
    name = "Joe" + "net_payment_amount" + "350.00"
    with pytest.raises(InvalidMessageError):
        read_message(Authorization, valid_authorization(agent_name=name))

    beside = read_message(Authorization, valid_authorization(agent_name=name, net_payment_amount="350.00"))
    assert beside.agent_name == name
