import uuid
from decimal import Decimal

import pytest

from paynearme.errors import ValidationFailedError
from paynearme.platform.http_request import from_json_body
from paynearme.protocol.make_payment import IDEMPOTENCY_KEY, MakePaymentRequest, SubmittedPayment
from paynearme.protocol.parsing import read_message
from sandbox.clients.sample_messages import load
from tests.support.api_gateway_events import json_event

REQUESTS = load("make_payment")
PARAMETERS = from_json_body(json_event(REQUESTS["saved"]))
REQUIRED = [
    *("pnm_order_identifier", "payment_method_identifier", "payment_amount", "payment_currency"),
    "site_channel",
]
KEY = "8f2c1e1a-6c1f-4f0e-9f0e-2b7f4e6a1c55"
CANARY = "canary-7e2b"
ASCII = "must be 1 to 255 visible ASCII characters"


def request(**changes: str | None) -> MakePaymentRequest:
    parameters = {**PARAMETERS, IDEMPOTENCY_KEY: KEY, **changes}
    return read_message(MakePaymentRequest, {n: v for n, v in parameters.items() if v is not None})


def with_key(key: str) -> MakePaymentRequest:
    return request(**{IDEMPOTENCY_KEY: key})


def validation_errors(**changes: str | None) -> dict[str, str]:
    with pytest.raises(ValidationFailedError) as exc_info:
        request(**changes)
    assert CANARY not in repr(exc_info.value) + str(exc_info.value)
    return exc_info.value.errors


@pytest.mark.parametrize("name", REQUESTS)
def test_make_payment_samples_sent_without_common_parameters(name: str) -> None:
    document = from_json_body(json_event(REQUESTS[name]))
    common_parameters = {"timestamp": "1722289425", "version": "3.0", "signature": "0" * 64}
    message = read_message(MakePaymentRequest, document | common_parameters | {IDEMPOTENCY_KEY: KEY})
    assert message.site_identifier == document.pop("site_identifier")
    assert message.to_parameters() == document | {"payment_amount": "1000.00"}


def test_make_payment_samples_count_three() -> None:
    assert sorted(REQUESTS) == ["expired", "reconnected", "saved"]


def test_make_payment_site_identifier_trailing_space_removed() -> None:
    assert request(site_identifier="S6404173951 ").site_identifier == "S6404173951"


@pytest.mark.parametrize("missing", REQUIRED)
def test_make_payment_missing_parameter_validation_error(missing: str) -> None:
    assert validation_errors(**{missing: None}) == {missing: "is required"}


@pytest.mark.parametrize(
    ("name", "invalid", "description"),
    [
        *(("payment_amount", text, "must be an amount like 25.00") for text in ("", "1e3", "1,000", CANARY)),
        *(("payment_amount", text, "must be greater than zero") for text in ("0", "0.00", "-1")),
        *(("payment_currency", text, "must be USD") for text in ("", "usd", "EUR", CANARY)),
        *(("pnm_order_identifier", text, "is invalid") for text in ("", f"{CANARY} 1", "1" * 65, "é")),
        ("pnm_order_identifier", f"{CANARY}site_customer", "must not contain the name of a parameter"),
        *(("payment_method_identifier", t, "is invalid") for t in ("", f"{CANARY}\n", "1" * 257)),
        *(("site_channel", text, "is invalid") for text in ("", f"{CANARY}\x00")),
        ("site_payment_identifier", CANARY, "is not a parameter of this request"),
        ("idempotency_key", CANARY, "is not a parameter of this request"),
        ("pnm_payment_identifier", CANARY, "is not a parameter of this request"),
    ],
)
def test_make_payment_invalid_parameter_error_described(name: str, invalid: str, description: str) -> None:
    assert validation_errors(**{name: invalid}) == {name: description}


def test_idempotency_key_missing_validation_error() -> None:
    with pytest.raises(ValidationFailedError) as exc_info:
        read_message(MakePaymentRequest, PARAMETERS)
    assert exc_info.value.errors == {IDEMPOTENCY_KEY: "is required"}


