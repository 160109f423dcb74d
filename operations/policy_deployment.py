"""The policy in AppConfig: which one is in force, and how another one gets there."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tenacity import RetryError, Retrying, retry_if_result, stop_after_attempt, wait_fixed

from operations.errors import OperationError
from paynearme.policy import read_policy

if TYPE_CHECKING:
    from mypy_boto3_appconfig import AppConfigClient
    from mypy_boto3_appconfig.type_defs import CreateHostedConfigurationVersionRequestTypeDef

POLL_SECONDS = 5
"""How often AppConfig is asked how far a deployment is."""

TIMEOUT_MINUTES = 5
"""For how long a deployment is waited for beyond its strategy's minutes."""

_ADVICE_AFTER_ALARM = (
    "An alarm did that, and does it to all that is deployed while it is up: deploy again when it is OK. If it"
    " stays up because of the policy that is in force now, 'policy revert' takes that one back."
)
_COMPLETE = "COMPLETE"
# A state that AppConfig may add counts as one that goes on.
_ENDED = frozenset({_COMPLETE, "ROLLED_BACK", "REVERTED"})


@dataclass(frozen=True)
class AppConfigTarget:
    """Where the policy is deployed, and by which strategy: AppConfig's identifiers."""

    application: str
    environment: str
    profile: str
    strategy: str


@dataclass(frozen=True)
class Deployment:
    """One deployment of a version of the document, as AppConfig describes it.

    ``minutes`` is how long its strategy takes. ``trouble`` says why it was taken back, if it was, and
    ``alarmed`` whether an alarm did that.
    """

    number: int
    profile: str
    version: int
    state: str
    percent: float
    minutes: int
    started_at: datetime
    completed_at: datetime | None
    rollback_reason: str
    rolled_back_by_alarm: bool

    @property
    def in_progress(self) -> bool:
        """Return whether it has not ended yet."""
        return self.state not in _ENDED

    @property
    def complete(self) -> bool:
        """Return whether it has reached all functions for good."""
        return self.state == _COMPLETE

    @property
    def name(self) -> str:
        """Return what to call it."""
        return f"deployment {self.number} of version {self.version}"

    def __str__(self) -> str:
        """Return what to call it, and how far it is."""
        return f"{self.name}: {self.state.lower().replace('_', ' ')}, {self.percent:.0f} %"


@dataclass(frozen=True)
class PolicyStatus:
    """The deployment in force, with its document, and the one that goes on; None where there is none."""

    active: Deployment | None
    text: str | None
    in_progress: Deployment | None


