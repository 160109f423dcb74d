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
def test_parameter_has_description(parameter: str) -> None:
    assert PARAMETERS[parameter].get("Description", "").strip()


def test_parameter_groups_contain_each_parameter_once() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(parameter for group in groups for parameter in group["Parameters"]) == sorted(PARAMETERS)


@pytest.mark.parametrize(
    "url", ["https://api.paynearme.com", "https://api.paynearme-sandbox.com", "http://127.0.0.1:8080"]
)
def test_paynearme_url_pattern_accepts_https_or_localhost(url: str) -> None:
    assert re.fullmatch(PARAMETERS["PayNearMeBaseUrl"]["AllowedPattern"], url)


@pytest.mark.parametrize(
    "url",
    ["http://api.paynearme.com", "https://api.paynearme.com/", "https://a@b.com", "http://127.0.0.1.b.com:80", ""],
)
def test_paynearme_url_pattern_rejects_other_urls(url: str) -> None:
    assert not re.fullmatch(PARAMETERS["PayNearMeBaseUrl"]["AllowedPattern"], url)


@pytest.mark.parametrize(("stage", "hooks"), [("prod", "false"), ("dev", "true"), ("local", "true")])
def test_certification_hooks_enabled_except_in_production(stage: str, hooks: str) -> None:
    condition, production_value, other_value = environment_of("ConfirmFunction")["CERTIFICATION_HOOKS"]["Fn::If"]
    assert TEMPLATE["Conditions"][condition] == {"Fn::Equals": [{"Ref": "Stage"}, "prod"]}
    assert (production_value if stage == "prod" else other_value) == hooks


def test_certification_hooks_only_in_confirm_function() -> None:
    assert [name for name in FUNCTIONS if "CERTIFICATION_HOOKS" in environment_of(name)] == ["ConfirmFunction"]


@pytest.mark.parametrize("function", TRIGGERED_FUNCTIONS)
def test_function_change_publishes_version(function: str) -> None:
    assert FUNCTIONS[function]["AutoPublishAlias"] == "live"
    assert FUNCTIONS[function]["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert FUNCTIONS[function]["AutoPublishAliasAllProperties"] is True
    assert FUNCTIONS[function]["AutoPublishCodeSha256"] == {"Ref": "VersionTrigger"}


def depends_on(function: str) -> set[str]:
    """Return the parameters in the settings of a function."""
    referenced_values = [*environment_of(function).values(), *FUNCTIONS[function]["Architectures"]]
    return {name for value in referenced_values for name in names_in(value)} & set(PARAMETERS)


@pytest.mark.parametrize("function", TRIGGERED_FUNCTIONS)
def test_function_description_contains_its_parameters(function: str) -> None:
    # SAM publishes a version for a changed parameter value only if the description changes.
    referenced_names = set(re.findall(r"\$\{(\w+)\}", FUNCTIONS[function]["Description"]["Fn::Sub"]))
    assert referenced_names == depends_on(function)


@pytest.mark.parametrize("function", TRIGGERED_FUNCTIONS)
def test_function_description_within_lambda_maximum(function: str) -> None:
    text = FUNCTIONS[function]["Description"]["Fn::Sub"]
    for parameter in depends_on(function):
        # A value can be longer than the default.
        text = text.replace(f"${{{parameter}}}", str(PARAMETERS[parameter]["Default"]) + "0000")
    assert len(text) <= MAX_DESCRIPTION


@pytest.mark.parametrize("function", sorted(FUNCTIONS.keys() - ASYNC_FUNCTIONS))
def test_function_timeout_below_paynearme_timeout(function: str) -> None:
    assert FUNCTIONS[function]["Timeout"] == 9


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_logs_json_to_own_log_group(function: str) -> None:
    logging = FUNCTIONS[function]["LoggingConfig"]
    assert logging["LogFormat"] == "JSON"
    group = logging["LogGroup"]["Ref"]
    assert RESOURCES[group]["Type"] == "AWS::Logs::LogGroup"
    assert [f for f in FUNCTIONS if FUNCTIONS[f]["LoggingConfig"]["LogGroup"]["Ref"] == group] == [function]


@pytest.mark.parametrize("group", of_type("AWS::Logs::LogGroup"))
def test_log_group_retention_from_parameter(group: str) -> None:
    assert RESOURCES[group]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_architecture_arm64_by_default_for_functions_and_layer() -> None:
    architecture = {"Ref": "Architecture"}
    assert PARAMETERS["Architecture"]["Default"] == "arm64"
    assert all(function["Architectures"] == [architecture] for function in FUNCTIONS.values())
    layer = RESOURCES["SharedLayer"]
    assert layer["Metadata"] == {"BuildMethod": "python3.13", "BuildArchitecture": architecture}
    assert layer["Properties"]["CompatibleArchitectures"] == [architecture]


def test_table_on_demand_recoverable_and_protected() -> None:
    table = RESOURCES["LedgerTable"]["Properties"]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["DeletionProtectionEnabled"] is True
    assert table["SSESpecification"] == {"SSEEnabled": True}


def test_secret_deployed_without_keys() -> None:
    assert json.loads(RESOURCES["SitesSecret"]["Properties"]["SecretString"]) == {"sites": {}}


def test_template_resolves_no_secret() -> None:
    assert "{{resolve:" not in json.dumps(TEMPLATE)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_samconfig_build_and_deploy_same_architecture(environment: str) -> None:
    build_parameters, deploy_parameters = overrides(environment, "build"), overrides(environment, "deploy")
    assert build_parameters.get("Architecture") == deploy_parameters.get("Architecture")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_samconfig_overrides_only_existing_parameters(environment: str) -> None:
    assert set(overrides(environment, "build")) | set(overrides(environment, "deploy")) <= set(PARAMETERS)


def test_samconfig_production_url_only_in_prod() -> None:
    production = "https://api.paynearme.com"
    assert overrides("prod", "deploy")["PayNearMeBaseUrl"] == production
    assert overrides("prod", "deploy")["Stage"] == "prod"
    other_overrides = [overrides(environment, "deploy") for environment in ENVIRONMENTS if environment != "prod"]
    assert production not in [entry.get("PayNearMeBaseUrl") for entry in other_overrides]
    assert PARAMETERS["PayNearMeBaseUrl"]["Default"] != production


def test_samconfig_policy_deployment_slow_only_in_prod() -> None:
    for name in ("PolicyDeploymentMinutes", "PolicyBakeMinutes"):
        assert [environment for environment in ENVIRONMENTS if name in overrides(environment, "deploy")] == ["prod"]
        assert int(overrides("prod", "deploy")[name]) >= 10
        assert PARAMETERS[name]["Default"] == "0"


def test_samconfig_canary_deployment_only_in_prod() -> None:
    values = {environment: overrides(environment, "deploy").get("CanaryDeployment") for environment in ENVIRONMENTS}
    assert values == {environment: "true" if environment == "prod" else None for environment in ENVIRONMENTS}
    assert PARAMETERS["CanaryDeployment"]["Default"] == "false"


def test_samconfig_prod_deploy_confirms_changeset() -> None:
    assert SAMCONFIG["prod"]["deploy"]["parameters"]["confirm_changeset"] is True
