"""Each function has the permissions that its variables and triggers require, and no other ones."""

from typing import Any

import pytest

from tests.support.template import FUNCTIONS, OUTBOUND_FUNCTIONS, RESOURCES, environment_of, names_in

LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
TRACING = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
ACTIONS_BY_VARIABLE = {
    "SITES_SECRET": {"secretsmanager:GetSecretValue"},
    "POLICY_APPLICATION": {"appconfig:StartConfigurationSession", "appconfig:GetLatestConfiguration"},
    "ACCESS_TOKENS_PATH": {"ssm:GetParameter", "ssm:PutParameter"},
    "EVENT_BUS_NAME": {"events:PutEvents"},
    "DEAD_LETTER_QUEUE_URL": {"sqs:SendMessage"},
}
ACTIONS_BY_TRIGGER = {
    "Api": set(),
    "DynamoDB": {f"dynamodb:{name}" for name in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")},
    "Schedule": set(),
}
ACTIONS_BY_FUNCTION = {
    "PreTrafficCheckFunction": {"lambda:InvokeFunction", "codedeploy:PutLifecycleEventHookExecutionStatus"},
}
# The index of pending payments and of unresolved items of the quarantine.
INDEX_READERS = {"SweepUnconfirmedFunction", "QuarantineFunction"}
READ, WRITE, QUERY = "dynamodb:BatchGetItem", "dynamodb:UpdateItem", "dynamodb:Query"
PAYMENTS = ["PAYMENT#*", "TEST#PAYMENT#*"]
SITE_PAYMENTS = ["SITE_PAYMENT#*", "TEST#SITE_PAYMENT#*"]
LEASES, QUARANTINE = "ACCESS_TOKEN#*", "QUARANTINE#*"
POSTED = [*PAYMENTS, "CUSTOMER#*", "SPENDING#*", *SITE_PAYMENTS]
KEYS: dict[tuple[str, str], list[str]] = {
    ("AuthorizeFunction", READ): [*PAYMENTS, "CUSTOMER#*", "ORDER#*", "SPENDING#*"],
    # It writes reservations and must not change a balance.
    ("AuthorizeFunction", WRITE): [*PAYMENTS, "SPENDING#*", QUARANTINE],
    ("ConfirmFunction", WRITE): [*POSTED, QUARANTINE],
    ("ReverseFunction", READ): PAYMENTS,
    ("ReverseFunction", WRITE): [*PAYMENTS, "CUSTOMER#*", QUARANTINE],
    ("GetSmartTokenFunction", WRITE): [LEASES],
    ("CreateOrderFunction", WRITE): [LEASES, "ORDER#*"],
    ("FindPaymentMethodsFunction", WRITE): [LEASES],
    # Only a confirmation may write the outcome of a payment.
    ("MakePaymentFunction", READ): SITE_PAYMENTS,
    ("MakePaymentFunction", WRITE): [LEASES, "INTENT#*"],
    ("OrdersFunction", READ): ["ORDER#*"],
    ("OrdersFunction", WRITE): ["ORDER#*"],
    ("CustomersFunction", READ): ["CUSTOMER#*", "SPENDING#*"],
    ("CustomersFunction", WRITE): ["CUSTOMER#*"],
    ("PaymentsFunction", READ): PAYMENTS,
    # Test payments are never pending. The sweep must not change a balance.
    ("SweepUnconfirmedFunction", READ): ["PAYMENT#*"],
    ("SweepUnconfirmedFunction", WRITE): ["PAYMENT#*", "SPENDING#*"],
    # A replay posts a confirmation or debits a reversal.
    ("QuarantineFunction", READ): [*PAYMENTS, QUARANTINE],
    ("QuarantineFunction", WRITE): [*POSTED, QUARANTINE],
}
"""The items that each function may access, by the prefixes of their keys. The emulator does not enforce them."""


ROLES = {function: entry["Role"]["Fn::GetAtt"][0] for function, entry in FUNCTIONS.items()}


def permissions(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return each action with its statement, of a role with its managed policies."""
    role = RESOURCES[name]["Properties"]
    managed = [RESOURCES[arn["Ref"]]["Properties"] for arn in role.get("ManagedPolicyArns", [])]
    statements = [s for policy in [*role["Policies"], *managed] for s in policy["PolicyDocument"]["Statement"]]
    return [(a, s) for s in statements for a in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_permissions_are_exactly_expected(function: str) -> None:
    variables, permitted = environment_of(function), permissions(ROLES[function])
    triggers = [event["Type"] for event in FUNCTIONS[function].get("Events", {}).values()]
    expected = LOGS | TRACING | {action for name, action in KEYS if name == function}
    expected = expected.union(*(ACTIONS_BY_VARIABLE.get(name, set()) for name in variables))
    expected = expected.union(*(ACTIONS_BY_TRIGGER[trigger] for trigger in triggers))
    expected |= ACTIONS_BY_FUNCTION.get(function, set()) | ({QUERY} if function in INDEX_READERS else set())

    assert {action for action, _ in permitted} == expected
    assert ("ACCESS_TOKENS_PATH" in variables) == (function in OUTBOUND_FUNCTIONS)
    assert list(ROLES.values()).count(ROLES[function]) == 1
    for variable, actions in ACTIONS_BY_VARIABLE.items():
        resources = [statement["Resource"] for action, statement in permitted if action in actions]
        assert all(names_in(variables[variable]) <= names_in(resource) for resource in resources)
    for action, statement in permitted:
        # Other keys, such as NotAction, grant unlisted permissions.
        assert statement.keys() <= {"Effect", "Action", "Resource", "Condition"}
        assert action != QUERY or statement["Resource"] == {"Fn::Sub": "${LedgerTable.Arn}/index/pending"}
        # X-Ray supports no single resources.
        assert action in TRACING or names_in(statement["Resource"]) & {*RESOURCES, "AWS::StackName"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_item_keys_are_exactly_expected(function: str) -> None:
    statements = [(a, s) for a, s in permissions(ROLES[function]) if a in (READ, WRITE)]
    keys: dict[tuple[str, str], list[str]] = {}
    for action, statement in statements:
        [(operator, condition)] = statement["Condition"].items()
        assert (operator, *condition) == ("ForAllValues:StringLike", "dynamodb:LeadingKeys")
        keys[function, action] = sorted(keys.get((function, action), []) + condition["dynamodb:LeadingKeys"])

    assert keys == {(name, action): sorted(entry) for (name, action), entry in KEYS.items() if name == function}
    # One statement must permit all keys of a batch.
    assert [action for action, _ in statements].count(READ) <= 1