class DeployedPolicy:
    """The policy of one stack."""

    def __init__(
        self, client: "AppConfigClient", target: AppConfigTarget, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Take AppConfig's client and the place; ask nothing yet. ``sleep`` takes seconds."""
        self._client = client
        self._target = target
        self._sleep = sleep

    def status(self) -> PolicyStatus:
        """Return what is in force, which is the last complete deployment, and what goes on.

        Raises botocore's errors.
        """
        pages = self._client.get_paginator("list_deployments").paginate(
            ApplicationId=self._target.application, EnvironmentId=self._target.environment
        )
        states = {item["DeploymentNumber"]: item["State"] for page in pages for item in page["Items"]}
        active = self._latest(number for number, state in states.items() if state == _COMPLETE)
        in_progress = self._latest(number for number, state in states.items() if state not in _ENDED)
        return PolicyStatus(active, self._text(active.version) if active else None, in_progress)

    def deploy(self, text: str) -> Deployment | None:
        """Start to bring the document ``text`` into force; return the deployment, or None if it is in force.

        Raises ``PolicyInvalidError``, before anything is sent, when the document is not valid; ``OperationError``
        when another deployment goes on or begins at the same time; botocore's errors.
        """
        # AppConfig wants a label that is no number, which a hash can be.
        label = f"sha256-{read_policy(text).defaults.version}"
        status = self.status()
        if status.in_progress:
            raise OperationError(f"{status.in_progress}; wait until it has ended, or take it back with 'policy revert'")
        if status.text == text:
            return None
        target = self._target
        try:
            started = self._client.start_deployment(
                ApplicationId=target.application,
                EnvironmentId=target.environment,
                DeploymentStrategyId=target.strategy,
                ConfigurationProfileId=target.profile,
                ConfigurationVersion=str(self._version(text, label)),
            )
        except self._client.exceptions.ConflictException as error:
            detail = error.response["Error"].get("Message")
            raise OperationError(f"somebody else is deploying a policy: {detail}") from None
        return self._deployment(started["DeploymentNumber"])

    def wait(self, deployment: Deployment, on_change: Callable[[Deployment], None]) -> Deployment:
        """Return the deployment when it is complete, or as it is when it takes longer than it should.

        ``tell`` is told how far it is each time when AppConfig was asked. Raises ``OperationError`` when it
        was taken back; botocore's errors.
        """

        def poll() -> Deployment:
            current = self._deployment(deployment.number)
            on_change(current)
            return current

        retrying = Retrying(
            retry=retry_if_result(lambda current: current.in_progress),
            wait=wait_fixed(POLL_SECONDS),
            stop=stop_after_attempt((deployment.minutes + TIMEOUT_MINUTES) * 60 // POLL_SECONDS),
            sleep=self._sleep,
        )
        try:
            ended = retrying(poll)
        except RetryError as error:
            unfinished: Deployment = error.last_attempt.result()
            return unfinished
        if not ended.complete:
            message = f"{ended}; what was in force before holds again. {ended.rollback_reason}".rstrip()
            raise OperationError(f"{message}\n{_ADVICE_AFTER_ALARM}" if ended.rolled_back_by_alarm else message)
        return ended

    def revert(self) -> Deployment:
        """Take back the deployment that goes on, else the one in force; return it as it is then.

        What was in force before holds again, whatever the alarms say. Raises ``OperationError`` when there is
        no such deployment, or AppConfig refuses: it does 72 hours after one was complete; botocore's errors.
        """
        status = self.status()
        deployment = status.in_progress or status.active
        if deployment is None:
            raise OperationError("no policy is in force, and none is on its way: nothing can be taken back")
        try:
            self._client.stop_deployment(
                ApplicationId=self._target.application,
                EnvironmentId=self._target.environment,
                DeploymentNumber=deployment.number,
                AllowRevert=True,
            )
        except self._client.exceptions.BadRequestException as error:
            detail = error.response["Error"].get("Message")
            raise OperationError(
                f"AppConfig does not take back {deployment}: {detail}\n"
                "It does so while a deployment goes on, and for 72 hours after it was complete. Later, deploy"
                " another policy."
            ) from None
        return self._deployment(deployment.number)

    def _latest(self, numbers: Iterable[int]) -> Deployment | None:
        """Return the last of these deployments that is the policy's: other profiles can have some, too."""
        deployments = (self._deployment(number) for number in sorted(numbers, reverse=True))
        return next((deployment for deployment in deployments if deployment.profile == self._target.profile), None)

    def _deployment(self, number: int) -> Deployment:
        response = self._client.get_deployment(
            ApplicationId=self._target.application,
            EnvironmentId=self._target.environment,
            DeploymentNumber=number,
        )
        rollback_events = [
            event
            for event in response.get("EventLog", [])
            if event["EventType"] in ("ROLLBACK_STARTED", "REVERT_COMPLETED")
        ]
        return Deployment(
            number=number,
            profile=response["ConfigurationProfileId"],
            version=int(response["ConfigurationVersion"]),
            state=response["State"],
            percent=response["PercentageComplete"],
            minutes=response["DeploymentDurationInMinutes"] + response["FinalBakeTimeInMinutes"],
            started_at=response["StartedAt"],
            completed_at=response.get("CompletedAt"),
            rollback_reason="; ".join(event["Description"] for event in rollback_events),
            rolled_back_by_alarm=any(event.get("TriggeredBy") == "CLOUDWATCH_ALARM" for event in rollback_events),
        )

    def _text(self, version: int) -> str | None:
        """Return the document of a version; None if somebody deleted it."""
        try:
            response = self._client.get_hosted_configuration_version(
                ApplicationId=self._target.application,
                ConfigurationProfileId=self._target.profile,
                VersionNumber=version,
            )
        except self._client.exceptions.ResourceNotFoundException:
            return None
        return response["Content"].read().decode(errors="replace")

    def _version(self, text: str, label: str) -> int:
        """Return the number of the version that holds ``text``, a former one or a new one."""
        pages = self._client.get_paginator("list_hosted_configuration_versions").paginate(
            ApplicationId=self._target.application, ConfigurationProfileId=self._target.profile
        )
        labels = {item["VersionNumber"]: item.get("VersionLabel") for page in pages for item in page["Items"]}
        for number in (number for number, stored_label in labels.items() if stored_label == label):
            if self._text(number) == text:
                return number
        version_request: CreateHostedConfigurationVersionRequestTypeDef = {
            "ApplicationId": self._target.application,
            "ConfigurationProfileId": self._target.profile,
            "Content": text.encode(),
            "ContentType": "application/json",
            "VersionLabel": label,
        }
        if labels:
            # Then AppConfig refuses it if somebody has made another version meanwhile.
            version_request["LatestVersionNumber"] = max(labels)
        return self._client.create_hosted_configuration_version(**version_request)["VersionNumber"]
