import hashlib
import json
from itertools import count

import pytest
from botocore.exceptions import ClientError

from operations.deployed_policy import PATIENCE_MINUTES, Deployment
from operations.errors import OperationError
from paynearme.errors import PolicyInvalidError
from tests.policies import valid_document
from tests.unit.appconfig import AppConfig

ONE = json.dumps(valid_document())
TWO = json.dumps(valid_document(unknown_order="decline"))
THREE = json.dumps(valid_document(unknown_customer="decline"))


@pytest.fixture(params=[True, False], ids=["newest first", "oldest first"])
def appconfig(request: pytest.FixtureRequest) -> AppConfig:
    return AppConfig(newest_first=request.param)


def bring_into_force(appconfig: AppConfig, text: str) -> Deployment:
    started = appconfig.policy.deploy(text)
    assert started is not None
    return appconfig.policy.wait(started, tell=lambda _: None)


def test_at_first_nothing_is_in_force_and_nothing_goes_on(appconfig: AppConfig) -> None:
    now = appconfig.policy.situation()

    assert (now.in_force, now.text, now.in_progress) == (None, None, None)


def test_a_deployed_document_is_in_force_once_it_is_complete(appconfig: AppConfig) -> None:
    deployment = bring_into_force(appconfig, ONE)

    now = appconfig.policy.situation()
    assert (now.in_force, now.text, now.in_progress) == (deployment, ONE, None)


@pytest.mark.parametrize("text", [ONE, json.dumps(valid_document(), indent=2).replace("\n", "\r\n") + " "])
def test_a_document_is_deployed_to_the_letter(appconfig: AppConfig, text: str) -> None:
    bring_into_force(appconfig, text)

    assert [content for _, content in appconfig.versions.values()] == [text.encode()]


def test_what_is_in_force_is_not_deployed_again(appconfig: AppConfig) -> None:
    bring_into_force(appconfig, ONE)
    before = list(appconfig.changes)

    assert appconfig.policy.deploy(ONE) is None
    assert appconfig.changes == before


def test_a_document_that_was_in_force_before_is_deployed_again_without_a_new_version(
    appconfig: AppConfig,
) -> None:
    deployed = [bring_into_force(appconfig, text) for text in (ONE, TWO, THREE, ONE)]

    assert [deployment.version for deployment in deployed] == [1, 2, 3, 1]
    assert appconfig.policy.situation().text == ONE


def test_a_version_with_the_same_label_and_another_text_is_not_taken(appconfig: AppConfig) -> None:
    bring_into_force(appconfig, ONE)
    bring_into_force(appconfig, TWO)
    label, _ = appconfig.versions[1]
    appconfig.versions[1] = (label, b"{}")

    bring_into_force(appconfig, ONE)

    assert appconfig.policy.situation().text == ONE


def test_a_version_is_labelled_with_what_payments_remember_of_their_policy(appconfig: AppConfig) -> None:
    bring_into_force(appconfig, ONE)

    assert appconfig.versions[1][0] == f"sha256-{hashlib.sha256(ONE.encode()).hexdigest()[:12]}"


def test_a_document_whose_hash_is_a_number_can_be_deployed(appconfig: AppConfig) -> None:
    texts = (ONE + " " * spaces for spaces in count())
    text = next(text for text in texts if hashlib.sha256(text.encode()).hexdigest()[:12].isdigit())

    assert bring_into_force(appconfig, text).state == "COMPLETE"


@pytest.mark.parametrize("state", ["ROLLED_BACK", "REVERTED"])
def test_in_force_is_the_last_complete_deployment_however_many_were_taken_back_since(
    appconfig: AppConfig, state: str
) -> None:
    appconfig.has(ONE)
    appconfig.has(TWO)
    for _ in range(5):
        appconfig.has(THREE, state=state)

    now = appconfig.policy.situation()

    assert (now.text, now.in_progress) == (TWO, None)


@pytest.mark.parametrize("state", ["VALIDATING", "DEPLOYING", "BAKING", "ROLLING_BACK", "SOMETHING_NEW"])
def test_a_deployment_that_has_not_ended_goes_on(appconfig: AppConfig, state: str) -> None:
    appconfig.has(ONE)
    appconfig.has(TWO, state=state, percent=40.0)

    now = appconfig.policy.situation()

    assert now.text == ONE
    assert now.in_progress is not None
    assert (now.in_progress.number, now.in_progress.percent) == (2, 40.0)


def test_what_is_deployed_of_another_profile_is_no_policy(appconfig: AppConfig) -> None:
    appconfig.has(ONE)
    appconfig.has(TWO, profile="other12")
    appconfig.has(THREE, profile="other12", state="BAKING")

    now = appconfig.policy.situation()

    assert (now.text, now.in_progress) == (ONE, None)