@pytest.mark.parametrize(
    "key", ["", " ", "a b", " a", "a ", "a\tb", "a\n", "x" * 256, "é", "a\u00a0b", "\x00", "\x7f", "٣"]
)
def test_idempotency_key_invalid_validation_error(key: str) -> None:
    assert validation_errors(**{IDEMPOTENCY_KEY: key}) == {IDEMPOTENCY_KEY: ASCII}


@pytest.mark.parametrize("key", ["1", "x" * 255, KEY, '!"#~', "a,b"])
def test_idempotency_key_visible_ascii_valid(key: str) -> None:
    assert with_key(key).idempotency_key == key


def test_idempotency_key_header_field_not_sent() -> None:
    assert MakePaymentRequest.header_fields == (IDEMPOTENCY_KEY,)
    assert KEY not in str(request().to_parameters())
    assert KEY not in str(request().model_dump())
    assert set(request().to_parameters()) == set(REQUIRED)


def test_make_payment_validation_errors_all_reported() -> None:
    invalid_parameters = {"payment_amount": "x", "payment_currency": "x", "x": "x"}
    assert validation_errors(**invalid_parameters, site_channel=None, **{IDEMPOTENCY_KEY: ""}).keys() == {
        *invalid_parameters,
        "site_channel",
        IDEMPOTENCY_KEY,
    }


def test_site_payment_identifier_same_site_and_key_equal() -> None:
    identifier = request().site_payment_identifier("S1")
    assert request(payment_amount="5", timestamp="2").site_payment_identifier("S1") == identifier
    assert str(uuid.UUID(identifier)) == identifier


@pytest.mark.parametrize(
    ("site", "key"), [("S2", KEY), ("S1", KEY.upper()), ("S1", f"{KEY}1"), ("S", f"1{KEY}"), ("S1", "S1")]
)
def test_site_payment_identifier_other_site_or_key_differs(site: str, key: str) -> None:
    assert with_key(key).site_payment_identifier(site) != request().site_payment_identifier("S1")


def test_site_payment_identifier_separators_unambiguous() -> None:
    identifiers = {with_key(key).site_payment_identifier(site) for site, key in (("a", "b,c"), ("a,b", "c"))}
    identifiers |= {with_key(key).site_payment_identifier(site) for site, key in (("a", '","b'), ('a","', "b"))}
    assert len(identifiers) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"payment_amount": "1000.00"},
        {"payment_amount": "1000.0"},
        {"timestamp": "1722289758"},
        {"signature": "f" * 64},
        {"version": "2.0"},
        {IDEMPOTENCY_KEY: "another"},
        {"site_identifier": None},
    ],
)
def test_make_payment_fingerprint_same_payment_equal(changes: dict[str, str | None]) -> None:
    assert request(**changes).fingerprint() == request(payment_amount="1000").fingerprint()


@pytest.mark.parametrize(
    "changes",
    [
        {"payment_amount": "1000.01"},
        {"payment_amount": "100"},
        {"pnm_order_identifier": "84274665125"},
        {"payment_method_identifier": "23b9e4ba13242"},
        {"site_channel": "agent_recurring"},
    ],
)
def test_make_payment_fingerprint_other_payment_differs(changes: dict[str, str]) -> None:
    assert request(**changes).fingerprint() != request().fingerprint()


def test_fingerprint_and_identifier_do_not_contain_inputs() -> None:
    hashed_text = request().fingerprint() + request().site_payment_identifier("S6404173951")
    assert KEY not in hashed_text
    assert "76590ef5135ae" not in hashed_text


def test_submitted_payment_and_request_repr_without_values() -> None:
    submitted = SubmittedPayment(
        status="submitted",
        site_payment_identifier=KEY,
        pnm_payment_identifier=None,
        pnm_order_identifier="84274665124",
        payment_method_identifier="76590ef5135ae",
        payment_amount=Decimal("1000.00"),
        payment_currency="USD",
    )
    assert str(submitted) == repr(submitted) == "<SubmittedPayment>"
    assert str(request()) == repr(request()) == "<MakePaymentRequest>"
    dump = submitted.model_dump(mode="json")
    assert (dump["payment_amount"], dump["pnm_payment_identifier"]) == ("1000.00", None)
