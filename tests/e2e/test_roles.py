"""The roles of the functions on the deployed stack: they permit the required actions and no other action.

The emulator enforces neither leading keys nor the permission to read AppConfig's data. Only
``tests/unit/template/test_iam.py`` checks these.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import Parameters, build_confirmation
from sandbox.stack.stack import Stack, client_of
from tests.support.function_processes import resources_of
from tests.support.template import OUTBOUND_FUNCTIONS

type ClientFactory = Callable[[str], Any]

KEYS = {
    "AuthorizeRole": ("ORDER#S#1", "PAYMENT#S#1"),
    "ConfirmRole": ("", "PAYMENT#S#1"),
    "ReverseRole": ("PAYMENT#S#1", "PAYMENT#S#1"),
    "GetSmartTokenRole": ("", "ACCESS_TOKEN#S"),
    "CreateOrderRole": ("", "ORDER#S#1"),
    "FindPaymentMethodsRole": ("", "ACCESS_TOKEN#S"),
    "MakePaymentRole": ("SITE_PAYMENT#S#1", "INTENT#S#1"),
    "OrdersRole": ("ORDER#S#1", "ORDER#S#1"),
    "CustomersRole": ("SPENDING#S#1", "CUSTOMER#S#1"),
    "PaymentsRole": ("PAYMENT#S#1", ""),
    "QuarantineRole": ("QUARANTINE#S#1", "PAYMENT#S#1"),
    "ValidatePolicyRole": ("", ""),
}
"""For each role: a partition key that it may read, and one that it may write. Empty if it may not."""

TOKEN_ROLES = {f"{function.removesuffix('Function')}Role" for function in OUTBOUND_FUNCTIONS}
"""The roles that may store and read access tokens."""


@pytest.fixture(scope="module")
def role_names(stack: Stack) -> Mapping[str, str]:
    """Return the physical names of the roles in ``KEYS``."""
    names = [name for kind, name in resources_of(stack) if kind == "AWS::IAM::Role"]
    return {role: name for role in KEYS for name in names if name.startswith(f"{stack.stack_name}-{role}-")}


@pytest.fixture
def client(stack: Stack, role_names: Mapping[str, str], request: pytest.FixtureRequest) -> ClientFactory:
    """Return a function that creates a client with the permissions of the test's role."""
    role = request.getfixturevalue("role")
    arn = stack.client("iam").get_role(RoleName=role_names[role])["Role"]["Arn"]
    credentials = stack.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return lambda service: client_of(
        service,
        stack.endpoint_url,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def is_permitted(action: Callable[..., object], **arguments: Any) -> bool:
    try:
        action(**arguments)
    except ClientError as error:
        assert "AccessDenied" in str(error)
        return False
    return True


@pytest.mark.parametrize("role", KEYS)
def test_role_permits_only_its_table_actions(client: ClientFactory, stack: Stack, role: str) -> None:
    readable, writable = KEYS[role]
    dynamodb, table = client("dynamodb"), {"TableName": stack.table_name}
    read_key, written_key = ({"pk": {"S": key or "PAYMENT#S#1"}, "sk": {"S": "TEST"}} for key in (readable, writable))
    update = {
        "UpdateExpression": "SET test_value = :true",
        "ExpressionAttributeValues": {":true": {"BOOL": True}},
    }
    query = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": read_key["pk"]}}
    keys = {stack.table_name: {"Keys": [read_key], "ConsistentRead": True}}

    assert is_permitted(dynamodb.batch_get_item, RequestItems=keys) is bool(readable)
    assert is_permitted(dynamodb.update_item, Key=written_key, **update, **table) is bool(writable)
    assert not is_permitted(dynamodb.scan, **table)
    assert not is_permitted(dynamodb.delete_item, Key=written_key, **table)
    assert not is_permitted(dynamodb.put_item, Item=written_key, **table)
    assert not is_permitted(dynamodb.get_item, Key=read_key, **table)
    assert not is_permitted(dynamodb.query, **query, **table)


@pytest.mark.parametrize("role", KEYS)
def test_role_permits_only_its_secrets(client: ClientFactory, stack: Stack, role: str) -> None:
    secretsmanager, ssm = client("secretsmanager"), client("ssm")
    parameter, other = f"/paynearme/{stack.stack_name}/access-tokens/TEST-{role}", f"/{stack.stack_name}/other"
    value = {"Value": role, "Type": "SecureString", "Overwrite": True}
    stack.client("ssm").put_parameter(Name=parameter, **value)

    is_reader = role not in ("QuarantineRole", "ValidatePolicyRole")
    assert is_permitted(secretsmanager.get_secret_value, SecretId=stack.secret_arn) is is_reader
    assert not is_permitted(secretsmanager.put_secret_value, SecretId=stack.secret_arn, SecretString="{}")
    assert is_permitted(ssm.put_parameter, Name=parameter, **value) is (role in TOKEN_ROLES)
    assert is_permitted(ssm.get_parameter, Name=parameter, WithDecryption=True) is (role in TOKEN_ROLES)
    assert not is_permitted(ssm.delete_parameter, Name=parameter)
    assert not is_permitted(ssm.get_parameter, Name=other)
    assert not is_permitted(ssm.put_parameter, Name=other, **value)


@pytest.fixture
def without_update_permission(stack: Stack, role_names: Mapping[str, str]) -> Iterator[None]:
    iam, names = stack.client("iam"), {"RoleName": role_names["ConfirmRole"], "PolicyName": "confirm"}
    policy = iam.get_role_policy(**names)["PolicyDocument"]
    reduced_policy = {**policy, "Statement": [s for s in policy["Statement"] if s["Action"] != "dynamodb:UpdateItem"]}
    iam.put_role_policy(**names, PolicyDocument=json.dumps(reduced_policy))
    yield
    iam.put_role_policy(**names, PolicyDocument=json.dumps(policy))


@pytest.mark.usefixtures("without_update_permission")
def test_running_function_without_update_permission_returns_503(
    sender: CallbackSender, authorization: Parameters
) -> None:
    assert sender.deliver("confirm", build_confirmation(authorization), "json").status == 503
