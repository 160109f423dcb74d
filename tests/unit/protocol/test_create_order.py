import json
from typing import Any

import pytest
from pydantic import ValidationError

from paynearme.errors import ValidationFailedError
from paynearme.platform.http_request import from_json_body
from paynearme.protocol.callbacks import Confirmation
from paynearme.protocol.create_order import CreatedOrder, CreateOrderRequest, CreateOrderResponse
from paynearme.protocol.parsing import read_message
from sandbox.clients.sample_messages import load
from tests.support.api_gateway_events import json_event
from tests.support.message_fixtures import valid_confirmation

DOCUMENT = load("create_order")["guaranteed_ach"]
PARAMETERS = from_json_body(json_event(DOCUMENT))
REQUIRED = ["order_amount", "order_currency", "order_type", "order_is_standing", "site_customer_identifier"]
CUSTOMER = [
    *("site_customer_first_name", "site_customer_last_name", "site_customer_email", "site_customer_phone"),
    *("site_customer_language", "site_customer_street", "site_customer_city", "site_customer_state"),
    "site_customer_postal_code",
]
CANARY = "canary-7e2b"


def changed(**changes: str | None) -> dict[str, str]:
    return {name: value for name, value in {**PARAMETERS, **changes}.items() if value is not None}


def sent_parameters(parameters: dict[str, str]) -> dict[str, str]:
    return read_message(CreateOrderRequest, parameters).to_parameters()


def validation_errors(parameters: dict[str, str]) -> dict[str, str]:
    with pytest.raises(ValidationFailedError) as exc_info:
        read_message(CreateOrderRequest, parameters)
    return exc_info.value.errors


def test_create_order_sample_sent_without_site_identifier() -> None:
    expected = {name: value for name, value in PARAMETERS.items() if name != "site_identifier"}
    # The sample has a number.
    assert sent_parameters(PARAMETERS) == expected | {"order_amount": "500.00"}


def test_create_order_common_parameters_valid_but_not_sent() -> None:
    assert sent_parameters(changed(timestamp="1721941353", version="3.0", signature="0" * 64)) == sent_parameters(
        PARAMETERS
    )


def test_create_order_site_identifier_trailing_space_removed() -> None:
    assert PARAMETERS["site_identifier"] == "S6404173951 "
    assert read_message(CreateOrderRequest, PARAMETERS).site_identifier == "S6404173951"


def test_create_order_required_parameters_only_sent() -> None:
    minimal = {name: PARAMETERS[name] for name in REQUIRED}
    assert sent_parameters(minimal) == minimal | {"order_amount": "500.00"}


@pytest.mark.parametrize("missing", REQUIRED)
def test_create_order_missing_parameter_validation_error(missing: str) -> None:
    assert validation_errors(changed(**{missing: None})) == {missing: "is required"}


@pytest.mark.parametrize(
    ("name", "invalid", "description"),
    [
        *(("order_amount", text, "must be an amount like 25.00") for text in ("", "1e3", "5.001", CANARY)),
        *(("order_amount", text, "must be greater than zero") for text in ("0", "0.00", "-5")),
        *(("order_currency", text, "must be USD") for text in ("", "usd", "EUR", CANARY)),
        *(("order_type", text, "must be exact, up-to or any") for text in ("", "Any", CANARY)),
        *(("order_is_standing", text, "must be true or false") for text in ("", "TRUE", "1", CANARY)),
        *(
            ("site_customer_year_of_birth", text, "must be a year like 1982")
            for text in ("", "50", "1850", "2100", "1950 ", "١٩٥٠", "1950-01-01", CANARY)
        ),
        ("cards", CANARY, "is not a parameter of this request"),
        ("pnm_order_identifier", CANARY, "is not a parameter of this request"),
        ("ext_customer_tax_id_pii", CANARY, "is not a parameter of this request"),
    ],
)
def test_create_order_invalid_parameter_error_described(name: str, invalid: str, description: str) -> None:
    assert validation_errors(changed(**{name: invalid})) == {name: description}


@pytest.mark.parametrize("name", [*CUSTOMER, "site_customer_identifier", "site_order_identifier"])
@pytest.mark.parametrize("invalid", ["", f"{CANARY}\n", "x" * 257, "\x00"])
def test_create_order_invalid_text_error_without_value(name: str, invalid: str) -> None:
    errors = validation_errors(changed(**{name: invalid}))
    assert errors == {name: "is invalid"}


