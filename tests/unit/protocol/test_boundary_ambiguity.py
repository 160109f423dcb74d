"""Splits of one signed text: a split that changes a decisive field is rejected.

A split is a list of alternating names and values. Its concatenation is the signed text, so another split of the same
text has the same signature.
"""

import re
from collections.abc import Iterator
from itertools import combinations_with_replacement, islice, product

import pytest

from paynearme.errors import UnprocessableCallbackError, ValidationFailedError
from paynearme.protocol.callbacks import Authorization, Confirmation, read_callback
from paynearme.protocol.quarantine import QuarantineReason
from paynearme.protocol.reversals import Reversal
from paynearme.protocol.signing import UNSIGNED, string_to_sign
from sandbox.clients.sample_messages import load
from sandbox.fake_paynearme.messages import build_confirmation, build_reversal, stringify_parameters
from tests.support.message_fixtures import valid_authorization, valid_confirmation, valid_reversal
from tests.support.test_run import IS_FULL

type Parameters = dict[str, str]
type Model = type[Authorization | Confirmation | Reversal]
type FieldSequence = list[str]

IDENTIFIERS = ("pnm_order_identifier", "pnm_payment_identifier", "site_customer_identifier", "site_payment_identifier")
PAYMENT = (*IDENTIFIERS, "test", "payment_type")
AMOUNTS = ("payment_currency", "payment_amount", "net_payment_amount", "site_channel", "site_subchannel")
DECISIVE_FIELDS: dict[Model, tuple[str, ...]] = {
    Authorization: (*PAYMENT, *AMOUNTS),
    Confirmation: (*PAYMENT, *AMOUNTS, "status", "standin"),
    Reversal: (*PAYMENT, "payment_currency", "amount", "kind", "fingerprint", "reverse_code"),
}


def fields(text: str) -> Parameters:
    """Return the parameters of ``a=1&b=2``."""
    return dict(part.split("=", 1) for part in text.split("&"))


# Each pair has one signed text.
AMBIGUOUS_AUTHORIZATIONS = [
    ("site_order_annotation=one for the road&test=true", "site_order_annotation=one for &the= roadtesttrue"),
    ("payment_type=paypal", "payment_type=&paypal="),
    ("payment_date=1749067230&payment_type=ach", "payment_date1749067230payment_type=ach"),
    ("site_subchannel=scheduled_one_time&status_code=7", "site_subchannel=scheduled_one_timestatus_code7"),
    ("agent_name=Joe&net_payment_amount=350.00", "agent_name=Joenet_payment_amount350.00"),
    ("settlement_method=SM7&site_customer_identifier=+1555", "settlement_method=SM7site_customer_identifier+1555"),
    (
        "site_channel=consumer&site_customer_identifier=7&site_customer_identifier_x=1",
        "site_channel=consumersite_customer_identifier7&site_customer_identifier=_x1",
    ),
    ("pnm_payment_identifier=830466818968&promo_code=abc", "pnm_payment_identifier=830466818968promo_codeabc"),
    ("site_order_annotation={&site_paid_test=true", "site_order_annotation={site_paid_&test=true"),
]
AMBIGUOUS_REVERSALS = [
    ("reverse_reason=No Environment&reverse_type=Refund", "reverse_reason=No Envi&ronmentreverse_type=Refund"),
    ("status=reversed&test=true", "status=reversedtesttrue"),
    ("payment_amount=354.99&promo_code=abc&reverse_amount=20", "payment_amount=354.99&promo_codeabcreverse_amount=20"),
]


@pytest.mark.parametrize(("first", "second"), AMBIGUOUS_AUTHORIZATIONS + AMBIGUOUS_REVERSALS)
def test_boundary_ambiguity_second_split_rejected(first: str, second: str) -> None:
    is_reversal = (first, second) in AMBIGUOUS_REVERSALS
    model, valid = (Reversal, valid_reversal) if is_reversal else (Authorization, valid_authorization)
    removed: dict[str, None] = dict.fromkeys(fields(first))
    original, changed = valid(**fields(first)), valid(**{**removed, **fields(second)})
    assert string_to_sign(changed) == string_to_sign(original)
    read_callback(model, original)
    with pytest.raises(UnprocessableCallbackError) as exc_info:
        read_callback(model, changed)
    assert exc_info.value.reason in {QuarantineReason.AMBIGUOUS_TEXT, QuarantineReason.INVALID_PARAMETERS}


