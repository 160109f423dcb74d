import re

import pytest
from pydantic import ValidationError

from paynearme.errors import ValidationFailedError
from paynearme.platform.http_request import from_json_body
from paynearme.protocol.parsing import read_message
from paynearme.protocol.smart_token import SmartTokenRequest, SmartTokenResponse
from tests.support.api_gateway_events import body_event, json_event
from tests.support.message_fixtures import SECRET, valid_guaranteed_ach_request, valid_smart_token_request
from tests.support.samples import load_sample, sample_names

IDENTIFIERS = [
    "pnm_order_identifier",
    "site_order_identifier",
    "pnm_customer_identifier",
    "site_customer_identifier",
    "site_creator_identifier",
]
FLOWS = [
    *("flow_debit", "flow_credit", "flow_ach", "flow_retailer", "flow_apple_pay", "flow_google_pay"),
    *("flow_paypal", "flow_venmo", "flow_pin4", "flow_push_debit", "flow_push_ach", "flow_cash_app"),
    *("flow_push_paypal", "flow_secure_all", "flow_edit_schedule", "flow_tokenize", "flow_show_all_ppas"),
    *("flow_hide_saved_payment_methods", "short_order_url"),
]
URLS = [
    *("flow_pay_url", "flow_no_pay_url", "flow_add_url", "flow_no_add_url", "flow_return_url"),
    *("flow_expired_url", "flow_error_url", "flow_venmo_return_url", "flow_bank_oauth_redirect_url"),
]
GUARANTEED_ACH_FIELDS = [
    "ext_customer_enrollment_date",
    "ext_customer_date_of_birth_pii",
    "ext_customer_tax_id_pii",
    "flow_bank_oauth_redirect_url",
]


def sent_parameters(parameters: dict[str, str]) -> dict[str, str]:
    return read_message(SmartTokenRequest, parameters).to_parameters()


def validation_errors(parameters: dict[str, str]) -> set[str]:
    with pytest.raises(ValidationFailedError) as exc_info:
        read_message(SmartTokenRequest, parameters)
    return set(exc_info.value.errors)


@pytest.mark.parametrize("name", sample_names("get_smart_token"))
def test_smart_token_samples_sent_without_common_parameters(name: str) -> None:
    document = from_json_body(json_event(load_sample("get_smart_token", name)))
    common_parameters = {"site_identifier", "timestamp", "version", "signature"}
    # PayNearMe's sample starts with a space.
    expected = {n: v.strip(" ") for n, v in document.items() if n not in common_parameters}
    assert sent_parameters({**document, "signature": "0" * 64}) == expected


def test_smart_token_samples_count_three() -> None:
    assert sample_names("get_smart_token") == ["guaranteed_ach", "guaranteed_ach_reconnect", "plain"]


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_smart_token_single_order_identifier_sufficient(name: str) -> None:
    assert sent_parameters({name: "84488215678"}) == {name: "84488215678"}


def test_smart_token_without_order_identifier_errors_name_all() -> None:
    assert validation_errors({"flow_debit": "true"}) == set(IDENTIFIERS)


@pytest.mark.parametrize("other", IDENTIFIERS[1:])
def test_smart_token_two_order_identifiers_rejected(other: str) -> None:
    assert validation_errors(valid_smart_token_request(**{other: "1"})) == set(IDENTIFIERS)


@pytest.mark.parametrize("invalid", ["", "1\n", "1" * 257])
@pytest.mark.parametrize("name", [*IDENTIFIERS, "flow_trustly_reconnect", "site_identifier"])
def test_smart_token_invalid_identifier_validation_error(name: str, invalid: str) -> None:
    assert name in validation_errors({**valid_smart_token_request(), name: invalid})


@pytest.mark.parametrize("name", FLOWS)
def test_smart_token_flow_parameter_only_true_or_false(name: str) -> None:
    for value in ("true", "false"):
        assert sent_parameters(valid_smart_token_request(**{name: value}))[name] == value
    for value in ("TRUE", "1", "yes", "", " true"):
        assert validation_errors(valid_smart_token_request(**{name: value})) == {name}


@pytest.mark.parametrize(
    "name", ["flow_bitcoin", "payment_currency", "pnm_payment_identifier", "test", "ext_customer_email_pii"]
)
def test_smart_token_unknown_parameter_rejected(name: str) -> None:
    with pytest.raises(ValidationFailedError) as exc_info:
        read_message(SmartTokenRequest, valid_smart_token_request(**{name: "true"}))
    assert exc_info.value.errors == {name: "is not a parameter of this request"}


@pytest.mark.parametrize(("text", "expected"), [("25", "25.00"), ("0.01", "0.01"), ("1250.5", "1250.50")])
def test_smart_token_positive_amount_sent_with_cents(text: str, expected: str) -> None:
    assert sent_parameters(valid_smart_token_request(payment_amount=text))["payment_amount"] == expected


