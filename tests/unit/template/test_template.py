"""Rules across the resources, the parameters and the code, and the settings for security."""

import json
import re
from typing import Any

import pytest

from paynearme.handlers.callback import CALLBACK_TIMEOUT_SECONDS
from paynearme.platform import observability
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS
from paynearme.platform.http_request import MAX_BYTES
from paynearme.platform.settings import Settings
from tests.support import template
from tests.support.metric_names import ALL_METRIC_NAMES
from tests.support.template import API_FUNCTIONS, APIS, FUNCTIONS, PARAMETERS, RESOURCES, TEMPLATE, names_in, of_type

WEB_ACL: dict[str, Any] = RESOURCES["WebAcl"]["Properties"]
RULES: list[dict[str, Any]] = WEB_ACL["Rules"]
ALARMS = of_type("AWS::CloudWatch::Alarm")
PROJECT_ALARMS = [name for name, alarm in ALARMS.items() if alarm["Namespace"] == "PayNearMe"]
AWS_METRICS = {
    **{("AWS/ApiGateway", metric): {"ApiName", "Stage"} for metric in ("4XXError", "5XXError", "Latency")},
    **{("AWS/Lambda", m): {"FunctionName"} for m in ("Errors", "Invocations", "IteratorAge", "Throttles")},
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"QueueName"},
}
"""AWS's metrics with their dimensions."""


@pytest.mark.parametrize("name", [n for n, entry in RESOURCES.items() if entry["Type"] in template.DATA_TYPES])
def test_resource_with_data_is_retained(name: str) -> None:
    # The logs of a failed creation contain its cause. Other resources of it would be useless copies.
    is_log = RESOURCES[name]["Type"] == "AWS::Logs::LogGroup"
    assert RESOURCES[name]["DeletionPolicy"] == ("Retain" if is_log else "RetainExceptOnCreate")
    assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


def test_table_protected_recoverable_and_encrypted() -> None:
    table = RESOURCES["LedgerTable"]["Properties"]
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert table["SSESpecification"]["SSEEnabled"] is True
    assert table["DeletionProtectionEnabled"] == {"Fn::If": ["IsProd", True, False]}


def test_template_contains_no_secret() -> None:
    assert json.loads(RESOURCES["SitesSecret"]["Properties"]["SecretString"]) == {"sites": {}}
    assert "{{resolve:" not in json.dumps(TEMPLATE)


