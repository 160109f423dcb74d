"""The stacks of ``dev`` and ``prod`` in one account, with the settings of ``samconfig.toml``, and their deletion.

The emulator implements the template's retention. The deletion does not show four facts about AWS. AWS retains the
resources too. An update that replaces such a resource retains the previous one. AWS deletes a stack only if its
BackendCallerPolicy is attached to no user or role. The retained resources do not block a new stack of the same name.
"""

import json
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.clients.control_client import ControlClient
from sandbox.clients.event_listener import EventListener
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader, new_backend
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import Parameters, build_confirmation, with_new_identifier
from sandbox.stack.deployment import machine_architecture, parameter_overrides
from sandbox.stack.lifecycle import deploy_second_stage
from sandbox.stack.logs import messages_in
from sandbox.stack.policy import local_policy, policy_of
from sandbox.stack.sites import GAMING_SITE
from sandbox.stack.stack import Stack
from tests.e2e.conftest import CLIENT_TIMEOUT_SECONDS
from tests.support.event_assertions import PaymentEventRecorder
from tests.support.function_processes import resources_of, wait_until_started
from tests.support.payment_driver import authorize_and_confirm
from tests.support.template import DATA_TYPES

pytestmark = pytest.mark.full

type Stages = Mapping[str, Stack]
type Describe = Callable[[Stack, str], Any]

OTHER_STAGE = {"dev": "prod", "prod": "dev"}
SITE = "S2155373459"
"""The site of the callbacks. Its key differs in each stack."""

DEAD_LETTER_BODY = "dead letter"

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

for_each_stage = pytest.mark.parametrize("stage", OTHER_STAGE)


@pytest.fixture(scope="module")
def stages(stack: Stack, work_dir: Path) -> Stages:
    """Deploy both stages next to ``stack``. The local policy is active in both."""

    def deploy(stage: str) -> Stack:
        site = {**stack.sites[SITE], "secret": secrets.token_hex(16)}
        # These values replace those of ``samconfig.toml``.
        overrides = parameter_overrides(stage) | {
            # The functions run on this machine.
            "Architecture": machine_architecture(),
            # Tests do not call PayNearMe.
            "PayNearMeBaseUrl": stack.paynearme_url,
            # The emulator supports neither AWS::CodeDeploy::Application and AWS::CodeDeploy::DeploymentGroup,
            "CanaryDeployment": "false",
            # nor AWS::Logs::QueryDefinition,
            "SavedQueries": "false",
            # nor AWS::WAFv2::WebACLAssociation.
            "WafMode": "off",
        }
        second_stack = deploy_second_stage(stack, work_dir, stage, overrides, {**stack.sites, SITE: site})
        # The deployment strategy of prod takes 20 minutes, also on the emulator.
        with_immediate_strategy = replace(second_stack, policy_strategy_id="AppConfig.AllAtOnce")
        assert policy_of(with_immediate_strategy).deploy(local_policy())
        wait_until_started(second_stack)
        return second_stack

    with ThreadPoolExecutor(len(OTHER_STAGE)) as threads:
        return dict(zip(OTHER_STAGE, threads.map(deploy, OTHER_STAGE), strict=True))


def sender_of(stack: Stack) -> CallbackSender:
    return CallbackSender(stack.callback_url, stack.sites, CLIENT_TIMEOUT_SECONDS)


@for_each_stage
def test_stage_payment_posted_and_published_only_there(
    stack: Stack, stages: Stages, authorization: Parameters, stage: str
) -> None:
    customer, payment = f"pays-in-{stage}", authorization["pnm_payment_identifier"]
    recorders = {name: PaymentEventRecorder(EventListener(other)) for name, other in stages.items()}
    events = Counter([(payment, "PaymentAuthorized"), (payment, "PaymentConfirmed")])

    authorize_and_confirm(sender_of(stages[stage]), authorization, customer)

    recorders[stage].wait_until(lambda recorder: recorder.contains_all(events))
    assert recorders[stage].count_keys([payment]) == events
    assert recorders[OTHER_STAGE[stage]].wait_until(lambda recorder: True)
    assert not recorders[OTHER_STAGE[stage]].count_keys([payment])
    assert LedgerReader(stages[stage]).balance(SITE, customer) == Decimal(authorization["net_payment_amount"])
    for other_stack in (stages[OTHER_STAGE[stage]], stack):
        assert LedgerReader(other_stack).payment(SITE, payment) is None


