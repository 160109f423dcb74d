"""Canary deployments after SAM's transform. The emulator does not support CodeDeploy."""

from functools import cache
from typing import Any

import pytest

from tests.support.sam_expansion_fixture import expand, packaged_template, resolve_deployment, resources_of_type
from tests.support.template import FUNCTIONS, names_in

ALIASED = {name for name, function in FUNCTIONS.items() if "AutoPublishAlias" in function}
CANARY = ("false", "true")

SHARED_ALARMS = {
    "AuthorizeErrorsAlarm",
    "CallbackApi5xxAlarm",
    "CallbackFailuresAlarm",
    "CallbackLatencyAlarm",
    "ConfirmErrorsAlarm",
    "PolicyAlarm",
    "ReverseErrorsAlarm",
}
FUNCTION_ALARMS = {
    "PublishEventsFunction": {"DeadLetterQueueAlarm", "EventPublishLagAlarm", "PublishErrorsAlarm"},
    "SweepUnconfirmedFunction": {"SweepErrorsAlarm"},
}
"""The additional alarms of a function."""


@cache
def resources(canary: str) -> dict[str, Any]:
    return resolve_deployment(CanaryDeployment=canary)[0]


def group_of(function: str) -> dict[str, Any]:
    return resources_of_type(resources("true"), "AWS::CodeDeploy::DeploymentGroup")[f"{function}DeploymentGroup"]


def test_canary_off_creates_no_codedeploy_resources() -> None:
    assert not [name for name, entry in resources("false").items() if "CodeDeploy" in entry["Type"]]
    assert not [name for name, entry in resources("false").items() if "UpdatePolicy" in entry]
    assert "DeploymentRole" not in resources("false")


def test_canary_on_codedeploy_updates_aliased_functions_only() -> None:
    groups = resources_of_type(resources("true"), "AWS::CodeDeploy::DeploymentGroup")
    assert set(groups) == {f"{function}DeploymentGroup" for function in ALIASED}
    canary_aliases = {name: entry for name, entry in resources("true").items() if "UpdatePolicy" in entry}
    assert {entry["Type"] for entry in canary_aliases.values()} == {"AWS::Lambda::Alias"}
    assert {name: entry["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"] for name, entry in canary_aliases.items()} == {
        f"{function}Aliaslive": {
            "ApplicationName": {"Ref": "ServerlessDeploymentApplication"},
            "DeploymentGroupName": {"Ref": f"{function}DeploymentGroup"},
        }
        for function in ALIASED
    }


@pytest.mark.parametrize("function", sorted(ALIASED))
def test_canary_shifts_10_percent_for_5_minutes(function: str) -> None:
    assert group_of(function)["DeploymentConfigName"] == {
        "Fn::Sub": ["CodeDeployDefault.Lambda${ConfigName}", {"ConfigName": "Canary10Percent5Minutes"}]
    }


@pytest.mark.parametrize("function", sorted(ALIASED))
def test_canary_alarm_rolls_back_deployment(function: str) -> None:
    group = group_of(function)
    assert group["AutoRollbackConfiguration"]["Enabled"] is True
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    assert group["AlarmConfiguration"]["Enabled"] is True
    alarm_names = [alarm["Name"]["Ref"] for alarm in group["AlarmConfiguration"]["Alarms"]]
    assert sorted(alarm_names) == sorted(SHARED_ALARMS | FUNCTION_ALARMS.get(function, set()))
    assert set(alarm_names) <= set(resources_of_type(resources("true"), "AWS::CloudWatch::Alarm"))
    # CodeDeploy accepts at most 10 alarms.
    assert len(alarm_names) <= 10


@pytest.mark.parametrize("function", sorted(ALIASED))
def test_canary_uses_template_deployment_role(function: str) -> None:
    assert group_of(function)["ServiceRoleArn"] == {"Fn::GetAtt": ["DeploymentRole", "Arn"]}


@pytest.mark.parametrize("canary", CANARY)
def test_canary_sam_adds_no_role(canary: str) -> None:
    template_roles = resources_of_type(packaged_template()["Resources"], "AWS::IAM::Role")
    assert resources_of_type(resources(canary), "AWS::IAM::Role").keys() <= template_roles.keys()
    assert ("DeploymentRole" in resources(canary)) == (canary == "true")


def test_deployment_role_permits_only_aliases_and_alarms() -> None:
    role = resources("true")["DeploymentRole"]["Properties"]
    assert role.keys() == {"AssumeRolePolicyDocument", "Policies"}
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "codedeploy.amazonaws.com"}
    (policy,) = role["Policies"]
    alarms, aliases = policy["PolicyDocument"]["Statement"]
    assert alarms == {"Effect": "Allow", "Action": "cloudwatch:DescribeAlarms", "Resource": "*"}
    assert set(aliases["Action"]) == {"lambda:GetAlias", "lambda:UpdateAlias", "lambda:GetProvisionedConcurrencyConfig"}
    assert sorted(name for arn in aliases["Resource"] for name in names_in(arn)) == sorted(ALIASED)


def test_canary_switched_on_publishes_no_version() -> None:
    without_canary, with_canary = (expand(packaged_template(), CanaryDeployment=canary) for canary in CANARY)
    assert set(resources_of_type(without_canary, "AWS::Lambda::Version")) == set(
        resources_of_type(with_canary, "AWS::Lambda::Version")
    )
