import pytest
from pydantic import ValidationError

from paynearme.errors import ValidationFailedError
from paynearme.platform.http_request import from_json_body
from paynearme.protocol.parsing import read_message
from paynearme.protocol.smart_token import SmartTokenRequest, SmartTokenResponse
from sandbox.clients.sample_messages import load
from tests.support.api_gateway_events import json_event
from tests.support.message_fixtures import valid_guaranteed_ach_request, valid_smart_token_request

SAMPLES = load("get_smart_token")
CANARY = "canary-7e2b"
IDENTIFIERS = [
    *("pnm_order_identifier", "site_order_identifier", "pnm_customer_identifier"),
    *("site_customer_identifier", "site_creator_identifier"),
]
URLS = [name for name in SmartTokenRequest.model_fields if name.startswith("flow_") and name.endswith("_url")]
FLOWS = [
    name
    for name in SmartTokenRequest.model_fields
    if name.startswith("flow_") and name not in (*URLS, "flow_trustly", "flow_trustly_reconnect")
]
CUSTOMER = ["ext_customer_enrollment_date", "ext_customer_date_of_birth_pii", "ext_customer_tax_id_pii"]
GUARANTEED_ACH_FIELDS = [*CUSTOMER, "flow_bank_oauth_redirect_url"]


def sent_parameters(parameters: dict[str, str]) -> dict[str, str]:
    return read_message(SmartTokenRequest, parameters).to_parameters()


def validation_errors(parameters: dict[str, str]) -> set[str]:
    with pytest.raises(ValidationFailedError) as exc_info:
        read_message(SmartTokenRequest, parameters)
    assert CANARY not in repr(exc_info.value) + str(exc_info.value.errors)
    return set(exc_info.value.errors)


@pytest.mark.parametrize("name", SAMPLES)
def test_smart_token_samples_sent_without_common_parameters(name: str) -> None:
    document = from_json_body(json_event(SAMPLES[name]))
    common_parameters = {"site_identifier", "timestamp", "version", "signature"}
    # PayNearMe's sample starts with a space.
    expected = {n: v.strip(" ") for n, v in document.items() if n not in common_parameters}
    request = read_message(SmartTokenRequest, {**document, "signature": "0" * 64})
    assert request.to_parameters() == expected
    assert str(request) == repr(request) == "<SmartTokenRequest>"


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_smart_token_exactly_one_order_identifier(name: str) -> None:
    other = IDENTIFIERS[IDENTIFIERS.index(name) - 1]
    assert sent_parameters({name: "84488215678"}) == {name: "84488215678"}
    assert validation_errors({name: "84488215678", other: "1"}) == set(IDENTIFIERS)
    assert validation_errors({"flow_debit": "true"}) == set(IDENTIFIERS)
    assert validation_errors({name: "1\n"}) == {name}


@pytest.mark.parametrize("name", [*FLOWS, "short_order_url"])
def test_smart_token_flow_parameter_is_flag(name: str) -> None:
    for value in ("true", "false"):
        assert sent_parameters(valid_smart_token_request(**{name: value}))[name] == value
    assert validation_errors(valid_smart_token_request(**{name: "yes"})) == {name}


@pytest.mark.parametrize("name", URLS)
def test_smart_token_url_dangerous_scheme_rejected(name: str) -> None:
    request = valid_smart_token_request(**{name: "https://example.com/"})
    assert sent_parameters(request) == request
    assert validation_errors(request | {name: "javascript://example.com/%0aalert(1)"}) == {name}


@pytest.mark.parametrize(
    ("name", "invalid"),
    [
        *(("site_identifier", ""), ("flow_trustly_reconnect", "1\n"), ("payment_amount", "0")),
        *(("payment_amount", "1e3"), ("link_lifetime_seconds", "0"), ("flow_trustly", "yes")),
        *(("ext_customer_enrollment_date", "2023-02-29"), ("ext_customer_date_of_birth_pii", "12/21/1982")),
        *(("ext_customer_tax_id_pii", f"{CANARY} "), ("flow_bitcoin", "true"), ("payment_currency", "USD")),
    ],
)
def test_smart_token_invalid_or_unknown_parameter_rejected(name: str, invalid: str) -> None:
    assert name in validation_errors(valid_guaranteed_ach_request(**{name: invalid}))


