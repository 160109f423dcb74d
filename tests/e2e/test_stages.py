"""The stacks of ``dev`` and ``prod`` in one account, with the settings of ``samconfig.toml``.

The emulator does not support some resources. Conditions disable them here, and ``test_expansion*.py`` covers them.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest

from sandbox.clients.control_client import ControlClient
from sandbox.clients.event_listener import EventListener
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader, new_backend, new_sender
from sandbox.fake_paynearme.messages import Parameters, build_confirmation, with_new_identifier
from sandbox.stack.deployment import parameter_overrides
from sandbox.stack.sites import GAMING_SITE
from sandbox.stack.stack import Stack
from tests.support.event_assertions import PaymentEventRecorder
from tests.support.payment_driver import NOT_ACKNOWLEDGED, confirm_twice_with_hook, warm_up_confirm
from tests.support.second_stage_fixture import (
    OTHER_STAGE,
    SITE,
    Stages,
    for_each_stage,
    resources_of,
    sandbox_overrides,
)
from tests.support.template import PARAMETERS


@pytest.fixture
def warmed_up(stages: Stages) -> None:
    for stack in stages.values():
        warm_up_confirm(new_sender(stack))


@for_each_stage
def test_stage_deployed_with_its_settings_and_sandbox_overrides(stack: Stack, stages: Stages, stage: str) -> None:
    name = stages[stage].stack_name
    [description] = stack.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    defaults = {parameter: str(entry["Default"]) for parameter, entry in PARAMETERS.items()}

    parameter_values = {entry["ParameterKey"]: entry["ParameterValue"] for entry in description["Parameters"]}

    assert parameter_values == defaults | parameter_overrides(stage) | sandbox_overrides(stack)
    assert description["StackStatus"] == "CREATE_COMPLETE"


@for_each_stage
def test_stage_log_retention_and_policy_duration_match_settings(stages: Stages, stage: str) -> None:
    stack, settings = stages[stage], parameter_overrides(stage)

    log_groups = {identifier for kind, identifier in resources_of(stack) if kind == "AWS::Logs::LogGroup"}
    pages = stack.client("logs").get_paginator("describe_log_groups").paginate()
    groups = [group for page in pages for group in page["logGroups"] if group["logGroupName"] in log_groups]
    strategy = stack.client("appconfig").get_deployment_strategy(DeploymentStrategyId=stack.policy_strategy_id)

    assert len(groups) == len(log_groups) > 0
    assert {group["retentionInDays"] for group in groups} == {int(settings["LogRetentionDays"])}
    minutes = (strategy["DeploymentDurationInMinutes"], strategy["FinalBakeTimeInMinutes"])
    assert minutes == tuple(int(settings.get(name, "0")) for name in ("PolicyDeploymentMinutes", "PolicyBakeMinutes"))


def test_payment_posted_and_published_only_in_its_stage(
    stack: Stack, stages: Stages, authorization: Parameters
) -> None:
    customer = "pays-in-both-stages"
    messages = {
        stage: with_new_identifier({**authorization, "site_customer_identifier": customer}) for stage in OTHER_STAGE
    }
    payments = {stage: message["pnm_payment_identifier"] for stage, message in messages.items()}
    recorders = {stage: PaymentEventRecorder(EventListener(stages[stage])) for stage in OTHER_STAGE}
    event_names = ("PaymentAuthorized", "PaymentConfirmed")

    def authorize_and_confirm(stage: str) -> None:
        sender, message, payment = new_sender(stages[stage]), messages[stage], payments[stage]
        authorized = sender.deliver_until_acknowledged("authorize", message, "json", retry_interval=0.01)[-1]
        confirmed = sender.deliver_until_acknowledged(
            "confirm", build_confirmation(message), "json", retry_interval=0.01
        )[-1]
        assert (authorized.reason, confirmed.reason) == (None, None)
        assert authorized.fields is not None
        assert authorized.fields["accept_payment"] == "yes"
        recorders[stage].wait_until(
            lambda recorder: recorder.contains_all((payment, event_name) for event_name in event_names)
        )

    with ThreadPoolExecutor(len(OTHER_STAGE)) as threads:
        list(threads.map(authorize_and_confirm, OTHER_STAGE))

    for stage, payment in payments.items():
        payment_item = LedgerReader(stages[stage]).payment(SITE, payment)
        assert payment_item is not None
        assert payment_item["outcome"] == "payment"
        assert LedgerReader(stages[stage]).balance(SITE, customer) == Decimal(authorization["net_payment_amount"])
        assert recorders[stage].count_keys(payments.values()) == Counter(
            (payment, event_name) for event_name in event_names
        )
        for other_stack in (stages[OTHER_STAGE[stage]], stack):
            assert LedgerReader(other_stack).payment(SITE, payment) is None


@pytest.mark.usefixtures("warmed_up")
@for_each_stage
def test_confirmation_signed_with_other_stage_key_returns_401(
    stages: Stages, authorization: Parameters, stage: str
) -> None:
    with_wrong_keys = replace(stages[stage], sites=stages[OTHER_STAGE[stage]].sites)

    delivery = new_sender(with_wrong_keys).deliver("confirm", build_confirmation(authorization), "json")

    assert delivery.status == 401
    payment = authorization["pnm_payment_identifier"]
    assert LedgerReader(stages[stage]).payment(SITE, payment) is None


@for_each_stage
def test_backend_gets_smart_token_only_in_its_stage(stages: Stages, paynearme: ControlClient, stage: str) -> None:
    stage_stack, other_stack = stages[stage], stages[OTHER_STAGE[stage]]
    request = {**load("get_smart_token")["plain"], "site_identifier": GAMING_SITE}

    # The long timeout includes the cold start.
    assert new_backend(stage_stack, timeout=60).post("/smart-tokens", request).status == 200
    assert (
        new_backend(replace(stage_stack, backend_url=other_stack.backend_url)).post("/smart-tokens", request).status
        == 403
    )


@pytest.mark.usefixtures("warmed_up")
@pytest.mark.parametrize("annotation", [*NOT_ACKNOWLEDGED, "confirm_delay_60"])
def test_certification_hooks_in_prod_ignored(stages: Stages, authorization: Parameters, annotation: str) -> None:
    customer = f"no-hook-{annotation}"

    deliveries = confirm_twice_with_hook(new_sender(stages["prod"]), authorization, annotation, customer)

    # With hooks, a delay that is longer than the deadline results in an empty response.
    assert [delivery.reason for delivery in deliveries] == [None, None]
    assert LedgerReader(stages["prod"]).balance(SITE, customer) == Decimal(authorization["net_payment_amount"])


@pytest.mark.usefixtures("warmed_up")
@pytest.mark.parametrize("annotation", NOT_ACKNOWLEDGED)
def test_certification_hooks_in_dev_not_acknowledged(
    stages: Stages, authorization: Parameters, annotation: str
) -> None:
    deliveries = confirm_twice_with_hook(new_sender(stages["dev"]), authorization, annotation, f"hook-{annotation}")

    assert [delivery.reason for delivery in deliveries] == [NOT_ACKNOWLEDGED[annotation]] * 2


@pytest.mark.usefixtures("warmed_up")
def test_certification_hook_in_dev_delays_response(stages: Stages, authorization: Parameters) -> None:
    deliveries = confirm_twice_with_hook(
        new_sender(stages["dev"]), authorization, "confirm_delay_1", "hook-confirm-delay"
    )

    assert [delivery.reason for delivery in deliveries] == [None, None]
    assert min(delivery.seconds for delivery in deliveries) >= 1
