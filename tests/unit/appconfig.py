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

from operations.deployed_policy import DeployedPolicy, Place

PLACE = Place(application="app1234", environment="env1234", profile="pro1234", strategy="str1234")
STARTED = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
_PAGE = 2
_session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1")

type Step = tuple[str, float]
"""A deployment's state, and the percentage of the functions that it has reached."""


class _RefusedError(Exception):
    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(code)
        self.answer = {"Error": {"Code": code, "Message": message}, **more}


class AppConfig:
    """One environment and one profile. ``course`` is what a deployment goes through, a step a sleep."""

    def __init__(self, *, newest_first: bool = True) -> None:
        self.versions: dict[int, tuple[str | None, bytes]] = {}
        self.deployments: list[dict[str, Any]] = []
        self.course: list[Step] = [("COMPLETE", 100.0)]
        self.minutes = (0, 0)
        # Who rolls deployments back, and why.
        self.rollback = ("CLOUDWATCH_ALARM", "An alarm rang")
        # What a deployment that somebody stops goes through before it has ended.
        self.way_back: list[Step] = []
        self.asked: list[str] = []
        self.slept: list[float] = []
        self.interrupted = False
        # As the emulator does: the oldest, and no token for the others.
        self.tells_of_no_more = False
        self.refused: dict[str, _RefusedError] = {}
        self.meanwhile: dict[str, Callable[[], object]] = {}
        self._newest_first = newest_first
        self.client = _session.client("appconfig")
        self.client.meta.events.register("before-parameter-build.appconfig", self._keep)
        answer: Any = self._answer
        self.client.meta.events.register("before-call.appconfig", answer)

    @property
    def policy(self) -> DeployedPolicy:
        """The policy that is deployed here; whoever waits for it lets deployments go on."""
        return DeployedPolicy(self.client, PLACE, self._sleep)

    @property
    def stack(self) -> Any:
        """A running local stack whose policy is deployed here."""
        return SimpleNamespace(
            policy_application_id=PLACE.application,
            policy_environment_id=PLACE.environment,
            policy_profile_id=PLACE.profile,
            policy_strategy_id=PLACE.strategy,
            client={"appconfig": self.client}.__getitem__,
        )

    @property
    def changes(self) -> list[str]:
        """What was asked that changes anything."""
        return [operation for operation in self.asked if not operation.startswith(("List", "Get"))]

    def refuse(self, operation: str, code: str, message: str = "no", **more: Any) -> None:
        """Let an operation fail from now on."""
        self.refused[operation] = _RefusedError(code, message, **more)

    def has(
        self, text: str, state: str = "COMPLETE", profile: str = PLACE.profile, percent: float = 100.0
    ) -> None:
        """Have a document in a version and a deployment of its own, in ``state``."""
        number = self._new_version(text.encode(), None)
        self._new_deployment(number, profile, [(state, percent)])

    def _keep(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["asked"] = params

    def _answer(self, model: Any, context: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        self.asked.append(model.name)
        if model.name in self.meanwhile:
            self.meanwhile.pop(model.name)()
        try:
            if model.name in self.refused:
                raise self.refused[model.name]
            _check_place(context["asked"])
            return _response(200), getattr(self, f"_{xform_name(model.name)}")(context["asked"])
        except _RefusedError as refused:
            return _response(400), refused.answer

    def _sleep(self, seconds: float) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.slept.append(seconds)
        for deployment in self.deployments:
            if len(deployment["course"]) > 1:
                deployment["course"].pop(0)

    def _new_version(self, content: bytes, label: str | None) -> int:
        number = max(self.versions, default=0) + 1
        self.versions[number] = (label, content)
        return number

    def _new_deployment(self, version: int, profile: str, course: list[Step]) -> dict[str, Any]:
        number = len(self.deployments) + 1
        new = {
            "number": number,
            "version": version,
            "profile": profile,
            "course": list(course),
            "rollback": self.rollback,
        }
        self.deployments.append(new)
        return new

    def _described(self, deployment: dict[str, Any]) -> dict[str, Any]:
        state, percent = deployment["course"][0]
        started = STARTED + timedelta(hours=deployment["number"])
        described = {
            "DeploymentNumber": deployment["number"],
            "ConfigurationProfileId": deployment["profile"],
            "ConfigurationVersion": str(deployment["version"]),
            "DeploymentDurationInMinutes": self.minutes[0],
            "FinalBakeTimeInMinutes": self.minutes[1],
            "State": state,
            "PercentageComplete": percent,
            "StartedAt": started,
            "EventLog": [_event("DEPLOYMENT_STARTED", "USER", "Deployment started")],
        }
        if state == "COMPLETE":
            described["CompletedAt"] = started + timedelta(minutes=sum(self.minutes))
        if state == "ROLLED_BACK":
            described["EventLog"].insert(0, _event("ROLLBACK_STARTED", *deployment["rollback"]))
        return described

    def _page(self, items: list[dict[str, Any]], asked: dict[str, Any]) -> dict[str, Any]:
        if self.tells_of_no_more:
            return {"Items": items[: asked.get("MaxResults", _PAGE)]}
        ordered = items[::-1] if self._newest_first else items
        first = int(asked.get("NextToken", 0))
        page = {"Items": ordered[first : first + _PAGE]}
        return page if first + _PAGE >= len(items) else {**page, "NextToken": str(first + _PAGE)}

    def _list_deployments(self, asked: dict[str, Any]) -> dict[str, Any]:
        # The emulator names no profile here.
        named = ("DeploymentNumber", "ConfigurationVersion", "State", "PercentageComplete", "StartedAt")
        items = [self._described(deployment) for deployment in self.deployments]
        return self._page([{name: item[name] for name in named} for item in items], asked)

    def _get_deployment(self, asked: dict[str, Any]) -> dict[str, Any]:
        return self._described(self.deployments[asked["DeploymentNumber"] - 1])

    def _list_hosted_configuration_versions(self, asked: dict[str, Any]) -> dict[str, Any]:
        items = [
            {"VersionNumber": number, **({"VersionLabel": label} if label else {})}
            for number, (label, _) in self.versions.items()
        ]
        return self._page(items, asked)

    def _get_hosted_configuration_version(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["VersionNumber"] not in self.versions:
            raise _RefusedError("ResourceNotFoundException", "gone")
        _, content = self.versions[asked["VersionNumber"]]
        return {"Content": StreamingBody(BytesIO(content), len(content))}

    def _create_hosted_configuration_version(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert asked["ContentType"] == "application/json"
        if asked["VersionLabel"].isdigit():
            raise _RefusedError("BadRequestException", "a label must not be a number")
        if asked.get("LatestVersionNumber") != max(self.versions, default=None):
            raise _RefusedError("ConflictException", "there is a newer version")
        return {"VersionNumber": self._new_version(asked["Content"], asked["VersionLabel"])}

    def _start_deployment(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert asked["DeploymentStrategyId"] == PLACE.strategy
        version = int(asked["ConfigurationVersion"])
        return self._described(self._new_deployment(version, PLACE.profile, self.course))

    def _stop_deployment(self, asked: dict[str, Any]) -> dict[str, Any]:
        deployment = self.deployments[asked["DeploymentNumber"] - 1]
        state, percent = deployment["course"][0]
        ended = {"DEPLOYING": "ROLLED_BACK"}
        if asked.get("AllowRevert"):
            ended |= {"BAKING": "ROLLED_BACK", "COMPLETE": "REVERTED"}
        if state not in ended:
            raise _RefusedError("BadRequestException", f"it cannot be stopped in state {state}")
        deployment["rollback"] = ("USER", "Somebody stopped it")
        deployment["course"] = [*self.way_back, (ended[state], percent)]
        return self._described(deployment)


def _event(kind: str, by: str, description: str) -> dict[str, str]:
    return {"EventType": kind, "TriggeredBy": by, "Description": description}


def _response(status: int) -> AWSResponse:
    return AWSResponse("", status, {}, None)  # type: ignore[arg-type] # nobody reads from it


def _check_place(asked: dict[str, Any]) -> None:
    place = {
        "ApplicationId": PLACE.application,
        "EnvironmentId": PLACE.environment,
        "ConfigurationProfileId": PLACE.profile,
    }
    assert all(asked[name] == place[name] for name in place if name in asked)
