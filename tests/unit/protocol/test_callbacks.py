import json
import traceback
from decimal import Decimal
from enum import StrEnum
from typing import Any
from xml.etree import ElementTree

import pytest
from pydantic import ValidationError

from paynearme.errors import ValidationFailedError
from paynearme.handlers.callback_response import callback_response
from paynearme.platform.http_request import from_body
from paynearme.protocol.callbacks import (
    Authorization,
    AuthorizationResponse,
    Confirmation,
    ConfirmationResponse,
    Outcome,
)
from paynearme.protocol.parsing import Message, read_message
from paynearme.protocol.reversals import Reversal
from paynearme.protocol.types import PaymentType, SiteChannel, SiteSubchannel
from tests.support.api_gateway_events import json_event
from tests.support.message_fixtures import SECRET, valid_authorization, valid_confirmation, valid_reversal
from tests.support.samples import load_sample, sample_names

MESSAGE_BUILDERS = {Authorization: valid_authorization, Confirmation: valid_confirmation, Reversal: valid_reversal}
for_each_callback = pytest.mark.parametrize(("model", "valid"), MESSAGE_BUILDERS.items())


def validation_errors(model: type[Message], parameters: dict[str, str]) -> set[str]:
    with pytest.raises(ValidationFailedError) as exc_info:
        read_message(model, parameters)
    return set(exc_info.value.errors)


@pytest.mark.parametrize("name", sample_names("authorization"))
def test_authorization_samples_all_parameters_typed(name: str) -> None:
    parameters = from_body(json_event(load_sample("authorization", name)))
    message = read_message(Authorization, parameters)
    assert message.model_extra == {}
    assert message.model_fields_set == set(parameters)
    assert message.payment_amount == Decimal(parameters["payment_amount"])
    assert isinstance(message.payment_type, PaymentType)


@pytest.mark.parametrize("name", sample_names("confirmation"))
def test_confirmation_samples_all_parameters_typed(name: str) -> None:
    parameters = from_body(json_event(load_sample("confirmation", name)))
    message = read_message(Confirmation, parameters)
    assert message.model_extra == {}
    assert message.model_fields_set == set(parameters)
    assert message.status is Outcome.PAYMENT
    assert message.standin is False


OPEN_VALUES: list[tuple[str, type[StrEnum]]] = [
    ("payment_type", PaymentType),
    ("site_channel", SiteChannel),
    ("site_subchannel", SiteSubchannel),
]


@for_each_callback
@pytest.mark.parametrize(("name", "kind"), OPEN_VALUES)
def test_enum_parameter_documented_value_member_new_value_text(
    model: type[Message], valid: Any, name: str, kind: type[StrEnum]
) -> None:
    for member in kind:
        assert getattr(read_message(model, valid(**{name: str(member)})), name) is member
    value = getattr(read_message(model, valid(**{name: "carrier_pigeon"})), name)
    assert value == "carrier_pigeon"
    assert not isinstance(value, kind)


@for_each_callback
@pytest.mark.parametrize("name", ["a_new_one", "model_config", "model_extra", "copy", "self", "json", "x"])
def test_unknown_parameter_any_name_kept(model: type[Message], valid: Any, name: str) -> None:
    assert read_message(model, valid(**{name: "7"})).model_extra == {name: "7"}
    assert read_message(model, valid(**{name: ""})).model_extra == {name: ""}


REQUIRED = {
    "site_identifier": "\n",
    "pnm_order_identifier": "1" * 257,
    "pnm_payment_identifier": "1\x00",
    "version": "1.0",
    "timestamp": "2025-06-03",
    "payment_amount": "1,000.00",
    "payment_currency": "US Dollar",
}
REQUIRED_OF_A_PAYMENT = REQUIRED | {"status": "refund", "net_payment_amount": "-0.01", "net_payment_currency": "EUR"}


@pytest.mark.parametrize(("name", "malformed"), REQUIRED.items())
def test_authorization_required_parameter_validation_error(name: str, malformed: str) -> None:
    for value in (None, "", malformed):
        assert validation_errors(Authorization, valid_authorization(**{name: value})) == {name}


@pytest.mark.parametrize(("name", "malformed"), REQUIRED_OF_A_PAYMENT.items())
def test_confirmation_required_parameter_validation_error(name: str, malformed: str) -> None:
    for value in (None, "", malformed):
        assert validation_errors(Confirmation, valid_confirmation(**{name: value})) == {name}


