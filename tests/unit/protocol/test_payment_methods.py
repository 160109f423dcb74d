import pytest
from pydantic import ValidationError

from paynearme.errors import ValidationFailedError
from paynearme.platform.http_request import from_json_body
from paynearme.protocol.parsing import read_message
from paynearme.protocol.payment_methods import FindPaymentMethodsRequest, PaymentMethod, PaymentMethods
from sandbox.clients.sample_messages import load
from tests.support.api_gateway_events import json_event

REQUEST = load("find_payment_methods")["saved"]
SAMPLE_RESPONSES = load("find_payment_methods_response")
ACCOUNT = SAMPLE_RESPONSES["saved"]["accounts"][0]
CANARY = "canary-7e2b"
OPTIONAL = ["fee_amount", "status", "description", "account_type", "number"]


def read_request(**changes: object) -> FindPaymentMethodsRequest:
    return read_message(FindPaymentMethodsRequest, from_json_body(json_event(REQUEST | changes)))


def method(**changes: object) -> PaymentMethod:
    return PaymentMethod.model_validate({**ACCOUNT, **changes})


def test_find_payment_methods_sends_only_customer() -> None:
    common_parameters = {"timestamp": "1722287208", "version": "3.0", "signature": "0" * 64}
    request = read_request(**common_parameters, site_identifier=" S6404173951 ", site_customer_identifier=184120000)
    assert request.to_parameters() == {"site_customer_identifier": "184120000"}
    assert request.site_identifier == "S6404173951"
    assert str(request) == repr(request) == "<FindPaymentMethodsRequest>"


@pytest.mark.parametrize("count", [1, 2])
def test_find_payment_methods_sends_each_documented_identifier(count: int) -> None:
    names = ["pnm_customer_identifier", "pnm_order_identifier", "site_order_identifier", "site_creator_identifier"]
    for name in names:
        identifiers = dict.fromkeys((name, "site_customer_identifier")[:count], "17")
        assert read_request(**{"site_customer_identifier": None, **identifiers}).to_parameters() == identifiers


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"site_customer_identifier": f"{CANARY}\n"}, {"site_customer_identifier": "is invalid"}),
        ({"site_identifier": " "}, {"site_identifier": "is invalid"}),
        (
            {"site_customer_identifier": None, "status": CANARY},
            {
                "site_customer_identifier": "is required, or another identifier of a customer, order or creator",
                "status": "is not a parameter of this request",
            },
        ),
    ],
)
def test_find_payment_methods_validation_errors_without_values(
    changes: dict[str, object], errors: dict[str, str]
) -> None:
    with pytest.raises(ValidationFailedError) as exc_info:
        read_request(**changes)
    assert exc_info.value.errors == errors
    assert CANARY not in repr(exc_info.value) + str(exc_info.value)


@pytest.mark.parametrize("name", SAMPLE_RESPONSES)
def test_payment_methods_samples_dumped_without_personal_data(name: str) -> None:
    owner = {"owner_name": CANARY, "owner_email": CANARY, "phone": CANARY, "street": CANARY}
    accounts = [account | owner for account in SAMPLE_RESPONSES[name]["accounts"]]
    response = PaymentMethods.model_validate({"status": "ok", "accounts": accounts, "name": CANARY})
    derived_fields = {"guaranteed_ach": True, "pull_enabled": True, "push_enabled": False}
    assert response.model_dump(mode="json") == {
        "accounts": [account | derived_fields for account in SAMPLE_RESPONSES[name]["accounts"]]
    }
    assert PaymentMethods.model_validate({"accounts": []}).accounts == []
    assert (str(response), repr(response.accounts[0])) == ("<PaymentMethods>", "<PaymentMethod>")


@pytest.mark.parametrize(
    ("account_type", "is_guaranteed_ach"),
    [
        *((text, True) for text in ("trustly_ach", "Business trustly_ach", "trustly_ach  x", "Personal TRUSTLY_ACH")),
        *((text, False) for text in (None, "", "Personal ach", "trustly", "trustly ach", "not_trustly_ach")),
        *((text, False) for text in ("trustly_ach2", "Personal-trustly_ach")),
    ],
)
def test_guaranteed_ach_only_for_word_in_account_type(account_type: str | None, is_guaranteed_ach: bool) -> None:
    # The field of the same name in PayNearMe's response does not count.
    for value in (True, "true", False):
        assert method(account_type=account_type, guaranteed_ach=value).guaranteed_ach is is_guaranteed_ach


def test_payment_method_only_identifier_required() -> None:
    minimal = PaymentMethod.model_validate({"payment_method_identifier": 7})
    assert (minimal.payment_method_identifier, minimal.guaranteed_ach) == ("7", False)
    assert set(minimal.model_dump(exclude={"payment_method_identifier", "guaranteed_ach"}).values()) == {None}


@pytest.mark.parametrize("name", [*OPTIONAL, "pull_enabled", "push_enabled"])
def test_payment_method_invalid_optional_field_none(name: str) -> None:
    for invalid in (["x"], {"x": 1}, None):
        assert getattr(method(**{name: invalid}), name) is None


def test_payment_methods_invalid_entries_left_out_and_named() -> None:
    ignored: list[str] = []
    invalid = [None, "x", {"number": "1"}, ACCOUNT | {"payment_method_identifier": ["1"]}]
    response = PaymentMethods.model_validate({"accounts": [*invalid, ACCOUNT | {"fee_amount": 0.5}]}, context=ignored)
    [account] = response.accounts
    assert (account.payment_method_identifier, str(account.fee_amount)) == ("76590ef5135ae", "0.50")
    assert ignored == ["PaymentMethod"] * 4


@pytest.mark.parametrize(
    "content",
    [
        *({}, {"accounts": None}, {"accounts": {}}, {"accounts": [CANARY]}, {"accounts": [{"number": CANARY}]}),
        *({"accounts": [ACCOUNT | {"payment_method_identifier": text}]} for text in (None, "", True, [CANARY])),
    ],
)
def test_payment_methods_invalid_accounts_error_hides_content(content: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as exc_info:
        PaymentMethods.model_validate({"status": "ok", **content})
    assert CANARY not in str(exc_info.value)
