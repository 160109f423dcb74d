"""What the document says of calls that fail: of each operation what it can end with, and nothing else."""

import json
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from operations.openapi import document
from operations.openapi.problems import BY_GATEWAY
from operations.openapi.routes import ROUTES, Route
from paynearme import errors
from paynearme.answers import HttpAnswer, problem
from paynearme.messages import SmartTokenRequest, read_message
from paynearme.parameters import from_json_body
from tests.events_of_gateway import json_event
from tests.template import APIS

DOCUMENT = document()
RESPONSES = DOCUMENT["components"]["responses"]
OF_EVERY_ANSWER = {"Content-Type", "Cache-Control"}
PREFIX = "urn:problem-type:paynearme:"


def references(route: Route) -> dict[str, Any]:
    """Return what an operation says of its problems, by status, without those of API Gateway."""
    told = DOCUMENT["paths"][route.path][route.method]["responses"]
    return {status: entry for status, entry in told.items() if status not in {"200", *BY_GATEWAY}}


def response(reference: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = RESPONSES[reference["$ref"].rpartition("/")[2]]
    return found


def kinds(told: dict[str, Any]) -> set[str]:
    """Return the kinds of problems that a response admits."""
    schema = told["content"]["application/problem+json"]["schema"]
    return {
        entry["properties"]["type"]["const"].removeprefix(PREFIX) for entry in schema.get("oneOf", [schema])
    }


def answer(error: Exception) -> HttpAnswer:
    return problem(error, names_only=False)


def kind(error: Exception) -> str:
    name: str = json.loads(answer(error)["body"])["type"]
    return name.removeprefix(PREFIX)


def operation(name: str) -> Route:
    [route] = [route for route in ROUTES if route.name == name]
    return route


def test_every_error_that_a_call_can_end_with_is_documented() -> None:
    documented = {type(error) for route in ROUTES for error in route.problems} - {Exception}
    ours = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.ServiceError)]
    # The parent of all, what only callbacks raise, what is told to the author of a policy, and to Lambda.
    of_no_call = (errors.AuthenticationError, errors.PolicyInvalidError, errors.InvocationFailedError)
    undocumented = [e for e in ours if not issubclass(e, (*documented, *of_no_call))]
    assert undocumented == [errors.ServiceError]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_an_operation_admits_its_own_problems_and_no_others(route: Route) -> None:
    own: dict[str, set[str]] = {}
    for error in route.problems:
        own.setdefault(str(answer(error)["statusCode"]), set()).add(kind(error))
    assert {status: kinds(response(entry)) for status, entry in references(route).items()} == own


def test_a_payment_that_is_to_be_made_can_end_in_ways_that_no_other_call_can() -> None:
    of_making = {
        "409": {"payment-in-progress", "bank-authorization-expired"},
        "422": {"rejected-by-paynearme", "idempotency-key-reused", "payment-failed"},
        "504": {"paynearme-timeout", "payment-outcome-unknown"},
    }
    told = {
        route.name: {status: kinds(response(entry)) for status, entry in references(route).items()}
        for route in ROUTES
    }
    assert {status: told["makePayment"][status] for status in of_making} == of_making
    for name in ("getSmartToken", "createOrder", "findPaymentMethods"):
        assert "409" not in told[name]
        assert told[name]["422"] == {"rejected-by-paynearme"}
        assert told[name]["504"] == {"paynearme-timeout"}


def test_only_who_creates_an_order_can_be_told_that_it_exists_and_was_not_written() -> None:
    of = {route.name: kinds(response(references(route)["503"])) for route in ROUTES}
    assert of.pop("createOrder") == {"unavailable", "order-not-recorded"}
    assert set(map(frozenset, of.values())) == {frozenset({"unavailable"})}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_what_a_status_means_for_one_call_alone_is_said_at_that_call(route: Route) -> None:
    told = DOCUMENT["paths"][route.path][route.method]["responses"]
    said = {status: entry["description"] for status, entry in told.items() if "description" in entry}
    del said["200"]
    assert said == route.meanings


@pytest.mark.parametrize("status", ["409", "422", "500", "502", "503", "504", "default"])
def test_whoever_makes_a_payment_is_told_of_each_failure_what_to_do(status: str) -> None:
    assert status in operation("makePayment").meanings


