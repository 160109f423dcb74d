import json
import traceback
from collections.abc import Callable
from decimal import Decimal

import pytest
from pydantic import ValidationError

from paynearme.errors import ValidationFailedError
from paynearme.handlers.callback_response import callback_response
from paynearme.protocol.callbacks import (
    Authorization,
    AuthorizationResponse,
    CallbackMessage,
    Confirmation,
    Outcome,
    read_callback,
)
from paynearme.protocol.parsing import read_message
from paynearme.protocol.reversals import Reversal
from paynearme.protocol.types import PaymentType
from sandbox.clients.sample_messages import load
from sandbox.fake_paynearme.messages import stringify_parameters
from tests.support.message_fixtures import SECRET, valid_authorization, valid_confirmation, valid_reversal

type Model = type[Authorization | Confirmation | Reversal]
for_each_callback = pytest.mark.parametrize(
    ("model", "valid"),
    [(Authorization, valid_authorization), (Confirmation, valid_confirmation), (Reversal, valid_reversal)],
)


def validation_errors(model: Model, parameters: dict[str, str]) -> dict[str, str]:
    with pytest.raises(ValidationFailedError) as exc_info:
        read_message(model, parameters)
    return exc_info.value.errors


@pytest.mark.parametrize(
    ("model", "kind", "name"),
    [
        (model, kind, name)
        for model, kind in ((Authorization, "authorization"), (Confirmation, "confirmation"), (Reversal, "reversal"))
        for name in load(kind)
    ],
)
def test_callback_samples_all_parameters_typed(model: type[CallbackMessage], kind: str, name: str) -> None:
    parameters = stringify_parameters(load(kind)[name])
    message = read_message(model, parameters)
    assert message.model_extra == {}
    assert message.model_fields_set == set(parameters)
    assert str(message) == repr(message) == f"<{model.__name__}>"
    assert isinstance(message.payment_type, PaymentType | None)


@for_each_callback
@pytest.mark.parametrize("name", ["a_new_one", "model_config", "model_extra", "self", "json", "x"])
def test_unknown_parameter_any_name_kept(model: Model, valid: Callable[..., dict[str, str]], name: str) -> None:
    assert read_message(model, valid(**{name: "7"})).model_extra == {name: "7"}
    assert read_message(model, valid(**{name: ""})).model_extra == {name: ""}


@for_each_callback
def test_optional_parameter_empty_same_as_absent(model: Model, valid: Callable[..., dict[str, str]]) -> None:
    optional = [name for name, field in model.model_fields.items() if not field.is_required()]
    empty = {name: "" for name in optional if name not in valid()}
    assert len(empty) > 30
    assert read_message(model, valid(**empty)).model_dump() == read_message(model, valid()).model_dump()


REQUIRED = {
    "site_identifier": "\n",
    "pnm_order_identifier": "1" * 257,
    "pnm_payment_identifier": "1\x00",
    "version": "1.0",
    "payment_amount": "1,000.00",
    "payment_currency": "US Dollar",
}
OF_AUTHORIZATION = REQUIRED | {"timestamp": "2025-06-03"}
OF_PAYMENT = REQUIRED | {"status": "refund", "net_payment_amount": "-0.01", "net_payment_currency": "US Dollar"}


@pytest.mark.parametrize(
    ("model", "valid", "name", "malformed"),
    [
        *((Authorization, valid_authorization, *parameter) for parameter in OF_AUTHORIZATION.items()),
        *((Confirmation, valid_confirmation, *parameter) for parameter in OF_PAYMENT.items()),
    ],
)
def test_callback_required_parameter_validation_error(
    model: Model, valid: Callable[..., dict[str, str]], name: str, malformed: str
) -> None:
    for value in (None, "", malformed):
        assert validation_errors(model, valid(**{name: value})).keys() == {name}
    assert validation_errors(model, valid(**{name: None})) == {name: "is required"}


