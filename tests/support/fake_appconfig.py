"""A fake of AppConfig in memory: deployments for operators, and the deployed document for functions.

botocore's clients call it, so they validate parameters, follow pages and raise errors.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from io import BytesIO
from typing import Any

import boto3
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.response import StreamingBody

from operations.policy_deployment import AppConfigTarget, DeployedPolicy

TARGET = AppConfigTarget(application="app1234", environment="env1234", profile="pro1234", strategy="str1234")
_PAGE = 2
_session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1")

ACCEPTING_POLICY: Mapping[str, Any] = {
    "defaults": {"unknown_order": "accept", "unknown_customer": "accept", "time_zone": "America/New_York"}
}
"""A policy without optional rules."""

START_SESSION, GET_CONFIGURATION = "StartConfigurationSession", "GetLatestConfiguration"


class _RejectedError(Exception):
    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(code)
        self.body = {"Error": {"Code": code, "Message": message}, **more}


@dataclass
class _Deployment:
    number: int
    version: int
    profile: str
    rollback: tuple[str, str]
    steps: list[tuple[str, float]]


class FakeAppConfig:
    """One environment and one profile. A deployment passes one of ``steps`` for each sleep: a state and a percentage.

    ``calls`` records the operations. A call raises the first of its ``errors``, if any.
    """

    def __init__(self, *, newest_first: bool = True) -> None:
        self.versions: dict[int, tuple[str | None, bytes]] = {}
        self.deployments: list[_Deployment] = []
        self.steps: list[tuple[str, float]] = [("COMPLETE", 100.0)]
        self.minutes = (0, 0)
        # The event of a rollback: its trigger and its description.
        self.rollback = ("CLOUDWATCH_ALARM", "The alarm fired")
        self.calls: list[str] = []
        self.errors: dict[str, list[Exception]] = {}
        self.sleeps: list[float] = []
        # The emulator returns the oldest items without a token for the others.
        self.omits_next_token = False
        self.rejections: dict[str, _RejectedError] = {}
        self.before_operation: dict[str, Callable[[], object]] = {}
        self._newest_first = newest_first
        self._session_contents: dict[str, bytes] = {}

    @cached_property
    def client(self) -> Any:
        """A client for operators."""
        client: Any = _session.client("appconfig")
        client.meta.events.register("before-parameter-build.appconfig", self._capture_parameters)
        client.meta.events.register("before-call.appconfig", self._respond)
        return client

    @property
    def policy(self) -> DeployedPolicy:
        """The deployed policy. A wait for it advances the deployments."""
        return DeployedPolicy(self.client, TARGET, self._sleep)

    @property
    def changes(self) -> list[str]:
        """The recorded operations that change anything."""
        return [operation for operation in self.calls if not operation.startswith(("List", "Get"))]

    @property
    def content(self) -> bytes:
        """The document of the last complete deployment."""
        complete = (deployment for deployment in self.deployments[::-1] if deployment.steps[0][0] == "COMPLETE")
        return next((self.versions[deployment.version][1] for deployment in complete), b"")

    def reject(self, operation: str, code: str, message: str = "no", **more: Any) -> None:
        """Reject an operation from now on."""
        self.rejections[operation] = _RejectedError(code, message, **more)

    def add_deployment(
        self, text: str | bytes, state: str = "COMPLETE", profile: str = TARGET.profile, percent: float = 100.0
    ) -> None:
        """Add a version and a deployment of it in ``state``."""
        content = text.encode() if isinstance(text, str) else text
        self._new_deployment(self._new_version(content, None), profile, [(state, percent)])

    def put(self, document: object) -> None:
        """Deploy ``document``, which is bytes, text, or a value that becomes JSON."""
        self.add_deployment(document if isinstance(document, str | bytes) else json.dumps(document))

    def put_defaults(self, **changes: Any) -> None:
        """Deploy ``ACCEPTING_POLICY`` with changed defaults, and remove the errors."""
        self.errors.clear()
        self.put({"defaults": {**ACCEPTING_POLICY["defaults"], **changes}})

    def fail(self, operation: str, *errors: Exception) -> None:
        """Raise errors in the next calls of ``operation``."""
        self.errors[operation] = list(errors)

    def respond_to_function(self, *, model: Any, params: Mapping[str, Any], **_: Any) -> tuple[AWSResponse, Any]:
        """Respond to a call of the data API, as a hook for botocore's event ``before-call``.

        A token is valid for one call. The document is empty if it has not changed since the session's last call.
        """
        self.calls.append(model.name)
        if errors := self.errors.get(model.name):
            raise errors.pop(0)
        token = f"token-{len(self.calls)}"
        if model.name == START_SESSION:
            self._session_contents[token] = b""
            return _response(200), {"InitialConfigurationToken": token}
        previous = self._session_contents.pop(params["query_string"]["configuration_token"])
        self._session_contents[token] = self.content
        changed = b"" if previous == self.content else self.content
        return _response(200), {"Configuration": BytesIO(changed), "NextPollConfigurationToken": token}

    def _capture_parameters(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["parameters"] = params

    def _respond(self, model: Any, context: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        self.calls.append(model.name)
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
        self.sleeps.append(seconds)
        for deployment in self.deployments:
            if len(deployment.steps) > 1:
                deployment.steps.pop(0)

    def _new_version(self, content: bytes, label: str | None) -> int:
        number = max(self.versions, default=0) + 1
        self.versions[number] = (label, content)
        return number

    def _new_deployment(self, version: int, profile: str, steps: list[tuple[str, float]]) -> _Deployment:
        self.deployments.append(_Deployment(len(self.deployments) + 1, version, profile, self.rollback, list(steps)))
        return self.deployments[-1]

    def _describe(self, deployment: _Deployment) -> dict[str, Any]:
        state, percent = deployment.steps[0]
        started_at = datetime(2026, 11, 20, 17 + deployment.number, tzinfo=UTC)
        events = [("DEPLOYMENT_STARTED", "USER", "Deployment started")]
        if state == "ROLLED_BACK":
            events.insert(0, ("ROLLBACK_STARTED", *deployment.rollback))
        completed = {"CompletedAt": started_at + timedelta(minutes=sum(self.minutes))} if state == "COMPLETE" else {}
        return {
            "DeploymentNumber": deployment.number,
            "ConfigurationProfileId": deployment.profile,
            "ConfigurationVersion": str(deployment.version),
            "DeploymentDurationInMinutes": self.minutes[0],
            "FinalBakeTimeInMinutes": self.minutes[1],
            "State": state,
            "PercentageComplete": percent,
            "StartedAt": started_at,
            "EventLog": [
                dict(zip(("EventType", "TriggeredBy", "Description"), event, strict=True)) for event in events
            ],
            **completed,
        }

    def _paginate(self, items: list[dict[str, Any]], parameters: dict[str, Any]) -> dict[str, Any]:
        if self.omits_next_token:
            return {"Items": items[: parameters.get("MaxResults", _PAGE)]}
        ordered = items[::-1] if self._newest_first else items
        offset = int(parameters.get("NextToken", 0))
        page = {"Items": ordered[offset : offset + _PAGE]}
        return page if offset + _PAGE >= len(items) else {**page, "NextToken": str(offset + _PAGE)}

    def _list_deployments(self, parameters: dict[str, Any]) -> dict[str, Any]:
        # The emulator returns no profile here.
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
        state, percent = deployment.steps[0]
        end_states = {"DEPLOYING": "ROLLED_BACK"}
        if parameters.get("AllowRevert"):
            end_states |= {"BAKING": "ROLLED_BACK", "COMPLETE": "REVERTED"}
        if state not in end_states:
            raise _RejectedError("BadRequestException", f"it cannot be stopped in state {state}")
        deployment.rollback, deployment.steps = ("USER", "An operator stopped it"), [(end_states[state], percent)]
        return self._describe(deployment)


def _response(status: int) -> AWSResponse:
    return AWSResponse("", status, {}, None)  # type: ignore[arg-type] # the body is not read


def _check_target(parameters: dict[str, Any]) -> None:
    names = {"ApplicationId": "application", "EnvironmentId": "environment", "ConfigurationProfileId": "profile"}
    assert all(parameters.get(name, getattr(TARGET, part)) == getattr(TARGET, part) for name, part in names.items())