@pytest.mark.parametrize("function", template.VERSIONED_FUNCTIONS)
def test_function_description_contains_its_parameters(function: str) -> None:
    # SAM publishes a version for a changed parameter value only if the description changes.
    properties = FUNCTIONS[function]
    settings = [*template.environment_of(function).values(), properties["Architectures"]]
    # No version contains the reserved concurrency, so its change alone makes the deployment fail.
    settings.append(properties.get("ReservedConcurrentExecutions"))
    assert names_in(properties["Description"]) == names_in(settings) & set(PARAMETERS)
    assert properties["AutoPublishCodeSha256"] == {"Ref": "VersionTrigger"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_callback_functions_use_snapstart(function: str) -> None:
    # AWS bills the snapshot of each published version until its deletion.
    assert ("SnapStart" in FUNCTIONS[function]) is (function in template.CALLBACK_FUNCTIONS)


@pytest.mark.parametrize("function", [*template.CALLBACK_FUNCTIONS, *template.OUTBOUND_FUNCTIONS])
def test_callbacks_and_paynearme_calls_have_own_concurrency(function: str) -> None:
    kind = "Outbound" if function in template.OUTBOUND_FUNCTIONS else function.removesuffix("Function")
    name = f"{kind}ReservedConcurrency"
    _, value, otherwise = FUNCTIONS[function]["ReservedConcurrentExecutions"]["Fn::If"]
    assert (value, otherwise) == ({"Ref": name}, {"Ref": "AWS::NoValue"})
    # On AWS, the value 0 would reject every invocation.
    assert TEMPLATE["Conditions"][f"Has{kind}Reservation"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": name}, "0"]}]}
    assert PARAMETERS[name]["Default"] == "0"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_has_own_log_group_and_timeout_of_deadline(function: str) -> None:
    group = FUNCTIONS[function]["LoggingConfig"]["LogGroup"]
    assert [other for other in FUNCTIONS if FUNCTIONS[other]["LoggingConfig"]["LogGroup"] == group] == [function]
    assert RESOURCES[group["Ref"]]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    if function in API_FUNCTIONS:
        settings = Settings(sites_secret="")
        assert settings.response_timeout_seconds + MAX_ATTEMPT_SECONDS <= FUNCTIONS[function]["Timeout"]
        assert settings.call_timeout_seconds < FUNCTIONS[function]["Timeout"] < CALLBACK_TIMEOUT_SECONDS


@pytest.mark.parametrize("url", ["http://a.com", "https://a.com/", "https://a@b.com", "http://127.0.0.1.b.com:80", ""])
def test_paynearme_url_pattern_rejects_other_urls(url: str) -> None:
    assert not re.fullmatch(PARAMETERS["PayNearMeBaseUrl"]["AllowedPattern"], url)


@pytest.mark.parametrize("api", APIS)
def test_access_log_contains_no_sender_controlled_text(api: str) -> None:
    # The sender controls only the method.
    safe = r"domainName|httpMethod|identity\.(sourceIp|userArn)|requestId|requestTime|resourcePath|status"
    safe += r"|(response|integration)Latency|responseLength|tlsVersion"
    fields = json.loads(APIS[api]["AccessLogSetting"]["Format"]).values()
    assert not [field for field in fields if not re.fullmatch(rf"\$context\.({safe})", field)]


@pytest.mark.parametrize("api", APIS)
def test_api_stage_has_no_traces_and_requires_tls_1_2(api: str) -> None:
    # A trace of API Gateway contains the URL with its query string.
    assert APIS[api]["TracingEnabled"] is False
    assert (APIS[api]["SecurityPolicy"], APIS[api]["EndpointAccessMode"]) == (
        "SecurityPolicy_TLS13_1_2_2021_06",
        "BASIC",
    )


@pytest.mark.parametrize("api", APIS)
def test_throttling_limits_for_each_route_and_api_default(api: str) -> None:
    events = [(name, event["Properties"]) for name, f in API_FUNCTIONS.items() for event in f["Events"].values()]
    functions = {(e["Path"], e["Method"].upper()): name for name, e in events if e["RestApiId"] == {"Ref": api}}
    settings = APIS[api]["MethodSettings"]
    routes = [(setting["ResourcePath"][1:].replace("~1", "/"), setting["HttpMethod"]) for setting in settings]
    assert sorted(routes) == sorted([*functions, ("*", "*")])
    for route, setting in zip(routes, settings, strict=True):
        assert {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= setting.keys()
        # A route that calls PayNearMe has its own limit.
        has_own_limit = "Fn::FindInMap" in setting["ThrottlingRateLimit"]
        assert has_own_limit or functions.get(route) not in template.OUTBOUND_FUNCTIONS
        # The traces of API Gateway contain bodies.
        assert setting["DataTraceEnabled"] is False


def test_callback_api_allows_only_parameter_cidrs() -> None:
    [statement] = APIS["CallbackApi"]["Policy"]["Statement"]
    assert statement["Condition"] == {"IpAddress": {"aws:SourceIp": {"Ref": "CallbackAllowedCidrs"}}}
    # PayNearMe signs bytes, and decoding could change them.
    assert APIS["CallbackApi"]["BinaryMediaTypes"] == ["*/*"]


@pytest.mark.parametrize("kind", ["Callback", "Backend"])
def test_domain_uses_tls_1_2_and_certificate_parameter(kind: str) -> None:
    domain = RESOURCES[f"{kind}Domain"]["Properties"]
    assert domain["SecurityPolicy"] == "TLS_1_2"
    assert domain["RegionalCertificateArn"] == {"Ref": f"{kind}CertificateArn"}


def test_waf_counts_consumer_controlled_matches() -> None:
    groups = [rule["Statement"].get("ManagedRuleGroupStatement", {}) for rule in RULES]
    overrides = [entry for group in groups for entry in group.get("RuleActionOverrides", [])]
    # AWS's rules for text that consumers control. WAF ignores an unknown name.
    attacks = ["CrossSiteScripting", "EC2MetaDataSSRF", "GenericLFI", "GenericRFI"]
    names = {f"{attack}_{part}" for attack in attacks for part in ("BODY", "QUERYARGUMENTS")}
    attacks = ["JavaDeserializationRCE", "Log4JRCE", "SizeRestrictions"]
    names |= {f"{attack}_{part}" for attack in attacks for part in ("BODY", "QUERYSTRING")}
    # PayNearMe does not document a User-Agent of its callbacks.
    names |= {"ReactJSRCE_BODY", "RestrictedExtensions_QUERYARGUMENTS", "NoUserAgent_HEADER"}
    assert {entry["Name"]: entry["ActionToUse"] for entry in overrides} == {name: {"Count": {}} for name in names}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["Name"])
def test_waf_mode_count_rules_only_count(rule: dict[str, Any]) -> None:
    condition, _, otherwise = (rule.get("Action") or rule["OverrideAction"])["Fn::If"]
    assert TEMPLATE["Conditions"][condition] == {"Fn::Equals": [{"Ref": "WafMode"}, "block"]}
    assert otherwise == {"Count": {}}


def test_waf_stores_no_sampled_requests() -> None:
    # A sample contains the query string, with personal data and the signature.
    assert not [entry for entry in (WEB_ACL, *RULES) if entry["VisibilityConfig"]["SampledRequestsEnabled"]]


def test_waf_limits_follow_from_function_and_callback_rate() -> None:
    inspected_size = WEB_ACL["AssociationConfig"]["RequestBody"]["API_GATEWAY"]["DefaultSizeInspectionLimit"]
    assert inspected_size == f"KB_{MAX_BYTES // 1024}"
    statements = {kind: statement for rule in RULES for kind, statement in rule["Statement"].items()}
    assert statements["SizeConstraintStatement"]["Size"] == MAX_BYTES
    rate = statements["RateBasedStatement"]
    # PayNearMe can send all authorizations and confirmations from one IP address.
    callbacks = 2 * int(PARAMETERS["CallbackRateLimit"]["Default"]) * rate["EvaluationWindowSec"]
    assert int(PARAMETERS[rate["Limit"]["Ref"]]["Default"]) >= callbacks


def test_policy_validated_by_function_and_rolled_back_by_alarm() -> None:
    [validator] = RESOURCES["PolicyProfile"]["Properties"]["Validators"]
    [permission] = of_type("AWS::Lambda::Permission").values()
    [monitor] = RESOURCES["PolicyEnvironment"]["Properties"]["Monitors"]
    assert names_in(monitor["AlarmArn"]) == {"PolicyAlarm"}
    assert names_in(validator["Content"]) == names_in(permission["FunctionName"]) == {"ValidatePolicyFunction"}
    # AppConfig invokes it without an alias, so a published version would never run.
    assert "AutoPublishAlias" not in FUNCTIONS["ValidatePolicyFunction"]


def dimensions_of(alarm: str) -> dict[str, Any]:
    return {entry["Name"]: entry["Value"] for entry in ALARMS[alarm]["Dimensions"]}


@pytest.mark.parametrize("alarm", PROJECT_ALARMS)
def test_project_alarm_metric_exists_with_its_dimensions(alarm: str, capsys: pytest.CaptureFixture[str]) -> None:
    dimensions, name = dimensions_of(alarm), ALARMS[alarm]["MetricName"]
    operation = dimensions.get("operation", "authorize")
    observability.add_metric(name)
    observability.flush(operation, 200, 1.0)
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if name in line]
    [directive] = line["_aws"]["CloudWatchMetrics"]

    assert name in ALL_METRIC_NAMES
    assert set(dimensions) in map(set, directive["Dimensions"])
    assert f"functions/{operation}" in [function["CodeUri"] for function in FUNCTIONS.values()]
    # All functions that count metrics have this variable, which is the value of the dimension.
    services = [
        template.environment_of(function).get("POWERTOOLS_SERVICE_NAME") for function in template.VERSIONED_FUNCTIONS
    ]
    assert services == [dimensions["service"]] * len(services)


@pytest.mark.parametrize("alarm", [name for name in ALARMS if name not in PROJECT_ALARMS])
def test_aws_alarm_metric_and_dimensions_exist(alarm: str) -> None:
    dimensions, api = dimensions_of(alarm), APIS["BackendApi" if alarm.startswith("BackendApi") else "CallbackApi"]
    assert set(dimensions) == AWS_METRICS[ALARMS[alarm]["Namespace"], ALARMS[alarm]["MetricName"]]
    assert dimensions.get("ApiName", api["Name"]) == api["Name"]


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_functions_that_change_state_have_alarms(metric: str) -> None:
    alarmed = {dimensions_of(name)["FunctionName"]["Ref"] for name in ALARMS if ALARMS[name]["MetricName"] == metric}
    callbacks = set(template.CALLBACK_FUNCTIONS)
    background = template.TRIGGERED_FUNCTIONS.keys() - API_FUNCTIONS.keys()
    # AWS invokes a throttled background function again, and the backend receives the error of a throttled request.
    with_errors_alarm = background | {"CreateOrderFunction", "MakePaymentFunction"}
    assert alarmed == callbacks | (with_errors_alarm if metric == "Errors" else set())


@pytest.mark.parametrize("alarm", ALARMS)
def test_alarm_notifies_and_fires_without_data_if_minimum(alarm: str) -> None:
    is_minimum = ALARMS[alarm]["ComparisonOperator"].startswith("LessThan")
    without_data = "breaching" if is_minimum else "notBreaching"
    # The sweep reports the size every five minutes, so a period without a report does not mean an empty quarantine.
    without_data = "ignore" if alarm == "QuarantineAlarm" else without_data
    assert ALARMS[alarm]["AlarmActions"] == ALARMS[alarm]["OKActions"] == [{"Ref": "AlarmTopic"}]
    assert ALARMS[alarm]["TreatMissingData"] == without_data


def test_latency_alarm_fires_before_function_deadline() -> None:
    # A function starts no attempt that could exceed its timeout.
    response_seconds = Settings(sites_secret="").response_timeout_seconds - MAX_ATTEMPT_SECONDS
    assert ALARMS["CallbackLatencyAlarm"]["Threshold"] / 100 * CALLBACK_TIMEOUT_SECONDS < response_seconds
