import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from operations import stack_lookup
from operations.errors import OperationError
from operations.stack_lookup import CONFIGURATION, dead_letter_queue_of, deployed_policy_of
from tests.support.fake_appconfig import TARGET, FakeAppConfig

OUTPUTS = {
    "PolicyApplicationId": TARGET.application,
    "PolicyEnvironmentId": TARGET.environment,
    "PolicyProfileId": TARGET.profile,
    "PolicyStrategyId": TARGET.strategy,
    "DeadLetterQueueUrl": "https://queue.invalid",
    "PublishEventsFunctionName": "publish",
}


class Account:
    """An AWS account in one region, with the options of its sessions and the endpoints of its clients."""

    def __init__(self) -> None:
        self.appconfig = FakeAppConfig()
        self.sessions: list[dict[str, Any]] = []
        self.endpoints: set[str | None] = set()
        session = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-west-2")
        self._cloudformation = session.client("cloudformation")
        self._stubber = Stubber(self._cloudformation)

    def with_stack(self, name: str, outputs: dict[str, str]) -> Self:
        description: Any = {
            "StackName": name,
            "StackStatus": "CREATE_COMPLETE",
            "CreationTime": "2026-11-20",
            "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
        }
        self._stubber.add_response("describe_stacks", {"Stacks": [description]}, {"StackName": name})
        return self

    def rejecting(self, code: str, message: str) -> Self:
        self._stubber.add_client_error("describe_stacks", code, message)
        return self

    def session(self, **options: Any) -> Any:
        self.sessions.append(options)
        self._stubber.activate()
        return SimpleNamespace(client=self._client)

    def _client(self, service: str, endpoint_url: str | None = None) -> Any:
        self.endpoints.add(endpoint_url)
        return {"cloudformation": self._cloudformation, "appconfig": self.appconfig.client}.get(service, service)


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_policy_lookup_uses_stack_of_environment(environment: str) -> None:
    account = Account().with_stack(f"paynearme-{environment}", OUTPUTS)
    account.appconfig.add_deployment("{}")

    policy = deployed_policy_of(environment, CONFIGURATION, account.session)

    assert policy.status().text == "{}"


@pytest.mark.parametrize("command", ["global", "deploy"])
def test_stack_lookup_region_and_profile_from_samconfig(tmp_path: Path, command: str) -> None:
    configuration = tmp_path / "samconfig.toml"
    configuration.write_text(
        f'version = 0.1\n[qa.{command}.parameters]\nstack_name = "x"\nregion = "eu-west-1"\nprofile = "me"\n'
    )
    account = Account().with_stack("x", OUTPUTS)

    deployed_policy_of("qa", configuration, account.session)

    assert account.sessions == [{"profile_name": "me", "region_name": "eu-west-1"}]


def test_samconfig_deploy_section_overrides_global(tmp_path: Path) -> None:
    configuration = tmp_path / "samconfig.toml"
    configuration.write_text('[qa.global.parameters]\nstack_name = "x"\n[qa.deploy.parameters]\nstack_name = "y"\n')

    assert deployed_policy_of("qa", configuration, Account().with_stack("y", OUTPUTS).session)


def test_stack_lookup_unknown_environment_lists_available() -> None:
    with pytest.raises(OperationError, match="no staging, only local, dev, prod"):
        deployed_policy_of("staging")


def test_stack_lookup_without_stack_name_fails(tmp_path: Path) -> None:
    configuration = tmp_path / "samconfig.toml"
    configuration.write_text("[qa.deploy.parameters]\nresolve_s3 = true\n")

    with pytest.raises(OperationError, match="no stack_name for qa"):
        deployed_policy_of("qa", configuration)


def test_stack_lookup_not_deployed_error_names_region() -> None:
    account = Account().rejecting("ValidationError", "Stack with id paynearme-dev does not exist")

    with pytest.raises(OperationError, match=r"no stack paynearme-dev in us-west-2; 'make deploy ENV=dev'"):
        deployed_policy_of("dev", CONFIGURATION, account.session)


def test_stack_lookup_other_aws_error_raised() -> None:
    account = Account().rejecting("AccessDenied", "You may not")

    with pytest.raises(ClientError, match="You may not"):
        deployed_policy_of("dev", CONFIGURATION, account.session)


@pytest.mark.parametrize("missing", [name for name in OUTPUTS if name.startswith("Policy")])
def test_stack_lookup_missing_outputs_error_names_them(missing: str) -> None:
    account = Account().with_stack("paynearme-dev", {name: OUTPUTS[name] for name in OUTPUTS if name != missing})

    with pytest.raises(OperationError, match=rf"no outputs {missing}:.* 'make deploy ENV=dev'"):
        deployed_policy_of("dev", CONFIGURATION, account.session)


@pytest.fixture
def local_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "stack.json"
    path.write_text(json.dumps({"endpoint_url": "http://127.0.0.1:1"}))
    monkeypatch.setattr(stack_lookup, "LOCAL_STACK", path)
    return path


@pytest.mark.usefixtures("local_stack")
def test_local_policy_lookup_uses_running_local_stack() -> None:
    account = Account().with_stack("paynearme-local", OUTPUTS)
    account.appconfig.omits_next_token = True
    for text in ("1", "2", "3", "4"):
        account.appconfig.add_deployment(text)

    assert deployed_policy_of("local", CONFIGURATION, account.session).status().text == "4"
    assert account.endpoints == {"http://127.0.0.1:1"}


@pytest.mark.usefixtures("local_stack")
@pytest.mark.parametrize("environment", ["dev", "local"])
def test_dead_letter_queue_lookup_uses_stack_outputs(environment: str) -> None:
    account = Account().with_stack(f"paynearme-{environment}", OUTPUTS)

    assert vars(dead_letter_queue_of(environment, CONFIGURATION, account.session)) == {
        "sqs": "sqs",
        "lambda_client": "lambda",
        "url": "https://queue.invalid",
        "function_name": "publish",
    }


def test_local_stack_not_running_error_suggests_make_up(local_stack: Path) -> None:
    local_stack.unlink()

    with pytest.raises(OperationError, match="'make up'"):
        deployed_policy_of("local")
