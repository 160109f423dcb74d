"""The template after SAM's transform, without the emulator, which is less strict than AWS."""

from typing import Any

import pytest

from tests.support.sam_expansion import expand
from tests.support.template import (
    APIS,
    CALLBACK_FUNCTIONS,
    TEMPLATE,
    TRIGGERED_FUNCTIONS,
    VERSIONED_FUNCTIONS,
    names_in,
    of_type,
)


def expanded(kind: str, **parameters: str) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a type, by logical identifier."""
    resources = expand(**parameters)["Resources"]
    return {name: r.get("Properties", {}) for name, r in resources.items() if r["Type"] == f"AWS::{kind}"}


@pytest.mark.parametrize(
    ("change", "functions"),
    [
        ({"layer": "s3://bucket/changed"}, list(VERSIONED_FUNCTIONS)),
        ({"ReservationTimeoutMinutes": "60"}, ["SweepUnconfirmedFunction"]),
        ({"ConfirmReservedConcurrency": "100"}, ["ConfirmFunction"]),
        ({"CanaryDeployment": "true"}, []),
    ],
)
def test_function_versions_change_publishes_changed_functions(change: dict[str, str], functions: list[str]) -> None:
    new_versions = expanded("Lambda::Version", **change).keys() - expanded("Lambda::Version").keys()
    assert sorted(name.partition("Version")[0] for name in new_versions) == sorted(functions)


@pytest.mark.parametrize("api", APIS)
def test_backend_api_routes_require_iam_signature(api: str) -> None:
    body = expanded("ApiGateway::RestApi")[api]["Body"]
    for operation in (operation for path in body["paths"].values() for operation in path.values()):
        assert operation.get("security") == ([{"AWS_IAM": []}] if api == "BackendApi" else None)
        integration = operation["x-amazon-apigateway-integration"]
        assert "Aliaslive}" in integration["uri"]["Fn::Sub"]
        # With credentials, a caller would need the permission to invoke the function.
        assert "credentials" not in integration


def test_api_with_domain_default_endpoint_disabled_by_parameter() -> None:
    for name, api in expanded("ApiGateway::RestApi").items():
        configuration = api["Body"]["servers"][0]["x-amazon-apigateway-endpoint-configuration"]
        disabled, kind = configuration["disableExecuteApiEndpoint"], name.removesuffix("Api")
        assert disabled["Fn::If"][1:] == [True, False]
        assert names_in(disabled) == {f"{kind}DomainName", "DisableDefaultEndpoints"}


def test_invoke_permissions_only_expected_sources_no_added_role() -> None:
    permissions = expanded("Lambda::Permission").values()
    sources = {(entry["Principal"].partition(".")[0], *names_in(entry.get("SourceArn"))) for entry in permissions}
    [schedule] = expanded("Events::Rule")
    assert sources == {("appconfig",), ("events", schedule), *(("apigateway", api) for api in APIS)}
    assert expanded("IAM::Role", CanaryDeployment="true").keys() == of_type("AWS::IAM::Role").keys()


def test_canary_alarm_rolls_back_deployment() -> None:
    groups = expanded("CodeDeploy::DeploymentGroup", CanaryDeployment="true")
    assert sorted(groups) == sorted(f"{function}DeploymentGroup" for function in TRIGGERED_FUNCTIONS)
    for group in groups.values():
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
        # CodeDeploy accepts at most 10 alarms.
        assert 0 < len(group["AlarmConfiguration"]["Alarms"]) <= 10
        assert group["DeploymentConfigName"]["Fn::Sub"][1] == {"ConfigName": "Canary10Percent5Minutes"}
    assert not expanded("CodeDeploy::DeploymentGroup")
    [_, deploy, check] = TEMPLATE["Resources"]["DeploymentRole"]["Properties"]["Policies"][0]["PolicyDocument"][
        "Statement"
    ]
    assert names_in(deploy["Resource"]) == TRIGGERED_FUNCTIONS.keys()
    assert (check["Action"], names_in(check["Resource"])) == ("lambda:InvokeFunction", {"PreTrafficCheckFunction"})


def test_canary_of_callbacks_checks_new_versions_first() -> None:
    resources = expand(CanaryDeployment="true")["Resources"]
    aliases = {
        name: r["UpdatePolicy"]
        for name, r in resources.items()
        if r["Type"] == "AWS::Lambda::Alias" and "UpdatePolicy" in r
    }
    hooks = {
        name: policy["CodeDeployLambdaAliasUpdate"].get("BeforeAllowTrafficHook") for name, policy in aliases.items()
    }
    checked = {name.removesuffix("Aliaslive") for name, hook in hooks.items() if hook}
    assert checked == set(CALLBACK_FUNCTIONS)
    variables = resources["PreTrafficCheckFunction"]["Properties"]["Environment"]["Variables"]
    versions = [resources[value["Ref"]] for name, value in variables.items() if name.endswith("_VERSION")]
    assert {version["Properties"]["FunctionName"]["Ref"] for version in versions} == checked