@pytest.mark.parametrize("text", ["0", "0.00", "-1", "", "1,000", "0.001", "1e3", "NaN"])
def test_smart_token_amount_not_positive_money_rejected(text: str) -> None:
    assert validation_errors(valid_smart_token_request(payment_amount=text)) == {"payment_amount"}


@pytest.mark.parametrize("payment_field_fixed", ["true", "false"])
def test_smart_token_payment_field_fixed_requires_amount(payment_field_fixed: str) -> None:
    request = valid_smart_token_request(payment_field_fixed=payment_field_fixed)
    assert validation_errors(request) == {"payment_amount"}
    assert sent_parameters({**request, "payment_amount": "25.00"})["payment_field_fixed"] == payment_field_fixed


@pytest.mark.parametrize("missing", GUARANTEED_ACH_FIELDS)
def test_guaranteed_ach_missing_parameter_validation_error(missing: str) -> None:
    assert sent_parameters(valid_guaranteed_ach_request())["flow_trustly"] == "true"
    assert validation_errors(valid_guaranteed_ach_request(**{missing: None})) == {missing}


def test_guaranteed_ach_missing_parameters_all_named() -> None:
    assert validation_errors(valid_smart_token_request(flow_trustly="true")) == set(GUARANTEED_ACH_FIELDS)


def test_guaranteed_ach_reconnect_without_customer_fields_valid() -> None:
    reconnect = valid_smart_token_request(flow_trustly="true", flow_trustly_reconnect="23b9e4ba13242")
    assert sent_parameters(reconnect)["flow_trustly_reconnect"] == "23b9e4ba13242"


def test_guaranteed_ach_disabled_parameters_not_required() -> None:
    assert sent_parameters(valid_smart_token_request(flow_trustly="false"))["flow_trustly"] == "false"


@pytest.mark.parametrize("name", ["ext_customer_enrollment_date", "ext_customer_date_of_birth_pii"])
def test_guaranteed_ach_dates_existing_days_only(name: str) -> None:
    for day in ("2024-02-29", "1982-12-21", "0999-01-01"):
        assert sent_parameters(valid_guaranteed_ach_request(**{name: day}))[name] == day
    for day in ("2023-02-29", "1982-13-01", "1982-00-10", "0000-01-01", "12/21/1982", "19821221", "1982-1-2"):
        assert validation_errors(valid_guaranteed_ach_request(**{name: day})) == {name}
    for day in ("2024-W01-1", "2024-01-01T00:00:00", "2024-01-01 ", "٢٠٢٤-01-01", ""):
        assert validation_errors(valid_guaranteed_ach_request(**{name: day})) == {name}


def test_tax_identifier_only_alphanumeric_and_hyphens() -> None:
    for tax_identifier in ("123456677", "123-45-6677", "A1"):
        request = valid_guaranteed_ach_request(ext_customer_tax_id_pii=tax_identifier)
        assert sent_parameters(request)["ext_customer_tax_id_pii"] == tax_identifier
    for tax_identifier in ("", "123 45", "1" * 33, "12345667\u0667", "1\n"):
        request = valid_guaranteed_ach_request(ext_customer_tax_id_pii=tax_identifier)
        assert validation_errors(request) == {"ext_customer_tax_id_pii"}


def test_link_lifetime_positive_integer_only() -> None:
    for seconds in ("1", "300", "86400"):
        request = from_json_body(body_event(f'{{"pnm_order_identifier": 1, "link_lifetime_seconds": {seconds}}}'))
        assert sent_parameters(request)["link_lifetime_seconds"] == seconds
    for seconds in ("0", "-1", "1.5", "1e3", "+1", "01", " 1", "1\n", "٣", "", "soon"):
        assert validation_errors(valid_smart_token_request(link_lifetime_seconds=seconds)) == {"link_lifetime_seconds"}


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    "url",
    [
        *("https://example.com/pay?order=1&x=%20#done", "http://localhost:8080/", "HTTPS://EXAMPLE.COM"),
        *("freehold-gaming://portal.freehold.us/cashier", "com.example.app:/paid", "app+pay://"),
    ],
)
def test_smart_token_url_absolute_web_or_custom_scheme_sent(name: str, url: str) -> None:
    assert sent_parameters(valid_smart_token_request(**{name: url}))[name] == url


@pytest.mark.parametrize("name", URLS)
def test_smart_token_url_dangerous_scheme_rejected(name: str) -> None:
    for scheme in ("javascript", "JavaScript", "data", "file", "vbscript", "blob", "about", "view-source"):
        for suffix in (":alert(1)", "://example.com/%0aalert(1)", ":/x", ":text/html,x"):
            assert validation_errors(valid_smart_token_request(**{name: scheme + suffix})) == {name}


