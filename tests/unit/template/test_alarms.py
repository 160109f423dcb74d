"""Each alarm has an existing metric, a notification, and an entry in the runbook."""

import re
from typing import Any

import pytest

from paynearme.handlers.callback import CALLBACK_TIMEOUT_SECONDS
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS
from paynearme.platform.settings import Settings
from tests.support.metric_names import ALL_METRIC_NAMES
from tests.support.template import FUNCTIONS, PARAMETERS, RESOURCES, ROOT, TEMPLATE, environment_of, of_type

ALARMS = of_type("AWS::CloudWatch::Alarm")
PROJECT_ALARMS = {name: alarm for name, alarm in ALARMS.items() if alarm["Namespace"] == "PayNearMe"}
AWS_METRICS = {
    "AWS/ApiGateway": {metric: {"ApiName", "Stage"} for metric in ("4XXError", "5XXError")},
    "AWS/Lambda": {metric: {"FunctionName"} for metric in ("Errors", "Invocations", "IteratorAge", "Throttles")},
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible": {"QueueName"}},
}
"""AWS's metrics with their dimensions."""

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
SECTION_TITLES = ["Meaning.", "Check.", "Action."]


def dimensions_of(alarm: dict[str, Any]) -> dict[str, Any]:
    return {entry["Name"]: entry["Value"] for entry in alarm["Dimensions"]}


def alarmed_functions(metric: str) -> set[str]:
    """Return the functions with an alarm on a metric of Lambda."""
    alarms = [alarm for alarm in ALARMS.values() if alarm["MetricName"] == metric]
    return {dimensions_of(alarm)["FunctionName"]["Ref"] for alarm in alarms}


@pytest.mark.parametrize("alarm", PROJECT_ALARMS)
def test_project_alarm_metric_exists_in_code(alarm: str) -> None:
    assert PROJECT_ALARMS[alarm]["MetricName"] in ALL_METRIC_NAMES


@pytest.mark.parametrize("alarm", PROJECT_ALARMS)
def test_project_alarm_dimensions_are_stack_and_operation(alarm: str) -> None:
    dimensions = dimensions_of(PROJECT_ALARMS[alarm])
    assert dimensions.pop("service") == {"Ref": "AWS::StackName"}
    assert set(dimensions) <= {"operation"}
    folders = {function["CodeUri"].removeprefix("functions/") for function in FUNCTIONS.values()}
    assert set(dimensions.values()) <= folders


