import hashlib
import json
from itertools import count

import pytest
from botocore.exceptions import ClientError

from operations.errors import OperationError
from operations.policy_deployment import TIMEOUT_MINUTES, Deployment
from paynearme.errors import PolicyInvalidError
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.policy_builders import valid_document

FIRST_POLICY = json.dumps(valid_document())
SECOND_POLICY = json.dumps(valid_document(unknown_order="decline"))
THIRD_POLICY = json.dumps(valid_document(unknown_customer="decline"))


@pytest.fixture(params=[True, False], ids=["newest first", "oldest first"])
def appconfig(request: pytest.FixtureRequest) -> FakeAppConfig:
    return FakeAppConfig(newest_first=request.param)


def deploy_fully(appconfig: FakeAppConfig, text: str) -> Deployment:
    deployment = appconfig.policy.deploy(text)
    assert deployment is not None
    return appconfig.policy.wait(deployment, on_change=lambda _: None)


def test_deploy_complete_document_is_active(appconfig: FakeAppConfig) -> None:
    deployment = deploy_fully(appconfig, FIRST_POLICY)

    now = appconfig.policy.status()
    assert (now.active, now.text, now.in_progress) == (deployment, FIRST_POLICY, None)


@pytest.mark.parametrize("text", [FIRST_POLICY, json.dumps(valid_document(), indent=2).replace("\n", "\r\n") + " "])
def test_deploy_document_stored_unchanged(appconfig: FakeAppConfig, text: str) -> None:
    deploy_fully(appconfig, text)

    assert [content for _, content in appconfig.versions.values()] == [text.encode()]


def test_deploy_active_policy_creates_no_deployment(appconfig: FakeAppConfig) -> None:
    deploy_fully(appconfig, FIRST_POLICY)
    initial_changes = list(appconfig.changes)

    assert appconfig.policy.deploy(FIRST_POLICY) is None
    assert appconfig.changes == initial_changes


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


def test_deploy_document_with_numeric_hash_completes(appconfig: FakeAppConfig) -> None:
    texts = (FIRST_POLICY + " " * spaces for spaces in count())
    text = next(text for text in texts if hashlib.sha256(text.encode()).hexdigest()[:12].isdigit())

    assert deploy_fully(appconfig, text).state == "COMPLETE"


@pytest.mark.parametrize("state", ["ROLLED_BACK", "REVERTED"])
def test_status_active_policy_unchanged_by_later_rollbacks(appconfig: FakeAppConfig, state: str) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY)
    for _ in range(5):
        appconfig.add_deployment(THIRD_POLICY, state=state)

    now = appconfig.policy.status()

    assert (now.text, now.in_progress) == (SECOND_POLICY, None)


@pytest.mark.parametrize("state", ["VALIDATING", "DEPLOYING", "BAKING", "ROLLING_BACK", "SOMETHING_NEW"])
def test_status_unfinished_deployment_is_in_progress(appconfig: FakeAppConfig, state: str) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY, state=state, percent=40.0)

    now = appconfig.policy.status()

    assert now.text == FIRST_POLICY
    assert now.in_progress is not None
    assert (now.in_progress.number, now.in_progress.percent) == (2, 40.0)


def test_status_ignores_deployments_of_other_profile(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY, profile="other12")
    appconfig.add_deployment(THIRD_POLICY, profile="other12", state="BAKING")

    now = appconfig.policy.status()

    assert (now.text, now.in_progress) == (FIRST_POLICY, None)


def test_status_deleted_version_without_text_then_deployable(appconfig: FakeAppConfig) -> None:
    deploy_fully(appconfig, FIRST_POLICY)
    appconfig.versions = {9: (None, b"{}")}

    assert appconfig.policy.status().active is not None
    assert appconfig.policy.status().text is None
    assert deploy_fully(appconfig, FIRST_POLICY).version == 10


@pytest.mark.parametrize("text", ["", "{}", FIRST_POLICY.replace("accept", "perhaps")])
def test_deploy_invalid_document_sends_nothing(appconfig: FakeAppConfig, text: str) -> None:
    with pytest.raises(PolicyInvalidError):
        appconfig.policy.deploy(text)
    assert appconfig.calls == []


