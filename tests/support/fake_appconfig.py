"""AppConfig in memory, behind a real client: what is asked is checked, paged and raised by botocore."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import boto3
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.response import StreamingBody

from operations.policy_deployment import AppConfigTarget, DeployedPolicy

TARGET = AppConfigTarget(application="app1234", environment="env1234", profile="pro1234", strategy="str1234")
STARTED = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
_PAGE = 2
_session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1")

type DeploymentStep = tuple[str, float]
"""A deployment's state, and the percentage of the functions that it has reached."""


class _RejectedError(Exception):
    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(code)
        self.body = {"Error": {"Code": code, "Message": message}, **more}


class FakeAppConfig:
    """One environment and one profile. ``course`` is what a deployment goes through, a step a sleep."""

    def __init__(self, *, newest_first: bool = True) -> None:
        self.versions: dict[int, tuple[str | None, bytes]] = {}
        self.deployments: list[dict[str, Any]] = []
        self.steps: list[DeploymentStep] = [("COMPLETE", 100.0)]
        self.minutes = (0, 0)
        # Who rolls deployments back, and why.
        self.rollback = ("CLOUDWATCH_ALARM", "The alarm fired")
        # What a deployment that somebody stops goes through before it has ended.
        self.rollback_steps: list[DeploymentStep] = []
        self.operations: list[str] = []
        self.sleeps: list[float] = []
        self.interrupted = False
        # As the emulator does: the oldest, and no token for the others.
        self.omits_next_token = False
        self.rejections: dict[str, _RejectedError] = {}
        self.before_operation: dict[str, Callable[[], object]] = {}
        self._newest_first = newest_first
        self.client = _session.client("appconfig")
        self.client.meta.events.register("before-parameter-build.appconfig", self._capture_parameters)
        respond: Any = self._respond
        self.client.meta.events.register("before-call.appconfig", respond)

    @property
    def policy(self) -> DeployedPolicy:
        """The policy that is deployed here; whoever waits for it lets deployments go on."""
        return DeployedPolicy(self.client, TARGET, self._sleep)

    @property
    def stack(self) -> Any:
        """A running local stack whose policy is deployed here."""
        return SimpleNamespace(
            policy_application_id=TARGET.application,
            policy_environment_id=TARGET.environment,
            policy_profile_id=TARGET.profile,
            policy_strategy_id=TARGET.strategy,
            client={"appconfig": self.client}.__getitem__,
        )

    @property
    def changes(self) -> list[str]:
        """What was asked that changes anything."""
        return [operation for operation in self.operations if not operation.startswith(("List", "Get"))]

    def reject(self, operation: str, code: str, message: str = "no", **more: Any) -> None:
        """Let an operation fail from now on."""
        self.rejections[operation] = _RejectedError(code, message, **more)

    def add_deployment(
        self, text: str, state: str = "COMPLETE", profile: str = TARGET.profile, percent: float = 100.0
    ) -> None:
        """Have a document in a version and a deployment of its own, in ``state``."""
        number = self._new_version(text.encode(), None)
        self._new_deployment(number, profile, [(state, percent)])

    def _capture_parameters(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["parameters"] = params

    def _respond(self, model: Any, context: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        self.operations.append(model.name)
        if model.name in self.before_operation:
            self.before_operation.pop(model.name)()
        try:
            if model.name in self.rejections:
                raise self.rejections[model.name]
            _check_target(context["parameters"])
            return _response(200), getattr(self, f"_{xform_name(model.name)}")(context["parameters"])
        except _RejectedError as error:
            return _response(400), error.body

    def _sleep(self, seconds: float) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.sleeps.append(seconds)
        for deployment in self.deployments:
            if len(deployment["course"]) > 1:
                deployment["course"].pop(0)

    def _new_version(self, content: bytes, label: str | None) -> int:
        number = max(self.versions, default=0) + 1
        self.versions[number] = (label, content)
        return number

    def _new_deployment(self, version: int, profile: str, steps: list[DeploymentStep]) -> dict[str, Any]:
        number = len(self.deployments) + 1
        deployment = {
            "number": number,
            "version": version,
            "profile": profile,
            "course": list(steps),
            "rollback": self.rollback,
        }
        self.deployments.append(deployment)
        return deployment

    def _describe(self, deployment: dict[str, Any]) -> dict[str, Any]:
        state, percent = deployment["course"][0]
        started_at = STARTED + timedelta(hours=deployment["number"])
        description = {
            "DeploymentNumber": deployment["number"],
            "ConfigurationProfileId": deployment["profile"],
            "ConfigurationVersion": str(deployment["version"]),
            "DeploymentDurationInMinutes": self.minutes[0],
            "FinalBakeTimeInMinutes": self.minutes[1],
            "State": state,
            "PercentageComplete": percent,
            "StartedAt": started_at,
            "EventLog": [_event("DEPLOYMENT_STARTED", "USER", "Deployment started")],
        }
        if state == "COMPLETE":
            description["CompletedAt"] = started_at + timedelta(minutes=sum(self.minutes))
        if state == "ROLLED_BACK":
            description["EventLog"].insert(0, _event("ROLLBACK_STARTED", *deployment["rollback"]))
        return description

    def _paginate(self, items: list[dict[str, Any]], parameters: dict[str, Any]) -> dict[str, Any]:
        if self.omits_next_token:
            return {"Items": items[: parameters.get("MaxResults", _PAGE)]}
        ordered = items[::-1] if self._newest_first else items
        offset = int(parameters.get("NextToken", 0))
        page = {"Items": ordered[offset : offset + _PAGE]}
        return page if offset + _PAGE >= len(items) else {**page, "NextToken": str(offset + _PAGE)}

    def _list_deployments(self, parameters: dict[str, Any]) -> dict[str, Any]:
        # The emulator names no profile here.
        summary_fields = ("DeploymentNumber", "ConfigurationVersion", "State", "PercentageComplete", "StartedAt")
        items = [self._describe(deployment) for deployment in self.deployments]
        return self._paginate([{name: item[name] for name in summary_fields} for item in items], parameters)

    def _get_deployment(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return self._describe(self.deployments[parameters["DeploymentNumber"] - 1])

    def _list_hosted_configuration_versions(self, parameters: dict[str, Any]) -> dict[str, Any]:
        items = [
            {"VersionNumber": number, **({"VersionLabel": label} if label else {})}
            for number, (label, _) in self.versions.items()
        ]
        return self._paginate(items, parameters)

    def _get_hosted_configuration_version(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if parameters["VersionNumber"] not in self.versions:
            raise _RejectedError("ResourceNotFoundException", "gone")
        _, content = self.versions[parameters["VersionNumber"]]
        return {"Content": StreamingBody(BytesIO(content), len(content))}

    def _create_hosted_configuration_version(self, parameters: dict[str, Any]) -> dict[str, Any]:
        assert parameters["ContentType"] == "application/json"
        if parameters["VersionLabel"].isdigit():
            raise _RejectedError("BadRequestException", "a label must not be a number")
        if parameters.get("LatestVersionNumber") != max(self.versions, default=None):
            raise _RejectedError("ConflictException", "there is a newer version")
        return {"VersionNumber": self._new_version(parameters["Content"], parameters["VersionLabel"])}

    def _start_deployment(self, parameters: dict[str, Any]) -> dict[str, Any]:
        assert parameters["DeploymentStrategyId"] == TARGET.strategy
        version = int(parameters["ConfigurationVersion"])
        return self._describe(self._new_deployment(version, TARGET.profile, self.steps))

    def _stop_deployment(self, parameters: dict[str, Any]) -> dict[str, Any]:
        deployment = self.deployments[parameters["DeploymentNumber"] - 1]
        state, percent = deployment["course"][0]
        end_states = {"DEPLOYING": "ROLLED_BACK"}
        if parameters.get("AllowRevert"):
            end_states |= {"BAKING": "ROLLED_BACK", "COMPLETE": "REVERTED"}
        if state not in end_states:
            raise _RejectedError("BadRequestException", f"it cannot be stopped in state {state}")
        deployment["rollback"] = ("USER", "Somebody stopped it")
        deployment["course"] = [*self.rollback_steps, (end_states[state], percent)]
        return self._describe(deployment)


def _event(kind: str, by: str, description: str) -> dict[str, str]:
    return {"EventType": kind, "TriggeredBy": by, "Description": description}


def _response(status: int) -> AWSResponse:
    return AWSResponse("", status, {}, None)  # type: ignore[arg-type] # nobody reads from it


def _check_target(parameters: dict[str, Any]) -> None:
    target = {
        "ApplicationId": TARGET.application,
        "EnvironmentId": TARGET.environment,
        "ConfigurationProfileId": TARGET.profile,
    }
    assert all(parameters[name] == target[name] for name in target if name in parameters)
