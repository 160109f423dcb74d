"""The permissions of each function. A change of the template requires a change here."""

import re
from typing import Any

import pytest

from tests.support.template import FUNCTIONS, OUTBOUND_FUNCTIONS, RESOURCES, environment_of, names_in, of_type

TABLE_ARN = {"Fn::GetAtt": ["LedgerTable", "Arn"]}
POLICY = {
    "Fn::Sub": "arn:${AWS::Partition}:appconfig:${AWS::Region}:${AWS::AccountId}"
    ":application/${PolicyApplication}/environment/${PolicyEnvironment}/configuration/${PolicyProfile}"
}
ACCESS_TOKENS = {
    "Fn::Sub": "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}"
    ":parameter/paynearme/${AWS::StackName}/access-tokens/*"
}
TRACING = {"xray:PutTraceSegments": "*", "xray:PutTelemetryRecords": "*"}
SITE_KEYS = {"secretsmanager:GetSecretValue": {"Fn::GetAtt": ["SitesSecret", "Id"]}}
POLICY_PERMISSIONS = {"appconfig:StartConfigurationSession": POLICY, "appconfig:GetLatestConfiguration": POLICY}
TOKEN_PERMISSIONS = {"ssm:GetParameter": ACCESS_TOKENS, "ssm:PutParameter": ACCESS_TOKENS}
READ_ITEMS, WRITE_ITEMS = "dynamodb:BatchGetItem", "dynamodb:UpdateItem"
QUERY_ITEMS = "dynamodb:Query"
STREAM = {"Fn::Sub": "${LedgerTable.Arn}/stream/*"}
STREAM_PERMISSIONS = {
    "dynamodb:DescribeStream": STREAM,
    "dynamodb:GetRecords": STREAM,
    "dynamodb:GetShardIterator": STREAM,
    "dynamodb:ListStreams": STREAM,
}


PAYMENTS = ["PAYMENT#*", "TEST#PAYMENT#*"]
SITE_PAYMENTS = ["SITE_PAYMENT#*", "TEST#SITE_PAYMENT#*"]
LEASES = "ACCESS_TOKEN#*"
KEYS: dict[tuple[str, str], list[str]] = {
    ("AuthorizeFunction", READ_ITEMS): [*PAYMENTS, "CUSTOMER#*", "ORDER#*", "SPENDING#*"],
    # It writes reservations and must not change a balance.
    ("AuthorizeFunction", WRITE_ITEMS): [*PAYMENTS, "SPENDING#*"],
    ("ConfirmFunction", WRITE_ITEMS): [*PAYMENTS, "CUSTOMER#*", "SPENDING#*", *SITE_PAYMENTS],
    ("ReverseFunction", READ_ITEMS): PAYMENTS,
    ("ReverseFunction", WRITE_ITEMS): [*PAYMENTS, "CUSTOMER#*"],
    ("GetSmartTokenFunction", WRITE_ITEMS): [LEASES],
    ("CreateOrderFunction", WRITE_ITEMS): [LEASES, "ORDER#*"],
    ("FindPaymentMethodsFunction", WRITE_ITEMS): [LEASES],
    # Only a confirmation may write the outcome of a payment.
    ("MakePaymentFunction", READ_ITEMS): SITE_PAYMENTS,
    ("MakePaymentFunction", WRITE_ITEMS): [LEASES, "INTENT#*"],
    ("OrdersFunction", READ_ITEMS): ["ORDER#*"],
    ("OrdersFunction", WRITE_ITEMS): ["ORDER#*"],
    ("CustomersFunction", READ_ITEMS): ["CUSTOMER#*", "SPENDING#*"],
    ("CustomersFunction", WRITE_ITEMS): ["CUSTOMER#*"],
    ("PaymentsFunction", READ_ITEMS): PAYMENTS,
    # Test payments are never pending. The sweep must not change a balance.
    ("SweepUnconfirmedFunction", READ_ITEMS): ["PAYMENT#*"],
    ("SweepUnconfirmedFunction", WRITE_ITEMS): ["PAYMENT#*", "SPENDING#*"],
}
"""The items that each function may access, by the prefixes of their partition keys."""


