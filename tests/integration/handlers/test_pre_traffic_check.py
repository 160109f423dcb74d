"""The check of new versions before CodeDeploy sends callbacks to them."""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any
from unittest.mock import Mock

import pytest

from tests.support.harness import LambdaFunction, SitesSecret

FUNCTIONS = ("authorize", "confirm", "reverse")


@pytest.mark.parametrize(
    ("secret", "replaced_response", "status"),
    [
        ({"sites": {}}, None, "Succeeded"),
        # The functions cannot read the keys.
        ("not JSON", None, "Failed"),
        # The last function crashes, or it does not respond in JSON.
        ({"sites": {}}, b'{"errorMessage": "exit"}', "Failed"),
        ({"sites": {}}, b"", "Failed"),
    ],
)
def test_pre_traffic_check_succeeds_only_if_all_versions_reject(
    cold_start: Callable[[str], LambdaFunction],
    sites_secret: SitesSecret,
    monkeypatch: pytest.MonkeyPatch,
    secret: object,
    replaced_response: bytes | None,
    status: str,
) -> None:
    sites_secret.put(secret)
    for name in FUNCTIONS:
        monkeypatch.setenv(f"{name.upper()}_VERSION", name)
    app = cold_start("pre_traffic_check").app

    def invoke(FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 # boto3's names
        response = json.dumps(cold_start(FunctionName).app.handler(json.loads(Payload), None)).encode()
        if replaced_response is not None and FunctionName == FUNCTIONS[-1]:
            response = replaced_response
        return {"Payload": BytesIO(response)}

    monkeypatch.setattr(app, "lambda_client", Mock(invoke=invoke))
    monkeypatch.setattr(app, "codedeploy", codedeploy := Mock())

    app.handler({"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e-1"}, None)

    codedeploy.put_lifecycle_event_hook_execution_status.assert_called_once_with(
        deploymentId="d-1", lifecycleEventHookExecutionId="e-1", status=status
    )
