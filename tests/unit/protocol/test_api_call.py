from typing import Any

import pytest

from paynearme.errors import ValidationFailedError
from paynearme.platform.http_request import from_json_body
from paynearme.protocol.api_call import PayNearMeRequest
from paynearme.protocol.create_order import CreateOrderRequest
from paynearme.protocol.make_payment import IDEMPOTENCY_KEY, MakePaymentRequest
from paynearme.protocol.parsing import read_message
from paynearme.protocol.payment_methods import FindPaymentMethodsRequest
from paynearme.protocol.smart_token import SmartTokenRequest
from sandbox.clients.sample_messages import load
from tests.support.api_gateway_events import json_event

SAMPLES: dict[type[PayNearMeRequest], dict[str, Any]] = {
    SmartTokenRequest: load("get_smart_token")["plain"],
    CreateOrderRequest: load("create_order")["guaranteed_ach"],
    FindPaymentMethodsRequest: load("find_payment_methods")["saved"],
    MakePaymentRequest: load("make_payment")["saved"],
}
RESERVED = [
    *("signature", "action", "call", "format", "fp", "print_buttons", "datafile", "controller", "route_info"),
    *("timestamp", "version", "site_identifier", "api_key_id", "site_payment_identifier"),
]
CANARY = "canary-7e2b"

each_request = pytest.mark.parametrize("model", SAMPLES)


def read(model: type[PayNearMeRequest], additional: object, key: str = "key-1") -> PayNearMeRequest:
    header = {IDEMPOTENCY_KEY: key} if model is MakePaymentRequest else {}
    body = from_json_body(json_event(SAMPLES[model] | {"additional_parameters": additional}))
    return read_message(model, body | header)


def errors_of(model: type[PayNearMeRequest], additional: object) -> dict[str, str]:
    with pytest.raises(ValidationFailedError) as exc_info:
        read(model, additional)
    assert CANARY not in repr(exc_info.value) + str(exc_info.value.errors)
    return exc_info.value.errors


@each_request
def test_additional_parameters_sent_with_typed_parameters(model: type[PayNearMeRequest]) -> None:
    request = read(model, {"new_flag": True, "new_amount": 1.50, "ext_tax_id_pii": CANARY, "absent": None, "empty": ""})
    additional = {"new_flag": "true", "new_amount": "1.5", "ext_tax_id_pii": CANARY, "empty": ""}
    assert request.to_parameters() == read(model, None).to_parameters() | additional
    assert CANARY not in repr(request) + str(request.model_dump())


@each_request
def test_additional_parameters_reserved_or_typed_rejected(model: type[PayNearMeRequest]) -> None:
    names = {*RESERVED, *sorted(model.model_fields)[:15]}
    error = "must not be an additional parameter"
    assert errors_of(model, dict.fromkeys(names, CANARY)) == {f"additional_parameters.{name}": error for name in names}


@pytest.mark.parametrize(
    ("additional", "name"),
    [
        (CANARY, "additional_parameters"),
        ({f"name_{index}": CANARY for index in range(33)}, "additional_parameters"),
        ({"a" * 65: CANARY}, f"additional_parameters.{'a' * 64}"),
        *(({"name": CANARY + text}, "additional_parameters.name") for text in ("\n", "\x7f", "x" * 2048)),
    ],
    ids=["text", "count", "name", "line", "control character", "length"],
)
def test_additional_parameters_over_bounds_rejected(additional: object, name: str) -> None:
    assert errors_of(FindPaymentMethodsRequest, additional).keys() == {name}
    limits = {f"name_{index}": "x" for index in range(31)} | {"a" * 64: "x" * 2048}
    assert read(FindPaymentMethodsRequest, limits).additional_parameters == limits


def test_additional_parameters_have_no_reversible_hash() -> None:
    def fingerprint(additional: object, key: str = "key-1") -> str:
        request = read(MakePaymentRequest, additional, key)
        assert isinstance(request, MakePaymentRequest)
        return request.fingerprint()

    assert fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({}) == fingerprint(None) == fingerprint(None, "key-2")
    others = [fingerprint(additional) for additional in (None, {"a": "1"}, {"a": "2"}, {"b": "1"})]
    # Another key gives another hash, so that a table of hashes finds no value.
    assert len({*others, fingerprint({"a": "1"}, "key-2")}) == 5