@pytest.mark.parametrize("name", CUSTOMER)
def test_create_order_customer_text_any_single_line_sent(name: str) -> None:
    for line in ("Zoë 🏦", " ", "x" * 256, "236 W 34th Street #1"):
        assert sent_parameters(changed(**{name: line}))[name] == line


@pytest.mark.parametrize("annotation", ["confirm_delay_5", "For the 5 o'clock game: row 7", '{"site": "x"}'])
def test_create_order_annotation_sent_unchanged(annotation: str) -> None:
    assert sent_parameters(changed(site_order_annotation=annotation))["site_order_annotation"] == annotation


@pytest.mark.parametrize("annotation", ["a notetesttrue", "of statuspayment", "site_subchannelx"])
def test_create_order_annotation_absorbing_parameter_rejected(annotation: str) -> None:
    with pytest.raises(ValidationFailedError):
        read_message(Confirmation, valid_confirmation(site_order_annotation=annotation))

    assert validation_errors(changed(site_order_annotation=annotation)) == {
        "site_order_annotation": "must not contain the name of a parameter"
    }


@pytest.mark.parametrize("order_type", ["exact", "up-to", "any"])
@pytest.mark.parametrize("standing", ["true", "false"])
def test_create_order_each_type_and_standing_sent(order_type: str, standing: str) -> None:
    parameters = sent_parameters(changed(order_type=order_type, order_is_standing=standing))
    assert (parameters["order_type"], parameters["order_is_standing"]) == (order_type, standing)


def test_create_order_validation_errors_all_reported() -> None:
    invalid_parameters = {"order_amount": "x", "order_type": "x", "site_customer_phone": "", "x": "x"}
    assert validation_errors(changed(**invalid_parameters, order_currency=None)).keys() == {
        *invalid_parameters,
        "order_currency",
    }


def test_create_order_request_and_error_without_pii() -> None:
    request = read_message(CreateOrderRequest, PARAMETERS)
    assert str(request) == repr(request) == "<CreateOrderRequest>"
    with pytest.raises(ValidationFailedError) as exc_info:
        read_message(CreateOrderRequest, changed(order_amount=CANARY, site_customer_email=f"{CANARY}\n"))
    assert CANARY not in repr(exc_info.value) + str(exc_info.value) + str(exc_info.value.errors)


def test_create_order_model_fields_match_sample() -> None:
    common_parameters = {"timestamp", "version", "signature"}
    # PayNearMe docs, Using Authorization Callbacks, describe it as a parameter of this request.
    callback_fields = {"site_order_annotation"}
    assert set(CreateOrderRequest.model_fields) == {*DOCUMENT} | common_parameters | callback_fields


SAMPLE_RESPONSE = load("create_order_response")["guaranteed_ach"]


def created(**changes: object) -> CreatedOrder:
    return CreateOrderResponse.model_validate(
        {**SAMPLE_RESPONSE, "order": {**SAMPLE_RESPONSE["order"], **changes}}
    ).order


def with_methods(*methods: object) -> CreatedOrder:
    return created(electronic_payments={"payment_methods": list(methods)})


def test_create_order_response_sample_trimmed_for_backend() -> None:
    dump = created().model_dump(mode="json")
    methods = dump.pop("payment_methods")
    order, customer = SAMPLE_RESPONSE["order"], SAMPLE_RESPONSE["order"]["customer"]
    identifiers = {name: customer[name] for name in ("pnm_customer_identifier", "site_customer_identifier")}
    expected = {name: order[name] for name in dump if name in order}
    assert dump == expected | identifiers | {"order_is_standing": True}
    assert [method["type"] for method in methods] == [
        *("ach", "apple_pay_credit", "paypal", "debit", "credit", "gpay", "apple_pay_debit")
    ]
    assert methods == order["electronic_payments"]["payment_methods"]


def test_create_order_response_customer_pii_omitted() -> None:
    dump = json.dumps(CreateOrderResponse.model_validate(SAMPLE_RESPONSE).model_dump(mode="json"))
    omitted = {n: v for n, v in SAMPLE_RESPONSE["order"]["customer"].items() if not n.endswith("customer_identifier")}
    assert len(omitted) == 9
    for name, value in omitted.items():
        assert name not in dump
        # Other values can contain the two letters of a language or a state.
        assert value not in dump or len(value) == 2


