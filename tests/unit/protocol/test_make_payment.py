import uuid
from typing import Any

import pytest

from paynearme.errors import ValidationFailedError
from paynearme.platform.http_request import from_json_body
from paynearme.protocol.make_payment import (
    IDEMPOTENCY_KEY,
    MakePaymentRequest,
    extract_payment_identifier,
    submission_error_code,
    submission_result,
)
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
    assert str(message) == repr(message) == "<MakePaymentRequest>"


def test_make_payment_optional_parameters_identify_payment() -> None:
    optional: dict[str, Any] = {"agent_identifier": "a1", "ach_sec_code": "WEB", "recurring": False}
    optional |= {"pricing_schedule_name": "consumer", "site_order_identifier": 6969}
    parameters = from_json_body(json_event(optional))
    sent = request(**parameters).to_parameters()
    assert {name: sent[name] for name in optional} == parameters
    assert parameters["recurring"] == "false"
    fingerprints = {request(**{name: value}).fingerprint() for name, value in parameters.items()}
    assert len(fingerprints | {request().fingerprint()}) == 6


@pytest.mark.parametrize(
    ("name", "invalid", "description"),
    [
        *((name, None, "is required") for name in (*REQUIRED, IDEMPOTENCY_KEY)),
        ("payment_amount", CANARY, "must be an amount like 25.00"),
        ("recurring", CANARY, "must be true or false"),
        *((n, f"{CANARY}\n", "is invalid") for n in ("agent_identifier", "ach_sec_code", "pricing_schedule_name")),
        ("payment_amount", "0", "must be greater than zero"),
        ("payment_currency", CANARY, "must be USD"),
        ("pnm_order_identifier", f"{CANARY} 1", "is invalid"),
        ("pnm_order_identifier", f"{CANARY}site_customer", "must not contain the name of a parameter"),
        ("payment_method_identifier", f"{CANARY}\n", "is invalid"),
        ("site_channel", f"{CANARY}\x00", "is invalid"),
        (IDEMPOTENCY_KEY, f"{CANARY} ", "must be 1 to 255 visible ASCII characters"),
        ("idempotency_key", CANARY, "is not a parameter of this request"),
        ("pnm_payment_identifier", CANARY, "is not a parameter of this request"),
    ],
)
def test_make_payment_invalid_parameter_error_described(name: str, invalid: str | None, description: str) -> None:
    assert validation_errors(**{name: invalid}) == {name: description}


def test_idempotency_key_header_field_not_sent() -> None:
    assert MakePaymentRequest.header_fields == (IDEMPOTENCY_KEY,)
    assert request().idempotency_key == KEY
    assert KEY not in str(request().to_parameters())
    assert KEY not in str(request().model_dump())


def test_site_payment_identifier_same_site_and_key_equal() -> None:
    identifier = request().site_payment_identifier("S1")
    assert request(payment_amount="5", timestamp="2").site_payment_identifier("S1") == identifier
    assert str(uuid.UUID(identifier)) == identifier


def test_site_payment_identifier_other_site_or_key_differs() -> None:
    pairs = [("S1", KEY), ("S2", KEY), ("S1", KEY.upper()), ("S1", f"{KEY}1"), ("S", f"1{KEY}"), ("S1", "S1")]
    # A join of the two texts would be ambiguous.
    pairs += [("a", "b,c"), ("a,b", "c"), ("a", '","b'), ('a","', "b")]
    assert len({with_key(key).site_payment_identifier(site) for site, key in pairs}) == len(pairs)


def test_make_payment_fingerprint_identifies_payment() -> None:
    same_payments: list[dict[str, str | None]] = [
        {"payment_amount": "1000.00", "version": "2.0", "site_identifier": None},
        {"payment_amount": "1000.0", "timestamp": "1722289758", "signature": "f" * 64, IDEMPOTENCY_KEY: "another"},
    ]
    other_payments: list[dict[str, str | None]] = [{"payment_amount": "1000.01"}, {"payment_amount": "100"}]
    other_payments += [{"pnm_order_identifier": "84274665125"}, {"payment_method_identifier": "23b9e4ba13242"}]
    other_payments += [{"site_channel": "agent_recurring"}]
    assert {request(**changes).fingerprint() for changes in same_payments} == {request().fingerprint()}
    assert len({request(**changes).fingerprint() for changes in [{}, *other_payments]}) == 6


