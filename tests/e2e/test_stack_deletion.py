"""Deletion of the ``dev`` and ``prod`` stacks: the resources with data and their content are retained.

The emulator implements the template's retention. These tests do not show four facts about AWS. AWS retains the
resources too. An update that replaces such a resource retains the previous one. AWS deletes a stack only if its
BackendCallerPolicy is attached to no user or role. The retained resources do not block a new stack of the same name.
AWS gives the new table another name, and the emulator does not.
"""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader, new_sender
from sandbox.fake_paynearme.messages import build_confirmation, with_new_identifier
from sandbox.stack.logs import messages_in
from sandbox.stack.policy import local_policy
from sandbox.stack.stack import Stack
from tests.support.second_stage_fixture import SITE, Stages, for_each_stage, resources_of
from tests.support.template import DATA_TYPES

DEAD_LETTER_BODY = "dead letter"

type Describe = Callable[[Stack, str], Any]

# Each function raises ClientError if the resource does not exist.
DESCRIBE_RETAINED: dict[str, Describe] = {
    "AWS::AppConfig::Application": lambda stack, name: stack.client("appconfig").get_application(ApplicationId=name),
    "AWS::AppConfig::ConfigurationProfile": lambda stack, name: stack.client("appconfig").get_configuration_profile(
        ApplicationId=stack.policy_application_id, ConfigurationProfileId=name
    ),
    "AWS::AppConfig::Environment": lambda stack, name: stack.client("appconfig").get_environment(
        ApplicationId=stack.policy_application_id, EnvironmentId=name
    ),
    "AWS::DynamoDB::Table": lambda stack, name: stack.client("dynamodb").describe_table(TableName=name),
    "AWS::Logs::LogGroup": lambda stack, name: stack.client("logs").describe_log_streams(logGroupName=name),
    "AWS::SQS::Queue": lambda stack, name: stack.client("sqs").get_queue_attributes(QueueUrl=name),
    "AWS::SecretsManager::Secret": lambda stack, name: stack.client("secretsmanager").get_secret_value(SecretId=name),
}
DESCRIBE_DELETED: dict[str, Describe] = {
    "AWS::ApiGateway::RestApi": lambda stack, name: stack.client("apigateway").get_rest_api(restApiId=name),
    "AWS::Events::EventBus": lambda stack, name: stack.client("events").describe_event_bus(Name=name),
    "AWS::Lambda::Function": lambda stack, name: stack.client("lambda").get_function(FunctionName=name),
}


@dataclass(frozen=True)
class DeletedStack:
    """A deleted stack, its resources before the deletion, and its last payment."""

    stack: Stack
    resources: list[tuple[str, str]]
    payment: str

    def resources_of_types(self, describe: Mapping[str, Describe]) -> list[tuple[str, str]]:
        return [(kind, name) for kind, name in self.resources if kind in describe]

    def names_of_type(self, kind: str) -> list[str]:
        return [name for resource_type, name in self.resources if resource_type == kind]


@pytest.fixture(scope="session")
def deleted_stacks(stages: Stages) -> dict[str, DeletedStack]:
    """Create a payment and a dead letter in each stack, and delete the stacks."""

    def delete_stack(stack: Stack) -> DeletedStack:
        message = build_confirmation(with_new_identifier(load("authorization")["credit"]))
        deliveries = new_sender(stack).deliver_until_acknowledged("confirm", message, "json", retry_interval=0.01)
        assert deliveries[-1].accepted
        stack.client("sqs").send_message(QueueUrl=stack.dead_letter_queue_url, MessageBody=DEAD_LETTER_BODY)
        resources = resources_of(stack)
        cloudformation = stack.client("cloudformation")
        cloudformation.delete_stack(StackName=stack.stack_name)
        waiter = cloudformation.get_waiter("stack_delete_complete")
        waiter.wait(StackName=stack.stack_name, WaiterConfig={"Delay": 1})
        return DeletedStack(stack, resources, message["pnm_payment_identifier"])

    with ThreadPoolExecutor(len(stages)) as threads:
        return dict(zip(stages, threads.map(delete_stack, stages.values()), strict=True))


@for_each_stage
def test_stack_deletion_retains_data_resources(deleted_stacks: Mapping[str, DeletedStack], stage: str) -> None:
    deleted_stack = deleted_stacks[stage]

    assert {kind for kind, _ in deleted_stack.resources} & set(DATA_TYPES) == set(DESCRIBE_RETAINED)
    for kind, name in deleted_stack.resources_of_types(DESCRIBE_RETAINED):
        assert DESCRIBE_RETAINED[kind](deleted_stack.stack, name)


@for_each_stage
def test_stack_deletion_deletes_functions_apis_and_event_bus(
    deleted_stacks: Mapping[str, DeletedStack], stage: str
) -> None:
    deleted_stack = deleted_stacks[stage]

    for kind, name in deleted_stack.resources_of_types(DESCRIBE_DELETED):
        with pytest.raises(ClientError, match="NotFound"):
            DESCRIBE_DELETED[kind](deleted_stack.stack, name)


@for_each_stage
def test_stack_deletion_retained_content_is_readable(deleted_stacks: Mapping[str, DeletedStack], stage: str) -> None:
    stack, payment = deleted_stacks[stage].stack, deleted_stacks[stage].payment

    payment_item = LedgerReader(stack).payment(SITE, payment)
    secret = stack.client("secretsmanager").get_secret_value(SecretId=stack.secret_arn)["SecretString"]
    policy = stack.client("appconfig").get_hosted_configuration_version(
        ApplicationId=stack.policy_application_id, ConfigurationProfileId=stack.policy_profile_id, VersionNumber=1
    )
    messages = stack.client("sqs").receive_message(QueueUrl=stack.dead_letter_queue_url)["Messages"]

    assert payment_item is not None
    assert payment_item["outcome"] == "payment"
    assert json.loads(secret)["sites"] == stack.sites
    assert policy["Content"].read().decode() == local_policy()
    assert [message["Body"] for message in messages] == [DEAD_LETTER_BODY]


@for_each_stage
def test_stack_deletion_retains_payment_logs(deleted_stacks: Mapping[str, DeletedStack], stage: str) -> None:
    deleted_stack = deleted_stacks[stage]
    logs = deleted_stack.stack.client("logs")
    messages = [
        message for group in deleted_stack.names_of_type("AWS::Logs::LogGroup") for message in messages_in(logs, group)
    ]

    assert [message for message in messages if f'"{deleted_stack.payment}"' in message]


@for_each_stage
def test_table_deletion_rejected_by_deletion_protection(deleted_stacks: Mapping[str, DeletedStack], stage: str) -> None:
    stack = deleted_stacks[stage].stack

    with pytest.raises(ClientError, match="ValidationException"):
        stack.client("dynamodb").delete_table(TableName=stack.table_name)

    assert LedgerReader(stack).scan()
