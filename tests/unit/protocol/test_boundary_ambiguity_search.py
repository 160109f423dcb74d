"""Search for splits of a signed text that change a decisive field: moved, inserted and removed boundaries.

A split is a list of alternating names and values. Its concatenation is the signed text, so another split of the same
text has the same signature.
"""

import re
from collections.abc import Callable, Iterator, Mapping

import pytest

from paynearme.errors import ValidationFailedError
from paynearme.protocol.callbacks import Authorization, Confirmation
from paynearme.protocol.parsing import read_message
from paynearme.protocol.reversals import Reversal, ReversalKind
from paynearme.protocol.signing import UNSIGNED, string_to_sign
from sandbox.clients.sample_messages import load
from sandbox.fake_paynearme.messages import build_confirmation, build_reversal, stringify_parameters
from tests.support.message_fixtures import valid_authorization, valid_confirmation, valid_reversal

type Parameters = dict[str, str]
type Model = type[Authorization | Confirmation | Reversal]
type FieldSequence = list[str]
type Search = Callable[[FieldSequence, int], Iterator[FieldSequence]]

NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
END_MARK = "~"

PAYMENT = (
    "pnm_payment_identifier",
    "pnm_order_identifier",
    "site_customer_identifier",
    "test",
    "payment_type",
    "payment_currency",
)
AUTHORIZATION_FIELDS = (*PAYMENT, "payment_amount", "net_payment_amount", "site_channel", "site_subchannel")
DECISIVE_FIELDS: dict[Model, tuple[str, ...]] = {
    Authorization: AUTHORIZATION_FIELDS,
    Confirmation: (*AUTHORIZATION_FIELDS, "status"),
    Reversal: (*PAYMENT, "amount", "kind", "fingerprint"),
}
# The parameters of ``amount`` and ``kind``.
SOURCE_FIELDS = {"payment_amount", "reverse_amount", "reverse_currency", "reverse_type", "reverse_code"}

