import json
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from paynearme.errors import ValidationFailedError
from paynearme.handlers.callback_response import callback_response
from paynearme.protocol.parsing import read_message
from paynearme.protocol.reversals import Reversal, ReversalKind, ReversalResponse
from paynearme.protocol.signing import string_to_sign
from sandbox.clients.sample_messages import load
from sandbox.fake_paynearme.messages import stringify_parameters
from tests.support.message_fixtures import valid_reversal

ORDER = "80080175585"
AMOUNTS = ("payment_amount", "payment_currency", "reverse_amount", "reverse_currency")


def reversal(**changes: str | None) -> Reversal:
    return read_message(Reversal, valid_reversal(**changes))


def validation_errors(**changes: str | None) -> dict[str, str]:
    with pytest.raises(ValidationFailedError) as exc_info:
        reversal(**changes)
    return exc_info.value.errors


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


def test_reversal_amount_or_else_payment_amount_returned() -> None:
    assert reversal(payment_amount="354.99", reverse_amount="0.01").amount == Decimal("0.01")
    assert reversal(payment_amount=None, payment_currency=None).amount == Decimal("100.00")
    assert reversal(payment_amount="0.00", payment_currency="CAD").amount == Decimal("100.00")
    for absent in (None, ""):
        assert reversal(reverse_amount=absent, reverse_currency=absent).amount == Decimal("354.99")
        assert reversal(reverse_amount=absent, reverse_currency="CAD").amount == Decimal("354.99")


def test_reversal_amount_or_currency_absent_in_both_invalid() -> None:
    amounts = ("payment_amount", "reverse_amount")
    assert validation_errors(**dict.fromkeys(amounts)) == dict.fromkeys(amounts, "one of the two is required")
    assert validation_errors(**dict.fromkeys(AMOUNTS)).keys() == {*amounts, "payment_currency"}
    assert reversal(reverse_currency=None).amount == Decimal("100.00")
    assert validation_errors(reverse_currency=None, payment_currency=None) == {"reverse_currency": "is required"}


@pytest.mark.parametrize("prefix", ["reverse", "payment"])
@pytest.mark.parametrize(
    ("amount", "currency", "invalid_name", "description"),
    [
        *((amount, "USD", "amount", "must be greater than zero") for amount in ("0", "0.00", "-5.00")),
        *((amount, "USD", "amount", "must be an amount like 25.00") for amount in ("1,000", ".")),
        *(("5.00", currency, "currency", "is required") for currency in (None, "")),
    ],
)
def test_reversal_amount_not_positive_or_no_currency_invalid(
    prefix: str, amount: str, currency: str | None, invalid_name: str, description: str
) -> None:
    parameters = dict.fromkeys(AMOUNTS) | {f"{prefix}_amount": amount, f"{prefix}_currency": currency}

    assert validation_errors(**parameters) == {f"{prefix}_{invalid_name}": description}


def test_reversal_unused_payment_amount_still_validated() -> None:
    invalid = {"reverse_type": "x\n", "standin": "1", "test": "yes"}
    assert validation_errors(**invalid).keys() == invalid.keys()
    assert validation_errors(payment_amount="354.99payment_arn7").keys() == {"payment_amount"}


@pytest.mark.parametrize("name", ["amount", "kind", "fingerprint", "_fingerprint", "model_extra"])
def test_reversal_derived_field_not_replaced_by_parameter(name: str) -> None:
    message = reversal(**{name: "0.01"})

    assert (message.amount, message.kind) == (Decimal("100.00"), ReversalKind.RETURN)
    assert (message.test, message.standin) == (False, False)
    assert message.fingerprint != "0.01"
    assert message.model_extra == {name: "0.01"}