def test_created_order_saved_methods_grouped_by_type() -> None:
    sample: dict[str, Any] = load("find_payment_methods_response")["saved"]["accounts"][0]
    order = with_methods({"type": "ach", "fee_amount": 1, "accounts": [sample]}, {"type": "debit"})
    ach, debit = order.payment_methods
    assert (ach.type, str(ach.fee_amount), len(ach.accounts)) == ("ach", "1.00", 1)
    assert (ach.accounts[0].payment_method_identifier, ach.accounts[0].guaranteed_ach) == ("76590ef5135ae", True)
    assert (debit.fee_amount, debit.accounts) == (None, [])


def test_created_order_numeric_identifiers_and_amounts_parsed() -> None:
    order = created(pnm_order_identifier=82882345534, site_order_identifier=6969675870, order_amount=500)
    assert order == created(order_amount="500.0")


def test_create_order_response_repr_without_values() -> None:
    response = CreateOrderResponse.model_validate(SAMPLE_RESPONSE)
    models = [response, response.order, response.order.payment_methods[0]]
    assert [str(part) for part in models] == [repr(part) for part in models]
    assert [str(part) for part in models] == ["<CreateOrderResponse>", "<CreatedOrder>", "<PaymentMethodsOfType>"]


@pytest.mark.parametrize("invalid", [["x"], {"x": 1}, "", "maybe", 1, None])
def test_created_order_invalid_flag_none(invalid: object) -> None:
    assert created(order_is_standing=invalid).order_is_standing is None


@pytest.mark.parametrize("invalid", [["5"], {}, True, "", "five", None, "NaN", "Infinity", "sNaN", "1e99"])
@pytest.mark.parametrize("name", ["order_amount", "minimum_payment_amount"])
def test_created_order_invalid_amount_none(name: str, invalid: object) -> None:
    assert getattr(created(**{name: invalid}), name) is None


INFORMATIONAL = [
    *("site_order_identifier", "pnm_order_short_identifier", "order_status", "order_type", "order_currency"),
    *("secure_smart_token", "secure_smart_link", "order_tracking_url"),
]


# The order exists, and a caller must not create it again.
@pytest.mark.parametrize("invalid", [["x"], {"x": 1}, True], ids=repr)
@pytest.mark.parametrize("name", INFORMATIONAL)
def test_created_order_invalid_informational_text_none(name: str, invalid: object) -> None:
    assert getattr(created(**{name: invalid}), name) is None


@pytest.mark.parametrize("name", INFORMATIONAL)
def test_created_order_missing_informational_field_none(name: str) -> None:
    without_field = {n: v for n, v in SAMPLE_RESPONSE["order"].items() if n != name}
    assert getattr(CreateOrderResponse.model_validate({"order": without_field}).order, name) is None


@pytest.mark.parametrize("absent", [None, [], "x", 1, {}, {"payment_methods": None}], ids=repr)
def test_created_order_without_payment_methods_empty_list(absent: object) -> None:
    assert created(electronic_payments=absent).payment_methods == []


def test_created_order_null_accounts_empty_list() -> None:
    [method] = with_methods({"type": "ach", "accounts": None}).payment_methods
    assert method.accounts == []


@pytest.mark.parametrize("customer", [None, [], "x", {}], ids=repr)
def test_created_order_without_customer_identifiers_none(customer: object) -> None:
    order = created(customer=customer)
    assert (order.pnm_customer_identifier, order.site_customer_identifier) == (None, None)


@pytest.mark.parametrize("invalid", [None, True, "", "a b", "x" * 65, ["1"], {"a": 1}, 1.5], ids=repr)
def test_created_order_invalid_identifier_validation_error(invalid: object) -> None:
    with pytest.raises(ValidationError):
        created(pnm_order_identifier=invalid)


@pytest.mark.parametrize("content", [{}, {"order": None}, {"order": []}, {"order": {}}, {"order": CANARY}])
def test_create_order_response_without_order_error_hides_content(content: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as exc_info:
        CreateOrderResponse.model_validate(content)
    assert CANARY not in str(exc_info.value)