CONSUMER_TEXTS = (
    *("pnm_processing_fee4.99", "testtrue statuspayment timestamp1 version3.0", "Joenet_payment_amount350.00"),
    *("site_customer_identifier payment_amount", "x" * 1_000),
)


@pytest.mark.parametrize("text", CONSUMER_TEXTS)
def test_consumer_controlled_text_any_content_valid(text: str) -> None:
    for name in ("user_agent_string", "user_environment", "agent_name", "agent_email", "payment_bank_name"):
        changes = {"net_payment_amount": "350.00", name: text}
        assert getattr(read_callback(Authorization, valid_authorization(**changes)), name) == text
        assert getattr(read_callback(Confirmation, valid_confirmation(**changes)), name) == text
        assert getattr(read_callback(Reversal, valid_reversal(**changes)), name) == text


PLAUSIBLE_PARAMETERS = fields(
    "payment_amounts_total=7.00&payment_type_detail=visa&payment_types_total=2&original_payment_type=credit"
    "&pnm_payment_new=7&promo_code=abc&refund_amount=7&reverse_type_detail=first&reverse_zzz=7&risk_score=7"
    "&site_channel_detail=web&site_city=rome&site_customer_identifier_type=email&site_customer_name=Zoe"
    "&site_is_test=true&status_code=7&tested_at=1749067230&is_test=false&prepayment_type=full&created_at=2025-06-04"
)


def sample_messages() -> Iterator[tuple[str, Model, dict[str, str | bool]]]:
    for name, message in load("authorization").items():
        yield f"authorization {name}", Authorization, message
        yield f"confirmation of {name}", Confirmation, build_confirmation(message)
        yield f"decline of {name}", Confirmation, build_confirmation(message, status="decline")
        reversal = build_reversal(message, reverse_amount="20", payment_arn="24011")
        yield f"reversal of {name}", Reversal, reversal
        yield f"long reversal of {name}", Reversal, build_confirmation(message) | reversal
    for name, message in load("reversal").items():
        yield f"reversal {name}", Reversal, message


MESSAGES: dict[str, tuple[Model, Parameters]] = {
    name: (model, {"timestamp": "1748969962", **stringify_parameters(message)})
    for name, model, message in sample_messages()
    if IS_FULL or re.search("(cash|ach_scheduled_one_time)$|reversal [a-z_]+$", name)
}
ADDITIONS: dict[str, Parameters] = {
    "none": {},
    "new after the payment": {"pnm_payment_new": "7"},
    "new about money": fields("test=true&refund_amount=7&reverse_zzz=7&site_a=7&pnm_zzz_new=7"),
    "glued words and nulls": fields(
        "agent_name=Joe statuspayment&retailer_name=Walgreens timestamp123&site_order_annotation=App version3.0"
        "&zz_new=testtrue&version=3.1&payment_date=&reverse_date=&site_subchannel=&user_device="
    ),
    "lower case": fields("test=true&site_customer_identifier=test-true&settlement_method=sm1"),
    "long values": PLAUSIBLE_PARAMETERS
    | fields("test=true&site_customer_identifier=customer-zoe&site_order_annotation=one for the road")
    | fields("site_subchannel=scheduled_one_time&agent_name=Joe Doe"),
}


NEW_VALUES = (
    *("payment_type=ach_guaranteed", "payment_type=crypto", "site_channel=consumer_kiosk", "payment_type="),
    *("site_channel=onsite_kiosk", "site_subchannel=scheduled_two_times", "site_customer_identifier=test-true"),
    *("site_customer_identifier=website_guest", "pnm_payment_identifier=9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"),
)


@pytest.mark.parametrize("changed", NEW_VALUES)
def test_decisive_field_new_value_valid(changed: str) -> None:
    for model, parameters in MESSAGES.values():
        message = read_callback(model, parameters | fields(changed))
        assert {name: getattr(message, name) or "" for name in fields(changed)} == fields(changed)


NEW_NAMES = re.findall(
    r"\w+",
    "amount channel currency id ip_address memo network payer payment_method payment_rail platform pnm_fee processor "
    "promo reason region retry reversal_id reverse_date_time reverse_id risk rtp session session_id settlement_date "
    "site_channel_type site_code site_customer_type site_name site_order_type site_payment_type site_subsidiary "
    "sitecode sku source standing status_reason sub_status subtype test_mode token type user_id wallet",
)
DOCUMENTED_NAMES = {name for model in DECISIVE_FIELDS for name in model.model_fields}
CONTINUED_NAMES = {name + end for name in DOCUMENTED_NAMES for end in ("_time", "_code", "s", "s_total")}


