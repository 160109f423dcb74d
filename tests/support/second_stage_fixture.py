"""Deploy the stacks of ``dev`` and ``prod`` with the settings of ``samconfig.toml``, next to the local stack."""

import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import WaiterError

from sandbox.stack.deployment import machine_architecture, parameter_overrides
from sandbox.stack.lifecycle import deploy_second_stage
from sandbox.stack.policy import local_policy, policy_of
from sandbox.stack.stack import Stack

type Stages = Mapping[str, Stack]

OTHER_STAGE = {"dev": "prod", "prod": "dev"}
SITE = "S2155373459"
"""The site of the callbacks. Its key differs in each stack."""

for_each_stage = pytest.mark.parametrize("stage", OTHER_STAGE)


def sandbox_overrides(local: Stack) -> dict[str, str]:
    """Return the parameter values that replace the values of ``samconfig.toml`` on the emulator."""
    return {
        # The functions run on this machine.
        "Architecture": machine_architecture(),
        # Tests do not call PayNearMe.
        "PayNearMeBaseUrl": local.paynearme_url,
        # The emulator supports neither AWS::CodeDeploy::Application and AWS::CodeDeploy::DeploymentGroup,
        "CanaryDeployment": "false",
        # nor AWS::Logs::QueryDefinition,
        "SavedQueries": "false",
        # nor AWS::WAFv2::WebACLAssociation.
        "WafMode": "off",
    }


def deploy_stages(stack: Stack, work_dir: Path) -> Stages:
    """Deploy both stages at the same time, next to ``stack``. Return the stacks by stage.

    The key of ``SITE`` differs in each stack. The local policy is active in both.
    """

    def deploy(stage: str) -> Stack:
        site = {**stack.sites[SITE], "secret": secrets.token_hex(16)}
        overrides = parameter_overrides(stage) | sandbox_overrides(stack)
        second_stack = deploy_second_stage(stack, work_dir, stage, overrides, {**stack.sites, SITE: site})
        # The deployment strategy of prod takes 20 minutes, also on the emulator.
        with_immediate_strategy = replace(second_stack, policy_strategy_id="AppConfig.AllAtOnce")
        assert policy_of(with_immediate_strategy).deploy(local_policy())
        wait_until_started(second_stack)
        return second_stack

    with ThreadPoolExecutor(len(OTHER_STAGE)) as threads:
        return dict(zip(OTHER_STAGE, threads.map(deploy, OTHER_STAGE), strict=True))


def wait_until_started(stack: Stack) -> None:
    """Wait until each published version has its first process. About 24 processes start at the same time.

    Ignore a timeout: the first call starts another process.
    """
    waiter = stack.client("lambda").get_waiter("published_version_active")
    for kind, name in resources_of(stack):
        if kind == "AWS::Lambda::Alias":
            with suppress(WaiterError):
                waiter.wait(FunctionName=name, WaiterConfig={"Delay": 1})


def resources_of(stack: Stack) -> list[tuple[str, str]]:
    """Return the type and the physical identifier of each resource of a stack."""
    pages = stack.client("cloudformation").get_paginator("list_stack_resources")
    result_pages = pages.paginate(StackName=stack.stack_name)
    summaries = [resource for page in result_pages for resource in page["StackResourceSummaries"]]
    return [(resource["ResourceType"], resource["PhysicalResourceId"]) for resource in summaries]
