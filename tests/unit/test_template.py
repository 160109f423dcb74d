"""The lines of the template that security rests on, as sentences: whoever changes one must change both."""

import json
import re
import shlex
import tomllib
from typing import Any

import pytest

from tests.template import FUNCTIONS, PARAMETERS, RESOURCES, ROOT, TEMPLATE, of_type

SAMCONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text())
ENVIRONMENTS = ("local", "dev", "prod")

SECRET = {"Fn::GetAtt": ["SitesSecret", "Id"]}
TABLE = {"Fn::GetAtt": ["Table", "Arn"]}
TRACING = {"xray:PutTraceSegments": "*", "xray:PutTelemetryRecords": "*"}


def logs(group: str) -> dict[str, Any]:
    arn = {"Fn::GetAtt": [group, "Arn"]}
    return {"logs:CreateLogStream": arn, "logs:PutLogEvents": arn}


RIGHTS: dict[str, dict[str, Any]] = {
    "AuthorizeFunction": {
        "secretsmanager:GetSecretValue": SECRET,
        "dynamodb:UpdateItem": TABLE,
        **logs("AuthorizeLogs"),
        **TRACING,
    },
    "ConfirmFunction": {
        "secretsmanager:GetSecretValue": SECRET,
        "dynamodb:UpdateItem": TABLE,
        **logs("ConfirmLogs"),
        **TRACING,
    },
    "GetTokenFunction": {"secretsmanager:GetSecretValue": SECRET, **logs("GetTokenLogs"), **TRACING},
}
"""What each function may do, and to what. Nobody reads the table: a refused condition tells enough."""


def statements(role: str) -> list[dict[str, Any]]:
    inline: list[dict[str, Any]] = RESOURCES[role]["Properties"]["Policies"]
    return [statement for policy in inline for statement in policy["PolicyDocument"]["Statement"]]


def actions(statement: dict[str, Any]) -> list[str]:
    named = statement["Action"]
    return [named] if isinstance(named, str) else list(named)


def role_of(function: str) -> str:
    name: str = FUNCTIONS[function]["Role"]["Fn::GetAtt"][0]
    return name


def overrides(environment: str, command: str) -> dict[str, str]:
    text = SAMCONFIG[environment][command]["parameters"].get("parameter_overrides", "")
    return dict(pair.split("=", 1) for pair in shlex.split(text))


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_every_parameter_says_what_it_is_for(parameter: str) -> None:
    assert PARAMETERS[parameter].get("Description", "").strip()


@pytest.mark.parametrize(
    "address",
    ["https://api.paynearme.com", "https://api.paynearme-sandbox.com", "http://127.0.0.1:8080"],
)
def test_paynearme_is_called_over_tls_or_on_this_machine(address: str) -> None:
    assert re.fullmatch(PARAMETERS["PayNearMeBaseUrl"]["AllowedPattern"], address)


@pytest.mark.parametrize(
    "address",
    [
        "http://api.paynearme.com",
        "https://api.paynearme.com/",
        "https://a@b.com",
        "http://127.0.0.1.b.com:80",
        "",
    ],
)
def test_no_other_address_is_taken_for_paynearmes(address: str) -> None:
    assert not re.fullmatch(PARAMETERS["PayNearMeBaseUrl"]["AllowedPattern"], address)


