"""Settings of the template for security, durability and deployment. A change requires a change here."""

import json
import re
import shlex
import tomllib

import pytest

from tests.support.template import (
    FUNCTIONS,
    PARAMETERS,
    RESOURCES,
    ROOT,
    TEMPLATE,
    TRIGGERED_FUNCTIONS,
    environment_of,
    names_in,
    of_type,
)

SAMCONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text())
ENVIRONMENTS = [name for name in SAMCONFIG if name != "version"]
MAX_DESCRIPTION = 256
ASYNC_FUNCTIONS = {"PublishEventsFunction", "SweepUnconfirmedFunction"}


def overrides(environment: str, command: str) -> dict[str, str]:
    text = SAMCONFIG[environment][command]["parameters"].get("parameter_overrides", "")
    return dict(pair.split("=", 1) for pair in shlex.split(text))


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_every_parameter_says_what_it_is_for(parameter: str) -> None:
    assert PARAMETERS[parameter].get("Description", "").strip()


def test_every_parameter_has_its_place_in_one_group() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(parameter for group in groups for parameter in group["Parameters"]) == sorted(PARAMETERS)


@pytest.mark.parametrize(
    "url", ["https://api.paynearme.com", "https://api.paynearme-sandbox.com", "http://127.0.0.1:8080"]
)
def test_paynearme_is_called_over_tls_or_on_this_machine(url: str) -> None:
    assert re.fullmatch(PARAMETERS["PayNearMeBaseUrl"]["AllowedPattern"], url)


@pytest.mark.parametrize(
    "url",
    ["http://api.paynearme.com", "https://api.paynearme.com/", "https://a@b.com", "http://127.0.0.1.b.com:80", ""],
)
def test_no_other_address_is_taken_for_paynearmes(url: str) -> None:
    assert not re.fullmatch(PARAMETERS["PayNearMeBaseUrl"]["AllowedPattern"], url)


@pytest.mark.parametrize(("stage", "hooks"), [("prod", "false"), ("dev", "true"), ("local", "true")])
def test_paynearmes_retries_are_rehearsed_in_every_stage_but_production(stage: str, hooks: str) -> None:
    condition, production_value, other_value = environment_of("ConfirmFunction")["CERTIFICATION_HOOKS"]["Fn::If"]
    assert TEMPLATE["Conditions"][condition] == {"Fn::Equals": [{"Ref": "Stage"}, "prod"]}
    assert (production_value if stage == "prod" else other_value) == hooks


def test_no_other_function_rehearses_anything() -> None:
    assert [name for name in FUNCTIONS if "CERTIFICATION_HOOKS" in environment_of(name)] == ["ConfirmFunction"]


@pytest.mark.parametrize("function", TRIGGERED_FUNCTIONS)
def test_any_change_of_a_function_publishes_a_version(function: str) -> None:
    assert FUNCTIONS[function]["AutoPublishAlias"] == "live"
    assert FUNCTIONS[function]["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert FUNCTIONS[function]["AutoPublishAliasAllProperties"] is True
    assert FUNCTIONS[function]["AutoPublishCodeSha256"] == {"Ref": "VersionTrigger"}


def depends_on(function: str) -> set[str]:
    """Return the parameters in the settings of a function."""
    referenced_values = [*environment_of(function).values(), *FUNCTIONS[function]["Architectures"]]
    return {name for value in referenced_values for name in names_in(value)} & set(PARAMETERS)


@pytest.mark.parametrize("function", TRIGGERED_FUNCTIONS)
def test_a_function_tells_in_its_description_which_parameters_it_depends_on(function: str) -> None:
    # SAM publishes a version for a changed parameter value only if the description changes.
    referenced_names = set(re.findall(r"\$\{(\w+)\}", FUNCTIONS[function]["Description"]["Fn::Sub"]))
    assert referenced_names == depends_on(function)


@pytest.mark.parametrize("function", TRIGGERED_FUNCTIONS)
def test_a_description_is_not_longer_than_lambda_takes(function: str) -> None:
    text = FUNCTIONS[function]["Description"]["Fn::Sub"]
    for parameter in depends_on(function):
        # A value can be longer than the default.
        text = text.replace(f"${{{parameter}}}", str(PARAMETERS[parameter]["Default"]) + "0000")
    assert len(text) <= MAX_DESCRIPTION


@pytest.mark.parametrize("function", sorted(FUNCTIONS.keys() - ASYNC_FUNCTIONS))
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


def test_functions_and_layer_are_for_one_architecture_which_is_arm64_unless_told() -> None:
    architecture = {"Ref": "Architecture"}
    assert PARAMETERS["Architecture"]["Default"] == "arm64"
    assert all(function["Architectures"] == [architecture] for function in FUNCTIONS.values())
    layer = RESOURCES["SharedLayer"]
    assert layer["Metadata"] == {"BuildMethod": "python3.13", "BuildArchitecture": architecture}
    assert layer["Properties"]["CompatibleArchitectures"] == [architecture]


def test_the_table_is_paid_by_use_and_can_be_restored_and_not_deleted() -> None:
    table = RESOURCES["LedgerTable"]["Properties"]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["DeletionProtectionEnabled"] is True
    assert table["SSESpecification"] == {"SSEEnabled": True}


def test_the_secret_is_deployed_without_a_key() -> None:
    assert json.loads(RESOURCES["SitesSecret"]["Properties"]["SecretString"]) == {"sites": {}}


def test_no_secret_is_resolved_into_the_template() -> None:
    assert "{{resolve:" not in json.dumps(TEMPLATE)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_is_deployed_is_for_the_architecture_that_was_built(environment: str) -> None:
    build_parameters, deploy_parameters = overrides(environment, "build"), overrides(environment, "deploy")
    assert build_parameters.get("Architecture") == deploy_parameters.get("Architecture")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_deployment_sets_only_parameters_that_there_are(environment: str) -> None:
    assert set(overrides(environment, "build")) | set(overrides(environment, "deploy")) <= set(PARAMETERS)


def test_production_calls_paynearmes_production_and_nobody_else_does() -> None:
    production = "https://api.paynearme.com"
    assert overrides("prod", "deploy")["PayNearMeBaseUrl"] == production
    assert overrides("prod", "deploy")["Stage"] == "prod"
    other_overrides = [overrides(environment, "deploy") for environment in ENVIRONMENTS if environment != "prod"]
    assert production not in [entry.get("PayNearMeBaseUrl") for entry in other_overrides]
    assert PARAMETERS["PayNearMeBaseUrl"]["Default"] != production


def test_in_production_a_new_policy_spreads_slowly_and_elsewhere_at_once() -> None:
    for name in ("PolicyDeploymentMinutes", "PolicyBakeMinutes"):
        assert [environment for environment in ENVIRONMENTS if name in overrides(environment, "deploy")] == ["prod"]
        assert int(overrides("prod", "deploy")[name]) >= 10
        assert PARAMETERS[name]["Default"] == "0"


def test_in_production_new_code_comes_in_steps_and_elsewhere_at_once() -> None:
    values = {environment: overrides(environment, "deploy").get("CanaryDeployment") for environment in ENVIRONMENTS}
    assert values == {environment: "true" if environment == "prod" else None for environment in ENVIRONMENTS}
    assert PARAMETERS["CanaryDeployment"]["Default"] == "false"


def test_a_person_confirms_what_changes_in_production() -> None:
    assert SAMCONFIG["prod"]["deploy"]["parameters"]["confirm_changeset"] is True