@pytest.mark.parametrize(
    ("name", "malformed"),
    [
        *(("test", "yes"), ("net_payment_amount", "free"), ("user_device", "\t")),
        *(("payment_type", "c" * 257), ("site_customer_identifier", "1\n")),
    ],
)
def test_authorization_optional_parameter_validation_error(name: str, malformed: str) -> None:
    assert validation_errors(Authorization, valid_authorization(**{name: malformed})) == {name}


@pytest.mark.parametrize(
    ("name", "malformed"), [("payment_date", "soon"), ("due_to_site_currency", "usd"), ("pnm_withheld_amount", "4.999")]
)
def test_authorization_informational_parameter_invalid_ignored(name: str, malformed: str) -> None:
    message = read_message(Authorization, valid_authorization(**{name: malformed}))
    assert getattr(message, name) is None


def test_authorization_validation_errors_all_reported() -> None:
    invalid = valid_authorization(version=None, timestamp="now", payment_amount="1.005", test="x")
    assert validation_errors(Authorization, invalid) == {"version", "timestamp", "payment_amount", "test"}


@for_each_callback
def test_optional_parameter_empty_same_as_absent(model: type[Message], valid: Any) -> None:
    optional = [name for name, field in model.model_fields.items() if not field.is_required()]
    assert len(optional) > 30
    empty = {name: "" for name in optional if name not in valid()}
    assert read_message(model, valid(**empty)).model_dump() == read_message(model, valid()).model_dump()


@pytest.mark.parametrize("name", ["test", "standin"])
def test_flag_parameter_only_true_or_false_default_false(name: str) -> None:
    for text, expected in (("true", True), ("false", False), (None, False)):
        assert getattr(read_message(Confirmation, valid_confirmation(**{name: text})), name) is expected
    for text in ("TRUE", "True", "1", "yes", "on", " true", "t"):
        assert validation_errors(Confirmation, valid_confirmation(**{name: text})) == {name}


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        *(("0.01", "0.01"), ("0", "0.00"), ("500", "500.00"), ("500.5", "500.50"), ("007.10", "7.10")),
        *(("999999999999.99", "999999999999.99"), ("-1.50", "-1.50")),
    ],
)
def test_amount_parsed_as_exact_decimal_with_cents(text: str, amount: str) -> None:
    parsed_amount = read_message(Authorization, valid_authorization(payment_amount=text)).payment_amount
    assert isinstance(parsed_amount, Decimal)
    assert str(parsed_amount) == amount


@pytest.mark.parametrize(
    "text",
    [
        *("1000000000000", "9" * 5000, "0.001", "1.000", "1,000", "1.000,00", "5e2", "0x10", "1_000"),
        *(" 5", "5 ", "5\n", "+5", "--5", "- 5", "-", ".", ".5", "5.", "1.2.3", "$5", "5 USD"),
        *("NaN", "-NaN", "sNaN", "Infinity", "inf", "٣", "５", "²", "−5", "five"),  # noqa: RUF001 # look-alikes
    ],
)
def test_amount_other_spelling_invalid(text: str) -> None:
    assert validation_errors(Authorization, valid_authorization(payment_amount=text)) == {"payment_amount"}


@pytest.mark.parametrize("text", ["-1", "1.5", "1e9", " 1", "1\n", "٣", "1234567890123", "true"])
def test_timestamp_other_spelling_invalid(text: str) -> None:
    assert validation_errors(Authorization, valid_authorization(timestamp=text)) == {"timestamp"}


def test_confirmation_paid_amount_usd_and_not_negative() -> None:
    for change in ({"payment_amount": "-0.01"}, {"payment_currency": "CAD"}):
        assert validation_errors(Confirmation, valid_confirmation(**change)) == set(change)
    zero_amounts = read_message(Confirmation, valid_confirmation(payment_amount="0", net_payment_amount="0.00"))
    assert zero_amounts.net_payment_amount == 0


def test_confirmation_amounts_required_only_when_paid() -> None:
    amounts = ["payment_amount", "payment_currency", "net_payment_amount", "net_payment_currency"]
    without_amounts = valid_confirmation(**dict.fromkeys(amounts, None))
    assert validation_errors(Confirmation, without_amounts) == set(amounts)
    decline = read_message(Confirmation, {**without_amounts, "status": "decline"})
    assert decline.status is Outcome.DECLINE
    assert decline.net_payment_amount is None


