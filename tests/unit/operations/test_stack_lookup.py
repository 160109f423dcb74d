import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from operations import stack_lookup
from operations.errors import OperationError
from operations.stack_lookup import _EMULATOR_KEYS, CONFIGURATION, deployed_policy_of
from tests.support.fake_appconfig import TARGET, FakeAppConfig

OUTPUTS = {
    "PolicyApplicationId": TARGET.application,
    "PolicyEnvironmentId": TARGET.environment,
    "PolicyProfileId": TARGET.profile,
    "PolicyStrategyId": TARGET.strategy,
}


class Account:
    """An AWS account with one stack, with the options of its sessions and the endpoints of its clients."""

    def __init__(self, stack_name: str, error: str = "") -> None:
        self.appconfig = FakeAppConfig()
        self.sessions: list[dict[str, Any]] = []
        self.endpoints: set[str | None] = set()
        self._stack_name, self._error = stack_name, error
        self.meta = SimpleNamespace(region_name="us-west-2")

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 # boto3's name
        if self._error:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": self._error}}, "DescribeStacks")
        assert StackName == self._stack_name
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()]
        return {"Stacks": [{"Outputs": outputs}]}

    def session(self, **options: Any) -> Any:
        self.sessions.append(options)
        return SimpleNamespace(client=self._client)

    def _client(self, service: str, endpoint_url: str | None = None) -> Any:
        self.endpoints.add(endpoint_url)
        return {"cloudformation": self, "appconfig": self.appconfig.client}[service]


def test_stack_lookup_settings_of_deploy_override_global(tmp_path: Path) -> None:
    configuration = tmp_path / "samconfig.toml"
    parameters = 'stack_name = "x"\nregion = "eu-west-1"\n'
    overriding = '[qa.deploy.parameters]\nstack_name = "y"\nprofile = "me"\n[other.deploy.parameters]\n'
    configuration.write_text(f"version = 0.1\n[qa.global.parameters]\n{parameters}{overriding}")
    account = Account("y")
    account.appconfig.add_deployment("{}")

    assert deployed_policy_of("qa", configuration, account.session).status().text == "{}"
    assert account.sessions == [{"profile_name": "me", "region_name": "eu-west-1"}]
    with pytest.raises(OperationError, match="no stack_name for other"):
        deployed_policy_of("other", configuration)
    with pytest.raises(OperationError, match="no staging, only qa, other"):
        deployed_policy_of("staging", configuration)


@pytest.mark.parametrize(
    ("message", "error", "text"),
    [
        ("Stack with id x does not exist", OperationError, "no stack paynearme-dev in us-west-2"),
        ("You may not", ClientError, "You may not"),
    ],
)
def test_stack_lookup_error_of_missing_stack_names_region(message: str, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        deployed_policy_of("dev", CONFIGURATION, Account("paynearme-dev", error=message).session)


def test_local_policy_lookup_uses_running_local_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_lookup, "LOCAL_STACK", tmp_path / "stack.json")
    with pytest.raises(OperationError, match="'make up'"):
        deployed_policy_of("local")
    (tmp_path / "stack.json").write_text(json.dumps({"endpoint_url": "http://127.0.0.1:1"}))
    account = Account("paynearme-local")
    account.appconfig.omits_next_token = True
    for text in ("1", "2", "3", "4"):
        account.appconfig.add_deployment(text)

    assert deployed_policy_of("local", CONFIGURATION, account.session).status().text == "4"
    assert account.endpoints == {"http://127.0.0.1:1"}
    assert account.sessions[0].keys() == {"botocore_session", "region_name", *_EMULATOR_KEYS}