@pytest.mark.parametrize("name", MESSAGES)
def test_new_parameters_of_paynearme_valid(name: str) -> None:
    model, parameters = MESSAGES[name]
    original = read_callback(model, parameters)
    additions = [{new: value} for new in NEW_NAMES for value in ("abc", "7", "", "A B", "true", "c@x.org")]
    additions += [{new: "7"} for new in CONTINUED_NAMES - DOCUMENTED_NAMES]
    additions += [{new: text} for new, value in PLAUSIBLE_PARAMETERS.items() for text in (value, "")]
    for addition in (*additions, PLAUSIBLE_PARAMETERS):
        message = read_callback(model, parameters | addition)
        assert all(getattr(message, field) == getattr(original, field) for field in PAYMENT), addition


GLUED_WORDS = (
    *("version3", "version3.0", "version3.1", "timestamp123", "testtrue", "statuspayment", "statusDecline"),
    *("site_order_identifier#12345", "net_payment_amount5.00", "payment_typeach"),
)


@pytest.mark.parametrize("word", GLUED_WORDS)
def test_glued_word_without_other_valid_split_valid(word: str) -> None:
    confirmation = valid_confirmation(site_customer_identifier="c1", payment_type="ach", test="false")
    names = "payment_card_type promo_code retailer_name settlement_method site_order_annotation site_order_identifier"
    for name, text in product(("aa_new", *names.split(), "user_device", "zz_new"), (word, f"App {word}")):
        assert read_callback(Confirmation, confirmation | {name: text}).payment_type == "ach"
    for name in ("reverse_code", "reverse_reason", "reverse_type"):
        assert read_callback(Reversal, valid_reversal(**{name: f"App {word}"})).payment_type is None


@pytest.mark.parametrize(
    ("name", "ambiguous_text", "valid_text"),
    [
        ("site_order_annotation", "App testtrue", "App testtrue 7"),
        ("site_order_annotation", "App testtrue", "test=true site_subchannel: none"),
        ("site_order_annotation", "App statusPayment", "App status: payment"),
        ("site_order_annotation", "site_payment_identifier7", '{"site_payment_identifier": "1"}'),
        ("custom_data", "due_to_recipient_amount5", '{"pnm_order_identifier": "1", "due_to_site_amount": "1"}'),
        ("aa_new", "net_payment_amount5.00", "net_payment_amount5.000"),
        ("payment_method_identifier", "payment_typecash", "payment_type_cash"),
        ("settlement_method", "site_customer_identifier7", "site_order_annotation7"),
        ("retailer_name", "reverse_reason7", "reverse_reason 7"),
    ],
)
def test_glued_word_possible_position_ambiguous(name: str, ambiguous_text: str, valid_text: str) -> None:
    assert read_callback(Authorization, valid_authorization(**{name: valid_text}))
    with pytest.raises(UnprocessableCallbackError) as exc_info:
        read_callback(Authorization, valid_authorization(**{name: ambiguous_text}))
    assert exc_info.value.reason is QuarantineReason.AMBIGUOUS_TEXT


def is_ordered(sequence: FieldSequence, index: int) -> bool:
    """Return whether the name at ``index`` is valid and sorts between its neighbours."""
    name, previous, following = sequence[index], sequence[index - 2] if index else "", [*sequence[index + 2 :], "~"][0]
    return previous < name < following and name not in UNSIGNED and re.fullmatch("[a-z][a-z0-9_]*", name) is not None


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
            start = match.start()
            for end in range(start + 1, match.end(1) + 1):
                changed = [*sequence[:index], text[:start], text[start:end], text[end:], *sequence[index + 1 :]]
                if is_ordered(changed, index + 1):
                    yield changed
        return
    for end, start in combinations_with_replacement(range(1, len(text)), 2):
        changed = [*sequence[:index], text[:end], text[end:start], text[start:], *sequence[index + 1 :]]
        if text[:end] < text[start:] and is_ordered(changed, index) and is_ordered(changed, index + 2):
            yield changed


def merge_fields(sequence: FieldSequence, index: int) -> Iterator[FieldSequence]:
    """Yield the splits without the two or four boundaries after ``index``."""
    for end in (index + 3, index + 5):
        if end <= len(sequence):
            changed = [*sequence[:index], "".join(sequence[index:end]), *sequence[end:]]
            if index % 2 or is_ordered(changed, index):
                yield changed


