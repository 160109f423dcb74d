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


def test_function_versions_unchanged_template_publishes_none(packaged: dict[str, Any]) -> None:
    assert versions(expand(deepcopy(packaged))) == versions(expand(packaged))
    assert len(versions(expand(packaged))) == len(TRIGGERED_FUNCTIONS)


def test_function_versions_layer_change_publishes_all(packaged: dict[str, Any]) -> None:
    initial_versions = versions(expand(packaged))
    packaged["Resources"]["SharedLayer"]["Properties"]["ContentUri"] = "s3://bucket/changed"
    assert versions(expand(packaged)).isdisjoint(initial_versions)


def test_function_versions_global_setting_change_publishes_all(packaged: dict[str, Any]) -> None:
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
def test_function_versions_parameter_change_publishes_readers(
    packaged: dict[str, Any], parameter: str, value: str, functions: Sequence[str]
) -> None:
    new_versions = versions(expand(packaged, **{parameter: value})) - versions(expand(packaged))
    assert sorted(name.partition("Version")[0] for name in new_versions) == sorted(functions)


def operations(api: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in api["Body"]["paths"].values() for operation in path.values()]


def test_backend_api_routes_require_iam_signature(packaged: dict[str, Any]) -> None:
    api = resources_of_type(expand(packaged), "AWS::ApiGateway::RestApi")["BackendApi"]
    body = api["Body"]
    schemes = body.get("securityDefinitions") or body["components"]["securitySchemes"]
    assert schemes["AWS_IAM"]["x-amazon-apigateway-authtype"] == "awsSigv4"
    assert operations(api)
    assert all(operation["security"] == [{"AWS_IAM": []}] for operation in operations(api))


def test_api_routes_invoke_functions_without_caller_credentials(packaged: dict[str, Any]) -> None:
    # With credentials, the backend would need the permission to invoke the function. Its policy does not contain it.
    for api in resources_of_type(expand(packaged), "AWS::ApiGateway::RestApi").values():
        integrations = [operation["x-amazon-apigateway-integration"] for operation in operations(api)]
        assert not [i for i in integrations if "credentials" in i]


def test_api_routes_invoke_live_alias(packaged: dict[str, Any]) -> None:
    for api in resources_of_type(expand(packaged), "AWS::ApiGateway::RestApi").values():
        for operation in operations(api):
            assert "Aliaslive}" in operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]


def test_api_stages_all_have_throttling_and_access_logs(packaged: dict[str, Any]) -> None:
    resources = expand(packaged)
    # Without OpenApiVersion, SAM creates an additional stage with each deployment.
    assert not [d for d in resources_of_type(resources, "AWS::ApiGateway::Deployment").values() if "StageName" in d]
    stages = resources_of_type(resources, "AWS::ApiGateway::Stage").values()
    assert len(stages) == len(APIS)
    assert all(stage["MethodSettings"] and stage["AccessLogSetting"] for stage in stages)


def test_invoke_permissions_only_expected_sources_no_added_role(packaged: dict[str, Any]) -> None:
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
