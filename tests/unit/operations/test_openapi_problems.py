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


def operation(name: str) -> Route:
    [route] = [route for route in ROUTES if route.name == name]
    return route


def test_every_error_that_a_call_can_end_with_is_documented() -> None:
    documented_types = {type(error) for route in ROUTES for error in route.problems} - {errors.ServiceError}
    service_errors = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.ServiceError)]
    # Only callbacks, the policy commands and background functions raise these.
    undocumented_by_design = (errors.AuthenticationError, errors.PolicyInvalidError, errors.InvocationFailedError)
    undocumented = [e for e in service_errors if not issubclass(e, (*documented_types, *undocumented_by_design))]
    assert undocumented == [errors.ServiceError]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_an_operation_admits_its_own_problems_and_no_others(route: Route) -> None:
    expected: dict[str, set[str]] = {}
    for error in route.problems:
        expected.setdefault(str(error.status), set()).add(error.problem_type)
    assert {status: problem_types(response(entry)) for status, entry in references(route).items()} == expected


def test_a_payment_that_is_to_be_made_can_end_in_ways_that_no_other_call_can() -> None:
    submission_problems = {
        "409": {"payment-in-progress", "bank-authorization-expired"},
        "422": {"rejected-by-paynearme", "idempotency-key-reused", "payment-failed"},
        "504": {"paynearme-timeout", "payment-outcome-unknown"},
    }
    types_by_operation = {
        route.name: {status: problem_types(response(entry)) for status, entry in references(route).items()}
        for route in ROUTES
    }
    assert {status: types_by_operation["makePayment"][status] for status in submission_problems} == submission_problems
    for name in ("getSmartToken", "createOrder", "findPaymentMethods"):
        assert "409" not in types_by_operation[name]
        assert types_by_operation[name]["422"] == {"rejected-by-paynearme"}
        assert types_by_operation[name]["504"] == {"paynearme-timeout"}


def test_only_who_creates_an_order_can_be_told_that_it_exists_and_was_not_written() -> None:
    types_by_operation = {route.name: problem_types(response(references(route)["503"])) for route in ROUTES}
    assert types_by_operation.pop("createOrder") == {"unavailable", "order-not-recorded"}
    assert set(map(frozenset, types_by_operation.values())) == {frozenset({"unavailable"})}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_what_a_status_means_for_one_call_alone_is_said_at_that_call(route: Route) -> None:
    documented_responses = DOCUMENT["paths"][route.path][route.method]["responses"]
    descriptions = {
        status: entry["description"] for status, entry in documented_responses.items() if "description" in entry
    }
    del descriptions["200"]
    assert descriptions == route.error_descriptions


@pytest.mark.parametrize("status", ["409", "422", "500", "502", "503", "504", "default"])
def test_whoever_makes_a_payment_is_told_of_each_failure_what_to_do(status: str) -> None:
    assert status in operation("makePayment").error_descriptions


@pytest.mark.parametrize("status", ["500", "502", "503", "504", "default"])
def test_whoever_creates_an_order_is_told_of_each_failure_what_to_do(status: str) -> None:
    assert status in operation("createOrder").error_descriptions


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_the_headers_of_problems_are_documented(route: Route) -> None:
    for error in route.problems:
        rendered = problem_response(error, omit_descriptions=False)
        headers = {name: text for name, text in rendered["headers"].items() if name not in COMMON_HEADERS}
        documented_headers = response(references(route)[str(error.status)]).get("headers", {})
        assert headers.keys() <= documented_headers.keys()
        for name, text in headers.items():
            assert OAS31Validator(documented_headers[name]["schema"]).is_valid(int(text))


def test_only_a_payment_under_way_is_to_be_tried_after_some_seconds() -> None:
    assert [name for name, component in RESPONSES.items() if "headers" in component] == ["Conflict"]
    [(name, header)] = RESPONSES["Conflict"]["headers"].items()
    assert name == "Retry-After"
    assert header["description"]
    assert not OAS31Validator(header["schema"]).is_valid(0)


def test_the_examples_of_problems_fit_their_schemas() -> None:
    for component in RESPONSES.values():
        content = component["content"]["application/problem+json"]
        schema = {**content["schema"], "components": DOCUMENT["components"]}
        examples = [entry["value"] for entry in content.get("examples", {}).values()]
        for example in examples or [content["example"]]:
            assert OAS31Validator(schema).is_valid(example)
            assert not OAS31Validator(schema).is_valid({**example, "detail": "x"})


MEMBERS = [
    ("Conflict", "bank-authorization-expired", "reconnect"),
    ("Conflict", "bank-authorization-expired", "payment_method_identifier"),
    ("ServiceUnavailableOfCreateOrder", "order-not-recorded", "pnm_order_identifier"),
    ("UnprocessableContentOfMakePayment", "payment-failed", "site_payment_identifier"),
    ("UnprocessableContentOfMakePayment", "payment-failed", "pnm_payment_identifier"),
    ("GatewayTimeoutOfMakePayment", "payment-outcome-unknown", "site_payment_identifier"),
]


@pytest.mark.parametrize(("name", "problem_type", "extension"), MEMBERS)
def test_what_a_problem_tells_beside_its_title_is_always_there(name: str, problem_type: str, extension: str) -> None:
    content = RESPONSES[name]["content"]["application/problem+json"]
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    example = dict(content["examples"][problem_type]["value"])
    del example[extension]
    assert not OAS31Validator(schema).is_valid(example)


def test_with_what_an_expired_authorization_tells_a_smart_token_can_be_asked_for() -> None:
    examples = RESPONSES["Conflict"]["content"]["application/problem+json"]["examples"]
    reconnect = examples["bank-authorization-expired"]["value"]["reconnect"]
    schema = {"$ref": "#/components/schemas/SmartTokenRequest", "components": DOCUMENT["components"]}
    return_parameters = {"flow_return_url": "https://merchant.example.com/cashier"}
    for body in (reconnect, reconnect | return_parameters):
        assert OAS31Validator(schema).is_valid(body)
        read_message(SmartTokenRequest, from_json_body(json_event(body)))


@pytest.mark.parametrize("extension", ["site_identifier", "pnm_order_identifier", "flow_trustly_reconnect"])
def test_nothing_is_missing_from_what_reconnects_a_bank(extension: str) -> None:
    examples = RESPONSES["Conflict"]["content"]["application/problem+json"]["examples"]
    reconnect = dict(examples["bank-authorization-expired"]["value"]["reconnect"])
    schema = {"$ref": "#/components/schemas/Reconnect", "components": DOCUMENT["components"]}
    assert OAS31Validator(schema).is_valid(reconnect)
    del reconnect[extension]
    assert not OAS31Validator(schema).is_valid(reconnect)


def test_api_gateways_own_answers_are_those_of_the_template() -> None:
    templates = APIS["BackendApi"]["GatewayResponses"]
    bodies = {name: json.loads(entry["ResponseTemplates"]["application/json"]) for name, entry in templates.items()}
    bodies_by_status = {status: body for status, (_, _, body) in API_GATEWAY_RESPONSES.items()}
    assert bodies_by_status["403"] == bodies_by_status["429"] == bodies["DEFAULT_4XX"]
    assert bodies_by_status["default"] == bodies["DEFAULT_5XX"]