@for_each_stage
def test_stage_rejects_keys_of_other_stage(
    stages: Stages, paynearme: ControlClient, authorization: Parameters, stage: str
) -> None:
    this, other = stages[stage], stages[OTHER_STAGE[stage]]
    request = {**load("get_smart_token")["plain"], "site_identifier": GAMING_SITE}

    delivery = sender_of(replace(this, sites=other.sites)).deliver("confirm", build_confirmation(authorization), "json")

    assert delivery.status == 401
    assert LedgerReader(this).payment(SITE, authorization["pnm_payment_identifier"]) is None
    assert new_backend(this, CLIENT_TIMEOUT_SECONDS).post("/smart-tokens", request).status == 200
    assert new_backend(replace(this, backend_url=other.backend_url)).post("/smart-tokens", request).status == 403


@for_each_stage
def test_certification_hooks_in_prod_ignored(stages: Stages, authorization: Parameters, stage: str) -> None:
    confirmation = build_confirmation(authorization, site_order_annotation="confirm_blank")

    delivery = sender_of(stages[stage]).deliver("confirm", confirmation, "json")

    assert delivery.accepted is (stage == "prod")


# The last test, because it deletes the stack.
@for_each_stage
def test_stage_deletion_retains_data_and_deletes_the_rest(stages: Stages, stage: str) -> None:
    stack = stages[stage]
    message = build_confirmation(with_new_identifier(load("authorization")["credit"]))
    payment = message["pnm_payment_identifier"]
    assert sender_of(stack).deliver("confirm", message, "json").accepted
    stack.client("sqs").send_message(QueueUrl=stack.dead_letter_queue_url, MessageBody=DEAD_LETTER_BODY)
    resources = resources_of(stack)

    cloudformation = stack.client("cloudformation")
    cloudformation.delete_stack(StackName=stack.stack_name)
    waiter = cloudformation.get_waiter("stack_delete_complete")
    waiter.wait(StackName=stack.stack_name, WaiterConfig={"Delay": 1})

    assert {kind for kind, _ in resources} & set(DATA_TYPES) == set(DESCRIBE_RETAINED)
    for kind, name in resources:
        if kind in DESCRIBE_RETAINED:
            assert DESCRIBE_RETAINED[kind](stack, name)
        if kind in DESCRIBE_DELETED:
            with pytest.raises(ClientError, match="NotFound"):
                DESCRIBE_DELETED[kind](stack, name)
    payment_item = LedgerReader(stack).payment(SITE, payment)
    assert payment_item is not None
    assert payment_item["outcome"] == "payment"
    secret = stack.client("secretsmanager").get_secret_value(SecretId=stack.secret_arn)["SecretString"]
    assert json.loads(secret)["sites"] == stack.sites
    policy = stack.client("appconfig").get_hosted_configuration_version(
        ApplicationId=stack.policy_application_id, ConfigurationProfileId=stack.policy_profile_id, VersionNumber=1
    )
    assert policy["Content"].read().decode() == local_policy()
    messages = stack.client("sqs").receive_message(QueueUrl=stack.dead_letter_queue_url)["Messages"]
    assert [message["Body"] for message in messages] == [DEAD_LETTER_BODY]
    groups = [name for kind, name in resources if kind == "AWS::Logs::LogGroup"]
    assert [text for group in groups for text in messages_in(stack.client("logs"), group) if f'"{payment}"' in text]
    table = stack.client("dynamodb").describe_table(TableName=stack.table_name)["Table"]
    assert table["DeletionProtectionEnabled"] is (stage == "prod")
