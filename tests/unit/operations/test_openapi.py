from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from operations.openapi import FILE, document, examples, text
from operations.openapi.routes import ROUTES, Route
from paynearme import errors
from paynearme.platform.http_request import from_json_body
from paynearme.platform.http_response import PROBLEM_NAMESPACE, problem_response
from paynearme.protocol.parsing import read_message
from tests.support.api_gateway_events import json_event
from tests.support.template import API_FUNCTIONS

DOCUMENT = document()
RESPONSES = DOCUMENT["components"]["responses"]
BODIES = [route for route in ROUTES if route.body_example is not None]
INVALID_KEYS = ("", "k" * 256, "a b", "é", "k\x7f")


def matches_schema(content: object, schema: dict[str, Any]) -> bool:
    full_schema = {**schema, "components": DOCUMENT["components"]}
    return bool(OAS31Validator(full_schema, format_checker=OAS31Validator.FORMAT_CHECKER).is_valid(content))


def schema(model: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{model}"}


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
def test_openapi_examples_valid_for_schema_and_function(route: Route) -> None:
    assert matches_schema(route.response_example, schema(route.response.__name__))
    if route.body_example is not None:
        assert matches_schema(route.body_example, schema(route.request.__name__))
        read_message(route.request, from_json_body(json_event(route.body_example)) | non_body_parameters(route))


@pytest.mark.parametrize("route", BODIES, ids=lambda route: route.name)
def test_openapi_body_fields_and_required_fields_match_model(route: Route) -> None:
    assert route.body_example is not None
    body = DOCUMENT["components"]["schemas"][route.request.__name__]
    names = {field.alias or name for name, field in route.request.model_fields.items()}
    assert set(body["properties"]) == names - {*route.in_path, *route.request.header_fields}
    assert body["additionalProperties"] is False
    required = {field.alias or name for name, field in route.request.model_fields.items() if field.is_required()}
    assert set(body.get("required", [])) == required - non_body_parameters(route).keys()
    for name in body.get("required", []):
        incomplete = {key: value for key, value in route.body_example.items() if key != name}
        assert not matches_schema(incomplete, schema(route.request.__name__))
        with pytest.raises(errors.ValidationFailedError) as exc_info:
            read_message(route.request, from_json_body(json_event(incomplete)) | non_body_parameters(route))
        assert list(exc_info.value.errors) == [name]


@pytest.mark.parametrize(
    ("model", "name", "accepted_values", "rejected_values"),
    [
        ("OrderInput", "order_amount", ["0.01", "25", "25.5", None], ["0", "0.00", "-1", "1.001", "x"]),
        ("CustomerInput", "self_imposed_day_limit", ["0", "0.00", "25.00", None], ["-0.01", "1.001", "x"]),
        ("SmartTokenRequest", "flow_debit", [True, False, "true", "false", None], ["yes", "", "TRUE"]),
        ("SmartTokenRequest", "site_order_identifier", ["é-1", "1" * 256], ["", "\n1", "1" * 257, "\ufffe"]),
        ("SmartTokenRequest", "link_lifetime_seconds", ["300", 300], ["0", 0, "-1", "x"]),
        ("SmartTokenRequest", "ext_customer_enrollment_date", ["2024-02-29"], ["2023-02-29", "x"]),
        ("CreateOrderRequest", "order_type", ["exact", "up-to", "any"], ["x", "", None]),
        ("CreateOrderRequest", "site_customer_year_of_birth", ["1982", 1982, None], ["82", "1899", "", "x"]),
        ("CreateOrderRequest", "site_customer_street", ["1 Main Street", None], ["", "a\nb", "1" * 257]),
        ("MakePaymentRequest", "pnm_order_identifier", ["80080175585"], ["", "a b", "1" * 65, None]),
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
        minimal.pop(name, None)
        try:
            read_message(route.request, minimal | from_json_body(json_event({name: value})))
        except errors.ValidationFailedError as error:
            return name not in error.errors
        return True

    field = DOCUMENT["components"]["schemas"][model]["properties"][name]
    assert all(matches_schema(value, field) and is_accepted(value) for value in accepted_values)
    assert not [value for value in rejected_values if matches_schema(value, field) or is_accepted(value)]


@pytest.mark.parametrize(("value", "is_key"), [("k" * 255, True), ("!~", True), *((v, False) for v in INVALID_KEYS)])
def test_idempotency_key_same_for_schema_and_function(value: str, is_key: bool) -> None:
    [route] = [route for route in ROUTES if route.name == "makePayment"]
    [key] = DOCUMENT["paths"][route.path][route.method]["parameters"]
    assert matches_schema(value, key["schema"]) == is_key
    try:
        read_message(route.request, {**examples.MAKE_PAYMENT_REQUEST, key["name"]: value})
        assert is_key
    except errors.ValidationFailedError as error:
        assert (is_key, list(error.errors)) == (False, [key["name"]])


def test_problems_every_service_error_is_documented() -> None:
    documented_types = {type(error) for route in ROUTES for error in route.problems} - {errors.ServiceError}
    service_errors = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.ServiceError)]
    # Only callbacks, the policy commands and background functions raise these.
    undocumented_by_design = (errors.AuthenticationError, errors.PolicyInvalidError, errors.InvocationFailedError)
    undocumented = [e for e in service_errors if not issubclass(e, (*documented_types, *undocumented_by_design))]
    assert undocumented == [errors.ServiceError]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_problems_of_operation_match_its_errors(route: Route) -> None:
    entries = DOCUMENT["paths"][route.path][route.method]["responses"].items()
    responses = {status: RESPONSES[entry["$ref"].rpartition("/")[2]] for status, entry in entries if "$ref" in entry}
    expected = {(str(error.status), f"{PROBLEM_NAMESPACE}{error.problem_type}") for error in route.problems}
    schemas = {status: entry["content"]["application/problem+json"]["schema"] for status, entry in responses.items()}
    documented = [
        (s, part["properties"])
        for s, schema in schemas.items()
        for part in schema.get("oneOf", [schema])
        if "properties" in part
    ]
    assert sorted((status, properties["type"]["const"]) for status, properties in documented) == sorted(expected)
    for error in route.problems:
        for name, value in problem_response(error, omit_descriptions=False)["headers"].items():
            if name not in ("Content-Type", "Cache-Control"):
                assert matches_schema(int(value), responses[str(error.status)]["headers"][name]["schema"])


@pytest.mark.parametrize("name", RESPONSES)
def test_problem_examples_match_schemas(name: str) -> None:
    content = RESPONSES[name]["content"]["application/problem+json"]
    problems = [entry["value"] for entry in content.get("examples", {}).values()]
    for problem in problems or [content["example"]]:
        assert matches_schema(problem, content["schema"])
        assert not matches_schema({**problem, "detail": "x"}, content["schema"])
