"""Splits of one signed text: a split that changes a decisive field is rejected.

A split is a list of alternating names and values. Its concatenation is the signed text, so another split of the same
text has the same signature.
"""

import re
from collections.abc import Iterator
from itertools import islice

import pytest

from paynearme.errors import UnprocessableCallbackError, ValidationFailedError
from paynearme.protocol.callbacks import Authorization, Confirmation, read_callback
from paynearme.protocol.parsing import read_message
from paynearme.protocol.quarantine import QuarantineReason
from paynearme.protocol.reversals import Reversal, ReversalKind
from paynearme.protocol.signing import UNSIGNED, string_to_sign
from sandbox.clients.sample_messages import load
from sandbox.fake_paynearme.messages import build_confirmation, build_reversal, stringify_parameters
from tests.support.message_fixtures import valid_authorization, valid_confirmation, valid_reversal
from tests.support.test_run import IS_FULL

type Parameters = dict[str, str]
type Model = type[Authorization | Confirmation | Reversal]
type FieldSequence = list[str]

ORDER = ("pnm_order_identifier", "site_customer_identifier", "site_order_identifier", "site_payment_identifier")
PAYMENT = ("pnm_payment_identifier", *ORDER, "test", "payment_type")
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
    ("test=true", "testtrue="),
    ("test=true", "testtr=ue"),
    ("test=true", "tes=ttrue"),
    ("site_subchannel=weekly&test=true", "site_subchannelweeklytest=true"),
    ("site_subchannel=weekly&test=true", "site_subchannel=weeklytest&t=rue"),
    ("site_order_annotation=one for the road&test=true", "site_order_annotation=one for &the= roadtesttrue"),
    ("payment_type=credit", "payment_typecredit="),
    ("payment_type=crypto", "payment_typecr=ypto"),
    ("payment_type=paypal", "payment_type=&paypal="),
    ("payment_date=1749067230&payment_type=ach", "payment_date1749067230payment_type=ach"),
    ("payment_method=visa&payment_type=credit", "payment_methodvisapayment_typecredit="),
    ("payment_type=ach&payment_type_detail=visa", "payment_type=achpayment_type_detailvisa"),
    ("payment_type=ach&payment_type_detail=visa", "payment_type=achpayment_ty&pe_detail=visa"),
    ("payment_type_detail=visa", "payment_type=_detailvisa"),
    ("payment_types_total=2", "payment_type=s_total2"),
    ("site_channel=consumer", "site_channelcon=sumer"),
    ("site_subchannel=scheduled_one_time", "site_subchannel=scheduled_one_&time="),
    ("site_subchannel=scheduled_one_time", "site_subchannels=cheduled_one_time"),
    ("site_subchannel=scheduled_one_time&status_code=7", "site_subchannel=scheduled_one_timestatus_code7"),
    ("net_payment_amount=350.00", "net_payment_amount350=.00"),
    ("net_payment_amount=350.00", "net_payment=_amount350.00"),
    ("agent_name=Joe&net_payment_amount=350.00", "agent_name=Joenet_payment_amount350.00"),
    ("site_customer_identifier=773", "site_customer_identifier773="),
    ("site_customer_identifier=773", "site_customer_identifie=r773"),
    ("settlement_method=SM7&site_customer_identifier=+1555", "settlement_method=SM7site_customer_identifier+1555"),
    ("site_customer_identifier=773&site_customer_name=Zoe", "site_customer_identifier=773site_customer_nameZoe"),
    ("site_customer_identifier=773&site_date=7", "site_customer_identifier=773site_date7"),
    (
        "site_customer_identifier=773&site_customer_identifier_type=email",
        "site_cust=omer_identifier773&site_customer_identifier=_typeemail",
    ),
    ("pnm_payment_identifier=830466818968&promo_code=abc", "pnm_payment_identifier=830466818968promo_codeabc"),
    ("site_payment_identifier=88&tested_at=174", "site_payment_identifier=88te&sted_at174="),
    ("site_order_identifier=A test1", "site_order_identifier=A tes&t=1"),
    ("site_order_identifier=smith42", "site_order_identifiers=mith42"),
    ("site_order_annotation={&site_paid_test=true", "site_order_annotation={site_paid_&test=true"),
    ("site_order_identifier=577&standin=", "site_order_identifier=577standin"),
    ("site_order_identifier=timestamp123", "site_order_iden=tifiertimestamp123"),
]
AMBIGUOUS_REVERSALS = [
    ("reverse_type=chargeback", "reverse_typecharge=back"),
    ("reverse_type=Chargeback", "reverse_typ=eChargeback"),
    ("reverse_type=Refund&settlement_note=chargeback", "reverse_type=Refundsettlement_notechargeback"),
    ("reverse_code=R01&reverse_code_detail=1", "reverse_code=R01reverse_code_detail1"),
    (
        "reverse_reason=Card Absent Environment&reverse_type=Chargeback",
        "reverse_reason=Card Absent Envi&ronmentreverse_type=Chargeback",
    ),
    ("payment_amount=354.99&reverse_amount=20", "payment_amount=354.99&reverse_amoun=t20"),
    ("site_order_identifier=577&status=reversed", "site_order_identifier=577statusreversed"),
    ("status=reversed&test=true", "status=reversedtesttrue"),
    ("site_subchannel=&status=reversed", "site_subchannel=statusreversed"),
    (
        "site_order_annotation=x&test=true&timestamp=1748969962",
        "site_order_annotation=xtesttruetimestamp1748969962",
    ),
    ("payment_amount=354.99&promo_code=abc&reverse_amount=20", "payment_amount=354.99&promo_codeabcreverse_amount=20"),
]


