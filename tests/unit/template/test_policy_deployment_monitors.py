"""The policy in AppConfig: its validation, deployment, rollback and retention."""

import json

import pytest

from paynearme.platform import observability
from tests.support.template import FUNCTIONS, RESOURCES, environment_of, of_type

ENVIRONMENT = RESOURCES["PolicyEnvironment"]["Properties"]
PROFILE = RESOURCES["PolicyProfile"]["Properties"]
ALARM = RESOURCES["PolicyAlarm"]["Properties"]


@pytest.mark.parametrize("kind", ["AWS::AppConfig::HostedConfigurationVersion", "AWS::AppConfig::Deployment"])
def test_policy_not_deployed_by_stack_update(kind: str) -> None:
    assert not of_type(kind)


def test_policy_profile_validator_is_function() -> None:
    validator = {"Type": "LAMBDA", "Content": {"Fn::GetAtt": ["ValidatePolicyFunction", "Arn"]}}
    assert PROFILE["Validators"] == [validator]


def test_validator_permission_only_for_appconfig() -> None:
    (permission,) = of_type("AWS::Lambda::Permission").values()
    assert permission == {
        "FunctionName": {"Fn::GetAtt": ["ValidatePolicyFunction", "Arn"]},
        "Action": "lambda:InvokeFunction",
        "Principal": "appconfig.amazonaws.com",
    }


def test_validator_without_alias_and_entry_point() -> None:
    # AppConfig invokes it without an alias, so a published version would never run.
    function = FUNCTIONS["ValidatePolicyFunction"]
    assert not {"AutoPublishAlias", "SnapStart", "Events", "FunctionUrlConfig"} & function.keys()
    assert environment_of("ValidatePolicyFunction") == {}


def test_policy_alarm_rolls_deployment_back() -> None:
    (monitor,) = ENVIRONMENT["Monitors"]
    assert monitor == {
        "AlarmArn": {"Fn::GetAtt": ["PolicyAlarm", "Arn"]},
        "AlarmRoleArn": {"Fn::GetAtt": ["PolicyAlarmRole", "Arn"]},
    }


def test_policy_alarm_one_invalid_policy_fires_no_data_does_not() -> None:
    assert ALARM["MetricName"] == "PolicyInvalid"
    assert (ALARM["Statistic"], ALARM["Threshold"], ALARM["Period"]) == ("Sum", 1, 60)
    assert ALARM["EvaluationPeriods"] == 1
    assert ALARM["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert ALARM["TreatMissingData"] == "notBreaching"


def test_policy_alarm_dimensions_match_function_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    observability.add_metric(ALARM["MetricName"])
    observability.flush("authorize", 200, 1.0)

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (metric_line,) = [line for line in lines if ALARM["MetricName"] in line]
    (directive,) = metric_line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == ALARM["Namespace"]
    assert ALARM["MetricName"] in [metric["Name"] for metric in directive["Metrics"]]
    dimensions = {entry["Name"]: entry["Value"] for entry in ALARM["Dimensions"]}
    assert dimensions["service"] == {"Ref": "AWS::StackName"}
    dimensions["service"] = observability.SERVICE
    assert set(dimensions) in [set(names) for names in directive["Dimensions"]]
    assert {name: metric_line[name] for name in dimensions} == dimensions


def test_policy_alarm_role_only_describes_alarms() -> None:
    role = RESOURCES["PolicyAlarmRole"]["Properties"]
    assert role.keys() == {"AssumeRolePolicyDocument", "Policies"}
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "appconfig.amazonaws.com"}
    (policy,) = role["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement == {"Effect": "Allow", "Action": "cloudwatch:DescribeAlarms", "Resource": "*"}
