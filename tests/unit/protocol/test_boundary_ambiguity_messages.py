"""Moved boundaries in the sample messages: the signed text has no separators."""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

import pytest

from paynearme.errors import ValidationFailedError
from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.parsing import read_message
from paynearme.protocol.reversals import Reversal
from paynearme.protocol.signing import UNSIGNED, string_to_sign, verify
from sandbox.clients.sample_messages import load
from sandbox.fake_paynearme.messages import build_confirmation, build_reversal, signed, stringify_parameters
from tests.support.message_fixtures import SECRET, valid_authorization, valid_confirmation, valid_reversal

type Parameters = dict[str, str]
type Model = type[Authorization | Confirmation | Reversal]

IDENTIFYING_FIELDS = ("pnm_payment_identifier", "pnm_order_identifier", "site_customer_identifier", "test")
DECISIVE_FIELDS: dict[Model, tuple[str, ...]] = {
    Authorization: (*IDENTIFYING_FIELDS, "payment_amount", "net_payment_amount"),
    Confirmation: (*IDENTIFYING_FIELDS, "payment_amount", "net_payment_amount", "status"),
    Reversal: (*IDENTIFYING_FIELDS, "amount", "kind", "fingerprint"),
}
MESSAGES: dict[str, tuple[Model, Mapping[str, str | bool]]] = {
    **{f"authorization {name}": (Authorization, message) for name, message in load("authorization").items()},
    **{f"confirmation {name}": (Confirmation, message) for name, message in load("confirmation").items()},
    **{
        f"confirmation of {name}": (Confirmation, build_confirmation(message))
        for name, message in load("authorization").items()
    },
    **{f"reversal {name}": (Reversal, message) for name, message in load("reversal").items()},
    **{
        f"reversal of {name}": (Reversal, build_reversal(build_confirmation(message), payment_arn="24011345"))
        for name, message in load("authorization").items()
    },
    # Whole dollars, which the alphabet of an identifier contains, and all parameters of a confirmation.
    **{
        f"long reversal of {name}": (
            Reversal,
            {**build_confirmation(message), **build_reversal(message, reverse_amount="20", reverse_type="Chargeback")},
        )
        for name, message in load("authorization").items()
    },
}
# Additional parameters. Of the two unknown names, the first follows the payment's identifier.
EXTRA_PARAMETERS: dict[str, dict[str, str | bool]] = {
    "as documented": {},
    "test": {"test": True},
    "unknown name after the payment": {"pnm_payment_new": "7"},
    "unknown name later": {"pnm_zzz_new": "7"},
    "unknown names about money": {"refund_amount": "7", "reverse_zzz": "7", "site_a": "7"},
    "annotation": {"site_order_annotation": "a gift"},
    "all of them": {"test": True, "pnm_payment_new": "7", "pnm_zzz_new": "7", "site_order_annotation": "x"},
}


def signed_names(parameters: Parameters) -> list[str]:
    return sorted(name for name in parameters if name not in UNSIGNED)


def absorb(parameters: Parameters, absorber: str, absorbed: list[str]) -> Parameters:
    """Return the message with the following names and values in the value of ``absorber``."""
    remaining = {name: value for name, value in parameters.items() if name not in absorbed}
    return remaining | {absorber: parameters[absorber] + "".join(n + parameters[n] for n in absorbed)}


def absorb_one(parameters: Parameters) -> Iterator[tuple[str, Parameters]]:
    for absorber, name in pairwise(signed_names(parameters)):
        yield f"{absorber} absorbed {name}", absorb(parameters, absorber, [name])


def absorb_two(parameters: Parameters) -> Iterator[tuple[str, Parameters]]:
    names = signed_names(parameters)
    for absorber, first, second in zip(names, names[1:], names[2:], strict=False):
        changed = absorb(parameters, absorber, [first, second])
        yield f"{absorber} absorbed {first} and {second}", changed