def test_every_function_has_its_rights_written_down_here() -> None:
    assert set(RIGHTS) == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_called_by_its_alias_and_starts_from_a_snapshot(function: str) -> None:
    assert FUNCTIONS[function]["AutoPublishAlias"] == "live"
    assert FUNCTIONS[function]["SnapStart"] == {"ApplyOn": "PublishedVersions"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_any_change_of_a_function_publishes_a_version(function: str) -> None:
    assert FUNCTIONS[function]["AutoPublishAliasAllProperties"] is True


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_traced(function: str) -> None:
    assert FUNCTIONS[function]["Tracing"] == "Active"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_gives_up_before_paynearme_does(function: str) -> None:
    assert FUNCTIONS[function]["Timeout"] == 9


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_logs_json_into_a_group_of_its_own(function: str) -> None:
    logging = FUNCTIONS[function]["LoggingConfig"]
    assert logging["LogFormat"] == "JSON"
    group = logging["LogGroup"]["Ref"]
    assert RESOURCES[group]["Type"] == "AWS::Logs::LogGroup"
    assert [f for f in FUNCTIONS if FUNCTIONS[f]["LoggingConfig"]["LogGroup"]["Ref"] == group] == [function]


@pytest.mark.parametrize("group", of_type("AWS::Logs::LogGroup"))
def test_logs_are_deleted_after_the_days_of_the_parameter(group: str) -> None:
    assert RESOURCES[group]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_a_role_that_nobody_else_takes(function: str) -> None:
    role = role_of(function)
    assert [other for other in FUNCTIONS if role_of(other) == role] == [function]
    (trust,) = RESOURCES[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust == {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_do_its_work_and_nothing_else(function: str) -> None:
    role = role_of(function)
    allowed = [(a, s["Resource"]) for s in statements(role) for a in actions(s)]
    assert sorted(a for a, _ in allowed) == sorted(RIGHTS[function])
    assert dict(allowed) == RIGHTS[function]
    # What is not a list of actions on resources would give rights that the lines above do not see.
    assert {key for s in statements(role) for key in s} <= {"Effect", "Action", "Resource", "Condition"}
    assert RESOURCES[role]["Properties"].keys() == {"AssumeRolePolicyDocument", "Policies"}
    assert "Policies" not in FUNCTIONS[function]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_right_is_named_by_a_wildcard_and_none_reads_the_table(function: str) -> None:
    named = [action for statement in statements(role_of(function)) for action in actions(statement)]
    assert not [action for action in named if "*" in action]
    reading = r"dynamodb:(Scan|Query|Get|BatchGet|PartiQL).*"
    assert not [action for action in named if re.fullmatch(reading, action)]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_x_ray_is_allowed_on_every_resource(function: str) -> None:
    everywhere = [s for s in statements(role_of(function)) if s["Resource"] == "*"]
    assert {action for s in everywhere for action in actions(s)} == set(TRACING)


def test_authorize_reaches_payments_and_no_balance() -> None:
    (writing,) = [s for s in statements("AuthorizeRole") if actions(s) == ["dynamodb:UpdateItem"]]
    keys = ["PAYMENT#*", "TEST#PAYMENT#*"]
    assert writing["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys}}


def test_functions_and_layer_are_for_one_architecture_which_is_arm64_unless_told() -> None:
    architecture = {"Ref": "Architecture"}
    assert PARAMETERS["Architecture"]["Default"] == "arm64"
    assert all(function["Architectures"] == [architecture] for function in FUNCTIONS.values())
    assert all(function["Layers"] == [{"Ref": "SharedLayer"}] for function in FUNCTIONS.values())
    layer = RESOURCES["SharedLayer"]
    assert layer["Metadata"] == {"BuildMethod": "python3.13", "BuildArchitecture": architecture}
    assert layer["Properties"]["CompatibleArchitectures"] == [architecture]
    assert layer["Properties"]["CompatibleRuntimes"] == ["python3.13"]
    assert {function["Runtime"] for function in FUNCTIONS.values()} == {"python3.13"}


def test_the_table_is_paid_by_use_and_can_be_restored_and_not_deleted() -> None:
    table = RESOURCES["Table"]["Properties"]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["DeletionProtectionEnabled"] is True


def test_the_table_is_encrypted_with_a_key_of_the_account() -> None:
    assert RESOURCES["Table"]["Properties"]["SSESpecification"] == {"SSEEnabled": True}


def test_the_tables_stream_tells_the_old_and_the_new_item() -> None:
    assert RESOURCES["Table"]["Properties"]["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}


@pytest.mark.parametrize("name", ["Table", "SitesSecret"])
def test_what_cannot_be_made_again_outlives_the_stack(name: str) -> None:
    assert RESOURCES[name]["DeletionPolicy"] == "Retain"
    assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


def test_the_secret_is_deployed_without_a_key() -> None:
    assert json.loads(RESOURCES["SitesSecret"]["Properties"]["SecretString"]) == {"sites": {}}


def test_no_secret_is_resolved_into_the_template() -> None:
    assert "{{resolve:" not in json.dumps(TEMPLATE)


def test_there_is_a_deployment_for_this_machine_for_trying_and_for_production() -> None:
    assert set(SAMCONFIG) == {"version", *ENVIRONMENTS}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_is_deployed_is_for_the_architecture_that_was_built(environment: str) -> None:
    built, deployed = overrides(environment, "build"), overrides(environment, "deploy")
    assert built.get("Architecture") == deployed.get("Architecture")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_deployment_sets_only_parameters_that_there_are(environment: str) -> None:
    assert set(overrides(environment, "build")) | set(overrides(environment, "deploy")) <= set(PARAMETERS)


def test_production_calls_paynearmes_production_and_nobody_else_does() -> None:
    production = "https://api.paynearme.com"
    assert overrides("prod", "deploy")["PayNearMeBaseUrl"] == production
    assert overrides("prod", "deploy")["Stage"] == "prod"
    others = [overrides(environment, "deploy") for environment in ENVIRONMENTS if environment != "prod"]
    assert production not in [other.get("PayNearMeBaseUrl") for other in others]
    assert PARAMETERS["PayNearMeBaseUrl"]["Default"] != production


def test_a_person_confirms_what_changes_in_production() -> None:
    assert SAMCONFIG["prod"]["deploy"]["parameters"]["confirm_changeset"] is True
