"""The stacks of ``dev`` and ``prod``, deployed as ``samconfig.toml`` says, beside the local one."""

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
"""The site of the callbacks. Its key is another one in each stack."""

for_each_stage = pytest.mark.parametrize("stage", OTHER_STAGE)


def sandbox_overrides(local: Stack) -> dict[str, str]:
    """Return the parameters that are not deployed as ``samconfig.toml`` has them: here these must differ."""
    return {
        # The functions run on this machine.
        "Architecture": machine_architecture(),
        # PayNearMe itself is not called.
        "PayNearMeBaseUrl": local.paynearme_url,
        # The emulator does not know AWS::CodeDeploy::Application and AWS::CodeDeploy::DeploymentGroup,
        "CanaryDeployment": "false",
        # nor AWS::Logs::QueryDefinition,
        "SavedQueries": "false",
        # nor AWS::WAFv2::WebACLAssociation.
        "WafMode": "off",
    }


def deploy_stages(stack: Stack, work_dir: Path) -> Stages:
    """Deploy both at once beside ``stack``; return them by stage.

    Each has a key of its own for the callbacks' site, and the local policy in force.
    """

    def deploy(stage: str) -> Stack:
        site = {**stack.sites[SITE], "secret": secrets.token_hex(16)}
        overrides = parameter_overrides(stage) | sandbox_overrides(stack)
        second_stack = deploy_second_stage(stack, work_dir, stage, overrides, {**stack.sites, SITE: site})
        # Production's own strategy takes 20 minutes, also here.
        with_immediate_strategy = replace(second_stack, policy_strategy_id="AppConfig.AllAtOnce")
        assert policy_of(with_immediate_strategy).deploy(local_policy())
        wait_until_started(second_stack)
        return second_stack

    with ThreadPoolExecutor(len(OTHER_STAGE)) as threads:
        return dict(zip(OTHER_STAGE, threads.map(deploy, OTHER_STAGE), strict=True))


def wait_until_started(stack: Stack) -> None:
    """Return when each function has the process that its version starts with: two dozen start at once.

    One that took too long to start on a busy machine is started again by the first call.
    """
    waiter = stack.client("lambda").get_waiter("published_version_active")
    for kind, name in resources_of(stack):
        if kind == "AWS::Lambda::Alias":
            with suppress(WaiterError):
                waiter.wait(FunctionName=name, WaiterConfig={"Delay": 1})


def resources_of(stack: Stack) -> list[tuple[str, str]]:
    """Return the kind and the identifier of everything that a stack has."""
    pages = stack.client("cloudformation").get_paginator("list_stack_resources")
    result_pages = pages.paginate(StackName=stack.stack_name)
    summaries = [resource for page in result_pages for resource in page["StackResourceSummaries"]]
    return [(resource["ResourceType"], resource["PhysicalResourceId"]) for resource in summaries]
