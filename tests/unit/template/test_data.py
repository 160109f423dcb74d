"""Each resource type has data or has none, and resources with data remain after the stack's deletion."""

import pytest

from tests.support.template import DATA_TYPES, PARAMETERS, RESOURCES

DATALESS_TYPES = {
    "AWS::ApiGateway::Account",
    "AWS::ApiGateway::BasePathMapping",
    "AWS::ApiGateway::DomainName",
    "AWS::ApiGateway::GatewayResponse",
    "AWS::AppConfig::DeploymentStrategy",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::Events::EventBus",
    "AWS::Events::Rule",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::Lambda::Permission",
    "AWS::Logs::QueryDefinition",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SQS::QueuePolicy",
    "AWS::Serverless::Api",
    "AWS::Serverless::Function",
    "AWS::Serverless::LayerVersion",
    "AWS::WAFv2::WebACL",
    "AWS::WAFv2::WebACLAssociation",
}
"""The types without data. A deployment can create them again."""

KINDS = sorted({entry["Type"] for entry in RESOURCES.values()})


@pytest.mark.parametrize("kind", KINDS)
def test_resource_type_is_with_or_without_data(kind: str) -> None:
    assert (kind in DATA_TYPES) != (kind in DATALESS_TYPES)


@pytest.mark.parametrize("name", [n for n, entry in RESOURCES.items() if entry["Type"] in DATA_TYPES])
def test_resource_with_data_is_retained(name: str) -> None:
    assert RESOURCES[name].get("DeletionPolicy") == "Retain"
    assert RESOURCES[name].get("UpdateReplacePolicy") == "Retain"


def test_log_group_has_no_fixed_name() -> None:
    # A retained log group with a fixed name would prevent the next stack with this name.
    groups = [entry for entry in RESOURCES.values() if entry["Type"] == "AWS::Logs::LogGroup"]
    assert not [group for group in groups if "LogGroupName" in group["Properties"]]


# Their names are unique within the stack's AppConfig application.
APPLICATION_SCOPED = {"AWS::AppConfig::ConfigurationProfile", "AWS::AppConfig::Environment"}


@pytest.mark.parametrize("resource", RESOURCES)
def test_resource_name_unique_per_stack(resource: str) -> None:
    kind, properties = RESOURCES[resource]["Type"], RESOURCES[resource].get("Properties", {})
    name_properties = {"Name", f"{kind.rsplit('::', maxsplit=1)[1]}Name"} & set(properties)
    for name in () if kind in APPLICATION_SCOPED else name_properties:
        value = properties[name]
        # The operator sets a parameter for each stack.
        is_parameter = isinstance(value, dict) and value.get("Ref") in PARAMETERS
        assert is_parameter or "AWS::StackName" in str(value)
