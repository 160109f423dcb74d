from typing import Any

import pytest
from pydantic import ValidationError

from paynearme.errors import UnprocessableCallbackError, ValidationFailedError
from paynearme.platform.http_request import from_json_body
from paynearme.protocol.callbacks import Confirmation, read_callback
from paynearme.protocol.create_order import PII_FIELDS, CreatedOrder, CreateOrderRequest, CreateOrderResponse
from paynearme.protocol.parsing import read_message
from sandbox.clients.sample_messages import load
from tests.support.api_gateway_events import json_event
from tests.support.message_fixtures import valid_confirmation

PARAMETERS = from_json_body(json_event(load("create_order")["guaranteed_ach"]))
REQUIRED = ["order_amount", "order_currency", "order_type", "order_is_standing", "site_customer_identifier"]
CUSTOMER = [name for name in PARAMETERS if name.startswith("site_customer_") and name != "site_customer_identifier"]
CANARY = "canary-7e2b"


def changed(**changes: str | None) -> dict[str, str]:
    return {name: value for name, value in {**PARAMETERS, **changes}.items() if value is not None}


def validation_errors(parameters: dict[str, str]) -> dict[str, str]:
    with pytest.raises(ValidationFailedError) as exc_info:
        read_message(CreateOrderRequest, parameters)
    assert CANARY not in repr(exc_info.value) + str(exc_info.value)
    return exc_info.value.errors


def test_create_order_sample_sent_without_common_parameters() -> None:
    common_parameters = {"timestamp": "1721941353", "version": "3.0", "signature": "0" * 64}
    request = read_message(CreateOrderRequest, PARAMETERS | common_parameters)

    # The sample's amount is a number, and its site identifier ends with a space.
    assert PARAMETERS["site_identifier"] == "S6404173951 "
    assert request.site_identifier == "S6404173951"
    expected = {name: value for name, value in PARAMETERS.items() if name != "site_identifier"}
    assert request.to_parameters() == expected | {"order_amount": "500.00"}
    assert str(request) == repr(request) == "<CreateOrderRequest>"


def test_create_order_optional_parameters_sent_as_text() -> None:
    optional: dict[str, Any] = {"minimum_payment_amount": 20, "minimum_payment_currency": "USD", "order_duration": 30}
    optional |= {
        "site_creator_identifier": "cr1",
        "site_order_description": "Deposit",
        "site_customer_name": "Peter V.",
    }
    optional |= {"return_minimal_info": True, "return_no_pmts": True, "last_pmt_only": False}
    sent = read_message(CreateOrderRequest, changed(**from_json_body(json_event(optional)))).to_parameters()
    expected = from_json_body(json_event(optional | {"minimum_payment_amount": "20.00"}))
    assert {name: sent[name] for name in optional} == expected
    assert "site_customer_name" in PII_FIELDS


@pytest.mark.parametrize(
    ("name", "invalid", "description"),
    [
        *((name, None, "is required") for name in REQUIRED),
        ("order_amount", CANARY, "must be an amount like 25.00"),
        ("order_amount", "0", "must be greater than zero"),
        ("order_currency", CANARY, "must be USD"),
        ("order_type", CANARY, "must be exact, up-to or any"),
        *((name, CANARY, "must be true or false") for name in ("order_is_standing", "return_minimal_info")),
        ("minimum_payment_amount", "-1", "must not be negative"),
        ("order_duration", "1.5", "must be a positive whole number"),
        *(
            (name, f"{CANARY}\n", "is invalid")
            for name in (*CUSTOMER, "site_customer_identifier", "site_order_identifier")
            if name != "site_customer_year_of_birth"
        ),
        ("site_customer_year_of_birth", CANARY, "must be a year like 1982"),
        ("site_order_annotation", "", "is invalid"),
        ("cards", CANARY, "is not a parameter of this request"),
        ("pnm_order_identifier", CANARY, "is not a parameter of this request"),
    ],
)
def test_create_order_invalid_parameter_error_described(name: str, invalid: str | None, description: str) -> None:
    assert validation_errors(changed(**{name: invalid})) == {name: description}


def test_create_order_annotation_with_second_reading_rejected() -> None:
    annotation = "a note7site_payment_identifier7"
    with pytest.raises(UnprocessableCallbackError):
        read_callback(Confirmation, valid_confirmation(site_order_annotation=annotation))

    assert validation_errors(changed(site_order_annotation=annotation)).keys() == {"site_order_annotation"}