@pytest.mark.parametrize(
    ("text", "code", "kind"),
    [
        *(("Bank Return", None, "return"), ("bank_return", "", "return"), ("ACH RETURNED", "10.4", "return")),
        *(
            ("Chargeback", None, "chargeback"),
            (" CHARGEBACK ", "10.4", "chargeback"),
            ("charge-back", None, "chargeback"),
        ),
        *((text, None, "other") for text in ("Refund", "Partial refund", "Cancellation", "canceled", "Cancelled")),
        *((text, None, "undone") for text in ("Chargeback Reversed", "chargeback_won", "Reversal of a chargeback")),
        *(
            (text, "R01", "undone")
            for text in ("Representment", "Dispute Won", "Bank Return Reversed", "CHARGEBACKWON")
        ),
        *((text, "10.4", "unknown") for text in ("Second Chargeback", "Adjustment", "Dispute", "Reversal", "7")),
        # The type has priority over the code.
        *(
            ("Chargeback", "R13", "chargeback"),
            ("Second Chargeback", "R13", "unknown"),
            ("Adjustment", "refunded", "other"),
        ),
        *((None, "R01", "return"), ("", "R85", "return"), ("ACH", "r03", "return"), ("Refund", "R01", "return")),
        *((None, code, "other") for code in (None, "canceled", "refunded")),
        *((None, code, "unknown") for code in ("R1", "R001", "R0\N{ARABIC-INDIC DIGIT ONE}", "XR01", "4853")),
    ],
)
def test_reversal_kind_from_type_or_else_code(text: str | None, code: str | None, kind: str) -> None:
    assert reversal(reverse_type=text, reverse_code=code, reverse_reason="x").kind == kind


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"reverse_type": "Cha", "rgeback": ""}, "chargeback"),
        ({"reverse_type": "Chargeback ", "reversed": ""}, "undone"),
        ({"reverse_type": "Second Cha", "rgeback": ""}, "unknown"),
        # A new parameter that follows the type directly leaves the kind unchanged.
        *(
            ({"reverse_type": "Chargeback", name: "7"}, "chargeback")
            for name in ("reversed_at", "risk_score", "safe_won")
        ),
        ({"reverse_type": "Bank Return", "reversed_at": "7"}, "return"),
        ({"reverse_type": "Refund", "sale_reason": "chargeback"}, "other"),
        ({"reverse_type": "", "second": " chargeback"}, "unknown"),
        ({"reverse_type": "Second Chargeback", "reverse_user": "7"}, "unknown"),
        ({"reverse_type": "Adjustment", "settlement_note": "Chargeback won"}, "unknown"),
    ],
    ids=str,
)
def test_reversal_kind_moved_boundary_same(changes: dict[str, str], kind: str) -> None:
    split_message = valid_reversal(**changes, reverse_code=None)
    original = valid_reversal(reverse_type=string_to_sign(changes).removeprefix("reverse_type"), reverse_code=None)
    assert string_to_sign(split_message) == string_to_sign(original)
    assert read_message(Reversal, split_message).kind == kind
    assert read_message(Reversal, original).kind == kind


@pytest.mark.parametrize("name", ["chargeback_fee", "return_address", "site_return_policy", "zip_of_return"])
def test_reversal_kind_ignores_nonadjacent_unknown_parameter(name: str) -> None:
    assert reversal(reverse_type="Refund", reverse_code=None, **{name: "7"}).kind is ReversalKind.OTHER


@pytest.mark.parametrize(("version", "namespace"), [("2.0", "v2_0"), ("3.0", "v3_0")])
def test_reversal_response_contains_only_order(version: str, namespace: str) -> None:
    acknowledgement = ReversalResponse(envelope="test_envelope", element="reverse", pnm_order_identifier=ORDER)
    json_body, xml_body = (callback_response(acknowledgement, version, kind)["body"] for kind in ("json", "xml"))

    content = {"version": version, "reverse": {"pnm_order_identifier": ORDER}}
    assert json.loads(json_body) == {"test_envelope": content}
    root = ElementTree.fromstring(xml_body)  # noqa: S314 # output of this project
    space = f"{{http://www.paynearme.com/api/pnm_xmlschema_{namespace}}}"
    assert (root.tag, root.attrib) == (f"{space}test_envelope", {"version": version})
    assert [(element.tag, element.text) for element in root.iter()][1:] == [
        (f"{space}reverse", None),
        (f"{space}pnm_order_identifier", ORDER),
    ]
