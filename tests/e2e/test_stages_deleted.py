"""The stacks of ``dev`` and ``prod`` are deleted: what holds data stands, with what it holds.

It is the emulator that keeps it, because the template asks for that. What cannot be shown here: that AWS
keeps it too; that an update which replaces such a resource keeps the former one; that AWS deletes a stack
only when nobody has its BackendCallerPolicy attached any more; and that what stands is not in the way of a
new stack of the same name, because AWS gives the new table another name and the emulator does not.
"""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.drive import Books, confirmation_of, sender_of
from local.events import load, with_fresh_payment
from local.logs import messages_in
from local.policy import local_policy
from local.stack import Stack
from tests.e2e.staging import SITE, Stages, in_each_stage, resources_of
from tests.template import HOLDING_DATA

LETTER = "could not be delivered"

type Asking = Callable[[Stack, str], Any]

# Each fails for what is not there.
ASKING: dict[str, Asking] = {
    "AWS::AppConfig::Application": lambda stack, name: stack.client("appconfig").get_application(
        ApplicationId=name
    ),
    "AWS::AppConfig::ConfigurationProfile": lambda stack, name: stack.client(
        "appconfig"
    ).get_configuration_profile(ApplicationId=stack.policy_application_id, ConfigurationProfileId=name),
    "AWS::AppConfig::Environment": lambda stack, name: stack.client("appconfig").get_environment(
        ApplicationId=stack.policy_application_id, EnvironmentId=name
    ),
    "AWS::DynamoDB::Table": lambda stack, name: stack.client("dynamodb").describe_table(TableName=name),
    "AWS::Logs::LogGroup": lambda stack, name: stack.client("logs").describe_log_streams(logGroupName=name),
    "AWS::SQS::Queue": lambda stack, name: stack.client("sqs").get_queue_attributes(QueueUrl=name),
    "AWS::SecretsManager::Secret": lambda stack, name: stack.client("secretsmanager").get_secret_value(
        SecretId=name
    ),
}
ASKING_THE_OTHERS: dict[str, Asking] = {
    "AWS::ApiGateway::RestApi": lambda stack, name: stack.client("apigateway").get_rest_api(restApiId=name),
    "AWS::Events::EventBus": lambda stack, name: stack.client("events").describe_event_bus(Name=name),
    "AWS::Lambda::Function": lambda stack, name: stack.client("lambda").get_function(FunctionName=name),
}


@dataclass(frozen=True)
class Remains:
    """A stack that was deleted: the resources that it had, and the payment that was the last."""

    stack: Stack
    resources: list[tuple[str, str]]
    payment: str

    def of_kinds(self, asking: Mapping[str, Asking]) -> list[tuple[str, str]]:
        return [(kind, name) for kind, name in self.resources if kind in asking]

    def named(self, kind: str) -> list[str]:
        return [name for each, name in self.resources if each == kind]


@pytest.fixture(scope="session")
def deleted(stages: Stages) -> dict[str, Remains]:
    """Have one more payment and a dead letter in each stack, and delete it."""

    def delete(stack: Stack) -> Remains:
        message = confirmation_of(with_fresh_payment(load("authorization")["credit"]))
        told = sender_of(stack).deliver_until_acknowledged("confirm", message, "json", minute=0.01)
        assert told[-1].accepted
        stack.client("sqs").send_message(QueueUrl=stack.dead_letters_url, MessageBody=LETTER)
        resources = resources_of(stack)
        cloudformation = stack.client("cloudformation")
        cloudformation.delete_stack(StackName=stack.stack_name)
        waiter = cloudformation.get_waiter("stack_delete_complete")
        waiter.wait(StackName=stack.stack_name, WaiterConfig={"Delay": 1})
        return Remains(stack, resources, message["pnm_payment_identifier"])

    with ThreadPoolExecutor(len(stages)) as threads:
        return dict(zip(stages, threads.map(delete, stages.values()), strict=True))


@in_each_stage
def test_every_resource_that_holds_data_stands(deleted: Mapping[str, Remains], stage: str) -> None:
    remains = deleted[stage]

    assert {kind for kind, _ in remains.resources} & set(HOLDING_DATA) == set(ASKING)
    for kind, name in remains.of_kinds(ASKING):
        assert ASKING[kind](remains.stack, name)


@in_each_stage
def test_the_functions_the_doors_and_the_bus_are_gone(deleted: Mapping[str, Remains], stage: str) -> None:
    remains = deleted[stage]

    for kind, name in remains.of_kinds(ASKING_THE_OTHERS):
        with pytest.raises(ClientError, match="NotFound"):
            ASKING_THE_OTHERS[kind](remains.stack, name)


@in_each_stage
def test_payments_keys_policy_and_dead_letters_can_still_be_read(
    deleted: Mapping[str, Remains], stage: str
) -> None:
    stack, payment = deleted[stage].stack, deleted[stage].payment

    posted = Books(stack).payment(SITE, payment)
    secret = stack.client("secretsmanager").get_secret_value(SecretId=stack.secret_arn)["SecretString"]
    policy = stack.client("appconfig").get_hosted_configuration_version(
        ApplicationId=stack.policy_application_id,
        ConfigurationProfileId=stack.policy_profile_id,
        VersionNumber=1,
    )
    letters = stack.client("sqs").receive_message(QueueUrl=stack.dead_letters_url)["Messages"]

    assert posted is not None
    assert posted["outcome"] == "payment"
    assert json.loads(secret)["sites"] == stack.sites
    assert policy["Content"].read().decode() == local_policy()
    assert [letter["Body"] for letter in letters] == [LETTER]


@in_each_stage
def test_what_was_logged_of_a_payment_can_still_be_found(deleted: Mapping[str, Remains], stage: str) -> None:
    remains = deleted[stage]
    logs = remains.stack.client("logs")
    messages = [
        message for group in remains.named("AWS::Logs::LogGroup") for message in messages_in(logs, group)
    ]

    assert [message for message in messages if f'"{remains.payment}"' in message]


@in_each_stage
def test_the_table_cannot_be_deleted_by_hand_before_its_protection_is_taken_off(
    deleted: Mapping[str, Remains], stage: str
) -> None:
    stack = deleted[stage].stack

    with pytest.raises(ClientError, match="ValidationException"):
        stack.client("dynamodb").delete_table(TableName=stack.table_name)

    assert Books(stack).everything()
