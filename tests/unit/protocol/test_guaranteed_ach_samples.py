"""Relations between the sample messages of PayNearMe docs, Guaranteed ACH."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

import pytest

from paynearme.platform.http_request import from_json_body
from paynearme.protocol.signing import string_to_sign, verify
from sandbox.clients.sample_messages import load
from sandbox.fake_paynearme.messages import Parameters, signed
from tests.support.api_gateway_events import json_event

SECRET = "a-test-secret"
CALLS = ("create_order", "find_payment_methods", "make_payment")
RESPONSE_KINDS = tuple(f"{kind}_response" for kind in ("get_smart_token", *CALLS))
REQUESTS = [
    *(pytest.param(message, id=f"{kind}/{name}") for kind in CALLS for name, message in load(kind).items()),
    *(
        pytest.param(load("get_smart_token")[f"guaranteed_ach{suffix}"], id=f"get_smart_token{suffix}")
        for suffix in ("", "_reconnect")
    ),
]
SCENARIOS = ("first", "saved", "reconnected")

CREATE_ORDER = load("create_order")["guaranteed_ach"]
CREATED_ORDER: Parameters = load("create_order_response")["guaranteed_ach"]["order"]
METHOD_REQUESTS = load("find_payment_methods")
METHOD_RESPONSES = load("find_payment_methods_response")
MAKE_PAYMENT = load("make_payment")
RECONNECT = load("get_smart_token")["guaranteed_ach_reconnect"]


def parsed(message: Mapping[str, object]) -> dict[str, str]:
    return from_json_body(json_event(message))


def names_in(content: object) -> Iterator[str]:
    if isinstance(content, dict):
        for name, value in content.items():
            yield name
            yield from names_in(value)
    if isinstance(content, list):
        for value in content:
            yield from names_in(value)


def accounts(name: str) -> dict[str, Parameters]:
    account_list: list[Parameters] = METHOD_RESPONSES[name]["accounts"]
    return {account["payment_method_identifier"]: account for account in account_list}


@pytest.mark.parametrize("message", REQUESTS)
def test_request_samples_parsed_names_unchanged(message: Parameters) -> None:
    assert list(parsed(message)) == list(message)


@pytest.mark.parametrize("message", REQUESTS)
def test_request_samples_parsed_then_signed_and_verified(message: Parameters) -> None:
    parameters = parsed(message)

    request = signed(parameters, SECRET)

    verify(request, request["signature"], [SECRET])
    assert request.keys() == {*message, "timestamp", "version", "signature"}


@pytest.mark.parametrize("kind", [*CALLS, *RESPONSE_KINDS])
def test_samples_without_signature_and_timestamp(kind: str) -> None:
    messages = load(kind)

    assert messages
    assert not {"signature", "timestamp"} & {name for content in messages.values() for name in names_in(content)}


def test_create_order_sample_only_amount_and_standing_not_text() -> None:
    non_text = {name: value for name, value in CREATE_ORDER.items() if not isinstance(value, str)}

    assert non_text == {"order_amount": 500, "order_is_standing": True}
    assert type(non_text["order_amount"]) is int
    assert type(non_text["order_is_standing"]) is bool


def test_create_order_sample_signed_text_keeps_spelling() -> None:
    text = string_to_sign(parsed(CREATE_ORDER))

    assert "order_amount500order_currencyUSDorder_is_standingtrueorder_typeany" in text
    assert text.endswith("site_identifierS6404173951 site_order_identifier6969675879")


def test_created_order_sample_matches_request() -> None:
    assert CREATED_ORDER["site_identifier"] == CREATE_ORDER["site_identifier"].strip()
    assert CREATED_ORDER["order_currency"] == CREATE_ORDER["order_currency"]
    assert CREATED_ORDER["order_type"] == CREATE_ORDER["order_type"]
    assert CREATED_ORDER["customer"]["site_customer_identifier"] == CREATE_ORDER["site_customer_identifier"]
    assert Decimal(CREATED_ORDER["order_amount"]) == CREATE_ORDER["order_amount"]
    assert (CREATED_ORDER["order_is_standing"] == "true") is CREATE_ORDER["order_is_standing"]


def test_created_order_sample_link_contains_smart_token() -> None:
    assert CREATED_ORDER["secure_smart_link"].endswith(f"/ssl/{CREATED_ORDER['secure_smart_token']}")


def test_created_order_sample_new_customer_without_accounts() -> None:
    methods = CREATED_ORDER["electronic_payments"]["payment_methods"]

    assert [method["type"] for method in methods] == [
        *("ach", "apple_pay_credit", "paypal", "debit", "credit", "gpay", "apple_pay_debit")
    ]
    assert not [account for method in methods for account in method["accounts"]]


def test_smart_token_samples_refer_to_created_order() -> None:
    requests, [sample_order] = load("get_smart_token"), load("get_smart_token_response")["guaranteed_ach"]["orders"]

    assert {
        CREATED_ORDER["pnm_order_identifier"],
        requests["guaranteed_ach"]["pnm_order_identifier"],
        sample_order["pnm_order_identifier"],
        RECONNECT["pnm_order_identifier"],
        load("authorization")["guaranteed_ach_first"]["pnm_order_identifier"],
    } == {"82882345534"}
    assert sample_order["site_order_identifier"] == CREATED_ORDER["site_order_identifier"]


def test_find_payment_methods_samples_same_request_two_responses() -> None:
    assert METHOD_REQUESTS["saved"] == METHOD_REQUESTS["expired"]
    assert list(accounts("saved")) == ["76590ef5135ae", "23b9e4ba13242"]
    assert list(accounts("expired")) == ["23b9e4ba13242"]
    assert accounts("saved")["23b9e4ba13242"] == accounts("expired")["23b9e4ba13242"]


@pytest.mark.parametrize("name", ["saved", "expired"])
def test_payment_method_samples_guaranteed_ach_and_active(name: str) -> None:
    for account in accounts(name).values():
        assert "trustly_ach" in account["account_type"].split()
        assert (account["status"], account["pull_enabled"], account["push_enabled"]) == ("active", "true", "false")
        assert re.fullmatch(r"[0-9]{4}", account["number"])


@pytest.mark.parametrize(
    ("payment", "methods_sample"), [("saved", "saved"), ("expired", "expired"), ("reconnected", "expired")]
)
def test_make_payment_samples_use_found_payment_method(payment: str, methods_sample: str) -> None:
    assert MAKE_PAYMENT[payment]["payment_method_identifier"] in accounts(methods_sample)


def test_make_payment_samples_differ_only_in_payment_method() -> None:
    name = "payment_method_identifier"
    methods = {suffix: message[name] for suffix, message in MAKE_PAYMENT.items()}

    assert methods == {"saved": "76590ef5135ae", "expired": "23b9e4ba13242", "reconnected": "23b9e4ba13242"}
    assert MAKE_PAYMENT["saved"] | {name: methods["expired"]} == MAKE_PAYMENT["expired"]
    assert MAKE_PAYMENT["expired"] == MAKE_PAYMENT["reconnected"]


@pytest.mark.parametrize("name", ["saved", "reconnected"])
def test_make_payment_samples_match_callbacks(name: str) -> None:
    request = MAKE_PAYMENT[name]

    for kind in ("authorization", "confirmation"):
        callback = load(kind)[f"guaranteed_ach_{name}"]
        for field_name in ("site_identifier", "pnm_order_identifier", "payment_currency"):
            assert callback[field_name] == request[field_name]
        assert Decimal(callback["payment_amount"]) == Decimal(request["payment_amount"])
        assert callback["site_customer_identifier"] == METHOD_REQUESTS["saved"]["site_customer_identifier"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_authorization_samples_match_confirmations(name: str) -> None:
    authorization, confirmation = (load(kind)[f"guaranteed_ach_{name}"] for kind in ("authorization", "confirmation"))

    assert confirmation["status"] == "payment"
    for field_name in ("pnm_payment_identifier", "pnm_order_identifier", "payment_amount", "payment_bank_last4"):
        assert confirmation[field_name] == authorization[field_name]


def test_authorization_samples_saved_and_reconnected_equal() -> None:
    authorizations, confirmations = load("authorization"), load("confirmation")
    saved, reconnected = (confirmations[f"guaranteed_ach_{name}"] for name in ("saved", "reconnected"))

    assert authorizations["guaranteed_ach_saved"] == authorizations["guaranteed_ach_reconnected"]
    assert {name for name in saved if saved[name] != reconnected[name]} == {"payment_timestamp"}
    assert saved.keys() == reconnected.keys()


def test_make_payment_response_sample_expired_error_6513() -> None:
    [(name, response)] = load("make_payment_response").items()

    assert name == "expired"
    assert (response["status"], response["response_code"]) == ("error", "6513")
    assert [list(error) for error in response["errors"]] == [["description"]]


def test_reconnect_sample_contains_expired_method_without_pii() -> None:
    expired = MAKE_PAYMENT["expired"]["payment_method_identifier"]

    assert RECONNECT["flow_trustly_reconnect"] == expired
    assert MAKE_PAYMENT["reconnected"]["payment_method_identifier"] == expired
    assert RECONNECT["flow_trustly"] == "true"
    assert not [name for name in RECONNECT if name.startswith("ext_customer")]


@pytest.mark.parametrize("kind", ["find_payment_methods_response", "create_order_response", "get_smart_token_response"])
def test_response_samples_except_make_payment_status_ok(kind: str) -> None:
    assert {response["status"] for response in load(kind).values()} == {"ok"}