@pytest.mark.parametrize("payment_field_fixed", ["true", "false"])
def test_smart_token_payment_field_fixed_requires_amount(payment_field_fixed: str) -> None:
    request = valid_smart_token_request(payment_field_fixed=payment_field_fixed, link_lifetime_seconds="300")
    assert validation_errors(request) == {"payment_amount"}
    assert sent_parameters({**request, "payment_amount": "25"}) == {**request, "payment_amount": "25.00"}


@pytest.mark.parametrize("missing", GUARANTEED_ACH_FIELDS)
def test_guaranteed_ach_missing_parameter_validation_error(missing: str) -> None:
    assert sent_parameters(valid_guaranteed_ach_request()) == valid_guaranteed_ach_request()
    assert validation_errors(valid_guaranteed_ach_request(**{missing: None})) == {missing}


@pytest.mark.parametrize("flow_trustly", ["false", None])
def test_guaranteed_ach_disabled_customer_fields_rejected(flow_trustly: str | None) -> None:
    request = valid_guaranteed_ach_request(flow_trustly=flow_trustly)
    assert validation_errors(request) == {"flow_trustly"}
    allowed = {name: value for name, value in request.items() if name not in CUSTOMER}
    assert sent_parameters(allowed) == allowed


ORDER = load("get_smart_token_response")["guaranteed_ach"]["orders"][0]


def test_smart_token_response_sample_parsed_and_not_in_repr() -> None:
    order = {**ORDER, "pnm_order_identifier": 82882345534, "site_order_identifier": 6969675870}
    for received in (ORDER, order, {**ORDER, "site_customer_email_pii": "a@example.com"}):
        response = SmartTokenResponse.model_validate({"orders": [received], "status": "ok", "new": 1})
        assert response.model_dump() == {"orders": [ORDER]}
        assert ORDER["secure_smart_token"] not in repr(response) + str(response)


@pytest.mark.parametrize("name", ["site_order_identifier", "type", "order_tracking_url"])
def test_smart_token_response_missing_optional_field_none(name: str) -> None:
    order = {n: v for n, v in ORDER.items() if n != name} | {"secure_smart_token": "x", "secure_smart_link": "x"}
    assert SmartTokenResponse.model_validate({"orders": [order]}).model_dump() == {"orders": [{**order, name: None}]}


@pytest.mark.parametrize("name", ["secure_smart_token", "secure_smart_link", "pnm_order_identifier"])
def test_smart_token_response_missing_required_field_invalid(name: str) -> None:
    invalid_orders = [{n: v for n, v in ORDER.items() if n != name}]
    invalid_orders += [{**ORDER, name: value} for value in (None, ["x"])]
    for order in invalid_orders if name == "pnm_order_identifier" else [*invalid_orders, {**ORDER, name: ""}]:
        with pytest.raises(ValidationError) as exc_info:
            SmartTokenResponse.model_validate({"orders": [order]})
        assert ORDER["secure_smart_token"] not in str(exc_info.value)


@pytest.mark.parametrize(
    ("content", "ignored_count"),
    [
        *(({name: ORDER}, 0) for name in ("order", "orders")),
        (ORDER, 0),
        ({"order": [ORDER]}, 0),
        ({"orders": [None, {"pnm_order_identifier": "1"}, ORDER | {"type": ["x"], "order_tracking_url": 1.5}]}, 2),
    ],
    ids=["order", "orders", "top", "list", "invalid entries"],
)
def test_smart_token_order_found_and_invalid_ones_left_out(content: dict[str, object], ignored_count: int) -> None:
    ignored: list[str] = []
    [order] = SmartTokenResponse.model_validate({"status": "ok", **content}, context=ignored).orders
    assert order.secure_smart_token == ORDER["secure_smart_token"]
    assert len(ignored) == ignored_count


@pytest.mark.parametrize("content", [{}, {"orders": []}, {"orders": None}, {"orders": {"0": ORDER}}, {"orders": [1]}])
def test_smart_token_response_without_orders_invalid(content: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SmartTokenResponse.model_validate(content)