PLAUSIBLE_PARAMETERS = {
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
LONG_VALUES = {
    **PLAUSIBLE_PARAMETERS,
    "test": "true",
    "site_customer_identifier": "customer-zoe",
    "site_order_annotation": "one for the road",
    "site_subchannel": "scheduled_one_time",
    "agent_name": "Joe Doe",
}
LOWERCASE_VALUES = {"test": "true", "site_customer_identifier": "test-true", "settlement_method": "sm1"}


def sample_messages() -> Iterator[tuple[str, Model, Mapping[str, str | bool]]]:
    for name, message in load("authorization").items():
        yield f"authorization {name}", Authorization, message
        yield f"confirmation of {name}", Confirmation, build_confirmation(message)
        yield f"decline of {name}", Confirmation, build_confirmation(message, status="decline")
        yield f"reversal of {name}", Reversal, build_reversal(message, reverse_amount="20", payment_arn="24011")
    for name, message in load("confirmation").items():
        yield f"confirmation {name}", Confirmation, message
    for name, message in load("reversal").items():
        yield f"reversal {name}", Reversal, message


MESSAGES: dict[str, tuple[Model, Parameters]] = {
    name: (model, {"timestamp": "1748969962", **stringify_parameters(message)})
    for name, model, message in sample_messages()
}
SHORT_VALUES = {"test": "true", "site_customer_identifier": "customer-zoe", "payment_type": "paypal"}
SCHEDULED = {"site_channel": "consumer", "site_subchannel": "scheduled_one_time"}
SHORT_MESSAGES: dict[str, tuple[Model, Parameters]] = {
    "an authorization": (
        Authorization,
        valid_authorization(**SHORT_VALUES, **SCHEDULED, net_payment_amount="350", site_customer_identifier_type="id"),
    ),
    "a decline": (
        Confirmation,
        valid_confirmation(**SHORT_VALUES, status="decline", payment_date="1749067230", payment_type_detail="visa"),
    ),
    "a reversal": (
        Reversal,
        valid_reversal(**SHORT_VALUES, reverse_reason="for the order", reverse_type="chargeback", promo_code="abc"),
    ),
}


def field_sequence(parameters: Parameters) -> FieldSequence:
    return [part for name in sorted(parameters) for part in (name, parameters[name])]


def is_ordered(sequence: FieldSequence, index: int) -> bool:
    """Return whether the name at ``index`` is valid and sorts between its neighbours."""
    previous = sequence[index - 2] if index else ""
    following = sequence[index + 2] if index + 2 < len(sequence) else END_MARK
    return (
        previous < sequence[index] < following
        and sequence[index] not in UNSIGNED
        and NAME.fullmatch(sequence[index]) is not None
    )


def move_boundary(sequence: FieldSequence, index: int) -> Iterator[FieldSequence]:
    """Yield the splits with another position of the boundary after ``index``."""
    if index + 1 < len(sequence):
        joined = sequence[index] + sequence[index + 1]
        for boundary in range(len(joined) + 1):
            changed = [*sequence[:index], joined[:boundary], joined[boundary:], *sequence[index + 2 :]]
            if boundary != len(sequence[index]) and is_ordered(changed, index + index % 2):
                yield changed


def insert_boundaries(sequence: FieldSequence, index: int) -> Iterator[FieldSequence]:
    """Yield the splits of a value into a value and a parameter, and of a name into two parameters."""
    text = sequence[index]
    if index % 2:
        for match in re.finditer(r"(?=([a-z][a-z0-9_]*))", text):
            for end in range(match.start() + 1, match.end(1) + 1):
                changed = [*sequence[:index], text[: match.start()], text[match.start() : end], text[end:]]
                changed += sequence[index + 1 :]
                if is_ordered(changed, index + 1):
                    yield changed
        return
    for end in range(1, len(text)):
        for start in range(end, len(text)):
            changed = [*sequence[:index], text[:end], text[end:start], text[start:], *sequence[index + 1 :]]
            if text[:end] < text[start:] and is_ordered(changed, index) and is_ordered(changed, index + 2):
                yield changed


def merge_fields(sequence: FieldSequence, index: int) -> Iterator[FieldSequence]:
    """Yield the split without the two boundaries after ``index``."""
    if index + 2 < len(sequence):
        changed = [*sequence[:index], "".join(sequence[index : index + 3]), *sequence[index + 3 :]]
        if index % 2 or is_ordered(changed, index):
            yield changed


SEARCHES: tuple[Search, ...] = (move_boundary, insert_boundaries, merge_fields)


def apply_searches(sequence: FieldSequence, indexes: range) -> Iterator[tuple[FieldSequence, int]]:
    for index in indexes:
        for search in SEARCHES:
            yield from ((changed, index) for changed in search(sequence, index))


def single_changes(sequence: FieldSequence) -> Iterator[FieldSequence]:
    yield from (changed for changed, _ in apply_searches(sequence, range(len(sequence))))


def double_changes(sequence: FieldSequence) -> Iterator[FieldSequence]:
    """Yield the splits with two neighbouring changes."""
    for changed_once, index in apply_searches(sequence, range(len(sequence))):
        neighbours = range(max(index - 2, 0), min(index + 4, len(changed_once)))
        yield from (changed_twice for changed_twice, _ in apply_searches(changed_once, neighbours))


def decisive_values(model: Model, parameters: Parameters) -> dict[str, object]:
    message = read_message(model, parameters)
    return {name: getattr(message, name) for name in DECISIVE_FIELDS[model]}


def undetected_changes(
    model: Model, original: Parameters, search: Callable[[FieldSequence], Iterator[FieldSequence]]
) -> Iterator[tuple[Parameters, dict[str, object]]]:
    """Yield the splits that are accepted and change a decisive value, with the changed values."""
    original_values = decisive_values(model, original)
    fields = SOURCE_FIELDS | set(DECISIVE_FIELDS[model])
    for sequence in search(field_sequence(original)):
        parameters_read = dict(zip(sequence[::2], sequence[1::2], strict=True))
        if all(parameters_read.get(name) == original.get(name) for name in fields):
            # The decisive values are the same for most splits, so the test skips their validation.
            continue
        try:
            changed_values = decisive_values(model, parameters_read)
        except ValidationFailedError:
            continue
        if changed_values != original_values:
            assert string_to_sign(parameters_read) == string_to_sign(original)
            yield (
                parameters_read,
                {name: value for name, value in changed_values.items() if value != original_values[name]},
            )


@pytest.mark.parametrize("name", MESSAGES)
def test_single_boundary_change_sample_detected_or_harmless(name: str) -> None:
    model, parameters = MESSAGES[name]
    assert list(undetected_changes(model, parameters, single_changes)) == []


@pytest.mark.parametrize("additions", [LOWERCASE_VALUES, LONG_VALUES], ids=["lower case", "long values"])
@pytest.mark.parametrize(
    "name", [name for name in MESSAGES if re.search("ach_scheduled_one|cash$|reversal [bcr]", name)]
)
def test_single_boundary_change_long_sample_detected_or_harmless(name: str, additions: Parameters) -> None:
    model, parameters = MESSAGES[name]
    assert list(undetected_changes(model, parameters | additions, single_changes)) == []


@pytest.mark.parametrize("name", SHORT_MESSAGES)
def test_two_boundary_changes_detected_or_harmless(name: str) -> None:
    model, parameters = SHORT_MESSAGES[name]
    assert list(undetected_changes(model, parameters, double_changes)) == []


def test_unknown_parameter_plausible_names_valid() -> None:
    for name, value in PLAUSIBLE_PARAMETERS.items():
        for extra in ({name: value}, {name: ""}, PLAUSIBLE_PARAMETERS):
            assert read_message(Authorization, valid_authorization(**extra)).payment_type is None
            assert read_message(Confirmation, valid_confirmation(**extra)).test is False
            assert read_message(Reversal, valid_reversal(**extra)).kind is ReversalKind.RETURN


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
def test_decisive_field_new_value_valid(changed: Parameters) -> None:
    for model, parameters in MESSAGES.values():
        message = read_message(model, parameters | changed)
        assert {name: getattr(message, name) or "" for name in changed} == changed