@pytest.mark.parametrize(
    ("name", "malformed"),
    [
        *(("test", "yes"), ("standin", "1"), ("user_device", "\t"), ("site_customer_identifier", "1\n")),
        *((name, "c" * 257) for name in ("payment_type", "site_channel", "site_subchannel")),
        ("payment_amount", "-0.01"),
    ],
)
def test_confirmation_invalid_parameter_validation_error(name: str, malformed: str) -> None:
    assert validation_errors(Confirmation, valid_confirmation(**{name: malformed})).keys() == {name}


@pytest.mark.parametrize(("model", "valid"), [(Confirmation, valid_confirmation), (Reversal, valid_reversal)])
def test_late_callback_any_or_no_timestamp_valid(
    model: type[Confirmation | Reversal], valid: Callable[..., dict[str, str]]
) -> None:
    for text in (None, "", "soon", "2025-06-03T17:00:00Z", "1" * 14):
        assert read_message(model, valid(timestamp=text)).timestamp is None
    assert read_message(model, valid(timestamp="1748969962123")).timestamp == 1748969962


@pytest.mark.parametrize("outcome", Outcome)
def test_confirmation_status_read_in_any_case(outcome: Outcome) -> None:
    for text in (outcome, outcome.upper(), outcome.title(), f" {outcome} "):
        assert read_callback(Confirmation, valid_confirmation(status=text)).status is outcome


def test_authorization_all_errors_reported_informational_ignored() -> None:
    invalid = valid_authorization(version=None, timestamp="now", payment_amount="1.005", test="x")
    assert validation_errors(Authorization, invalid).keys() == {"version", "timestamp", "payment_amount", "test"}
    ignored = {"payment_date": "soon", "due_to_site_currency": "usd", "pnm_withheld_amount": "4.999"}
    message = read_message(Authorization, valid_authorization(**ignored))
    assert [getattr(message, name) for name in ignored] == [None, None, None]


def test_confirmation_amounts_required_only_when_paid() -> None:
    amounts = ["payment_amount", "payment_currency", "net_payment_amount", "net_payment_currency"]
    without_amounts = valid_confirmation(**dict.fromkeys(amounts, None))
    assert validation_errors(Confirmation, without_amounts) == dict.fromkeys(amounts, "is required")
    decline = read_message(Confirmation, {**without_amounts, "status": "decline", "payment_currency": "CAD"})
    assert (decline.status, decline.net_payment_amount, decline.standin) == (Outcome.DECLINE, None, False)
    zero_amounts = read_message(Confirmation, valid_confirmation(payment_amount="0", net_payment_amount="0.00"))
    assert (zero_amounts.status, zero_amounts.net_payment_amount) == (Outcome.PAYMENT, Decimal(0))


@pytest.mark.parametrize("name", [*OF_PAYMENT, "payment_type", "test"])
def test_validation_error_traceback_without_values(name: str) -> None:
    with pytest.raises(ValidationFailedError) as exc_info:
        read_message(Confirmation, valid_confirmation(**{name: f"{SECRET}\n"}, agent_name=SECRET))
    texts = [str(exc_info.value), repr(exc_info.value), str(exc_info.value.errors)]
    assert SECRET not in "".join([*texts, *traceback.format_exception(exc_info.value)])


@pytest.mark.parametrize("name", load("authorization_response"))
def test_authorization_response_samples_reproduced(name: str) -> None:
    document = load("authorization_response")[name]
    content = document["payment_authorization_response"]
    response = callback_response(AuthorizationResponse(**content["authorization"]), content["version"], "json")
    # The comparison as text includes the order of the fields.
    assert json.dumps(json.loads(response["body"])) == json.dumps(document)


def test_authorization_response_receipt_limited_empty_omitted() -> None:
    def response(receipt: str) -> AuthorizationResponse:
        return AuthorizationResponse(pnm_order_identifier="1", accept_payment="yes", receipt=receipt)

    assert response("é" * 3000).fields()["receipt"] == "é" * 3000
    with pytest.raises(ValidationError):
        response("x" * 3001)
    empty = {"decline_reason": "", "receipt": "", "memo": ""}
    fields = {"pnm_order_identifier": "1", "accept_payment": "yes"}
    assert AuthorizationResponse.model_validate({**fields, **empty}).fields() == fields