@pytest.mark.parametrize(
    "url",
    [
        *("", " ", "example.com", "/paid", "//example.com/", "?x", "https", "https:", "https:/x", "https://"),
        *("https:///x", "https://?x", "http://[::1", "://x", "1app://x", "-app://x", "ä://x", "mailto:a@b.c"),
        *("https://example.com/a b", "https://example.com/\n", "\thttps://example.com/", "java\nscript://x"),
        *('https://example.com/"', "https://example.com/<b>", "https:\\\\example.com", "https://e.com/\u202e"),
        "https://example.com/" + "x" * 2048,
        *(" javascript://x", "  data:/x", "\x00javascript://x"),
    ],
    ids=lambda url: f"{url!r:.40}",
)
def test_smart_token_url_malformed_or_relative_rejected(url: str) -> None:
    assert validation_errors(valid_smart_token_request(flow_pay_url=url)) == {"flow_pay_url"}


def test_smart_token_combined_validation_errors_all_reported() -> None:
    request = {"flow_trustly": "true", "payment_field_fixed": "true"}
    assert validation_errors(request) == {*IDENTIFIERS, *GUARANTEED_ACH_FIELDS, "payment_amount"}


def test_smart_token_json_numbers_and_booleans_sent_as_text() -> None:
    body = '{"pnm_order_identifier": 844, "flow_debit": true, "payment_amount": 25.5, "flow_credit": null}'
    assert sent_parameters(from_json_body(body_event(body))) == {
        "pnm_order_identifier": "844",
        "flow_debit": "true",
        "payment_amount": "25.50",
    }


def test_smart_token_model_fields_all_tested() -> None:
    tested_names = {*IDENTIFIERS, *FLOWS, *URLS, *GUARANTEED_ACH_FIELDS, "flow_trustly", "flow_trustly_reconnect"}
    amounts = {"payment_amount", "payment_field_fixed", "link_lifetime_seconds"}
    common_parameters = {"site_identifier", "timestamp", "version", "signature"}
    assert set(SmartTokenRequest.model_fields) == tested_names | amounts | common_parameters


def test_smart_token_request_and_error_without_pii() -> None:
    request = read_message(SmartTokenRequest, valid_guaranteed_ach_request())
    assert not re.search(r"\d", str(request) + repr(request))
    with pytest.raises(ValidationFailedError) as exc_info:
        read_message(SmartTokenRequest, valid_guaranteed_ach_request(ext_customer_tax_id_pii=f"{SECRET} "))
    assert SECRET not in repr(exc_info.value) + str(exc_info.value.errors)


DOCUMENT = load_sample("get_smart_token_response", "guaranteed_ach")
ORDER = DOCUMENT["orders"][0]


def test_smart_token_response_sample_parsed_and_not_in_repr() -> None:
    response = SmartTokenResponse.model_validate(DOCUMENT)
    assert response.model_dump() == {"orders": [ORDER]}
    assert ORDER["secure_smart_token"] not in repr(response) + str(response)


def test_smart_token_response_numeric_identifiers_to_text() -> None:
    order = {**ORDER, "pnm_order_identifier": 82882345534, "site_order_identifier": 6969675870}
    assert SmartTokenResponse.model_validate({"orders": [order]}).model_dump() == {"orders": [ORDER]}


def test_smart_token_response_additional_fields_omitted() -> None:
    order = {**ORDER, "site_customer_email_pii": "a@example.com"}
    assert SmartTokenResponse.model_validate({"orders": [order], "new": 1}).model_dump() == {"orders": [ORDER]}


@pytest.mark.parametrize("name", ["site_order_identifier", "type", "order_tracking_url"])
def test_smart_token_response_missing_optional_field_none(name: str) -> None:
    order = {n: v for n, v in ORDER.items() if n != name}
    assert SmartTokenResponse.model_validate({"orders": [order]}).model_dump() == {"orders": [{**ORDER, name: None}]}


@pytest.mark.parametrize("name", ["secure_smart_token", "secure_smart_link", "pnm_order_identifier"])
def test_smart_token_response_missing_required_field_invalid(name: str) -> None:
    for order in ({n: v for n, v in ORDER.items() if n != name}, {**ORDER, name: None}, {**ORDER, name: ["x"]}):
        with pytest.raises(ValidationError) as exc_info:
            SmartTokenResponse.model_validate({"orders": [order]})
        assert ORDER["secure_smart_token"] not in str(exc_info.value)


@pytest.mark.parametrize("content", [{}, {"orders": []}, {"orders": None}, {"orders": {"0": ORDER}}, {"orders": [1]}])
def test_smart_token_response_without_orders_invalid(content: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SmartTokenResponse.model_validate(content)