def test_a_version_that_somebody_deleted_stops_nobody(appconfig: AppConfig) -> None:
    bring_into_force(appconfig, ONE)
    appconfig.versions = {9: (None, b"{}")}

    assert appconfig.policy.situation().in_force is not None
    assert appconfig.policy.situation().text is None
    assert bring_into_force(appconfig, ONE).version == 10


@pytest.mark.parametrize("text", ["", "{}", ONE.replace("accept", "perhaps")])
def test_of_a_broken_document_nothing_is_sent(appconfig: AppConfig, text: str) -> None:
    with pytest.raises(PolicyInvalidError):
        appconfig.policy.deploy(text)
    assert appconfig.asked == []


@pytest.mark.parametrize("text", [ONE, TWO, THREE])
def test_while_a_deployment_goes_on_nothing_is_deployed(appconfig: AppConfig, text: str) -> None:
    appconfig.has(ONE)
    appconfig.has(TWO, state="DEPLOYING", percent=40.0)

    with pytest.raises(OperationError, match=r"deployment 2 of version 2: deploying, 40 %"):
        appconfig.policy.deploy(text)
    assert appconfig.changes == []


def test_who_deploys_at_the_same_time_as_another_is_told_so(appconfig: AppConfig) -> None:
    appconfig.refuse("StartDeployment", "ConflictException", "Deployment number 1 already exists")

    with pytest.raises(OperationError, match=r"somebody else .*: Deployment number 1 already exists"):
        appconfig.policy.deploy(ONE)


def test_a_version_that_another_made_meanwhile_is_not_passed_over(appconfig: AppConfig) -> None:
    appconfig.has(ONE)
    appconfig.meanwhile["CreateHostedConfigurationVersion"] = lambda: appconfig.has(THREE)

    with pytest.raises(OperationError, match=r"somebody else .*: there is a newer version"):
        appconfig.policy.deploy(TWO)
    assert appconfig.policy.situation().text == THREE


def test_who_waits_is_told_each_step_and_comes_back_when_it_is_complete(appconfig: AppConfig) -> None:
    appconfig.course = [("DEPLOYING", 0.0), ("DEPLOYING", 60.0), ("BAKING", 100.0), ("COMPLETE", 100.0)]
    told: list[str] = []
    started = appconfig.policy.deploy(ONE)
    assert started is not None

    ended = appconfig.policy.wait(started, tell=lambda now: told.append(f"{now.state} {now.percent:.0f}"))

    assert told == ["DEPLOYING 0", "DEPLOYING 60", "BAKING 100", "COMPLETE 100"]
    assert (ended.state, ended.in_progress) == ("COMPLETE", False)


@pytest.mark.parametrize("minutes", [(0, 0), (10, 0), (10, 30)])
def test_what_takes_longer_than_its_strategy_is_left_going_on(
    appconfig: AppConfig, minutes: tuple[int, int]
) -> None:
    appconfig.course = [("BAKING", 100.0)]
    appconfig.minutes = minutes

    left = bring_into_force(appconfig, ONE)

    assert left.in_progress
    seconds = (sum(minutes) + PATIENCE_MINUTES) * 60
    assert seconds - 60 < sum(appconfig.slept) <= seconds


@pytest.mark.parametrize(("state", "why"), [("ROLLED_BACK", "An alarm rang"), ("REVERTED", "")])
def test_a_deployment_that_is_taken_back_fails_and_says_why(
    appconfig: AppConfig, state: str, why: str
) -> None:
    bring_into_force(appconfig, ONE)
    appconfig.course = [("DEPLOYING", 20.0), ("ROLLING_BACK", 20.0), (state, 20.0)]

    with pytest.raises(OperationError, match=f"{state.lower().replace('_', ' ')}.*{why}(\n|$)"):
        bring_into_force(appconfig, TWO)
    assert appconfig.policy.situation().text == ONE


@pytest.mark.parametrize(
    ("by", "advised"),
    [("CLOUDWATCH_ALARM", True), ("USER", False), ("APPCONFIG", False), ("INTERNAL_ERROR", False)],
)
def test_who_is_rolled_back_by_an_alarm_and_by_nothing_else_is_told_the_way_out(
    appconfig: AppConfig, by: str, advised: bool
) -> None:
    appconfig.rollback = (by, "It was so")
    appconfig.course = [("DEPLOYING", 20.0), ("ROLLED_BACK", 20.0)]

    with pytest.raises(OperationError, match="It was so") as told:
        bring_into_force(appconfig, ONE)
    assert ("'policy revert'" in str(told.value)) is advised


@pytest.mark.parametrize(
    "operation", ["ListDeployments", "CreateHostedConfigurationVersion", "StartDeployment", "GetDeployment"]
)
def test_what_aws_refuses_is_not_taken_for_anything_else(appconfig: AppConfig, operation: str) -> None:
    appconfig.refuse(operation, "AccessDeniedException")

    with pytest.raises(ClientError, match="AccessDeniedException"):
        appconfig.policy.deploy(ONE)
