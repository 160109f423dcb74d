import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, NoRegionError
from click.testing import CliRunner, Result

from operations.__main__ import main
from operations.errors import OperationError
from paynearme.policy import read_policy
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.policy_builders import valid_document

FIRST_POLICY = json.dumps(valid_document(), indent=2)
SECOND_POLICY = json.dumps(valid_document(unknown_order="decline"), indent=2)
BROKEN = json.dumps(valid_document(unknown_order="perhaps", time_zone="Mars/Olympus"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the commands, with a valid ``policy.json``."""
    (tmp_path / "policy.json").write_text(FIRST_POLICY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def appconfig(monkeypatch: pytest.MonkeyPatch) -> FakeAppConfig:
    """The AppConfig of ``prod``, the only environment."""
    appconfig = FakeAppConfig()
    monkeypatch.setattr("operations.policy.deployed_policy_of", {"prod": appconfig.policy}.__getitem__)
    return appconfig


def run(*arguments: str) -> Result:
    """Run a command. An error without a message fails the test."""
    result = CliRunner().invoke(main, ["policy", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def deploy(*arguments: str) -> Result:
    return run("deploy", "--config-env", "prod", *arguments)


def show(*arguments: str) -> Result:
    result = run("show", "--config-env", "prod", *arguments)
    assert result.exit_code == 0
    return result


def version_of(text: str) -> str:
    return read_policy(text).defaults.version


def test_check_valid_document_prints_version() -> None:
    result = run("check")

    assert (result.exit_code, result.stdout) == (0, f"policy.json: version {version_of(FIRST_POLICY)}\n")


def test_check_invalid_documents_one_line_per_validation_error(folder: Path) -> None:
    (folder / "broken.json").write_text(BROKEN)
    (folder / "empty.json").write_text("")
    (folder / "latin.json").write_bytes(b'{"defaults": "\xe4"}')

    result = run("check", "broken.json", "empty.json", "latin.json", "policy.json")

    assert result.exit_code == 1
    locations = [line.split(": ")[:2] for line in result.stderr.splitlines()]
    assert locations == [
        ["broken.json", "defaults.unknown_order"],
        ["broken.json", "defaults.time_zone"],
        ["empty.json", "invalid JSON"],
        ["latin.json", "invalid UTF-8"],
    ]
    assert result.stdout.startswith("policy.json: version ")


def test_deploy_waits_and_prints_progress(appconfig: FakeAppConfig) -> None:
    appconfig.steps = [("DEPLOYING", 0.0), ("DEPLOYING", 50.0), ("DEPLOYING", 50.0), ("COMPLETE", 100.0)]

    result = deploy()

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"policy {version_of(FIRST_POLICY)}: deployment 1 of version 1: deploying, 0 %",
        "deployment 1 of version 1: deploying, 50 %",
        "deployment 1 of version 1: complete, 100 %",
        f"policy {version_of(FIRST_POLICY)} is active",
    ]
    assert appconfig.policy.status().text == FIRST_POLICY


def test_deploy_no_wait_rolled_back_immediately_fails(appconfig: FakeAppConfig) -> None:
    appconfig.steps = [("ROLLED_BACK", 0.0)]
    result = deploy("--no-wait")
    assert (result.exit_code, "rolled back" in result.stderr) == (1, True)


@pytest.mark.parametrize("state", ["DEPLOYING", "BAKING"])
def test_deploy_no_wait_in_progress_not_reported_active(appconfig: FakeAppConfig, state: str) -> None:
    appconfig.steps = [(state, 0.0)]

    result = deploy("--no-wait")

    assert (result.exit_code, appconfig.sleeps) == (0, [])
    assert "policy show" in result.stdout
    assert "is active" not in result.stdout


def test_deploy_timeout_reports_deployment_continues(appconfig: FakeAppConfig) -> None:
    appconfig.steps = [("BAKING", 100.0)]

    result = deploy()

    assert result.exit_code == 0
    assert "continues" in result.stdout
    assert "is active" not in result.stdout


def test_deploy_interrupted_reports_deployment_continues(appconfig: FakeAppConfig) -> None:
    appconfig.steps = [("DEPLOYING", 0.0)]
    appconfig.interrupted = True

    result = deploy()

    assert result.exit_code == 1
    assert "deployment 1 of version 1 continues" in result.stderr


def test_deploy_active_policy_changes_nothing(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)

    result = deploy()

    assert (result.exit_code, result.stdout) == (0, f"policy {version_of(FIRST_POLICY)} is already active\n")
    assert appconfig.changes == []


def test_deploy_invalid_document_rejected_before_aws_requests(appconfig: FakeAppConfig, folder: Path) -> None:
    (folder / "policy.json").write_text(BROKEN)

    result = deploy()

    assert result.exit_code == 1
    assert "defaults.unknown_order: " in result.stderr
    assert "defaults.time_zone: " in result.stderr
    assert appconfig.calls == []


def test_deploy_alarm_rollback_suggests_revert(appconfig: FakeAppConfig) -> None:
    appconfig.steps = [("DEPLOYING", 20.0), ("ROLLED_BACK", 20.0)]

    result = deploy()

    assert "policy revert" in result.stderr
    assert "when it is OK" in result.stderr


def test_deploy_during_other_deployment_fails(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(SECOND_POLICY, state="BAKING")

    result = deploy()

    assert result.exit_code == 1
    assert "deployment 1 of version 1: baking, 100 %" in result.stderr


def test_deploy_validator_error_printed(appconfig: FakeAppConfig) -> None:
    details = {"InvalidConfiguration": [{"Type": "LAMBDA", "Reason": "the policy is not valid: too new"}]}
    appconfig.reject("StartDeployment", "BadRequestException", "Validation failed", Details=details)

    result = deploy()

    assert result.exit_code == 1
    assert "StartDeployment: BadRequestException: Validation failed" in result.stderr
    assert "LAMBDA: the policy is not valid: too new" in result.stderr


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NoCredentialsError(), "credentials"),
        (NoRegionError(), "region"),
        (EndpointConnectionError(endpoint_url="https://appconfig.invalid"), "https://appconfig.invalid"),
        (OperationError("there is no stack"), "there is no stack"),
    ],
)
@pytest.mark.parametrize("command", ["deploy", "revert", "show"])
def test_policy_command_missing_configuration_printed(
    monkeypatch: pytest.MonkeyPatch, error: Exception, message: str, command: str
) -> None:
    def fail(_: str) -> Any:
        raise error

    monkeypatch.setattr("operations.policy.deployed_policy_of", fail)

    result = run(command, "--config-env", "prod")

    assert result.exit_code == 1
    assert message in result.stderr


@pytest.mark.parametrize("command", ["deploy", "revert", "show"])
def test_policy_command_aws_error_printed(appconfig: FakeAppConfig, command: str) -> None:
    appconfig.reject("ListDeployments", "ExpiredTokenException", "The token has expired")

    result = run(command, "--config-env", "prod")

    assert result.exit_code == 1
    assert "ListDeployments: ExpiredTokenException: The token has expired" in result.stderr


def test_show_active_policy_with_version_and_timestamp(appconfig: FakeAppConfig) -> None:
    appconfig.minutes = (20, 10)
    appconfig.add_deployment(FIRST_POLICY)

    lines = show().stdout.splitlines()

    assert version_of(FIRST_POLICY) in lines[0]
    assert lines[0].endswith("since 2026-11-20 18:30:00 UTC")
    assert lines[1:] == ["no differences from policy.json"]


def test_show_changed_file_prints_diff(appconfig: FakeAppConfig, folder: Path) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    (folder / "other.json").write_text(SECOND_POLICY)

    lines = show("other.json").stdout.splitlines()

    assert lines[1:3] == ["--- active", "+++ other.json"]
    changed_lines = [line for line in lines[3:] if line.startswith(("-", "+"))]
    assert changed_lines == ['-    "unknown_order": "accept",', '+    "unknown_order": "decline",']


def test_show_deployment_in_progress_with_active_policy(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY, state="DEPLOYING", percent=40.0)

    lines = show().stdout.splitlines()

    assert version_of(FIRST_POLICY) in lines[0]
    assert "deployment 2 of version 2: deploying, 40 %, since 2026-11-20 19:00:00 UTC" in lines[1]
    assert lines[2:] == ["no differences from policy.json"]


def test_show_without_active_policy_prints_no_policy(appconfig: FakeAppConfig) -> None:
    [line] = show().stdout.splitlines()

    assert "no policy" in line


def test_show_invalid_active_policy_prints_validation_errors(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(BROKEN)

    lines = show().stdout.splitlines()

    assert "defaults.unknown_order: " in lines[0]
    assert "--- active" in lines


def test_show_active_policy_of_deleted_version_reported(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.versions.clear()

    [line] = show().stdout.splitlines()

    assert "version 1, which was deleted" in line


def test_show_line_endings_only_reported_without_diff(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY + "\n")

    assert show().stdout.splitlines()[1:] == ["only line endings differ from policy.json"]
