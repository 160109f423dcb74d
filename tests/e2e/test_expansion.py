"""The template after SAM's transform, without the emulator, which is less strict than AWS."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import pytest

from tests.support.sam_expansion_fixture import expand, packaged_template, resources_of_type
from tests.support.template import API_FUNCTIONS, APIS, OUTBOUND_FUNCTIONS, TRIGGERED_FUNCTIONS, of_type


@pytest.fixture
def packaged() -> dict[str, Any]:
    return packaged_template()


def versions(resources: dict[str, Any]) -> set[str]:
    return set(resources_of_type(resources, "AWS::Lambda::Version"))


def test_nothing_changed_publishes_nothing(packaged: dict[str, Any]) -> None:
    assert versions(expand(deepcopy(packaged))) == versions(expand(packaged))
    assert len(versions(expand(packaged))) == len(TRIGGERED_FUNCTIONS)


def test_a_change_of_the_layer_publishes_a_version_of_every_function(packaged: dict[str, Any]) -> None:
    initial_versions = versions(expand(packaged))
    packaged["Resources"]["SharedLayer"]["Properties"]["ContentUri"] = "s3://bucket/changed"
    assert versions(expand(packaged)).isdisjoint(initial_versions)


def test_a_change_of_a_setting_publishes_a_version_of_every_function(packaged: dict[str, Any]) -> None:
    initial_versions = versions(expand(packaged))
    packaged["Globals"]["Function"]["MemorySize"] *= 2
    assert versions(expand(packaged)).isdisjoint(initial_versions)


@pytest.mark.parametrize(
    ("parameter", "value", "functions"),
    [
        ("SitesCacheSeconds", "60", API_FUNCTIONS),
        ("Architecture", "x86_64", TRIGGERED_FUNCTIONS),
        ("UnconfirmedAfterMinutes", "30", ["SweepUnconfirmedFunction"]),
        ("ReservationTimeoutMinutes", "60", ["SweepUnconfirmedFunction"]),
        ("PolicyCacheSeconds", "1", ["AuthorizeFunction", "ConfirmFunction", "CustomersFunction"]),
        ("PolicyBakeMinutes", "10", []),
        ("AuthorizationMaxAgeSeconds", "60", ["AuthorizeFunction"]),
        ("MaxClockSkewSeconds", "60", ["AuthorizeFunction"]),
        ("PayNearMeBaseUrl", "https://api.paynearme.com", OUTBOUND_FUNCTIONS),
        ("DefaultSiteIdentifier", "S1", OUTBOUND_FUNCTIONS),
    ],
)
def test_another_value_of_a_parameter_publishes_a_version_of_the_functions_that_read_it(
    packaged: dict[str, Any], parameter: str, value: str, functions: Sequence[str]
) -> None:
    new_versions = versions(expand(packaged, **{parameter: value})) - versions(expand(packaged))
    assert sorted(name.partition("Version")[0] for name in new_versions) == sorted(functions)


def operations(api: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in api["Body"]["paths"].values() for operation in path.values()]


def test_every_route_of_the_backend_api_wants_an_iam_signature(packaged: dict[str, Any]) -> None:
    api = resources_of_type(expand(packaged), "AWS::ApiGateway::RestApi")["BackendApi"]
    body = api["Body"]
    schemes = body.get("securityDefinitions") or body["components"]["securitySchemes"]
    assert schemes["AWS_IAM"]["x-amazon-apigateway-authtype"] == "awsSigv4"
    assert operations(api)
    assert all(operation["security"] == [{"AWS_IAM": []}] for operation in operations(api))


def test_no_route_calls_its_function_with_the_callers_own_rights(packaged: dict[str, Any]) -> None:
    # With credentials, the backend would need the permission to invoke the function. Its policy does not contain it.
    for api in resources_of_type(expand(packaged), "AWS::ApiGateway::RestApi").values():
        integrations = [operation["x-amazon-apigateway-integration"] for operation in operations(api)]
        assert not [i for i in integrations if "credentials" in i]


def test_every_route_calls_the_published_version(packaged: dict[str, Any]) -> None:
    for api in resources_of_type(expand(packaged), "AWS::ApiGateway::RestApi").values():
        for operation in operations(api):
            assert "Aliaslive}" in operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]


def test_an_api_has_no_stage_without_throttling_and_logs(packaged: dict[str, Any]) -> None:
    resources = expand(packaged)
    # Without OpenApiVersion, SAM creates an additional stage with each deployment.
    assert not [d for d in resources_of_type(resources, "AWS::ApiGateway::Deployment").values() if "StageName" in d]
    stages = resources_of_type(resources, "AWS::ApiGateway::Stage").values()
    assert len(stages) == len(APIS)
    assert all(stage["MethodSettings"] and stage["AccessLogSetting"] for stage in stages)


def test_only_the_apis_and_the_schedule_may_invoke_the_functions_and_sam_adds_no_role(
    packaged: dict[str, Any],
) -> None:
    resources = expand(packaged)
    permissions = resources_of_type(resources, "AWS::Lambda::Permission")
    # tests/unit/template/test_policy_deployment_monitors.py checks the function of this permission.
    assert permissions.pop("ValidatePolicyPermission")["Principal"] == "appconfig.amazonaws.com"
    (schedule,) = resources_of_type(resources, "AWS::Events::Rule")
    (name,) = [n for n, p in permissions.items() if p["Principal"] == "events.amazonaws.com"]
    assert permissions.pop(name)["SourceArn"] == {"Fn::GetAtt": [schedule, "Arn"]}
    assert {permission["Principal"] for permission in permissions.values()} == {"apigateway.amazonaws.com"}
    apis = {permission["SourceArn"]["Fn::Sub"][1]["__ApiId__"]["Ref"] for permission in permissions.values()}
    assert apis == set(APIS)
    assert set(resources_of_type(resources, "AWS::IAM::Role")) == set(of_type("AWS::IAM::Role"))