@pytest.mark.parametrize(
    ("model", "first", "second"),
    [(Authorization, *pair) for pair in AMBIGUOUS_AUTHORIZATIONS] + [(Reversal, *pair) for pair in AMBIGUOUS_REVERSALS],
)
def test_boundary_ambiguity_second_split_rejected(model: Model, first: str, second: str) -> None:
    valid = valid_reversal if model is Reversal else valid_authorization
    removed: dict[str, None] = dict.fromkeys(fields(first))
    original, changed = valid(**fields(first)), valid(**{**removed, **fields(second)})
    assert string_to_sign(changed) == string_to_sign(original)
    read_callback(model, original)
    with pytest.raises(UnprocessableCallbackError) as exc_info:
        read_callback(model, changed)
    assert exc_info.value.reason in {QuarantineReason.AMBIGUOUS_TEXT, QuarantineReason.INVALID_PARAMETERS}


@pytest.mark.parametrize(
    "text",
    [
        *("pnm_processing_fee4.99", "site_customer_identifier payment_amount", "x" * 10_000),
        *("testtrue statuspayment timestamp1 version3.0", "Joenet_payment_amount350.00"),
    ],
    ids=lambda text: f"{text:.30}",
)
def test_consumer_controlled_text_any_content_valid(text: str) -> None:
    models: list[tuple[Model, Parameters]] = [
        *((Authorization, valid_authorization()), (Confirmation, valid_confirmation()), (Reversal, valid_reversal()))
    ]
    for name in ("user_agent_string", "user_environment", "agent_name", "agent_email", "payment_bank_name"):
        for model, parameters in models:
            message = read_callback(model, parameters | {"net_payment_amount": "350.00", name: text})
            assert getattr(message, name) == text


@pytest.mark.parametrize(
    "text",
    [
        *('{"payment_date": "soon", "pnm_order_identifier": "1"}', '{"site_payment_identifier": "1"}'),
        *("site_subchannel: none", "test=true"),
    ],
)
def test_merchant_text_with_parameter_names_valid(text: str) -> None:
    message = stringify_parameters(load("authorization")["cash"])
    for name in ("site_order_annotation", "custom_data"):
        assert getattr(read_callback(Authorization, message | {name: text}), name) == text


GLUED_NAMES = {
    "version3.0": "version",
    "testtrue": "test",
    "statuspayment": "status",
    "statusdecline": "status",
    "timestamp123": "timestamp",
    "site_order_identifier#12345": "site_order_identifier",
}
TEXT_FIELDS = (
    *("aa_new", "payment_card_type", "promo_code", "retailer_location_address", "retailer_name", "settlement_method"),
    *("site_order_annotation", "site_order_identifier", "site_paid_new", "user_device", "zz_new"),
)
REVERSAL_TEXTS = ("reverse_code", "reverse_reason", "reverse_type")


