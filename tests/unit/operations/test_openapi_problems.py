"""The document contains exactly the problems of each operation."""

import json
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from operations.openapi import document
from operations.openapi.problems import API_GATEWAY_RESPONSES
from operations.openapi.routes import ROUTES, Route
from paynearme import errors
from paynearme.platform.http_request import from_json_body
from paynearme.platform.http_response import PROBLEM_NAMESPACE, problem_response
from paynearme.protocol.parsing import read_message
from paynearme.protocol.smart_token import SmartTokenRequest
from tests.support.api_gateway_events import json_event
from tests.support.template import APIS

DOCUMENT = document()
RESPONSES = DOCUMENT["components"]["responses"]
COMMON_HEADERS = {"Content-Type", "Cache-Control"}


def references(route: Route) -> dict[str, Any]:
    """Return the problem responses of an operation by status, without those of API Gateway."""
    documented_responses = DOCUMENT["paths"][route.path][route.method]["responses"]
    return {
        status: entry for status, entry in documented_responses.items() if status not in {"200", *API_GATEWAY_RESPONSES}
    }


def response(reference: dict[str, Any]) -> dict[str, Any]:
    component: dict[str, Any] = RESPONSES[reference["$ref"].rpartition("/")[2]]
    return component


def problem_types(response: dict[str, Any]) -> set[str]:
    """Return the problem types of a response."""
    schema = response["content"]["application/problem+json"]["schema"]
    names = (entry["properties"]["type"]["const"] for entry in schema.get("oneOf", [schema]))
    return {name.removeprefix(PROBLEM_NAMESPACE) for name in names}


def test_problems_every_service_error_is_documented() -> None:
    documented_types = {type(error) for route in ROUTES for error in route.problems} - {errors.ServiceError}
    service_errors = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.ServiceError)]
    # Only callbacks, the policy commands and background functions raise these.
    undocumented_by_design = (errors.AuthenticationError, errors.PolicyInvalidError, errors.InvocationFailedError)
    undocumented = [e for e in service_errors if not issubclass(e, (*documented_types, *undocumented_by_design))]
    assert undocumented == [errors.ServiceError]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_problems_of_operation_match_its_errors(route: Route) -> None:
    expected: dict[str, set[str]] = {}
    for error in route.problems:
        expected.setdefault(str(error.status), set()).add(error.problem_type)
    assert {status: problem_types(response(entry)) for status, entry in references(route).items()} == expected


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_problem_headers_are_documented(route: Route) -> None:
    for error in route.problems:
        rendered = problem_response(error, omit_descriptions=False)
        headers = {name: text for name, text in rendered["headers"].items() if name not in COMMON_HEADERS}
        documented_headers = response(references(route)[str(error.status)]).get("headers", {})
        assert headers.keys() <= documented_headers.keys()
        for name, text in headers.items():
            assert OAS31Validator(documented_headers[name]["schema"]).is_valid(int(text))


def test_problem_examples_match_schemas() -> None:
    for component in RESPONSES.values():
        content = component["content"]["application/problem+json"]
        schema = {**content["schema"], "components": DOCUMENT["components"]}
        examples = [entry["value"] for entry in content.get("examples", {}).values()]
        for example in examples or [content["example"]]:
            assert OAS31Validator(schema).is_valid(example)
            assert not OAS31Validator(schema).is_valid({**example, "detail": "x"})


def test_reconnect_example_is_valid_smart_token_request() -> None:
    examples = RESPONSES["Conflict"]["content"]["application/problem+json"]["examples"]
    reconnect = examples["bank-authorization-expired"]["value"]["reconnect"]
    schema = {"$ref": "#/components/schemas/SmartTokenRequest", "components": DOCUMENT["components"]}
    return_parameters = {"flow_return_url": "https://merchant.example.com/cashier"}
    for body in (reconnect, reconnect | return_parameters):
        assert OAS31Validator(schema).is_valid(body)
        read_message(SmartTokenRequest, from_json_body(json_event(body)))


def test_api_gateway_responses_match_template() -> None:
    templates = APIS["BackendApi"]["GatewayResponses"]
    bodies = {name: json.loads(entry["ResponseTemplates"]["application/json"]) for name, entry in templates.items()}
    bodies_by_status = {status: body for status, (_, _, body) in API_GATEWAY_RESPONSES.items()}
    assert bodies_by_status["403"] == bodies_by_status["429"] == bodies["DEFAULT_4XX"]
    assert bodies_by_status["default"] == bodies["DEFAULT_5XX"]
