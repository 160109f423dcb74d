from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from operations.__main__ import main
from operations.openapi import FILE, command, document, examples, text
from operations.openapi.routes import ROUTES, Route
from paynearme import errors
from paynearme.platform.http_request import from_json_body
from paynearme.protocol.parsing import read_message
from tests.support.api_gateway_events import json_event
from tests.support.template import API_FUNCTIONS

DOCUMENT = document()
OPERATIONS = {operation["operationId"]: operation for path in DOCUMENT["paths"].values() for operation in path.values()}
BODIES = [route for route in ROUTES if route.body_example is not None]


def schema(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}


def matches_schema(content: object, schema: dict[str, Any]) -> bool:
    return bool(OAS31Validator(schema, format_checker=OAS31Validator.FORMAT_CHECKER).is_valid(content))


def is_valid(content: object, name: str) -> bool:
    return matches_schema(content, schema(name))


def is_valid_for(name: str, model: str, value: object) -> bool:
    """Return whether the schema of a body permits ``value`` for one of its fields."""
    return matches_schema(value, DOCUMENT["components"]["schemas"][model]["properties"][name])


def non_body_parameters(route: Route) -> dict[str, Any]:
    """Return the parameters of a request that are not in its body."""
    return dict.fromkeys(route.in_path, "S2155373459") | dict(route.header_examples)


def test_openapi_file_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == text()


def test_openapi_document_is_valid_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_openapi_routes_match_template_backend_api() -> None:
    api_events = [event["Properties"] for function in API_FUNCTIONS.values() for event in function["Events"].values()]
    routes = {(d["Path"], d["Method"]) for d in api_events if d["RestApiId"]["Ref"] == "BackendApi"}
    assert {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods} == routes


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_openapi_response_example_matches_schema(route: Route) -> None:
    assert is_valid(route.response_example, route.response.__name__)
    assert not is_valid({}, route.response.__name__)


@pytest.mark.parametrize("route", BODIES, ids=lambda route: route.name)
def test_openapi_body_example_valid_for_schema_and_function(route: Route) -> None:
    assert route.body_example is not None
    assert is_valid(route.body_example, route.request.__name__)
    read_message(route.request, from_json_body(json_event(route.body_example)) | non_body_parameters(route))


@pytest.mark.parametrize("route", BODIES, ids=lambda route: route.name)
def test_openapi_body_schema_contains_only_body_fields(route: Route) -> None:
    body = DOCUMENT["components"]["schemas"][route.request.__name__]
    names = {field.alias or name for name, field in route.request.model_fields.items()}
    non_body_fields = {*route.in_path, *route.request.header_fields}
    assert body["additionalProperties"] is False
    assert set(body["properties"]) == names - non_body_fields


@pytest.mark.parametrize("route", BODIES, ids=lambda route: route.name)
def test_openapi_body_without_required_field_rejected(route: Route) -> None:
    assert route.body_example is not None
    required = DOCUMENT["components"]["schemas"][route.request.__name__].get("required", [])
    assert set(required) == {
        name
        for name, field in route.request.model_fields.items()
        if field.is_required() and (field.alias or name) not in non_body_parameters(route)
    }
    for name in required:
        incomplete = {key: value for key, value in route.body_example.items() if key != name}
        assert not is_valid(incomplete, route.request.__name__)
        with pytest.raises(errors.ValidationFailedError) as exc_info:
            read_message(route.request, from_json_body(json_event(incomplete)) | non_body_parameters(route))
        assert list(exc_info.value.errors) == [name]


@pytest.mark.parametrize("value", ["k", "k" * 255, "!~", "4b1f9a52-6f0e-4c57-9d0c-6a1b4a1f7c3e"])
def test_idempotency_key_valid_accepted_by_schema_and_function(value: str) -> None:
    assert is_key(value) == (True, True)


@pytest.mark.parametrize("value", ["", "k" * 256, "a b", "é", "\nk", "k\x7f"])
def test_idempotency_key_invalid_rejected_by_schema_and_function(value: str) -> None:
    assert is_key(value) == (False, False)


def is_key(value: str) -> tuple[bool, bool]:
    """Return whether the document accepts ``value`` as a key, and whether the function accepts it."""
    [route] = [route for route in ROUTES if route.name == "makePayment"]
    [key] = OPERATIONS["makePayment"]["parameters"]
    try:
        read_message(route.request, {**examples.MAKE_PAYMENT_REQUEST, key["name"]: value})
    except errors.ValidationFailedError as error:
        assert list(error.errors) == [key["name"]]
        return matches_schema(value, key["schema"]), False
    return matches_schema(value, key["schema"]), True