@pytest.mark.parametrize("status", ["500", "502", "503", "504", "default"])
def test_whoever_creates_an_order_is_told_of_each_failure_what_to_do(status: str) -> None:
    assert status in operation("createOrder").meanings


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_the_headers_of_problems_are_documented(route: Route) -> None:
    for error in route.problems:
        made = answer(error)
        headers = {name: text for name, text in made["headers"].items() if name not in OF_EVERY_ANSWER}
        told = response(references(route)[str(made["statusCode"])]).get("headers", {})
        assert headers.keys() <= told.keys()
        for name, text in headers.items():
            assert OAS31Validator(told[name]["schema"]).is_valid(int(text))


def test_only_a_payment_under_way_is_to_be_tried_after_some_seconds() -> None:
    assert [name for name, told in RESPONSES.items() if "headers" in told] == ["Conflict"]
    [(name, header)] = RESPONSES["Conflict"]["headers"].items()
    assert name == "Retry-After"
    assert header["description"]
    assert not OAS31Validator(header["schema"]).is_valid(0)


def test_the_examples_of_problems_fit_their_schemas() -> None:
    for told in RESPONSES.values():
        content = told["content"]["application/problem+json"]
        whole = {**content["schema"], "components": DOCUMENT["components"]}
        examples = [entry["value"] for entry in content.get("examples", {}).values()]
        for example in examples or [content["example"]]:
            assert OAS31Validator(whole).is_valid(example)
            assert not OAS31Validator(whole).is_valid({**example, "detail": "x"})


MEMBERS = [
    ("Conflict", "bank-authorization-expired", "reconnect"),
    ("Conflict", "bank-authorization-expired", "payment_method_identifier"),
    ("ServiceUnavailableOfCreateOrder", "order-not-recorded", "pnm_order_identifier"),
    ("UnprocessableContentOfMakePayment", "payment-failed", "site_payment_identifier"),
    ("UnprocessableContentOfMakePayment", "payment-failed", "pnm_payment_identifier"),
    ("GatewayTimeoutOfMakePayment", "payment-outcome-unknown", "site_payment_identifier"),
]


@pytest.mark.parametrize(("name", "of", "member"), MEMBERS)
def test_what_a_problem_tells_beside_its_title_is_always_there(name: str, of: str, member: str) -> None:
    content = RESPONSES[name]["content"]["application/problem+json"]
    whole = {**content["schema"], "components": DOCUMENT["components"]}
    example = dict(content["examples"][of]["value"])
    del example[member]
    assert not OAS31Validator(whole).is_valid(example)


def test_with_what_an_expired_authorization_tells_a_smart_token_can_be_asked_for() -> None:
    examples = RESPONSES["Conflict"]["content"]["application/problem+json"]["examples"]
    reconnect = examples["bank-authorization-expired"]["value"]["reconnect"]
    whole = {"$ref": "#/components/schemas/SmartTokenRequest", "components": DOCUMENT["components"]}
    to_return = {"flow_return_url": "https://merchant.example.com/cashier"}
    for asked in (reconnect, reconnect | to_return):
        assert OAS31Validator(whole).is_valid(asked)
        read_message(SmartTokenRequest, from_json_body(json_event(asked)))


@pytest.mark.parametrize("member", ["site_identifier", "pnm_order_identifier", "flow_trustly_reconnect"])
def test_nothing_is_missing_from_what_reconnects_a_bank(member: str) -> None:
    examples = RESPONSES["Conflict"]["content"]["application/problem+json"]["examples"]
    reconnect = dict(examples["bank-authorization-expired"]["value"]["reconnect"])
    whole = {"$ref": "#/components/schemas/Reconnect", "components": DOCUMENT["components"]}
    assert OAS31Validator(whole).is_valid(reconnect)
    del reconnect[member]
    assert not OAS31Validator(whole).is_valid(reconnect)


def test_api_gateways_own_answers_are_those_of_the_template() -> None:
    templates = APIS["BackendApi"]["GatewayResponses"]
    bodies = {
        name: json.loads(entry["ResponseTemplates"]["application/json"]) for name, entry in templates.items()
    }
    told = {status: body for status, (_, _, body) in BY_GATEWAY.items()}
    assert told["403"] == told["429"] == bodies["DEFAULT_4XX"]
    assert told["default"] == bodies["DEFAULT_5XX"]