def has_valid_split(model: Model, parameters: Parameters, name: str, glued_name: str) -> bool:
    """Return whether the text is also a valid message with ``glued_name`` after a part of the text."""
    sequence = [part for other in sorted(parameters) for part in (other, parameters[other])]
    position = sequence[::2].index(name) * 2 + 1
    for changed in insert_boundaries(sequence, position):
        message = dict(zip(changed[::2], changed[1::2], strict=True))
        if changed[position + 1] == glued_name:
            try:
                read_message(model, message)
            except ValidationFailedError:
                continue
            return True
    return False


@pytest.mark.parametrize("word", GLUED_NAMES)
@pytest.mark.parametrize("name", ["authorization cash", "confirmation of cash", "reversal bank_return", "short"])
def test_glued_word_ambiguous_only_with_other_valid_split(name: str, word: str) -> None:
    model, parameters = MESSAGES.get(name, (Authorization, valid_authorization()))
    count = 0
    for field in (*TEXT_FIELDS, *(REVERSAL_TEXTS if model is Reversal else ())):
        for text in (word, f"App {word}", f"No. 7{word}"):
            changed = parameters | {field: text}
            expected = has_valid_split(model, changed, field, GLUED_NAMES[word])
            count += expected
            try:
                read_callback(model, changed)
            except UnprocessableCallbackError as error:
                assert (error.reason, expected) == (QuarantineReason.AMBIGUOUS_TEXT, True), (field, text)
            else:
                assert not expected, (field, text)
    # The version and the timestamp are the last parameters, so a split would repeat them.
    assert count > 0 or name != "short" or word in {"version3.0", "timestamp123"}


def test_text_with_thousand_names_ambiguous() -> None:
    parameters = valid_authorization(site_order_annotation="x" + "testtrue" * 7000)
    with pytest.raises(UnprocessableCallbackError):
        read_callback(Authorization, parameters)
    assert read_callback(Authorization, parameters | {"site_order_annotation": "test" * 15_000})


PLAUSIBLE_PARAMETERS = fields(
    "payment_amounts_total=7.00&payment_type_detail=visa&payment_types_total=2&original_payment_type=credit"
    "&pnm_payment_new=7&promo_code=abc&refund_amount=7&reverse_type_detail=first&reverse_zzz=7&risk_score=7"
    "&site_channel_detail=web&site_city=rome&site_customer_identifier_type=email&site_customer_name=Zoe"
    "&site_is_test=true&site_zone=7&status_code=7&tested_at=1749067230&is_latest=true&is_test=false"
    "&processing_mode=live&prepayment_type=full&created_at=2025-06-04"
)


def test_unknown_parameter_plausible_names_valid() -> None:
    for name, value in PLAUSIBLE_PARAMETERS.items():
        for extra in ({name: value}, {name: ""}, PLAUSIBLE_PARAMETERS):
            assert read_callback(Authorization, valid_authorization(**extra)).payment_type is None
            assert read_callback(Confirmation, valid_confirmation(**extra)).test is False
            assert read_callback(Reversal, valid_reversal(**extra)).kind is ReversalKind.RETURN


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
    "new after the payment": fields("pnm_payment_new=7"),
    "new about money": fields("test=true&refund_amount=7&reverse_zzz=7&site_a=7&pnm_zzz_new=7"),
    "glued words and nulls": fields(
        "agent_name=Joe statuspayment&payment_card_type=Visa testtrue&settlement_method=statuspayment"
        "&retailer_name=Walgreens timestamp123&promo_code=site_order_identifier#12345&standin="
        "&site_order_annotation=App version3.0&zz_new=testtrue"
        "&version=3.1&payment_date=&reverse_date=&site_subchannel=&user_device="
    ),
    "lower case": fields("test=true&site_customer_identifier=test-true&settlement_method=sm1"),
    "long values": PLAUSIBLE_PARAMETERS
    | fields(
        "test=true&site_customer_identifier=customer-zoe&site_order_annotation=one for the road"
        "&site_subchannel=scheduled_one_time&agent_name=Joe Doe"
    ),
}


