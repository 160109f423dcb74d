"""What each function may do, and to what: whoever changes the template must change it here as well."""

import re
from typing import Any

import pytest

from tests.template import CALLING_PAYNEARME, FUNCTIONS, RESOURCES, environment_of, names_in, of_type

SECRET = {"Fn::GetAtt": ["SitesSecret", "Id"]}
TABLE = {"Fn::GetAtt": ["Table", "Arn"]}
POLICY = {
    "Fn::Sub": "arn:${AWS::Partition}:appconfig:${AWS::Region}:${AWS::AccountId}"
    ":application/${PolicyApplication}/environment/${PolicyEnvironment}/configuration/${PolicyProfile}"
}
ACCESS_TOKENS = {
    "Fn::Sub": "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}"
    ":parameter/paynearme/${AWS::StackName}/access-tokens/*"
}
TRACING = {"xray:PutTraceSegments": "*", "xray:PutTelemetryRecords": "*"}
READING_POLICY = {
    "appconfig:StartConfigurationSession": POLICY,
    "appconfig:GetLatestConfiguration": POLICY,
}
SHARING_TOKENS = {"ssm:GetParameter": ACCESS_TOKENS, "ssm:PutParameter": ACCESS_TOKENS}
READ, WRITE = "dynamodb:BatchGetItem", "dynamodb:UpdateItem"
LOOK = "dynamodb:Query"
STREAM = {"Fn::Sub": "${Table.Arn}/stream/*"}
READING_STREAM = {
    "dynamodb:DescribeStream": STREAM,
    "dynamodb:GetRecords": STREAM,
    "dynamodb:GetShardIterator": STREAM,
    "dynamodb:ListStreams": STREAM,
}


def logs(group: str) -> dict[str, Any]:
    arn = {"Fn::GetAtt": [group, "Arn"]}
    return {"logs:CreateLogStream": arn, "logs:PutLogEvents": arn}


RIGHTS: dict[str, dict[str, Any]] = {
    "AuthorizeFunction": {
        "secretsmanager:GetSecretValue": SECRET,
        READ: TABLE,
        WRITE: TABLE,
        **READING_POLICY,
        **logs("AuthorizeLogs"),
        **TRACING,
    },
    "ConfirmFunction": {
        "secretsmanager:GetSecretValue": SECRET,
        WRITE: TABLE,
        **READING_POLICY,
        **logs("ConfirmLogs"),
        **TRACING,
    },
    "ReverseFunction": {
        "secretsmanager:GetSecretValue": SECRET,
        READ: TABLE,
        WRITE: TABLE,
        **logs("ReverseLogs"),
        **TRACING,
    },
    "GetSmartTokenFunction": {
        "secretsmanager:GetSecretValue": SECRET,
        WRITE: TABLE,
        **SHARING_TOKENS,
        **logs("GetTokenLogs"),
        **TRACING,
    },
    "CreateOrderFunction": {
        "secretsmanager:GetSecretValue": SECRET,
        WRITE: TABLE,
        **SHARING_TOKENS,
        **logs("CreateOrderLogs"),
        **TRACING,
    },
    "FindPaymentMethodsFunction": {
        "secretsmanager:GetSecretValue": SECRET,
        WRITE: TABLE,
        **SHARING_TOKENS,
        **logs("FindPaymentMethodsLogs"),
        **TRACING,
    },
    "MakePaymentFunction": {
        "secretsmanager:GetSecretValue": SECRET,
        READ: TABLE,
        WRITE: TABLE,
        **SHARING_TOKENS,
        **logs("MakePaymentLogs"),
        **TRACING,
    },
    "OrdersFunction": {
        "secretsmanager:GetSecretValue": SECRET,
        READ: TABLE,
        WRITE: TABLE,
        **logs("OrdersLogs"),
        **TRACING,
    },
    "CustomersFunction": {
        "secretsmanager:GetSecretValue": SECRET,
        READ: TABLE,
        WRITE: TABLE,
        **READING_POLICY,
        **logs("CustomersLogs"),
        **TRACING,
    },
    "PaymentsFunction": {
        "secretsmanager:GetSecretValue": SECRET,
        READ: TABLE,
        **logs("PaymentsLogs"),
        **TRACING,
    },
    "PublishEventsFunction": {
        **READING_STREAM,
        "events:PutEvents": {"Fn::GetAtt": ["Events", "Arn"]},
        "sqs:SendMessage": {"Fn::GetAtt": ["DeadLetters", "Arn"]},
        **logs("PublishEventsLogs"),
        **TRACING,
    },
    "SweepUnconfirmedFunction": {
        LOOK: {"Fn::Sub": "${Table.Arn}/index/awaited"},
        READ: TABLE,
        WRITE: TABLE,
        **logs("WatchUnconfirmedLogs"),
        **TRACING,
    },
    "ValidatePolicyFunction": {**logs("ValidatePolicyLogs"), **TRACING},
}
"""What each function may do, and to what. The table is read by whole keys only: no scan, no query of it."""

