"""The HTTP entry points in the template: their routes, access and fixed responses."""

import json

import pytest

from tests.support.template import API_FUNCTIONS, APIS, FUNCTIONS, RESOURCES, TRIGGERED_FUNCTIONS, of_type

ORDERS = "/orders/{site_identifier}/{pnm_order_identifier}"
CUSTOMERS = "/customers/{site_identifier}/{site_customer_identifier}"
PAYMENTS = "/payments/{site_identifier}/{pnm_payment_identifier}"

ROUTES = {
    ("CallbackApi", "get", "/callbacks/authorize", "AuthorizeFunction"),
    ("CallbackApi", "post", "/callbacks/authorize", "AuthorizeFunction"),
    ("CallbackApi", "get", "/callbacks/confirm", "ConfirmFunction"),
    ("CallbackApi", "post", "/callbacks/confirm", "ConfirmFunction"),
    ("CallbackApi", "get", "/callbacks/reverse", "ReverseFunction"),
    ("CallbackApi", "post", "/callbacks/reverse", "ReverseFunction"),
    ("BackendApi", "post", "/smart-tokens", "GetSmartTokenFunction"),
    ("BackendApi", "post", "/orders", "CreateOrderFunction"),
    ("BackendApi", "post", "/payment-methods/find", "FindPaymentMethodsFunction"),
    ("BackendApi", "post", "/payments", "MakePaymentFunction"),
    ("BackendApi", "get", ORDERS, "OrdersFunction"),
    ("BackendApi", "put", ORDERS, "OrdersFunction"),
    ("BackendApi", "get", CUSTOMERS, "CustomersFunction"),
    ("BackendApi", "put", CUSTOMERS, "CustomersFunction"),
    ("BackendApi", "get", PAYMENTS, "PaymentsFunction"),
}

ALLOWED_LOG_FIELDS = {
    "$context.domainName",
    "$context.httpMethod",
    "$context.identity.sourceIp",
    "$context.identity.userArn",
    "$context.integrationLatency",
    "$context.requestId",
    "$context.requestTime",
    "$context.resourcePath",
    "$context.responseLatency",
    "$context.responseLength",
    "$context.status",
}
"""The permitted fields of an access log. The sender controls only the method."""


def test_api_routes_match_expected_without_function_urls() -> None:
    events = [(name, event) for name, f in API_FUNCTIONS.items() for event in f["Events"].values()]
    assert {event["Type"] for _, event in events} == {"Api"}
    api_events = [(name, event["Properties"]) for name, event in events]
    assert {(p["RestApiId"]["Ref"], p["Method"], p["Path"], name) for name, p in api_events} == ROUTES
    # An event without an authorizer has the authorizer of the API.
    assert {key for _, p in api_events for key in p} == {"RestApiId", "Method", "Path"}
    assert not [name for name, f in FUNCTIONS.items() if "FunctionUrlConfig" in f]


def test_triggers_other_than_apis_are_stream_and_schedule() -> None:
    others = [
        (n, e["Type"]) for n, f in TRIGGERED_FUNCTIONS.items() for e in f["Events"].values() if e["Type"] != "Api"
    ]
    assert others == [("PublishEventsFunction", "DynamoDB"), ("SweepUnconfirmedFunction", "Schedule")]


@pytest.mark.parametrize("api", APIS)
def test_access_log_contains_no_sender_controlled_text(api: str) -> None:
    log = APIS[api]["AccessLogSetting"]
    assert log["DestinationArn"] == {"Fn::GetAtt": [f"{api}Logs", "Arn"]}
    assert set(json.loads(log["Format"]).values()) <= ALLOWED_LOG_FIELDS


@pytest.mark.parametrize("api", APIS)
def test_gateway_responses_have_fixed_problem_text(api: str) -> None:
    responses = APIS[api]["GatewayResponses"]
    assert set(responses) == {"DEFAULT_4XX", "DEFAULT_5XX"}
    for response in responses.values():
        assert response["ResponseParameters"] == {"Headers": {"Content-Type": "'application/problem+json'"}}
        assert set(response["ResponseTemplates"]) == {"application/json"}
        text = response["ResponseTemplates"]["application/json"]
        assert "$" not in text
        assert json.loads(text).keys() == {"type", "title"}


def test_local_gateway_responses_match_default_4xx_only_local() -> None:
    gateway_responses = of_type("AWS::ApiGateway::GatewayResponse")
    assert sorted(entry["RestApiId"]["Ref"] for entry in gateway_responses.values()) == sorted(APIS)
    for name, response in gateway_responses.items():
        default_response = APIS[response["RestApiId"]["Ref"]]["GatewayResponses"]["DEFAULT_4XX"]
        assert response["ResponseTemplates"] == default_response["ResponseTemplates"]
        assert RESOURCES[name]["Condition"] == "IsLocal"


def test_callback_api_allows_only_parameter_cidrs() -> None:
    (statement,) = APIS["CallbackApi"]["Policy"]["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "execute-api:Invoke",
        "Resource": "execute-api:/*",
        "Condition": {"IpAddress": {"aws:SourceIp": {"Ref": "CallbackAllowedCidrs"}}},
    }


def test_callback_api_receives_body_as_bytes() -> None:
    assert APIS["CallbackApi"]["BinaryMediaTypes"] == ["*/*"]


def test_backend_api_requires_iam_signature() -> None:
    assert APIS["BackendApi"]["Auth"]["DefaultAuthorizer"] == "AWS_IAM"


def test_backend_caller_policy_allows_only_backend_api() -> None:
    (statement,) = RESOURCES["BackendCallerPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    api = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${BackendApi}/${Stage}/*/*"
    assert statement == {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": {"Fn::Sub": api}}