@pytest.mark.parametrize(
    "changed",
    [
        *("payment_type=ach_guaranteed", "payment_type=crypto", "site_channel=consumer_kiosk", "payment_type="),
        *("site_channel=onsite_kiosk", "site_subchannel=scheduled_two_times", "site_customer_identifier=test-true"),
        *("site_customer_identifier=website_guest", "pnm_payment_identifier=9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"),
    ],
)
def test_decisive_field_new_value_valid(changed: str) -> None:
    for model, parameters in MESSAGES.values():
        message = read_callback(model, parameters | fields(changed))
        assert {name: getattr(message, name) or "" for name in fields(changed)} == fields(changed)


def is_ordered(sequence: FieldSequence, index: int) -> bool:
    """Return whether the name at ``index`` is valid and sorts between its neighbours."""
    name = sequence[index]
    previous, following = sequence[index - 2] if index else "", [*sequence[index + 2 : index + 3], "~"][0]
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
    """Yield the splits without the two or four boundaries after ``index``."""
    for end in (index + 3, index + 5):
        if end <= len(sequence):
            changed = [*sequence[:index], "".join(sequence[index:end]), *sequence[end:]]
            if index % 2 or is_ordered(changed, index):
                yield changed


def single_changes(sequence: FieldSequence, indexes: range | None = None) -> Iterator[tuple[FieldSequence, int]]:
    for index in indexes or range(len(sequence)):
        for search in (move_boundary, insert_boundaries, merge_fields):
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
        # A message of another kind: no split is a message of this one.
        assert error.reason in {QuarantineReason.PUSH_CALLBACK, QuarantineReason.WRONG_ENDPOINT}
        original_values = {}

    def decisive_texts(parameters: Parameters) -> Parameters:
        # The kind of a reversal depends on the type and the unknown parameters after it.
        return {
            name: text
            for name, text in parameters.items()
            if name in original_values or "reverse_" <= name < "site_" or "payment_amount" in name
        }

    original_texts = decisive_texts(original)
    search = double_changes if double else single_changes
    for sequence, _ in search([part for name in sorted(original) for part in (name, original[name])]):
        parameters = dict(zip(sequence[::2], sequence[1::2], strict=True))
        if parameters.get("site_identifier") != original["site_identifier"]:
            # The site selects the key.
            continue
        if original_values and decisive_texts(parameters) == original_texts:
            # The decisive values are the same for most splits, so the test skips their validation.
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


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (Authorization, valid_authorization(agent_name="Joe", **PUSH_TEXTS)),
        (Confirmation, valid_confirmation(**PUSH_TEXTS)),
        (Confirmation, valid_confirmation(payment_type="pin4", status="Payment")),
        (Authorization, valid_confirmation(status=" payment", version="3", tested_at="174")),
        (Confirmation, valid_confirmation(reverse_reason="statusdecline", retailer_name="Walgreens")),
    ],
)
def test_other_kind_of_message_no_split_accepted(model: Model, parameters: Parameters) -> None:
    assert list(undetected_changes(model, parameters)) == []


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (
            Authorization,
            valid_authorization(net_payment_amount="350", site_customer_identifier_type="id", site_channel="consumer")
            | {"site_subchannel": "scheduled_one_time"},
        ),
        (Confirmation, valid_confirmation(status="decline", payment_date="1749067230", payment_type_detail="visa")),
        (Confirmation, valid_confirmation(status="Payment", version="3.1", site_order_annotation="x statusdecline")),
        (Reversal, valid_reversal(reverse_reason="for the order", reverse_type="chargeback", promo_code="abc")),
    ],
)
def test_two_boundary_changes_detected_or_harmless(model: Model, parameters: Parameters) -> None:
    short_values = fields("test=true&site_customer_identifier=customer-zoe&payment_type=paypal")
    assert list(undetected_changes(model, parameters | short_values, double=True)) == []