PAYMENTS = ["PAYMENT#*", "TEST#PAYMENT#*"]
SITE_PAYMENTS = ["SITE_PAYMENT#*", "TEST#SITE_PAYMENT#*"]
LEASES = "ACCESS_TOKEN#*"
KEYS: dict[tuple[str, str], list[str]] = {
    ("AuthorizeFunction", READ): [*PAYMENTS, "CUSTOMER#*", "ORDER#*", "SPENDING#*"],
    # It reserves spending and has no business with a balance.
    ("AuthorizeFunction", WRITE): [*PAYMENTS, "SPENDING#*"],
    ("ConfirmFunction", WRITE): [*PAYMENTS, "CUSTOMER#*", "SPENDING#*", *SITE_PAYMENTS],
    ("ReverseFunction", READ): PAYMENTS,
    ("ReverseFunction", WRITE): [*PAYMENTS, "CUSTOMER#*"],
    ("GetSmartTokenFunction", WRITE): [LEASES],
    ("CreateOrderFunction", WRITE): [LEASES, "ORDER#*"],
    ("FindPaymentMethodsFunction", WRITE): [LEASES],
    # What became of a payment only a confirmation may say.
    ("MakePaymentFunction", READ): SITE_PAYMENTS,
    ("MakePaymentFunction", WRITE): [LEASES, "INTENT#*"],
    ("OrdersFunction", READ): ["ORDER#*"],
    ("OrdersFunction", WRITE): ["ORDER#*"],
    ("CustomersFunction", READ): ["CUSTOMER#*", "SPENDING#*"],
    ("CustomersFunction", WRITE): ["CUSTOMER#*"],
    ("PaymentsFunction", READ): PAYMENTS,
    # No test: nobody awaits its outcome. And no balance.
    ("SweepUnconfirmedFunction", READ): ["PAYMENT#*"],
    ("SweepUnconfirmedFunction", WRITE): ["PAYMENT#*", "SPENDING#*"],
}
"""Which items each function reaches, by the beginnings of their partition keys."""


def statements(role: str) -> list[dict[str, Any]]:
    inline: list[dict[str, Any]] = RESOURCES[role]["Properties"]["Policies"]
    return [statement for policy in inline for statement in policy["PolicyDocument"]["Statement"]]


def actions(statement: dict[str, Any]) -> list[str]:
    named = statement["Action"]
    return [named] if isinstance(named, str) else list(named)


def role_of(function: str) -> str:
    name: str = FUNCTIONS[function]["Role"]["Fn::GetAtt"][0]
    return name


def told_of(function: str) -> set[tuple[str, str]]:
    """Return which variables of a function name which resources."""
    told = environment_of(function).items()
    return {(name, resource) for name, value in told for resource in names_in(value) & RESOURCES.keys()}