SPECIFIC_PERMISSIONS: dict[str, dict[str, Any]] = {
    "AuthorizeFunction": SITE_KEYS | POLICY_PERMISSIONS,
    "ConfirmFunction": SITE_KEYS | POLICY_PERMISSIONS,
    "ReverseFunction": SITE_KEYS,
    "GetSmartTokenFunction": SITE_KEYS | TOKEN_PERMISSIONS,
    "CreateOrderFunction": SITE_KEYS | TOKEN_PERMISSIONS,
    "FindPaymentMethodsFunction": SITE_KEYS | TOKEN_PERMISSIONS,
    "MakePaymentFunction": SITE_KEYS | TOKEN_PERMISSIONS,
    "OrdersFunction": SITE_KEYS,
    "CustomersFunction": SITE_KEYS | POLICY_PERMISSIONS,
    "PaymentsFunction": SITE_KEYS,
    "PublishEventsFunction": {
        **STREAM_PERMISSIONS,
        "events:PutEvents": {"Fn::GetAtt": ["EventBus", "Arn"]},
        "sqs:SendMessage": {"Fn::GetAtt": ["EventsDeadLetterQueue", "Arn"]},
    },
    "SweepUnconfirmedFunction": {QUERY_ITEMS: {"Fn::Sub": "${LedgerTable.Arn}/index/pending"}},
    "ValidatePolicyFunction": {},
}
"""The permitted actions with their resources, without ``KEYS``, logs and traces."""


def permissions_of(function: str) -> dict[str, Any]:
    """Return all permitted actions of a function with their resources."""
    table_actions = {action: TABLE_ARN for name, action in KEYS if name == function}
    log_group = {"Fn::GetAtt": [f"{function.removesuffix('Function')}Logs", "Arn"]}
    log_actions = {"logs:CreateLogStream": log_group, "logs:PutLogEvents": log_group}
    return {**SPECIFIC_PERMISSIONS[function], **table_actions, **log_actions, **TRACING}


PERMISSIONS = {function: permissions_of(function) for function in SPECIFIC_PERMISSIONS}
"""The permitted actions of each function, with their resources. No function scans or queries the table."""


def statements(role: str) -> list[dict[str, Any]]:
    """Return the statements of a role's inline policies and of the stack's managed policies."""
    properties = RESOURCES[role]["Properties"]
    attached = [RESOURCES[arn["Ref"]]["Properties"] for arn in properties.get("ManagedPolicyArns", [])]
    policies = [*properties["Policies"], *attached]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def actions(statement: dict[str, Any]) -> list[str]:
    allowed_actions = statement["Action"]
    return [allowed_actions] if isinstance(allowed_actions, str) else list(allowed_actions)


def role_of(function: str) -> str:
    name: str = FUNCTIONS[function]["Role"]["Fn::GetAtt"][0]
    return name


def referenced_resources(function: str) -> set[tuple[str, str]]:
    """Return the variables of a function that contain a resource, with the resource."""
    variables = environment_of(function).items()
    return {(name, resource) for name, value in variables for resource in names_in(value) & RESOURCES.keys()}