def test_amount_absorbs_currency_invalid() -> None:
    # Both have the same signed text.
    absorbed = valid_authorization(payment_amount="354.99payment_currencyUSD", payment_currency=None)
    assert validation_errors(Authorization, absorbed) == {"payment_amount", "payment_currency"}


def test_message_repr_without_values() -> None:
    message = read_message(Authorization, valid_authorization(agent_name=SECRET, extra=SECRET))
    for text in (str(message), repr(message), f"{message}", f"{[message]}"):
        assert SECRET not in text
        assert message.pnm_order_identifier not in text


@pytest.mark.parametrize("name", [*REQUIRED_OF_A_PAYMENT, "payment_type", "test"])
def test_validation_error_traceback_without_values(name: str) -> None:
    with pytest.raises(ValidationFailedError) as exc_info:
        read_message(Confirmation, valid_confirmation(**{name: f"{SECRET}\n"}, agent_name=SECRET))
    texts = [str(exc_info.value), repr(exc_info.value), str(exc_info.value.errors)]
    assert SECRET not in "".join([*texts, *traceback.format_exception(exc_info.value)])


@pytest.mark.parametrize("name", sample_names("authorization_response"))
def test_authorization_response_samples_reproduced(name: str) -> None:
    document = load_sample("authorization_response", name)
    content = document["payment_authorization_response"]
    response = callback_response(AuthorizationResponse(**content["authorization"]), content["version"], "json")
    # The comparison as text includes the order of the fields.
    assert json.dumps(json.loads(response["body"])) == json.dumps(document)


def test_sample_messages_count_23_authorizations_18_responses() -> None:
    guaranteed_ach = [name for name in sample_names("authorization") if name.startswith("guaranteed_ach")]
    assert len(sample_names("authorization")) - len(guaranteed_ach) == 23
    assert len(sample_names("authorization_response")) == 18


def test_confirmation_response_contains_only_order() -> None:
    body = callback_response(ConfirmationResponse(pnm_order_identifier="80080175585"), "3.0", "json")["body"]
    confirmation = {"pnm_order_identifier": "80080175585"}
    assert json.loads(body) == {"payment_confirmation_response": {"version": "3.0", "confirmation": confirmation}}


def test_authorization_response_version_2_xml_namespace() -> None:
    receipt = '^Tom & "Jerry"<br><pnm_payment /> ]]> Zoë'
    response = AuthorizationResponse(
        pnm_order_identifier="1", accept_payment="no", decline_reason="<script>", receipt=receipt
    )
    http = callback_response(response, "2.0", "xml")
    root = ElementTree.fromstring(http["body"].encode())  # noqa: S314 # output of this project
    space = "{http://www.paynearme.com/api/pnm_xmlschema_v2_0}"
    assert http["headers"]["Content-Type"] == "application/xml; charset=utf-8"
    assert (root.tag, root.attrib) == (f"{space}payment_authorization_response", {"version": "2.0"})
    assert [element.tag for element in root] == [f"{space}authorization"]
    assert {part.tag.removeprefix(space): part.text for part in root[0]} == response.fields()
    assert response.fields()["receipt"] == receipt
    assert "<t:payment_authorization_response" in http["body"]


def test_authorization_response_receipt_max_3000_characters() -> None:
    def response(receipt: str) -> AuthorizationResponse:
        return AuthorizationResponse(pnm_order_identifier="1", accept_payment="yes", receipt=receipt)

    assert response("é" * 3000).fields()["receipt"] == "é" * 3000
    with pytest.raises(ValidationError):
        response("x" * 3001)


def test_authorization_response_empty_text_omitted() -> None:
    response = AuthorizationResponse(
        pnm_order_identifier="1", accept_payment="yes", decline_reason="", receipt="", memo=""
    )
    assert response.fields() == {"pnm_order_identifier": "1", "accept_payment": "yes"}


@pytest.mark.parametrize("identifier", ["830466818968", "a1B2-c3", "pay_1", "0" * 64])
def test_pnm_identifier_allowed_characters_valid(identifier: str) -> None:
    message = read_message(Authorization, valid_authorization(pnm_payment_identifier=identifier))
    assert message.pnm_payment_identifier == identifier


@pytest.mark.parametrize("identifier", ["1.5", "1 2", "1#2", "é", "0" * 65, "1pnm_zzz", "1site_channelconsumer"])
def test_pnm_identifier_other_text_or_parameter_name_invalid(identifier: str) -> None:
    for name in ("pnm_payment_identifier", "pnm_order_identifier"):
        assert validation_errors(Authorization, valid_authorization(**{name: identifier})) == {name}