def single_changes(sequence: FieldSequence, indexes: range | None = None) -> Iterator[tuple[FieldSequence, int]]:
    for index, search in product(indexes or range(len(sequence)), (move_boundary, insert_boundaries, merge_fields)):
        yield from ((changed, index) for changed in search(sequence, index))


def double_changes(sequence: FieldSequence) -> Iterator[tuple[FieldSequence, int]]:
    """Yield the splits with two neighbouring changes. A short run takes only a part of the first changes."""
    for changed_once, index in islice(single_changes(sequence), None, None, 1 if IS_FULL else 5):
        neighbours = range(max(index - 2, 0), min(index + 4, len(changed_once)))
        yield from single_changes(changed_once, neighbours)


def undetected_changes(model: Model, original: Parameters, *, double: bool = False) -> Iterator[dict[str, object]]:
    """Yield the changed decisive values of the splits that are accepted and change one."""

    def decisive_values(parameters: Parameters) -> dict[str, object]:
        message = read_callback(model, parameters)
        return {name: getattr(message, name) for name in DECISIVE_FIELDS[model]}

    try:
        original_values = decisive_values(original)
    except UnprocessableCallbackError as error:
        # No split of a message of another kind is a message of this one.
        assert error.reason in {QuarantineReason.PUSH_CALLBACK, QuarantineReason.WRONG_ENDPOINT}
        original_values = {}

    def decisive_texts(parameters: Parameters) -> Parameters:
        # The kind of a reversal depends on the type and the unknown parameters after it.
        relevant = original_values.keys() | {"payment_amount"}
        return {name: text for name, text in parameters.items() if name in relevant or "reverse_" < name < "site_i"}

    search = double_changes if double else single_changes
    for sequence, _ in search([part for name in sorted(original) for part in (name, original[name])]):
        parameters = dict(zip(sequence[::2], sequence[1::2], strict=True))
        has_same_texts = original_values and decisive_texts(parameters) == decisive_texts(original)
        if has_same_texts or parameters.get("site_identifier") != original["site_identifier"]:
            # Most splits have the same decisive values. The site selects the key.
            continue
        try:
            values = decisive_values(parameters)
        except ValidationFailedError:
            continue
        if values != original_values:
            assert string_to_sign(parameters) == string_to_sign(original)
            yield {name: value for name, value in values.items() if value != original_values.get(name)}


@pytest.mark.parametrize("addition", ADDITIONS)
@pytest.mark.parametrize("name", MESSAGES)
def test_single_boundary_change_sample_detected_or_harmless(name: str, addition: str) -> None:
    model, parameters = MESSAGES[name]
    assert list(undetected_changes(model, parameters | ADDITIONS[addition])) == []


PUSH_TEXTS = fields("due_to_recipient_amount=5.00&due_to_recipient_currency=USD&payment_type=push-debit")
OTHER_KINDS: list[tuple[Model, Parameters]] = [
    (Authorization, valid_authorization(agent_name="Joe", **PUSH_TEXTS)),
    (Authorization, valid_confirmation(status="Payment", version="3", tested_at="174")),
    (Confirmation, valid_confirmation(**PUSH_TEXTS)),
    (Confirmation, valid_confirmation(payment_type="pin4", status="Payment")),
    (Confirmation, valid_confirmation(reverse_reason="card expired", retailer_name="Walgreens")),
]


@pytest.mark.parametrize(("model", "parameters"), OTHER_KINDS)
def test_other_kind_of_message_no_split_accepted(model: Model, parameters: Parameters) -> None:
    assert list(undetected_changes(model, parameters)) == []


LONG_VALUES = {"site_channel": "consumer", "site_subchannel": "scheduled_one_time"}
CHANGED_TWICE: list[tuple[Model, Parameters]] = [
    (Authorization, valid_authorization(net_payment_amount="350", site_customer_identifier_type="id", **LONG_VALUES)),
    (Confirmation, valid_confirmation(status="decline", payment_date="1749067230", payment_type_detail="visa")),
    (Confirmation, valid_confirmation(status="Payment", version="3.1", site_order_annotation="x statusdecline")),
    (Reversal, valid_reversal(reverse_reason="for the order", reverse_type="chargeback", promo_code="abc")),
]


@pytest.mark.parametrize(("model", "parameters"), CHANGED_TWICE)
def test_two_boundary_changes_detected_or_harmless(model: Model, parameters: Parameters) -> None:
    short_values = fields("test=true&site_customer_identifier=customer-zoe&payment_type=paypal")
    assert list(undetected_changes(model, parameters | short_values, double=True)) == []
