import json

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from operations.__main__ import main
from operations.errors import OperationError
from paynearme.policy import read_policy
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.policy_builders import valid_document

FIRST_POLICY = json.dumps(valid_document())
SECOND_POLICY = json.dumps(valid_document(unknown_order="decline"))
THIRD_POLICY = json.dumps(valid_document(unknown_customer="decline"))
BROKEN = json.dumps(valid_document(time_zone="Mars/Olympus"))


@pytest.fixture(params=[True, False], ids=["newest first", "oldest first"])
def appconfig(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FakeAppConfig:
    """The AppConfig of ``prod``, the only environment."""
    appconfig = FakeAppConfig(newest_first=request.param)
    monkeypatch.setattr("operations.policy.deployed_policy_of", {"prod": appconfig.policy}.__getitem__)
    return appconfig


def deploy(appconfig: FakeAppConfig, text: str) -> None:
    assert appconfig.policy.deploy(text) is not None


def revert() -> Result:
    """Run the command. An error without a message fails the test."""
    result = CliRunner().invoke(main, ["policy", "revert", "--config-env", "prod"])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def version_of(text: str) -> str:
    return read_policy(text).defaults.version


@pytest.mark.parametrize("state", ["DEPLOYING", "BAKING"])
def test_revert_deployment_in_progress_keeps_active_policy(appconfig: FakeAppConfig, state: str) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY, state=state, percent=40.0)

    reverted = appconfig.policy.revert()

    assert (reverted.number, reverted.state) == (2, "ROLLED_BACK")
    now = appconfig.policy.status()
    assert (now.text, now.in_progress) == (FIRST_POLICY, None)


def test_revert_without_deployment_in_progress_restores_previous(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY)
    appconfig.add_deployment(THIRD_POLICY, state="ROLLED_BACK")

    reverted = appconfig.policy.revert()

    assert (reverted.number, reverted.state) == (2, "REVERTED")
    assert appconfig.policy.status().text == FIRST_POLICY


def test_revert_each_time_goes_back_one_complete_deployment(appconfig: FakeAppConfig) -> None:
    for text in (FIRST_POLICY, SECOND_POLICY, THIRD_POLICY):
        deploy(appconfig, text)

    assert [appconfig.policy.revert().number for _ in range(3)] == [3, 2, 1]
    assert appconfig.policy.status().active is None


def test_revert_then_deploy_same_policy_succeeds(appconfig: FakeAppConfig) -> None:
    for text in (FIRST_POLICY, SECOND_POLICY):
        deploy(appconfig, text)
    appconfig.policy.revert()

    deploy(appconfig, SECOND_POLICY)

    assert appconfig.policy.status().text == SECOND_POLICY


def test_revert_ignores_deployments_of_other_profile(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY, profile="other12")
    appconfig.add_deployment(THIRD_POLICY, profile="other12", state="DEPLOYING")

    assert appconfig.policy.revert().number == 1
    assert [deployment["steps"][0][0] for deployment in appconfig.deployments] == ["REVERTED", "COMPLETE", "DEPLOYING"]


def test_revert_unfinished_rollback_returned_as_in_progress(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY, state="DEPLOYING", percent=40.0)
    appconfig.rollback_steps = [("ROLLING_BACK", 20.0)]

    reverted = appconfig.policy.revert()

    assert (reverted.state, reverted.percent, reverted.in_progress) == ("ROLLING_BACK", 20.0, True)


@pytest.mark.parametrize("states", [[], ["ROLLED_BACK"], ["REVERTED", "ROLLED_BACK"]])
def test_revert_without_complete_deployment_changes_nothing(appconfig: FakeAppConfig, states: list[str]) -> None:
    for state in states:
        appconfig.add_deployment(FIRST_POLICY, state=state)

    with pytest.raises(OperationError, match="nothing to revert"):
        appconfig.policy.revert()
    assert appconfig.changes == []


def test_revert_after_72_hours_fails_and_policy_stays_active(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY)
    appconfig.reject("StopDeployment", "BadRequestException", "completed too long ago")

    with pytest.raises(OperationError, match=r"deployment 2 of version 2: .*: completed too long ago\n.*72 hours"):
        appconfig.policy.revert()
    assert appconfig.policy.status().text == SECOND_POLICY


@pytest.mark.parametrize("operation", ["ListDeployments", "GetDeployment", "StopDeployment"])
def test_revert_other_aws_error_raised(appconfig: FakeAppConfig, operation: str) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.reject(operation, "AccessDeniedException")

    with pytest.raises(ClientError, match="AccessDeniedException"):
        appconfig.policy.revert()


def test_revert_command_prints_active_policy(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(BROKEN)

    result = revert()

    assert result.exit_code == 0
    reverted, active = result.stdout.splitlines()
    assert reverted == "deployment 2 of version 2: reverted, 100 %"
    assert version_of(FIRST_POLICY) in active
    assert appconfig.policy.status().text == FIRST_POLICY


def test_revert_command_only_policy_prints_payments_declined(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)

    result = revert()

    assert result.exit_code == 0
    assert "payments are declined" in result.stdout.splitlines()[1]


def test_revert_command_status_error_still_prints_reverted(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.before_operation["StopDeployment"] = lambda: appconfig.reject("ListDeployments", "ThrottlingException")

    result = revert()

    assert (result.exit_code, result.stdout) == (1, "deployment 1 of version 1: reverted, 100 %\n")
    assert "ListDeployments: ThrottlingException" in result.stderr
