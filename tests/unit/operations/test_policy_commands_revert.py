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
def test_what_goes_on_is_taken_back_rather_than_what_is_in_force(appconfig: FakeAppConfig, state: str) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY, state=state, percent=40.0)

    reverted = appconfig.policy.revert()

    assert (reverted.number, reverted.state) == (2, "ROLLED_BACK")
    now = appconfig.policy.status()
    assert (now.text, now.in_progress) == (FIRST_POLICY, None)


def test_where_nothing_goes_on_the_last_complete_deployment_is_taken_back_and_the_one_before_holds(
    appconfig: FakeAppConfig,
) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY)
    appconfig.add_deployment(THIRD_POLICY, state="ROLLED_BACK")

    reverted = appconfig.policy.revert()

    assert (reverted.number, reverted.state) == (2, "REVERTED")
    assert appconfig.policy.status().text == FIRST_POLICY


def test_taking_back_goes_one_complete_deployment_back_each_time(appconfig: FakeAppConfig) -> None:
    for text in (FIRST_POLICY, SECOND_POLICY, THIRD_POLICY):
        deploy(appconfig, text)

    assert [appconfig.policy.revert().number for _ in range(3)] == [3, 2, 1]
    assert appconfig.policy.status().active is None


def test_what_is_taken_back_can_be_deployed_again(appconfig: FakeAppConfig) -> None:
    for text in (FIRST_POLICY, SECOND_POLICY):
        deploy(appconfig, text)
    appconfig.policy.revert()

    deploy(appconfig, SECOND_POLICY)

    assert appconfig.policy.status().text == SECOND_POLICY


def test_what_is_deployed_of_another_profile_is_not_taken_back(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY, profile="other12")
    appconfig.add_deployment(THIRD_POLICY, profile="other12", state="DEPLOYING")

    assert appconfig.policy.revert().number == 1
    assert [deployment["steps"][0][0] for deployment in appconfig.deployments] == ["REVERTED", "COMPLETE", "DEPLOYING"]


def test_a_way_back_that_takes_time_is_told_as_going_on(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY, state="DEPLOYING", percent=40.0)
    appconfig.rollback_steps = [("ROLLING_BACK", 20.0)]

    reverted = appconfig.policy.revert()

    assert (reverted.state, reverted.percent, reverted.in_progress) == ("ROLLING_BACK", 20.0, True)


@pytest.mark.parametrize("states", [[], ["ROLLED_BACK"], ["REVERTED", "ROLLED_BACK"]])
def test_where_nothing_is_in_force_nothing_is_taken_back(appconfig: FakeAppConfig, states: list[str]) -> None:
    for state in states:
        appconfig.add_deployment(FIRST_POLICY, state=state)

    with pytest.raises(OperationError, match="nothing to revert"):
        appconfig.policy.revert()
    assert appconfig.changes == []


def test_what_was_complete_too_long_ago_to_be_taken_back_is_told_and_stays_in_force(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY)
    appconfig.reject("StopDeployment", "BadRequestException", "completed too long ago")

    with pytest.raises(OperationError, match=r"deployment 2 of version 2: .*: completed too long ago\n.*72 hours"):
        appconfig.policy.revert()
    assert appconfig.policy.status().text == SECOND_POLICY


@pytest.mark.parametrize("operation", ["ListDeployments", "GetDeployment", "StopDeployment"])
def test_what_else_aws_refuses_while_something_is_taken_back_is_raised(
    appconfig: FakeAppConfig, operation: str
) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.reject(operation, "AccessDeniedException")

    with pytest.raises(ClientError, match="AccessDeniedException"):
        appconfig.policy.revert()


def test_who_takes_a_policy_back_is_told_which_one_is_in_force_now(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(BROKEN)

    result = revert()

    assert result.exit_code == 0
    reverted, active = result.stdout.splitlines()
    assert reverted == "deployment 2 of version 2: reverted, 100 %"
    assert version_of(FIRST_POLICY) in active
    assert appconfig.policy.status().text == FIRST_POLICY


def test_who_takes_back_the_only_policy_is_told_that_payments_are_declined(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)

    result = revert()

    assert result.exit_code == 0
    assert "payments are declined" in result.stdout.splitlines()[1]


def test_what_was_taken_back_is_told_also_when_nobody_can_say_what_is_in_force_now(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.before_operation["StopDeployment"] = lambda: appconfig.reject("ListDeployments", "ThrottlingException")

    result = revert()

    assert (result.exit_code, result.stdout) == (1, "deployment 1 of version 1: reverted, 100 %\n")
    assert "ListDeployments: ThrottlingException" in result.stderr
