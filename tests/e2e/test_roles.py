"""The roles of the functions on the deployed stack: they permit the required actions and no other action.

The emulator enforces neither leading keys nor the permission to read AppConfig's data. Only
``tests/unit/template/test_iam.py`` checks these.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import Parameters, build_confirmation
from sandbox.stack.stack import Stack, client_of
from tests.support.template import OUTBOUND_FUNCTIONS

type ClientFactory = Callable[[str, str], Any]

WRITE_KEYS = {
    "AuthorizeRole": "PAYMENT#S#1",
    "ConfirmRole": "PAYMENT#S#1",
    "ReverseRole": "PAYMENT#S#1",
    "GetSmartTokenRole": "ACCESS_TOKEN#S",
    "CreateOrderRole": "ORDER#S#1",
    "FindPaymentMethodsRole": "ACCESS_TOKEN#S",
    "MakePaymentRole": "INTENT#S#1",
    "OrdersRole": "ORDER#S#1",
    "CustomersRole": "CUSTOMER#S#1",
}
"""A partition key that each writing role may write."""

READ_KEYS = {
    "AuthorizeRole": "ORDER#S#1",
    "ReverseRole": "PAYMENT#S#1",
    "MakePaymentRole": "SITE_PAYMENT#S#1",
    "OrdersRole": "ORDER#S#1",
    "CustomersRole": "SPENDING#S#1",
    "PaymentsRole": "PAYMENT#S#1",
}
"""A partition key that each reading role may read."""

SECRET_READERS = sorted({*WRITE_KEYS, *READ_KEYS})
"""The roles that may read the site keys."""

ROLES = [*SECRET_READERS, "ValidatePolicyRole"]

TOKEN_ROLES = [f"{function.removesuffix('Function')}Role" for function in OUTBOUND_FUNCTIONS]
"""The roles that may store and read access tokens."""


@pytest.fixture
def client_as(stack: Stack) -> ClientFactory:
    """Return a function that creates a client with the permissions of a role."""

    def client(logical_name: str, service: str) -> Any:
        resources = stack.client("cloudformation").describe_stack_resources(StackName=stack.stack_name)
        roles = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources["StackResources"]}
        arn = stack.client("iam").get_role(RoleName=roles[logical_name])["Role"]["Arn"]
        credentials = stack.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return client_of(
            service,
            stack.endpoint_url,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )

    return client


def update(client: Any, stack: Stack, pk: str) -> None:
    client.update_item(
        TableName=stack.table_name,
        Key={"pk": {"S": pk}, "sk": {"S": "TEST"}},
        UpdateExpression="SET test_value = :true",
        ExpressionAttributeValues={":true": {"BOOL": True}},
    )


def read_item(client: Any, stack: Stack, pk: str) -> None:
    key = {"pk": {"S": pk}, "sk": {"S": "TEST"}}
    client.batch_get_item(RequestItems={stack.table_name: {"Keys": [key], "ConsistentRead": True}})


@pytest.mark.parametrize("role", WRITE_KEYS)
def test_writer_role_may_update_items(client_as: ClientFactory, stack: Stack, role: str) -> None:
    update(client_as(role, "dynamodb"), stack, WRITE_KEYS[role])


@pytest.mark.parametrize("role", READ_KEYS)
def test_reader_role_may_get_items_by_key(client_as: ClientFactory, stack: Stack, role: str) -> None:
    read_item(client_as(role, "dynamodb"), stack, READ_KEYS[role])


@pytest.mark.parametrize("role", sorted(set(ROLES) - set(WRITE_KEYS)))
def test_role_without_write_permission_cannot_update_items(client_as: ClientFactory, stack: Stack, role: str) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        update(client_as(role, "dynamodb"), stack, "PAYMENT#S#1")


@pytest.mark.parametrize("role", sorted(set(ROLES) - set(READ_KEYS)))
def test_role_without_read_permission_cannot_read_items(client_as: ClientFactory, stack: Stack, role: str) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        read_item(client_as(role, "dynamodb"), stack, "PAYMENT#S#1")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", ["scan", "delete_item", "put_item", "get_item", "query"])
def test_role_other_table_action_denied(client_as: ClientFactory, stack: Stack, role: str, action: str) -> None:
    key = {"pk": {"S": "PAYMENT#S#1"}, "sk": {"S": "PAYMENT"}}
    arguments: dict[str, dict[str, Any]] = {
        "scan": {},
        "delete_item": {"Key": key},
        "put_item": {"Item": key},
        "get_item": {"Key": key},
        "query": {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": key["pk"]}},
    }
    client = client_as(role, "dynamodb")

    with pytest.raises(ClientError, match="AccessDenied"):
        getattr(client, action)(TableName=stack.table_name, **arguments[action])


@pytest.mark.parametrize("role", SECRET_READERS)
def test_secret_reader_role_may_read_but_not_write_site_keys(client_as: ClientFactory, stack: Stack, role: str) -> None:
    client = client_as(role, "secretsmanager")

    assert client.get_secret_value(SecretId=stack.secret_arn)["SecretString"]
    with pytest.raises(ClientError, match="AccessDenied"):
        client.put_secret_value(SecretId=stack.secret_arn, SecretString="{}")


def test_validate_policy_role_cannot_read_site_keys(client_as: ClientFactory, stack: Stack) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        client_as("ValidatePolicyRole", "secretsmanager").get_secret_value(SecretId=stack.secret_arn)


@pytest.fixture
def parameter(stack: Stack) -> Iterator[str]:
    """Yield the name of a parameter under the access token path that belongs to no site."""
    name = f"/paynearme/{stack.stack_name}/access-tokens/TEST"
    ssm = stack.client("ssm")
    ssm.put_parameter(Name=name, Value="none", Type="SecureString", Overwrite=True)
    yield name
    ssm.delete_parameter(Name=name)


@pytest.mark.parametrize("role", TOKEN_ROLES)
def test_access_token_role_may_store_and_read_but_not_delete(
    client_as: ClientFactory, parameter: str, role: str
) -> None:
    client = client_as(role, "ssm")

    client.put_parameter(Name=parameter, Value=role, Type="SecureString", Overwrite=True)
    assert client.get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"] == role
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_parameter(Name=parameter)


@pytest.mark.parametrize("role", TOKEN_ROLES)
def test_access_token_role_cannot_use_other_parameters(client_as: ClientFactory, stack: Stack, role: str) -> None:
    client = client_as(role, "ssm")
    name = f"/{stack.stack_name}/other"

    with pytest.raises(ClientError, match="AccessDenied"):
        client.get_parameter(Name=name)
    with pytest.raises(ClientError, match="AccessDenied"):
        client.put_parameter(Name=name, Value="none", Type="String")


@pytest.mark.parametrize("role", sorted(set(ROLES) - set(TOKEN_ROLES)))
def test_role_without_paynearme_calls_cannot_use_access_tokens(
    client_as: ClientFactory, parameter: str, role: str
) -> None:
    client = client_as(role, "ssm")

    with pytest.raises(ClientError, match="AccessDenied"):
        client.get_parameter(Name=parameter)
    with pytest.raises(ClientError, match="AccessDenied"):
        client.put_parameter(Name=parameter, Value="none", Type="SecureString", Overwrite=True)


@pytest.fixture
def without_update_permission(stack: Stack) -> Iterator[None]:
    iam = stack.client("iam")
    resources = stack.client("cloudformation").describe_stack_resources(StackName=stack.stack_name)
    name = next(r["PhysicalResourceId"] for r in resources["StackResources"] if r["LogicalResourceId"] == "ConfirmRole")
    policy = iam.get_role_policy(RoleName=name, PolicyName="confirm")["PolicyDocument"]
    reduced_policy = {**policy, "Statement": [s for s in policy["Statement"] if s["Action"] != "dynamodb:UpdateItem"]}
    iam.put_role_policy(RoleName=name, PolicyName="confirm", PolicyDocument=json.dumps(reduced_policy))
    yield
    iam.put_role_policy(RoleName=name, PolicyName="confirm", PolicyDocument=json.dumps(policy))


@pytest.mark.usefixtures("without_update_permission")
def test_running_function_without_update_permission_returns_503(
    sender: CallbackSender, authorization: Parameters
) -> None:
    assert sender.deliver("confirm", build_confirmation(authorization), "json").status == 503
