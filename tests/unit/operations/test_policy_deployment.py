import json

import pytest

from operations.errors import OperationError
from operations.policy_deployment import TIMEOUT_MINUTES, Deployment
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.policy_builders import valid_document

FIRST_POLICY = json.dumps(valid_document())
SECOND_POLICY = json.dumps(valid_document(unknown_order="decline"))
THIRD_POLICY = json.dumps(valid_document(unknown_customer="decline"))


@pytest.fixture
def appconfig() -> FakeAppConfig:
    return FakeAppConfig()


def deploy_fully(appconfig: FakeAppConfig, text: str) -> Deployment:
    deployment = appconfig.policy.deploy(text)
    assert deployment is not None
    return appconfig.policy.wait(deployment, on_change=lambda _: None)


def test_deploy_document_stored_unchanged_and_active(appconfig: FakeAppConfig) -> None:
    text = json.dumps(valid_document(), indent=2).replace("\n", "\r\n") + " "

    deployment = deploy_fully(appconfig, text)

    now = appconfig.policy.status()
    assert (now.active, now.text, now.in_progress) == (deployment, text, None)
    assert [content for _, content in appconfig.versions.values()] == [text.encode()]


def test_deploy_earlier_policy_reuses_version(appconfig: FakeAppConfig) -> None:
    deployments = [deploy_fully(appconfig, text) for text in (FIRST_POLICY, SECOND_POLICY, THIRD_POLICY, FIRST_POLICY)]

    assert [deployment.version for deployment in deployments] == [1, 2, 3, 1]
    assert appconfig.policy.status().text == FIRST_POLICY


def test_deploy_version_with_same_label_other_text_not_reused(appconfig: FakeAppConfig) -> None:
    deploy_fully(appconfig, FIRST_POLICY)
    deploy_fully(appconfig, SECOND_POLICY)
    label, _ = appconfig.versions[1]
    appconfig.versions[1] = (label, b"{}")

    deploy_fully(appconfig, FIRST_POLICY)

    assert appconfig.policy.status().text == FIRST_POLICY


def test_deploy_during_other_deployment_changes_nothing(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY, state="DEPLOYING", percent=40.0)

    with pytest.raises(OperationError, match=r"deployment 2 of version 2: deploying, 40 %"):
        appconfig.policy.deploy(FIRST_POLICY)
    assert appconfig.changes == []


def test_deploy_concurrent_newer_version_not_overwritten(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.before_operation["CreateHostedConfigurationVersion"] = lambda: appconfig.add_deployment(THIRD_POLICY)

    with pytest.raises(OperationError, match=r"another deployment .*: there is a newer version"):
        appconfig.policy.deploy(SECOND_POLICY)
    assert appconfig.policy.status().text == THIRD_POLICY


@pytest.mark.parametrize("newest_first", [True, False])
def test_status_active_policy_ignores_rollbacks_other_profile(newest_first: bool) -> None:
    appconfig = FakeAppConfig(newest_first=newest_first)
    appconfig.add_deployment(FIRST_POLICY)
    for state in ("ROLLED_BACK", "REVERTED"):
        appconfig.add_deployment(SECOND_POLICY, state=state)
    for state in ("COMPLETE", "BAKING"):
        appconfig.add_deployment(THIRD_POLICY, profile="other12", state=state)

    now = appconfig.policy.status()

    assert (now.text, now.in_progress) == (FIRST_POLICY, None)


def test_wait_timeout_returns_deployment_in_progress(appconfig: FakeAppConfig) -> None:
    appconfig.steps = [("BAKING", 100.0)]
    appconfig.minutes = (10, 30)

    active = deploy_fully(appconfig, FIRST_POLICY)

    assert active.in_progress
    seconds = (10 + 30 + TIMEOUT_MINUTES) * 60
    assert seconds - 60 < sum(appconfig.sleeps) <= seconds


@pytest.mark.parametrize(("by", "is_advised"), [("CLOUDWATCH_ALARM", True), ("USER", False)])
def test_wait_rollback_fails_alarm_suggests_revert(appconfig: FakeAppConfig, by: str, is_advised: bool) -> None:
    deploy_fully(appconfig, FIRST_POLICY)
    appconfig.rollback = (by, "The reason")
    appconfig.steps = [("DEPLOYING", 20.0), ("ROLLING_BACK", 20.0), ("ROLLED_BACK", 20.0)]

    with pytest.raises(OperationError, match=r"rolled back.*The reason") as exc_info:
        deploy_fully(appconfig, SECOND_POLICY)
    assert ("'policy revert'" in str(exc_info.value)) is is_advised
    assert appconfig.policy.status().text == FIRST_POLICY


def test_revert_deployment_in_progress_keeps_active_policy(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY, state="BAKING")
    in_progress = appconfig.policy.status().in_progress
    assert in_progress is not None

    reverted = appconfig.policy.revert()

    assert (in_progress.number, reverted.number, reverted.state) == (2, 2, "ROLLED_BACK")
    now = appconfig.policy.status()
    assert (now.text, now.in_progress) == (FIRST_POLICY, None)


def test_revert_each_time_goes_back_one_complete_deployment(appconfig: FakeAppConfig) -> None:
    for text in (FIRST_POLICY, SECOND_POLICY, THIRD_POLICY):
        deploy_fully(appconfig, text)
    appconfig.add_deployment(FIRST_POLICY, state="ROLLED_BACK")

    assert appconfig.policy.revert().state == "REVERTED"
    assert appconfig.policy.status().text == SECOND_POLICY
    assert [appconfig.policy.revert().number for _ in range(2)] == [2, 1]
    with pytest.raises(OperationError, match="nothing to revert"):
        appconfig.policy.revert()
    # A reverted policy can be deployed again.
    assert deploy_fully(appconfig, THIRD_POLICY).complete


def test_revert_after_72_hours_fails_and_policy_stays_active(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY)
    appconfig.reject("StopDeployment", "BadRequestException", "completed too long ago")

    with pytest.raises(OperationError, match=r"deployment 2 of version 2: .*: completed too long ago\n.*72 hours"):
        appconfig.policy.revert()
    assert appconfig.policy.status().text == SECOND_POLICY
