import json
import re
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from pydantic import ValidationError

from paynearme.errors import ValidationFailedError
from paynearme.handlers.callback_response import callback_response
from paynearme.protocol.parsing import read_message
from paynearme.protocol.reversals import Reversal, ReversalKind, ReversalResponse
from paynearme.protocol.signing import string_to_sign
from sandbox.clients.sample_messages import load
from sandbox.fake_paynearme.messages import build_confirmation, build_reversal, stringify_parameters
from tests.support.message_fixtures import SECRET, valid_reversal

ORDER = "80080175585"
AMOUNTS = ("payment_amount", "payment_currency", "reverse_amount", "reverse_currency")


def reversal(**changes: str | None) -> Reversal:
    return read_message(Reversal, valid_reversal(**changes))


def validation_errors(**changes: str | None) -> dict[str, str]:
    with pytest.raises(ValidationFailedError) as exc_info:
        reversal(**changes)
    return exc_info.value.errors


@pytest.mark.parametrize("name", load("reversal"))
def test_reversal_samples_every_parameter_defined(name: str) -> None:
    parameters = stringify_parameters(load("reversal")[name])

    message = read_message(Reversal, parameters)

    assert message.model_extra == {}
    assert message.model_fields_set == set(parameters)


def test_reversal_samples_kind_and_amount() -> None:
    messages = {
        name: read_message(Reversal, stringify_parameters(example)) for name, example in load("reversal").items()
    }

    assert {name: (message.kind, str(message.amount)) for name, message in messages.items()} == {
        "bank_return": (ReversalKind.RETURN, "100.50"),
        "cancellation": (ReversalKind.OTHER, "204.99"),
        "chargeback": (ReversalKind.CHARGEBACK, "504.99"),
        "refund_partial": (ReversalKind.OTHER, "50.00"),
    }


def test_reversal_samples_match_authorization_samples() -> None:
    payments = {message["pnm_payment_identifier"]: message for message in load("authorization").values()}

    for example in load("reversal").values():
        payment = payments[example["pnm_payment_identifier"]]
        shared_fields = (*AMOUNTS[:2], "pnm_order_identifier", "site_identifier", "site_customer_identifier")
        assert [example[name] for name in shared_fields] == [payment[name] for name in shared_fields]


def test_reversal_amount_partial_from_reverse_amount() -> None:
    message = reversal(payment_amount="354.99", reverse_amount="0.01")

    assert (message.amount, message.payment_amount) == (Decimal("0.01"), Decimal("354.99"))


@pytest.mark.parametrize("absent", [None, ""])
def test_reversal_amount_absent_uses_payment_amount(absent: str | None) -> None:
    assert reversal(reverse_amount=absent, reverse_currency=absent).amount == Decimal("354.99")


def test_reversal_amount_independent_of_payment_amount() -> None:
    assert reversal(payment_amount=None, payment_currency=None).amount == Decimal("100.00")
    assert reversal(payment_amount="0.00", payment_currency="CAD").amount == Decimal("100.00")


def test_reversal_currency_absent_uses_payment_currency() -> None:
    assert reversal(reverse_currency=None).amount == Decimal("100.00")
    assert set(validation_errors(reverse_currency=None, payment_currency="CAD")) == {"payment_currency"}
    assert set(validation_errors(reverse_currency=None, payment_currency=None)) == {"reverse_currency"}


@pytest.mark.parametrize("prefix", ["reverse", "payment"])
@pytest.mark.parametrize(
    ("amount", "currency", "invalid_name"),
    [
        *(("0", "USD", "amount"), ("0.00", "USD", "amount"), ("-5.00", "USD", "amount")),
        *(("1,000", "USD", "amount"), ("-", "USD", "amount"), (".", "USD", "amount")),
        *(("5.00", "CAD", "currency"), ("5.00", "usd", "currency"), ("5.00", "dollars", "currency")),
        *(("5.00", None, "currency"), ("5.00", "", "currency")),
    ],
)
def test_reversal_amount_not_positive_usd_invalid(
    prefix: str, amount: str, currency: str | None, invalid_name: str
) -> None:
    parameters = dict.fromkeys(AMOUNTS) | {f"{prefix}_amount": amount, f"{prefix}_currency": currency}

    assert set(validation_errors(**parameters)) == {f"{prefix}_{invalid_name}"}


def test_reversal_without_amounts_validation_errors() -> None:
    without_amounts = dict.fromkeys(("payment_amount", "reverse_amount"))

    assert set(validation_errors(**without_amounts)) == {"payment_amount", "reverse_amount"}
    assert set(validation_errors(**dict.fromkeys(AMOUNTS))) == {"payment_amount", "payment_currency", "reverse_amount"}