def test_permissions_listed_for_every_function() -> None:
    assert set(PERMISSIONS) == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_role_not_shared(function: str) -> None:
    role = role_of(function)
    assert [other for other in FUNCTIONS if role_of(other) == role] == [function]
    (trust,) = RESOURCES[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust == {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}


def test_roles_without_function_are_expected() -> None:
    # tests/e2e/test_expansion_deployments.py checks the permissions of CodeDeploy.
    other_roles = set(of_type("AWS::IAM::Role")) - {role_of(function) for function in FUNCTIONS}
    assert other_roles == {"ApiGatewayLoggingRole", "DeploymentRole", "PolicyAlarmRole"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_permissions_are_exactly_expected(function: str) -> None:
    role = role_of(function)
    allowed_actions = [(a, s["Resource"]) for s in statements(role) for a in actions(s)]
    assert {action for action, _ in allowed_actions} == PERMISSIONS[function].keys()
    # A managed policy and an inline policy may permit one action for different items.
    assert not [(a, r) for a, r in allowed_actions if r != PERMISSIONS[function][a]]
    # Other keys, such as NotAction, would grant permissions that the lines above do not check.
    assert {key for s in statements(role) for key in s} <= {"Effect", "Action", "Resource", "Condition"}
    assert {s["Effect"] for s in statements(role)} == {"Allow"}
    properties = {"AssumeRolePolicyDocument", "ManagedPolicyArns", "Policies"}
    assert RESOURCES[role]["Properties"].keys() == properties
    assert "Policies" not in FUNCTIONS[function]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_item_keys_are_exactly_expected(function: str) -> None:
    conditions = [
        (action, statement["Condition"])
        for statement in statements(role_of(function))
        for action in actions(statement)
        if action in (READ_ITEMS, WRITE_ITEMS)
    ]
    reachable_keys: dict[tuple[str, str], list[str]] = {}
    for action, condition in conditions:
        assert condition.keys() == {"ForAllValues:StringLike"}
        (keys,) = condition["ForAllValues:StringLike"].values()
        assert condition["ForAllValues:StringLike"].keys() == {"dynamodb:LeadingKeys"}
        reachable_keys[function, action] = sorted([*reachable_keys.get((function, action), []), *keys])
    # One statement must permit all keys of a batch.
    assert [action for action, _ in conditions].count(READ_ITEMS) <= 1
    assert reachable_keys == {(name, action): sorted(keys) for (name, action), keys in KEYS.items() if name == function}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_permissions_no_wildcard_query_only_for_sweep(function: str) -> None:
    allowed_actions = [action for statement in statements(role_of(function)) for action in actions(statement)]
    assert not [action for action in allowed_actions if "*" in action]
    query_actions = [action for action in allowed_actions if re.fullmatch(r"dynamodb:(Scan|Query|PartiQL).*", action)]
    assert query_actions == ([QUERY_ITEMS] if function == "SweepUnconfirmedFunction" else [])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_permissions_on_all_resources_only_for_x_ray(function: str) -> None:
    unscoped = [s for s in statements(role_of(function)) if s["Resource"] == "*"]
    assert {action for s in unscoped for action in actions(s)} == set(TRACING)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_variables_contain_only_permitted_resources(function: str) -> None:
    referenced = {resource for name, resource in referenced_resources(function)}
    policy = {"PolicyApplication", "PolicyEnvironment", "PolicyProfile"}
    assert ("LedgerTable" in referenced) == bool({READ_ITEMS, WRITE_ITEMS} & set(PERMISSIONS[function]))
    assert {"EventBus", "EventsDeadLetterQueue"} & referenced == {
        resource
        for action, resource in (("events:PutEvents", "EventBus"), ("sqs:SendMessage", "EventsDeadLetterQueue"))
        if action in PERMISSIONS[function]
    }
    assert ("SitesSecret" in referenced) == ("secretsmanager:GetSecretValue" in PERMISSIONS[function])
    assert policy & referenced == (policy if POLICY_PERMISSIONS.keys() <= PERMISSIONS[function].keys() else set())


def test_access_token_permissions_only_for_outbound_functions() -> None:
    token_functions = [
        name for name, permissions in PERMISSIONS.items() if TOKEN_PERMISSIONS.keys() & permissions.keys()
    ]
    assert sorted(token_functions) == sorted(OUTBOUND_FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_call_variables_only_in_outbound_functions(function: str) -> None:
    variables = environment_of(function)
    call_variables = {
        "PAYNEARME_BASE_URL": {"Ref": "PayNearMeBaseUrl"},
        "DEFAULT_SITE_IDENTIFIER": {"Ref": "DefaultSiteIdentifier"},
        # The prefix of the parameters that its role may access.
        "ACCESS_TOKENS_PATH": {"Fn::Sub": "/paynearme/${AWS::StackName}/access-tokens"},
    }
    assert {n: variables[n] for n in call_variables if n in variables} == (
        call_variables if function in OUTBOUND_FUNCTIONS else {}
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_resource_variables_same_in_every_function(function: str) -> None:
    assert referenced_resources(function) <= {
        ("POLICY_APPLICATION", "PolicyApplication"),
        ("POLICY_ENVIRONMENT", "PolicyEnvironment"),
        ("POLICY_PROFILE", "PolicyProfile"),
        ("SITES_SECRET", "SitesSecret"),
        ("TABLE_NAME", "LedgerTable"),
        ("EVENT_BUS_NAME", "EventBus"),
        ("DEAD_LETTER_QUEUE_URL", "EventsDeadLetterQueue"),
    }