@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name != "ValidatePolicyFunction"])
def test_function_metrics_service_is_stack_name(function: str) -> None:
    assert environment_of(function)["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}


@pytest.mark.parametrize("alarm", [name for name in ALARMS if name not in PROJECT_ALARMS])
def test_aws_alarm_metric_and_dimensions_exist(alarm: str) -> None:
    metrics = AWS_METRICS[ALARMS[alarm]["Namespace"]]
    assert set(dimensions_of(ALARMS[alarm])) == metrics[ALARMS[alarm]["MetricName"]]


@pytest.mark.parametrize("alarm", ["CallbackApi5xxAlarm", "CallbackApi4xxAlarm"])
def test_callback_api_alarm_excludes_backend_api(alarm: str) -> None:
    names = {api["Name"]["Fn::Sub"] for api in of_type("AWS::Serverless::Api").values()}
    assert len(names) == len(of_type("AWS::Serverless::Api"))
    alarm_dimensions = dimensions_of(ALARMS[alarm])
    assert alarm_dimensions["ApiName"] == RESOURCES["CallbackApi"]["Properties"]["Name"]
    assert alarm_dimensions["Stage"] == RESOURCES["CallbackApi"]["Properties"]["StageName"]


def test_callback_functions_have_error_and_throttle_alarms() -> None:
    callback_functions = {
        name
        for name, function in FUNCTIONS.items()
        for event in function.get("Events", {}).values()
        if event["Properties"].get("RestApiId") == {"Ref": "CallbackApi"}
    }
    assert len(callback_functions) == 3
    assert alarmed_functions("Throttles") == callback_functions
    async_functions = {"PublishEventsFunction", "SweepUnconfirmedFunction"}
    assert alarmed_functions("Errors") == callback_functions | async_functions


@pytest.mark.parametrize("alarm", ALARMS)
def test_alarm_has_topic_description_and_missing_data_setting(alarm: str) -> None:
    assert ALARMS[alarm]["AlarmActions"] == [{"Ref": "AlarmTopic"}]
    assert ALARMS[alarm]["AlarmDescription"].strip()
    missing_data = "breaching" if alarm == "SweepMissingAlarm" else "notBreaching"
    assert ALARMS[alarm]["TreatMissingData"] == missing_data


def test_latency_alarm_fires_before_function_deadline() -> None:
    # A function starts no attempt that could exceed its timeout.
    response_seconds = Settings(sites_secret="").response_timeout_seconds - MAX_ATTEMPT_SECONDS
    alarm = ALARMS["CallbackLatencyAlarm"]
    assert alarm["Threshold"] / 100 * CALLBACK_TIMEOUT_SECONDS < response_seconds


@pytest.mark.parametrize("alarm", ALARMS)
def test_alarm_uses_no_metric_math(alarm: str) -> None:
    # The emulator does not support metric math.
    assert "Metrics" not in ALARMS[alarm]


@pytest.mark.parametrize("parameter", [name for name in PARAMETERS if name.endswith("AlarmThreshold")])
def test_alarm_threshold_is_parameter_with_minimum_zero(parameter: str) -> None:
    alarm = ALARMS[parameter.removesuffix("Threshold")]
    assert alarm["Threshold"] == {"Ref": parameter}
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
    assert PARAMETERS[parameter]["MinValue"] == 0


def test_alarm_subscription_only_with_email() -> None:
    assert PARAMETERS["AlarmEmail"]["Default"] == ""
    assert RESOURCES["AlarmSubscription"]["Condition"] == "HasAlarmEmail"


@pytest.mark.parametrize(("address", "is_valid"), [("", True), ("a@b.example", True), ("a", False), ("a @b", False)])
def test_alarm_email_pattern_accepts_only_email(address: str, is_valid: bool) -> None:
    assert bool(re.fullmatch(PARAMETERS["AlarmEmail"]["AllowedPattern"], address)) == is_valid


def entries() -> dict[str, str]:
    """Return the runbook's text for each alarm, by name. A heading can have several names."""
    alarms_section = RUNBOOK.partition("\n## Alarms\n")[2].partition("\n## ")[0]
    texts_by_alarm: dict[str, str] = {}
    for section in alarms_section.split("\n### ")[1:]:
        heading, _, text = section.partition("\n")
        names = re.findall(r"`(\w+)`", heading)
        assert not texts_by_alarm.keys() & set(names)
        texts_by_alarm |= dict.fromkeys(names, text)
    return texts_by_alarm


def test_runbook_entries_match_alarms() -> None:
    assert entries().keys() == ALARMS.keys()


@pytest.mark.parametrize("alarm", ALARMS)
def test_runbook_entry_has_meaning_check_and_action(alarm: str) -> None:
    text = entries()[alarm]
    assert re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE) == SECTION_TITLES
    paragraphs = re.split(r"^\*\*.+?\*\*", text, flags=re.MULTILINE)[1:]
    assert all(len(part.split()) >= 5 for part in paragraphs)


def test_runbook_mentions_only_defined_names() -> None:
    mentioned_names = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][A-Za-z0-9]*)+)`", RUNBOOK))
    defined_names = {
        *RESOURCES,
        *PARAMETERS,
        *TEMPLATE["Mappings"],
        *TEMPLATE["Outputs"],
        *ALL_METRIC_NAMES,
        *(m for ns in AWS_METRICS.values() for m in ns),
    }
    external_names = {
        "PayNearMe",
        "AccessDeniedException",
        "BlockedRequests",
        "ConcurrentExecutions",
        "IntegrationLatency",
        "LastProcessingResult",
        "PutEvents",
        "ThrottledRequests",
        "ThrottlingException",
    }
    assert mentioned_names - defined_names == external_names


QUERIES = of_type("AWS::Logs::QueryDefinition")


@pytest.mark.parametrize("query", QUERIES)
def test_saved_query_searches_logs_of_all_functions(query: str) -> None:
    groups = [function["LoggingConfig"]["LogGroup"]["Ref"] for function in FUNCTIONS.values()]
    assert sorted(group["Ref"] for group in QUERIES[query]["LogGroupNames"]) == sorted(groups)


@pytest.mark.parametrize("query", QUERIES)
def test_runbook_mentions_each_saved_query(query: str) -> None:
    assert f"*{QUERIES[query]['Name']['Fn::Sub'].partition('/')[2]}*" in RUNBOOK


def test_payment_query_filters_quoted_identifier_in_whole_line() -> None:
    # The quotation marks exclude longer identifiers. The whole line includes lists of identifiers.
    assert re.search(r"""filter @message like '"[^"']+"'""", QUERIES["PaymentTimelineQuery"]["QueryString"])
