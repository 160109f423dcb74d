import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from click.testing import CliRunner, Result

from operations.__main__ import main
from paynearme.policy import read_policy
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.policy_builders import valid_document

FIRST_POLICY = json.dumps(valid_document(), indent=2)
SECOND_POLICY = json.dumps(valid_document(unknown_order="decline"), indent=2)
BROKEN = json.dumps(valid_document(unknown_order="perhaps", time_zone="Mars/Olympus"))
VERSION = read_policy(FIRST_POLICY).defaults.version


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


def run(command: str, *arguments: str) -> Result:
    """Run a command. An error without a message fails the test."""
    environment = [] if command == "check" else ["--config-env", "prod"]
    result = CliRunner().invoke(main, ["policy", command, *environment, *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_check_documents_prints_version_or_validation_errors(folder: Path) -> None:
    (folder / "broken.json").write_text(BROKEN)
    (folder / "latin.json").write_bytes(b'{"defaults": "\xe4"}')

    result = run("check", "broken.json", "latin.json", "policy.json")

    assert result.exit_code == 1
    assert [line.split(": ")[:2] for line in result.stderr.splitlines()] == [
        ["broken.json", "defaults.unknown_order"],
        ["broken.json", "defaults.time_zone"],
        ["latin.json", "invalid UTF-8"],
    ]
    assert result.stdout == run("check").stdout == f"policy.json: version {VERSION}\n"
    assert run("check").exit_code == 0


def test_deploy_waits_and_prints_progress(appconfig: FakeAppConfig) -> None:
    appconfig.steps = [("DEPLOYING", 0.0), ("DEPLOYING", 50.0), ("DEPLOYING", 50.0), ("COMPLETE", 100.0)]

    result = run("deploy")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"policy {VERSION}: deployment 1 of version 1: deploying, 0 %",
        "deployment 1 of version 1: deploying, 50 %",
        "deployment 1 of version 1: complete, 100 %",
        f"policy {VERSION} is active",
    ]
    assert appconfig.policy.status().text == FIRST_POLICY


@pytest.mark.parametrize("options", [["--no-wait"], []])
def test_deploy_unfinished_not_reported_active(appconfig: FakeAppConfig, options: list[str]) -> None:
    appconfig.steps = [("BAKING", 0.0)]

    result = run("deploy", *options)

    assert (result.exit_code, bool(appconfig.sleeps)) == (0, not options)
    assert "continues; 'policy show'" in result.stdout
    assert "is active" not in result.stdout


def test_deploy_active_policy_changes_nothing(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)

    result = run("deploy")

    assert (result.exit_code, result.stdout) == (0, f"policy {VERSION} is already active\n")
    assert appconfig.changes == []


def test_deploy_invalid_document_rejected_before_aws_requests(appconfig: FakeAppConfig, folder: Path) -> None:
    (folder / "policy.json").write_text(BROKEN)

    result = run("deploy")

    assert (result.exit_code, appconfig.calls) == (1, [])
    assert "defaults.unknown_order: " in result.stderr


def test_deploy_validator_error_printed(appconfig: FakeAppConfig) -> None:
    details = {"InvalidConfiguration": [{"Type": "LAMBDA", "Reason": "the policy is not valid: too new"}]}
    appconfig.reject("StartDeployment", "BadRequestException", "Validation failed", Details=details)

    result = run("deploy")

    assert result.exit_code == 1
    assert "StartDeployment: BadRequestException: Validation failed" in result.stderr
    assert "LAMBDA: the policy is not valid: too new" in result.stderr


@pytest.mark.parametrize(
    ("command", "error", "message"),
    [
        ("deploy", NoCredentialsError(), "credentials"),
        ("revert", EndpointConnectionError(endpoint_url="https://appconfig.invalid"), "https://appconfig.invalid"),
    ],
)
def test_policy_command_error_printed(
    monkeypatch: pytest.MonkeyPatch, command: str, error: Exception, message: str
) -> None:
    def fail(_: str) -> Any:
        raise error

    monkeypatch.setattr("operations.policy.deployed_policy_of", fail)

    result = run(command)

    assert (result.exit_code, message in result.stderr) == (1, True)


def test_show_active_policy_in_progress_and_differences(appconfig: FakeAppConfig, folder: Path) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY, state="SOMETHING_NEW", percent=40.0)
    (folder / "other.json").write_text(SECOND_POLICY)

    active, in_progress, difference = run("show").stdout.splitlines()
    diff = run("show", "other.json").stdout.splitlines()[2:]

    assert VERSION in active
    assert "deployment 2 of version 2: something new, 40 %" in in_progress
    assert difference == "no differences from policy.json"
    assert [line for line in diff if "unknown_order" in line] == [
        '-    "unknown_order": "accept",',
        '+    "unknown_order": "decline",',
    ]


def test_revert_command_prints_active_policy(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(BROKEN)
    assert "an invalid policy (defaults.unknown_order: " in run("show").stdout

    reverted, active = run("revert").stdout.splitlines()

    assert reverted == "deployment 2 of version 2: reverted, 100 %"
    assert VERSION in active
    assert "payments are declined" in run("revert").stdout