def test_every_function_has_its_rights_written_down_here() -> None:
    assert set(RIGHTS) == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_a_role_that_nobody_else_takes(function: str) -> None:
    role = role_of(function)
    assert [other for other in FUNCTIONS if role_of(other) == role] == [function]
    (trust,) = RESOURCES[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust == {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }


def test_beside_the_functions_only_api_gateway_appconfig_and_codedeploy_have_roles() -> None:
    # What the last of them may do is in tests/e2e/test_expansion_of_steps.py.
    others = set(of_type("AWS::IAM::Role")) - {role_of(function) for function in FUNCTIONS}
    assert others == {"ApiGatewayLoggingRole", "DeploymentRole", "PolicyAlarmRole"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_do_its_work_and_nothing_else(function: str) -> None:
    role = role_of(function)
    allowed = [(a, s["Resource"]) for s in statements(role) for a in actions(s)]
    assert sorted(a for a, _ in allowed) == sorted(RIGHTS[function])
    assert dict(allowed) == RIGHTS[function]
    # What is not a list of actions on resources would give rights that the lines above do not see.
    assert {key for s in statements(role) for key in s} <= {"Effect", "Action", "Resource", "Condition"}
    assert {s["Effect"] for s in statements(role)} == {"Allow"}
    assert RESOURCES[role]["Properties"].keys() == {"AssumeRolePolicyDocument", "Policies"}
    assert "Policies" not in FUNCTIONS[function]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_reaches_the_items_of_its_work_and_no_others(function: str) -> None:
    reached = {
        (function, action): statement["Condition"]
        for statement in statements(role_of(function))
        for action in actions(statement)
        if action in (READ, WRITE)
    }
    assert reached == {
        (name, action): {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys}}
        for (name, action), keys in KEYS.items()
        if name == function
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_right_is_named_by_a_wildcard_and_only_the_watch_looks_for_items(function: str) -> None:
    named = [action for statement in statements(role_of(function)) for action in actions(statement)]
    assert not [action for action in named if "*" in action]
    looking = [action for action in named if re.fullmatch(r"dynamodb:(Scan|Query|PartiQL).*", action)]
    # In the index of what is awaited, as its rights say above.
    assert looking == ([LOOK] if function == "SweepUnconfirmedFunction" else [])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_x_ray_is_allowed_on_every_resource(function: str) -> None:
    everywhere = [s for s in statements(role_of(function)) if s["Resource"] == "*"]
    assert {action for s in everywhere for action in actions(s)} == set(TRACING)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_told_of_what_it_may_use_and_of_nothing_else(function: str) -> None:
    used = {resource for name, resource in told_of(function)}
    policy = {"PolicyApplication", "PolicyEnvironment", "PolicyProfile"}
    assert ("Table" in used) == bool({READ, WRITE} & set(RIGHTS[function]))
    assert {"Events", "DeadLetters"} & used == {
        resource
        for action, resource in (("events:PutEvents", "Events"), ("sqs:SendMessage", "DeadLetters"))
        if action in RIGHTS[function]
    }
    assert ("SitesSecret" in used) == ("secretsmanager:GetSecretValue" in RIGHTS[function])
    assert policy & used == (policy if READING_POLICY.keys() <= RIGHTS[function].keys() else set())


def test_only_who_calls_paynearme_reads_and_stores_access_tokens() -> None:
    sharing = [name for name, rights in RIGHTS.items() if SHARING_TOKENS.keys() & rights.keys()]
    assert sorted(sharing) == sorted(CALLING_PAYNEARME)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_who_calls_paynearme_is_told_where_it_is_and_where_access_tokens_are(function: str) -> None:
    told = environment_of(function)
    calling = {
        "PAYNEARME_BASE_URL": {"Ref": "PayNearMeBaseUrl"},
        "DEFAULT_SITE_IDENTIFIER": {"Ref": "DefaultSiteIdentifier"},
        # Beginning like the parameters that its role reaches.
        "ACCESS_TOKENS_PATH": {"Fn::Sub": "/paynearme/${AWS::StackName}/access-tokens"},
    }
    assert {n: told[n] for n in calling if n in told} == (calling if function in CALLING_PAYNEARME else {})


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_variables_that_name_resources_mean_the_same_in_every_function(function: str) -> None:
    assert told_of(function) <= {
        ("POLICY_APPLICATION", "PolicyApplication"),
        ("POLICY_ENVIRONMENT", "PolicyEnvironment"),
        ("POLICY_PROFILE", "PolicyProfile"),
        ("SITES_SECRET", "SitesSecret"),
        ("TABLE_NAME", "Table"),
        ("EVENT_BUS_NAME", "Events"),
        ("DEAD_LETTERS_URL", "DeadLetters"),
    }