def test_reversal_unused_payment_amount_still_validated() -> None:
    assert set(validation_errors(payment_amount="354.99payment_arn7")) == {"payment_amount"}


@pytest.mark.parametrize(
    "name", ["site_identifier", "pnm_order_identifier", "pnm_payment_identifier", "version", "timestamp"]
)
def test_reversal_common_parameter_missing_or_invalid_rejected(name: str) -> None:
    assert set(validation_errors(**{name: None})) == set(validation_errors(**{name: "\n"})) == {name}


def test_reversal_validation_errors_without_values() -> None:
    errors = validation_errors(
        reverse_amount=SECRET, reverse_currency=SECRET, reverse_type=f"{SECRET}\n", standin=SECRET
    )

    assert set(errors) == {"reverse_amount", "reverse_currency", "reverse_type", "standin"}
    assert SECRET not in str(errors)


@pytest.mark.parametrize("status", ["payment", "decline", "reversed", "cancelled", "Charged back (lost)"])
def test_reversal_any_status_valid(status: str) -> None:
    assert reversal(status=status).status == status


@pytest.mark.parametrize("name", ["amount", "kind", "fingerprint", "_fingerprint", "model_extra"])
def test_reversal_derived_field_not_replaced_by_parameter(name: str) -> None:
    parameters = valid_reversal(**{name: "0.01"})

    message = read_message(Reversal, parameters)

    assert (message.amount, message.kind) == (Decimal("100.00"), ReversalKind.RETURN)
    assert message.fingerprint != "0.01"
    assert message.model_extra == {name: "0.01"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *(("Bank Return", "return"), ("bank_return", "return"), ("ACH RETURNED", "return")),
        *(("Chargeback", "chargeback"), ("CHARGEBACK", "chargeback"), ("card_chargeback", "chargeback")),
        *(("Refund", "other"), ("Cancellation", "other"), ("7", "other"), (None, "other"), ("", "other")),
    ],
)
def test_reversal_kind_from_reverse_type(text: str | None, kind: str) -> None:
    assert reversal(reverse_type=text, reverse_code=None).kind == kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *(("R01", "return"), ("R85", "return"), ("r03", "return")),
        *(("R1", "other"), ("R001", "other"), ("R0\N{ARABIC-INDIC DIGIT ONE}", "other"), ("XR01", "other")),
        *(("10.4", "other"), ("4853", "other"), ("", "other"), (None, "other")),
    ],
)
@pytest.mark.parametrize("text", [None, "", "ACH"])
def test_reversal_kind_inconclusive_type_from_ach_code(text: str | None, code: str | None, kind: str) -> None:
    assert reversal(reverse_type=text, reverse_code=code).kind == kind


def test_chargeback_type_beats_ach_code() -> None:
    assert reversal(reverse_type="Chargeback", reverse_code="R13").kind is ReversalKind.CHARGEBACK


def test_chargeback_type_split_at_boundary_still_chargeback() -> None:
    split_message = valid_reversal(reverse_type="Cha", rgeback="", reverse_code="10.4")

    original = valid_reversal(reverse_type="Chargeback", reverse_code="10.4")
    assert string_to_sign(split_message) == string_to_sign(original)
    assert read_message(Reversal, split_message).kind is ReversalKind.CHARGEBACK


@pytest.mark.parametrize("name", ["chargeback_fee", "return_address", "site_return_policy", "zip_of_return"])
def test_reversal_kind_ignores_nonadjacent_unknown_parameter(name: str) -> None:
    assert reversal(reverse_type="Refund", reverse_code=None, **{name: "7"}).kind is ReversalKind.OTHER


def test_fingerprint_duplicate_other_time_or_version_equal() -> None:
    original_fingerprint = reversal().fingerprint

    assert re.fullmatch("[0-9a-f]{64}", original_fingerprint)
    assert {
        reversal(timestamp="1748969962").fingerprint,
        reversal(timestamp="7").fingerprint,
        reversal(version="2.0").fingerprint,
        reversal(signature="0" * 64, format="json").fingerprint,
        read_message(Reversal, dict(sorted(valid_reversal().items()))).fingerprint,
    } == {original_fingerprint}