@pytest.mark.parametrize(
    ("response", "identifier"),
    [
        *(({"pnm_payment_identifier": "7"}, "7"), ({"payment": {"pnm_payment_identifier": 77}}, "77")),
        *(({"payment": [{"pnm_payment_identifier": 8}]}, "8"), ({"payments": [{"pnm_payment_identifier": "8"}]}, "8")),
        ({"payments": [{"pnm_payment_identifier": "8"}, {"pnm_payment_identifier": "9"}]}, None),
        ({"pnm_payment_identifier": "1", "payment": {"pnm_payment_identifier": "2"}}, "1"),
        ({"pnm_payment_identifier": "x" * 65, "payment": {"pnm_payment_identifier": "x" * 64}}, "x" * 64),
        *(({}, None), ({"payment": ["7"]}, None), ({"payment": None}, None)),
        *(({"pnm_payment_identifier": invalid}, None) for invalid in (True, None, 1.5, ["1"], "", "a b", "1\n", "é")),
    ],
    ids=lambda part: f"{part!r:.50}",
)
def test_payment_identifier_extracted_from_either_place(response: dict[str, Any], identifier: str | None) -> None:
    assert extract_payment_identifier({"status": "ok"} | response) == identifier


def payment(word: object, code: object = None, /, **content: object) -> dict[str, object]:
    """Return a response with the payment's status."""
    return {"status": "ok", "response_code": code, "payment": {"payment_status": word}, **content}


@pytest.mark.parametrize(
    ("http_status", "response", "result"),
    [
        *((http_status, {"status": "ok"}, "submitted") for http_status in (200, 201, 202)),
        *((200, {"status": "OK", "response_code": code}, "submitted") for code in ("0", 0, "00", "", None)),
        *((200, payment(word, 0), "submitted") for word in ("approved", "Authorized", "WAITING_FOR_REVIEW", "", None)),
        (201, payment("waiting for  review", status=None), "submitted"),
        (200, {"status": "ok", "payment_status": "approved"}, "submitted"),
        (200, {"status": "ok", "payments": [{"payment_status": "approved"}]}, "submitted"),
        *((200, payment(word), "failed") for word in ("rejected", "Declined", "FAILED", " failed ")),
        (202, payment("rejected", "0"), "failed"),
        *((200, payment(word, 1007), "failed") for word in ("rejected", None, "canceled", "pending")),
        *((200, {"status": status, "response_code": "1003"}, "failed") for status in ("ok", None, "pending")),
        (200, {"status": "ok", "payment": [{"payment_status": "declined"}]}, "failed"),
        (200, {"status": "ok", "payment": {"response_code": 1003}}, "failed"),
        *((http_status, {"status": "Error"}, "rejected") for http_status in (200, 201, 400, 404, 422)),
        (200, payment("rejected", 1007, status="error"), "rejected"),
        *((400, content, "rejected") for content in ({"errors": ["no"]}, {"response_code": 1007})),
        *(
            (200, payment(word), "unknown")
            for word in ("canceled", "cancelled", "refunded", "settled", 7, ["approved"])
        ),
        *((200, payment(word, "1003"), "unknown") for word in ("approved", "authorized", "waiting for review")),
        (200, payment("approved", payment_status="declined"), "unknown"),
        *((200, payment("approved", status=status), "unknown") for status in ("error", "pending")),
        *((200, {"status": status, "response_code": "0"}, "unknown") for status in (None, "", "pending", True, 1)),
        *(
            (400, {name: value}, "unknown")
            for name, value in {"status": "ok", "errors": [], "response_code": 0}.items()
        ),
        (400, payment("approved", 1007), "unknown"),
        *((http_status, {"errors": ["no"], "response_code": "1007"}, "unknown") for http_status in (302, 404, 409)),
    ],
    ids=str,
)
def test_submission_result_read_from_response(http_status: int, response: dict[str, object], result: str) -> None:
    assert submission_result(http_status, response) == result


@pytest.mark.parametrize(
    ("response", "code"),
    [
        *(({"response_code": code}, "1007") for code in ("1007", " 1007 ", 1007)),
        *((payment("rejected", code), None) for code in ("0", 0, None, "", True, ["1007"])),
        ({"response_code": 0, "payment": {"response_code": 1003}}, "1003"),
    ],
    ids=str,
)
def test_submission_error_code_from_either_place(response: dict[str, object], code: str | None) -> None:
    assert submission_error_code(response) == code