SAMPLE_RESPONSE = load("create_order_response")["guaranteed_ach"]


def created(**changes: object) -> CreatedOrder:
    response = {**SAMPLE_RESPONSE, "order": {**SAMPLE_RESPONSE["order"], **changes}}
    return CreateOrderResponse.model_validate(response).order


def with_methods(*methods: object) -> CreatedOrder:
    return created(electronic_payments={"payment_methods": list(methods)})


def test_create_order_response_sample_without_customer_pii() -> None:
    dump = created().model_dump(mode="json")
    methods = dump.pop("payment_methods")
    order, customer = SAMPLE_RESPONSE["order"], SAMPLE_RESPONSE["order"]["customer"]
    identifiers = {name: customer[name] for name in ("pnm_customer_identifier", "site_customer_identifier")}
    # The set of names excludes all other fields of the customer.
    assert dump.keys() == CreatedOrder.model_fields.keys() - {"payment_methods"}
    assert dump == {name: order[name] for name in dump if name in order} | identifiers | {"order_is_standing": True}
    assert methods == order["electronic_payments"]["payment_methods"]
    assert len(methods) == 7


def test_created_order_saved_methods_grouped_by_type() -> None:
    sample: dict[str, Any] = load("find_payment_methods_response")["saved"]["accounts"][0]
    order = with_methods(
        {"type": "ach", "fee_amount": 1, "accounts": [sample, {"number": "1"}]}, "debit", {"type": "debit"}
    )
    ach, debit = order.payment_methods
    assert (ach.type, str(ach.fee_amount)) == ("ach", "1.00")
    assert [account.payment_method_identifier for account in ach.accounts] == ["76590ef5135ae"]
    assert (debit.fee_amount, debit.fee_currency, debit.accounts) == (None, None, [])


INFORMATIONAL = [
    *("site_order_identifier", "pnm_order_short_identifier", "order_status", "order_type", "order_currency"),
    *("secure_smart_token", "secure_smart_link", "order_tracking_url", "order_amount", "minimum_payment_amount"),
    "order_is_standing",
]


# The order exists, and a caller must not create it again.
@pytest.mark.parametrize("name", INFORMATIONAL)
def test_created_order_invalid_informational_field_none(name: str) -> None:
    invalid_values: list[object] = [["x"], {"x": 1}, None, True]
    for invalid in invalid_values[: 3 if name == "order_is_standing" else 4]:
        assert getattr(created(**{name: invalid}), name) is None
    without_field = {n: v for n, v in SAMPLE_RESPONSE["order"].items() if n != name}
    assert getattr(CreateOrderResponse.model_validate({"order": without_field}).order, name) is None


@pytest.mark.parametrize("absent", [None, [], "x", {}, {"payment_methods": None}], ids=repr)
def test_created_order_without_payment_methods_or_customer_valid(absent: object) -> None:
    order = created(electronic_payments=absent, customer=absent)
    assert (order.payment_methods, order.pnm_customer_identifier, order.site_customer_identifier) == ([], None, None)
    [method] = with_methods({"type": "ach", "accounts": absent}).payment_methods
    assert method.accounts == []


@pytest.mark.parametrize("name", ["order", "orders", ""])
@pytest.mark.parametrize("in_list", [True, False])
def test_create_order_response_found_at_each_place(name: str, in_list: bool) -> None:
    minimal = {"pnm_order_identifier": 82882345534, "pnm_customer_identifier": 7, "order_amount": 500}
    content = {name: [minimal] if in_list else minimal} if name else minimal
    order = CreateOrderResponse.model_validate({"status": "ok", **content}).order
    assert (order.pnm_order_identifier, order.pnm_customer_identifier) == ("82882345534", "7")
    assert str(order.order_amount) == "500.00"


@pytest.mark.parametrize("invalid", [None, True, "", "a b", "x" * 65, ["1"], 1.5], ids=repr)
def test_created_order_invalid_identifier_validation_error(invalid: object) -> None:
    with pytest.raises(ValidationError):
        created(pnm_order_identifier=invalid)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"order": None},
        {"order": []},
        {"order": {}},
        {"order": CANARY},
        {"orders": [{}, {"pnm_order_identifier": "1"}]},
    ],
)
def test_create_order_response_without_order_error_hides_content(content: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as exc_info:
        CreateOrderResponse.model_validate(content)
    assert CANARY not in str(exc_info.value)