@pytest.mark.parametrize(
    "change",
    [
        *({"reverse_amount": "100"}, {"reverse_amount": "100.01"}, {"reverse_code": "R02"}),
        *({"reverse_date": "2025-06-06"}, {"reverse_type": "Chargeback"}, {"payment_arn": "1"}, {"new": "1"}),
        *({"pnm_payment_identifier": "830466818969"}, {"site_identifier": "S1"}, {"test": "true"}),
        *({"payment_timestamp": "2025-06-04 13:00:30 -0700"}, {"reverse_currency": None}),
    ],
    ids=str,
)
def test_fingerprint_other_content_differs(change: dict[str, str | None]) -> None:
    assert reversal(**change).fingerprint != reversal().fingerprint


def test_fingerprint_ignores_timestamp_boundary() -> None:
    between = valid_reversal(payment_amount=None, version=None)
    injected = string_to_sign(between | {"timestamp": "1"}) + "user_agent_string"
    original = valid_reversal(payment_bank_name=f"B{injected}")
    split_message = valid_reversal(payment_bank_name="B", timestamp="1", user_agent_string=string_to_sign(between))

    assert string_to_sign(split_message) == string_to_sign(original)
    assert (split_message["timestamp"], original["timestamp"]) == ("1", "1748969962")
    assert read_message(Reversal, split_message).fingerprint == read_message(Reversal, original).fingerprint


def test_fingerprint_not_in_repr_or_fields() -> None:
    message = reversal()

    assert message.fingerprint not in f"{message} {message!r} {message.model_dump()} {message.model_fields_set}"


ACKNOWLEDGEMENT = ReversalResponse(envelope="test_envelope", element="reverse", pnm_order_identifier=ORDER)


@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_reversal_response_json_contains_only_order(version: str) -> None:
    body = callback_response(ACKNOWLEDGEMENT, version, "json")["body"]

    content = {"version": version, "reverse": {"pnm_order_identifier": ORDER}}
    assert json.loads(body) == {"test_envelope": content}


@pytest.mark.parametrize(("version", "namespace"), [("2.0", "v2_0"), ("3.0", "v3_0")])
def test_reversal_response_xml_contains_only_order(version: str, namespace: str) -> None:
    body = callback_response(ACKNOWLEDGEMENT, version, "xml")["body"]

    root = ElementTree.fromstring(body)  # noqa: S314 # output of this project
    space = f"{{http://www.paynearme.com/api/pnm_xmlschema_{namespace}}}"
    assert (root.tag, root.attrib) == (f"{space}test_envelope", {"version": version})
    assert [(element.tag, element.text) for element in root.iter()][1:] == [
        (f"{space}reverse", None),
        (f"{space}pnm_order_identifier", ORDER),
    ]


def test_reversal_response_without_envelope_invalid() -> None:
    with pytest.raises(ValidationError):
        ReversalResponse.model_validate({"pnm_order_identifier": ORDER})


@pytest.mark.parametrize("name", load("authorization"))
def test_build_reversal_from_authorization_samples_valid(name: str) -> None:
    payment = load("authorization")[name]
    confirmation = build_confirmation(payment)

    message = read_message(Reversal, stringify_parameters(build_reversal(confirmation) | {"timestamp": "1749240030"}))

    assert (message.amount, message.kind) == (Decimal(payment["payment_amount"]), ReversalKind.RETURN)
    shared_fields = ("pnm_payment_identifier", "pnm_order_identifier", "site_identifier", "site_customer_identifier")
    assert [getattr(message, n) for n in shared_fields] == [payment[n] for n in shared_fields]
    assert message.model_extra == {}


def test_build_reversal_applies_changes_and_keeps_confirmation() -> None:
    confirmation = build_confirmation(load("authorization")["debit"], test=True, signature="0", timestamp="1")
    original = dict(confirmation)

    reversal_message = build_reversal(confirmation, reverse_amount="50.00", reverse_code=None, reverse_type="Refund")

    expected_values = {"reverse_amount": "50.00", "reverse_type": "Refund", "test": True}
    assert reversal_message | expected_values == reversal_message
    assert not {"reverse_code", "signature", "timestamp"} & set(reversal_message)
    assert confirmation == original


def test_reversal_kind_reads_adjacent_unknown_parameter() -> None:
    message = valid_reversal(reverse_type="Refund", sale_reason="chargeback", site_identifier="S2155373459")
    invalid_message = {**message, "reverse_type": "Refundsale_reasonchargeback"}
    del invalid_message["sale_reason"]
    assert read_message(Reversal, message).kind is ReversalKind.CHARGEBACK
    assert read_message(Reversal, invalid_message).kind is ReversalKind.CHARGEBACK