@pytest.mark.parametrize("text", [FIRST_POLICY, SECOND_POLICY, THIRD_POLICY])
def test_deploy_during_other_deployment_changes_nothing(appconfig: FakeAppConfig, text: str) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.add_deployment(SECOND_POLICY, state="DEPLOYING", percent=40.0)

    with pytest.raises(OperationError, match=r"deployment 2 of version 2: deploying, 40 %"):
        appconfig.policy.deploy(text)
    assert appconfig.changes == []


def test_deploy_concurrent_deployment_conflict_reported(appconfig: FakeAppConfig) -> None:
    appconfig.reject("StartDeployment", "ConflictException", "Deployment number 1 already exists")

    with pytest.raises(OperationError, match=r"another deployment .*: Deployment number 1 already exists"):
        appconfig.policy.deploy(FIRST_POLICY)


def test_deploy_concurrent_newer_version_not_overwritten(appconfig: FakeAppConfig) -> None:
    appconfig.add_deployment(FIRST_POLICY)
    appconfig.before_operation["CreateHostedConfigurationVersion"] = lambda: appconfig.add_deployment(THIRD_POLICY)

    with pytest.raises(OperationError, match=r"another deployment .*: there is a newer version"):
        appconfig.policy.deploy(SECOND_POLICY)
    assert appconfig.policy.status().text == THIRD_POLICY


def test_wait_reports_each_step_until_complete(appconfig: FakeAppConfig) -> None:
    appconfig.steps = [("DEPLOYING", 0.0), ("DEPLOYING", 60.0), ("BAKING", 100.0), ("COMPLETE", 100.0)]
    progress: list[str] = []
    deployment = appconfig.policy.deploy(FIRST_POLICY)
    assert deployment is not None

    final = appconfig.policy.wait(deployment, on_change=lambda now: progress.append(f"{now.state} {now.percent:.0f}"))

    assert progress == ["DEPLOYING 0", "DEPLOYING 60", "BAKING 100", "COMPLETE 100"]
    assert (final.state, final.in_progress) == ("COMPLETE", False)


@pytest.mark.parametrize("minutes", [(0, 0), (10, 30)])
def test_wait_timeout_returns_deployment_in_progress(appconfig: FakeAppConfig, minutes: tuple[int, int]) -> None:
    appconfig.steps = [("BAKING", 100.0)]
    appconfig.minutes = minutes

    active = deploy_fully(appconfig, FIRST_POLICY)

    assert active.in_progress
    seconds = (sum(minutes) + TIMEOUT_MINUTES) * 60
    assert seconds - 60 < sum(appconfig.sleeps) <= seconds


@pytest.mark.parametrize(("state", "reason"), [("ROLLED_BACK", "The alarm fired"), ("REVERTED", "")])
def test_wait_rolled_back_or_reverted_fails_with_reason(appconfig: FakeAppConfig, state: str, reason: str) -> None:
    deploy_fully(appconfig, FIRST_POLICY)
    appconfig.steps = [("DEPLOYING", 20.0), ("ROLLING_BACK", 20.0), (state, 20.0)]

    with pytest.raises(OperationError, match=f"{state.lower().replace('_', ' ')}.*{reason}(\n|$)"):
        deploy_fully(appconfig, SECOND_POLICY)
    assert appconfig.policy.status().text == FIRST_POLICY


@pytest.mark.parametrize(
    ("by", "is_advised"), [("CLOUDWATCH_ALARM", True), ("USER", False), ("APPCONFIG", False), ("INTERNAL_ERROR", False)]
)
def test_wait_rollback_only_by_alarm_suggests_revert(appconfig: FakeAppConfig, by: str, is_advised: bool) -> None:
    appconfig.rollback = (by, "The reason")
    appconfig.steps = [("DEPLOYING", 20.0), ("ROLLED_BACK", 20.0)]

    with pytest.raises(OperationError, match="The reason") as exc_info:
        deploy_fully(appconfig, FIRST_POLICY)
    assert ("'policy revert'" in str(exc_info.value)) is is_advised


@pytest.mark.parametrize(
    "operation", ["ListDeployments", "CreateHostedConfigurationVersion", "StartDeployment", "GetDeployment"]
)
def test_deploy_other_aws_error_raised(appconfig: FakeAppConfig, operation: str) -> None:
    appconfig.reject(operation, "AccessDeniedException")

    with pytest.raises(ClientError, match="AccessDeniedException"):
        appconfig.policy.deploy(FIRST_POLICY)