def split_value(parameters: Parameters) -> Iterator[tuple[str, Parameters]]:
    """Yield the messages with the end of a value as a separate parameter."""
    for name, following in pairwise([*signed_names(parameters), "\N{DELETE}"]):
        value = parameters[name]
        for match in re.finditer(r"(?=([a-z][a-z0-9_]*))", value):
            start, text = match.start(), match[1]
            for length in range(1, len(text) + 1):
                if name < text[:length] < following:
                    split_parameter = {text[:length]: value[start + length :]}
                    yield f"{name} lost {text[:length]}", {**parameters, name: value[:start], **split_parameter}


def decisive_values(model: Model, parameters: Parameters) -> dict[str, object]:
    message = read_message(model, parameters)
    return {name: getattr(message, name) for name in DECISIVE_FIELDS[model]}


def changed_values(model: Model, original_values: dict[str, object], changed: Parameters) -> dict[str, object]:
    """Return the changed decisive values, or nothing if the message is rejected."""
    try:
        new_values = decisive_values(model, changed)
    except ValidationFailedError:
        return {}
    return {name: value for name, value in new_values.items() if value != original_values[name]}


@pytest.mark.parametrize("variants", [absorb_one, absorb_two, split_value])
@pytest.mark.parametrize("name", MESSAGES)
def test_moved_boundary_rejected_or_decisive_fields_unchanged(
    name: str, variants: Callable[[Parameters], Iterator[tuple[str, Parameters]]]
) -> None:
    model, sample = MESSAGES[name]
    undetected = []
    for addition, extra in EXTRA_PARAMETERS.items():
        original = signed(sample, SECRET, "3.0", 1748969962, **extra)
        original_values = decisive_values(model, original)
        for variant, changed in variants(original):
            assert string_to_sign(changed) == string_to_sign(original)
            verify(changed, original["signature"], [SECRET], "3.0")
            if undetected_values := changed_values(model, original_values, changed):
                undetected.append((addition, variant, undetected_values))

    assert undetected == []


@pytest.mark.parametrize(
    "name", ["user_agent_string", "user_environment", "agent_name", "agent_email", "payment_bank_name"]
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
def test_consumer_controlled_text_any_content_valid(name: str, text: str) -> None:
    authorization = read_message(Authorization, valid_authorization(**{name: text}))
    confirmation = read_message(Confirmation, valid_confirmation(**{name: text}))
    reversal = read_message(Reversal, valid_reversal(**{name: text}))

    assert {getattr(message, name) for message in (authorization, confirmation, reversal)} == {text}


@pytest.mark.parametrize("parameter", ["reverse_new7", "reversal_type7", "return_code7", "refund_amount5"])
def test_identifier_absorbs_reversal_parameter_rejected(parameter: str) -> None:
    for name in ("pnm_payment_identifier", "pnm_order_identifier"):
        with pytest.raises(ValidationFailedError):
            read_message(Reversal, valid_reversal(**{name: f"830466818968{parameter}"}))


def test_order_annotation_with_names_sorted_before_it_valid() -> None:
    annotation = '{"payment_date": "soon", "pnm_order_identifier": "1"}'
    message = load("authorization")["cash"] | {"site_order_annotation": annotation}
    assert read_message(Authorization, stringify_parameters(message)).site_order_annotation == annotation


@pytest.mark.parametrize("text", ['{"site_payment_identifier": "1"}', "site_subchannel: none", "test=true"])
@pytest.mark.parametrize("name", ["site_order_annotation", "custom_data"])
def test_merchant_text_with_parameter_names_valid(name: str, text: str) -> None:
    message = load("authorization")["cash"] | {name: text}
    assert getattr(read_message(Authorization, stringify_parameters(message)), name) == text


def test_order_annotation_absorbs_test_rejected() -> None:
    message = load("authorization")["cash"] | {"site_order_annotation": "a note" + "test" + "true"}
    with pytest.raises(ValidationFailedError):
        read_message(Authorization, stringify_parameters(message))
