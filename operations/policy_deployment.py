"""The policy in AppConfig: its status, its deployment and its reversion."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tenacity import RetryError, Retrying, retry_if_result, stop_after_attempt, wait_fixed

from operations.errors import OperationError
from paynearme.policy import read_policy

if TYPE_CHECKING:
    from mypy_boto3_appconfig import AppConfigClient
    from mypy_boto3_appconfig.type_defs import CreateHostedConfigurationVersionRequestTypeDef

POLL_SECONDS = 5
"""Seconds between two requests for the state of a deployment."""

TIMEOUT_MINUTES = 5
"""Minutes after the end of its strategy for which a deployment is waited for."""

_ADVICE_AFTER_ALARM = (
    "An alarm caused the rollback. It rolls back every deployment while its state is ALARM. Deploy again when it is"
    " OK. If the active policy keeps it in ALARM, revert that policy with 'policy revert'."
)
_COMPLETE = "COMPLETE"
# An unknown state, which AppConfig can add, counts as in progress.
_ENDED = frozenset({_COMPLETE, "ROLLED_BACK", "REVERTED"})


@dataclass(frozen=True)
class AppConfigTarget:
    """AppConfig's identifiers of the policy's place and of its deployment strategy."""

    application: str
    environment: str
    profile: str
    strategy: str


@dataclass(frozen=True)
class Deployment:
    """One deployment of a version of the policy document.

    ``minutes`` is the duration of its strategy. ``rollback_reason`` is AppConfig's description of a rollback, or empty.
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
        """Return whether the deployment has not ended."""
        return self.state not in _ENDED

    @property
    def complete(self) -> bool:
        """Return whether the deployment has reached all functions and its bake time has ended."""
        return self.state == _COMPLETE

    @property
    def name(self) -> str:
        """Return the number and the version as text."""
        return f"deployment {self.number} of version {self.version}"

    def __str__(self) -> str:
        """Return the name, the state and the progress as text."""
        return f"{self.name}: {self.state.lower().replace('_', ' ')}, {self.percent:.0f} %"


@dataclass(frozen=True)
class PolicyStatus:
    """The active deployment with its document, and the deployment in progress. Each is ``None`` if missing."""

    active: Deployment | None
    text: str | None
    in_progress: Deployment | None


class DeployedPolicy:
    """The policy of one stack."""

    def __init__(
        self, client: "AppConfigClient", target: AppConfigTarget, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Store AppConfig's client and the target. Sends no request. ``sleep`` has an argument in seconds."""
        self._client = client
        self._target = target
        self._sleep = sleep

    def status(self) -> PolicyStatus:
        """Return the active deployment, which is the last complete one, and the deployment in progress.

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
        """Start the deployment of the document ``text``. Return it, or ``None`` if the document is already active.

        Raises ``PolicyInvalidError`` before the first request if the document is not valid. Raises ``OperationError``
        if another deployment is in progress or starts at the same time. Raises botocore's errors.
        """
        # AppConfig rejects a number as a label, and a hash can be a number.
        label = f"sha256-{read_policy(text).defaults.version}"
        status = self.status()
        if status.in_progress:
            raise OperationError(f"{status.in_progress}; wait until it ends, or revert it with 'policy revert'")
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
            raise OperationError(f"another deployment started at the same time: {detail}") from None
        return self._deployment(started["DeploymentNumber"])

    def wait(self, deployment: Deployment, on_change: Callable[[Deployment], None]) -> Deployment:
        """Wait for a deployment, and return its last state. It is still in progress if the timeout passes.

        Calls ``on_change`` with the current state after each request. Raises ``OperationError`` if the deployment was
        rolled back. Raises botocore's errors.
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
            message = f"{ended}. The previous policy is active again. {ended.rollback_reason}".rstrip()
            raise OperationError(f"{message}\n{_ADVICE_AFTER_ALARM}" if ended.rolled_back_by_alarm else message)
        return ended

    def revert(self) -> Deployment:
        """Revert the deployment in progress, otherwise the active one, and return its new state.

        The previous policy becomes active again, regardless of alarms. Raises ``OperationError`` if there is no such
        deployment, or if AppConfig rejects the request (72 hours after completion). Raises botocore's errors.
        """
        status = self.status()
        deployment = status.in_progress or status.active
        if deployment is None:
            raise OperationError("no policy is active, and no deployment is in progress: there is nothing to revert")
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
                f"AppConfig does not revert {deployment}: {detail}\n"
                "AppConfig reverts a deployment in progress, and a complete one for 72 hours. After that, deploy"
                " another policy."
            ) from None
        return self._deployment(deployment.number)

    def _latest(self, numbers: Iterable[int]) -> Deployment | None:
        """Return the last of these deployments that belongs to the policy's profile."""
        deployments = (self._deployment(number) for number in sorted(numbers, reverse=True))
        return next((deployment for deployment in deployments if deployment.profile == self._target.profile), None)

    def _deployment(self, number: int) -> Deployment:
        response = self._client.get_deployment(
            ApplicationId=self._target.application, EnvironmentId=self._target.environment, DeploymentNumber=number
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
        """Return the document of a version, or ``None`` if it was deleted."""
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
        """Return the number of the version with the content ``text``. Create it if it does not exist."""
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
            # AppConfig rejects the request if another version was created in the meantime.
            version_request["LatestVersionNumber"] = max(labels)
        return self._client.create_hosted_configuration_version(**version_request)["VersionNumber"]


def emulated_policy(client: "AppConfigClient", target: AppConfigTarget) -> DeployedPolicy:
    """Return the policy of the local stack."""
    # The emulator lists 50 items and returns no token for the next ones. AWS permits no higher number.
    list_all: Any = _list_all
    for operation in ("ListDeployments", "ListHostedConfigurationVersions"):
        client.meta.events.register(f"provide-client-params.appconfig.{operation}", list_all)
    return DeployedPolicy(client, target)


def _list_all(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {**params, "MaxResults": 10_000}
