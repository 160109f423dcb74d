import pytest
from pydantic import ValidationError

from paynearme.errors import ValidationFailedError
from paynearme.platform.http_request import from_json_body
from paynearme.protocol.parsing import read_message
from paynearme.protocol.payment_methods import FindPaymentMethodsRequest, PaymentMethod, PaymentMethods
from sandbox.clients.sample_messages import load
from tests.support.api_gateway_events import json_event

REQUESTS = load("find_payment_methods")
SAMPLE_RESPONSES = load("find_payment_methods_response")
ACCOUNT = SAMPLE_RESPONSES["saved"]["accounts"][0]
CANARY = "canary-7e2b"


def read_request(name: str, **changes: object) -> FindPaymentMethodsRequest:
    return read_message(FindPaymentMethodsRequest, from_json_body(json_event(REQUESTS[name] | changes)))


def method(**changes: object) -> PaymentMethod:
    return PaymentMethod.model_validate({**ACCOUNT, **changes})


@pytest.mark.parametrize("name", REQUESTS)
def test_find_payment_methods_samples_send_only_customer(name: str) -> None:
    common_parameters = {"timestamp": "1722287208", "version": "3.0", "signature": "0" * 64}
    assert read_request(name, **common_parameters).to_parameters() == {"site_customer_identifier": "184120000"}
    assert read_request(name).site_identifier == "S6404173951"


def test_find_payment_methods_site_identifier_spaces_removed() -> None:
    assert read_request("saved", site_identifier=" S6404173951 ").site_identifier == "S6404173951"


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"site_customer_identifier": None}, {"site_customer_identifier": "is required"}),
        ({"site_customer_identifier": ""}, {"site_customer_identifier": "is invalid"}),
        ({"site_customer_identifier": f"{CANARY}\n"}, {"site_customer_identifier": "is invalid"}),
        ({"site_identifier": " "}, {"site_identifier": "is invalid"}),
        ({"pnm_customer_identifier": CANARY}, {"pnm_customer_identifier": "is not a parameter of this request"}),
        (
            {"site_customer_identifier": None, "status": CANARY},
            {"site_customer_identifier": "is required", "status": "is not a parameter of this request"},
        ),
    ],
)
def test_find_payment_methods_validation_errors_without_values(
    changes: dict[str, object], errors: dict[str, str]
) -> None:
    with pytest.raises(ValidationFailedError) as exc_info:
        read_request("saved", **changes)
    assert exc_info.value.errors == errors
    assert CANARY not in repr(exc_info.value) + str(exc_info.value)


def test_find_payment_methods_numeric_customer_identifier_valid() -> None:
    request = read_request("saved", site_customer_identifier=184120000)
    assert request.to_parameters() == {"site_customer_identifier": "184120000"}


@pytest.mark.parametrize("name", SAMPLE_RESPONSES)
def test_payment_methods_samples_dumped_with_derived_fields(name: str) -> None:
    dump = PaymentMethods.model_validate(SAMPLE_RESPONSES[name]).model_dump(mode="json")
    derived_fields = {"guaranteed_ach": True, "pull_enabled": True, "push_enabled": False}
    assert dump == {"accounts": [account | derived_fields for account in SAMPLE_RESPONSES[name]["accounts"]]}
    assert dump["accounts"]


@pytest.mark.parametrize(
    "account_type",
    ["trustly_ach", "Personal trustly_ach", "Business trustly_ach", "trustly_ach Personal", "Personal  TRUSTLY_ACH"],
)
def test_guaranteed_ach_account_type_with_trustly_ach_true(account_type: str) -> None:
    assert method(account_type=account_type).guaranteed_ach


@pytest.mark.parametrize(
    "account_type",
    [
        *("", "Personal", "Personal checking", "ach", "Personal ach", "trustly", "trustly ach", "trustly_"),
        *("not_trustly_ach", "trustly_ach2", "trustly_ach_expired", "Personal-trustly_ach", "nontrustly_ach"),
        None,
    ],
)
def test_guaranteed_ach_account_type_similar_text_false(account_type: str | None) -> None:
    assert not method(account_type=account_type).guaranteed_ach


@pytest.mark.parametrize("value", [True, "true", False])
def test_guaranteed_ach_derived_and_not_read_from_response(value: object) -> None:
    assert not method(account_type="Personal ach", guaranteed_ach=value).guaranteed_ach
    assert method(guaranteed_ach=value).guaranteed_ach


def test_guaranteed_ach_without_account_type_false() -> None:
    minimal = PaymentMethod.model_validate({"payment_method_identifier": "76590ef5135ae"})
    assert not minimal.guaranteed_ach
    assert (minimal.status, minimal.pull_enabled, minimal.fee_amount) == (None, None, None)


def test_payment_method_json_types_same_as_text() -> None:
    method_with_type = method(
        payment_method_identifier=765905135, number=6213, pull_enabled=True, push_enabled=False, fee_amount=0
    )
    assert method_with_type == method(payment_method_identifier="765905135")


@pytest.mark.parametrize("invalid", ["", "maybe", 1, None, ["true"], {}], ids=repr)
@pytest.mark.parametrize("name", ["pull_enabled", "push_enabled"])
def test_payment_method_invalid_flag_none(name: str, invalid: object) -> None:
    assert getattr(method(**{name: invalid}), name) is None


@pytest.mark.parametrize("invalid", ["", "free", True, None, ["0"], {}, "NaN", "Infinity", "1e99"], ids=repr)
def test_payment_method_invalid_fee_none(invalid: object) -> None:
    assert method(fee_amount=invalid).fee_amount is None


@pytest.mark.parametrize("invalid", [["x"], {"x": 1}, True], ids=repr)
@pytest.mark.parametrize("name", ["status", "description", "account_type", "number"])
def test_payment_method_invalid_text_none(name: str, invalid: object) -> None:
    assert getattr(method(**{name: invalid}), name) is None


def test_payment_methods_additional_fields_omitted() -> None:
    owner = {"owner_name": CANARY, "owner_email": CANARY, "phone": CANARY, "street": CANARY}
    response = PaymentMethods.model_validate({"status": "ok", "accounts": [ACCOUNT | owner], "name": CANARY})
    assert CANARY not in str(response.model_dump())


def test_payment_methods_empty_accounts_valid() -> None:
    assert PaymentMethods.model_validate({"status": "ok", "accounts": []}).accounts == []


@pytest.mark.parametrize(
    "content", [{}, {"accounts": None}, {"accounts": {}}, {"accounts": [CANARY]}, {"accounts": [{"number": CANARY}]}]
)
def test_payment_methods_invalid_accounts_error_hides_content(content: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as exc_info:
        PaymentMethods.model_validate({"status": "ok", **content})
    assert CANARY not in str(exc_info.value)


@pytest.mark.parametrize("invalid", [None, "", True, ["x"]], ids=repr)
def test_payment_method_invalid_identifier_validation_error(invalid: object) -> None:
    with pytest.raises(ValidationError):
        method(payment_method_identifier=invalid)


def test_payment_methods_models_repr_without_values() -> None:
    response = PaymentMethods.model_validate(SAMPLE_RESPONSES["saved"])
    for model, kind in ((read_request("saved"), "FindPaymentMethodsRequest"), (response, "PaymentMethods")):
        assert str(model) == repr(model) == f"<{kind}>"
    assert str(response.accounts[0]) == "<PaymentMethod>"