@pytest.mark.parametrize(
    ("model", "name", "accepted_values", "rejected_values"),
    [
        ("OrderInput", "order_amount", ["0.01", "25", "25.5", None], ["0", "0.00", "-1", "1.001", "x"]),
        ("OrderInput", "expires_at", ["2026-11-20T18:00:00-05:00", None], ["2026-11-20T18:00:00", "x"]),
        ("OrderInput", "status", ["open", "closed"], ["x", ""]),
        ("CustomerInput", "self_imposed_day_limit", ["0", "0.00", "25.00", None], ["-0.01", "1.001", "x"]),
        ("CustomerInput", "suspended_reason", ["identity_check", None], ["A", "", "a b", "a" * 65]),
        ("SmartTokenRequest", "flow_debit", [True, False, "true", "false", None], ["yes", "", "TRUE"]),
        ("SmartTokenRequest", "payment_amount", ["25.00"], ["0", "-1", "x"]),
        ("SmartTokenRequest", "site_order_identifier", ["é-1", "1" * 256], ["", "\n1", "1" * 257, "\ufffe"]),
        ("SmartTokenRequest", "link_lifetime_seconds", ["300", 300], ["0", 0, "-1", "x"]),
        ("SmartTokenRequest", "ext_customer_enrollment_date", ["2024-02-29"], ["2023-02-29", "x"]),
        ("SmartTokenRequest", "ext_customer_tax_id_pii", ["123-45-6789"], ["", "1 2"]),
        ("CreateOrderRequest", "order_amount", ["500.00", "500"], ["0", "-1", "1.001", "x", None]),
        ("CreateOrderRequest", "order_currency", ["USD"], ["usd", "EUR", "", None]),
        ("CreateOrderRequest", "order_type", ["exact", "up-to", "any"], ["x", "", None]),
        ("CreateOrderRequest", "order_is_standing", [True, "false"], ["yes", "", None]),
        ("CreateOrderRequest", "site_customer_year_of_birth", ["1982", 1982, None], ["82", "1899", "", "x"]),
        ("CreateOrderRequest", "site_customer_street", ["1 Main Street", None], ["", "a\nb", "1" * 257]),
        ("FindPaymentMethodsRequest", "site_customer_identifier", ["1", "é"], ["", "\n", None]),
        ("MakePaymentRequest", "pnm_order_identifier", ["80080175585"], ["", "a b", "1" * 65, None]),
        ("MakePaymentRequest", "payment_amount", ["0.01", "100"], ["0.00", "-1", "x", None]),
        ("MakePaymentRequest", "payment_currency", ["USD"], ["usd", "EUR", None]),
    ],
)
def test_openapi_field_schema_accepts_same_values_as_function(
    model: str, name: str, accepted_values: list[Any], rejected_values: list[Any]
) -> None:
    [route] = [route for route in BODIES if route.request.__name__ == model]
    parameters = from_json_body(json_event(route.body_example or {}))
    required = DOCUMENT["components"]["schemas"][model].get("required", [])

    def is_accepted(value: Any) -> bool:
        minimal = {key: parameters[key] for key in required} | non_body_parameters(route)
        minimal |= {} if minimal or name == "site_order_identifier" else {"pnm_order_identifier": "1"}
        minimal |= {"status": "suspended"} if name == "suspended_reason" and value is not None else {}
        minimal.pop(name, None)
        try:
            read_message(route.request, minimal | from_json_body(json_event({name: value})))
        except errors.ValidationFailedError as error:
            return name not in error.errors
        return True

    assert all(is_valid_for(name, model, value) for value in accepted_values)
    assert all(is_accepted(value) for value in accepted_values)
    assert not [value for value in rejected_values if is_valid_for(name, model, value) or is_accepted(value)]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "openapi.json"
    monkeypatch.setattr(command, "FILE", file)
    return file


def test_openapi_command_writes_current_document(file: Path) -> None:
    result = CliRunner().invoke(main, ["openapi"])
    check_result = CliRunner().invoke(main, ["openapi", "--check"])

    assert (result.exit_code, check_result.exit_code) == (0, 0)
    assert file.read_text(encoding="utf-8") == text()


@pytest.mark.parametrize("content", [None, "", text() + "\n"], ids=["none", "empty", "changed"])
def test_openapi_check_outdated_file_fails_without_write(file: Path, content: str | None) -> None:
    if content is not None:
        file.write_text(content, encoding="utf-8")

    check_result = CliRunner().invoke(main, ["openapi", "--check"])

    assert check_result.exit_code == 1
    assert "make openapi" in check_result.output
    assert file.exists() == (content is not None)
    assert content is None or file.read_text(encoding="utf-8") == content
