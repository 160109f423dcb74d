"""Verify the new versions of the callback functions before CodeDeploy sends callbacks to them."""

import json
import os
from datetime import datetime
from http import HTTPStatus
from typing import Any

from botocore.config import Config

from paynearme.handlers.background import background_handler
from paynearme.platform.aws_clients import create_client
from paynearme.platform.observability import add_log_fields, record_error

# A callback of an unknown site. Its rejection requires a successful start and a read of the sites' secret.
CALLBACK = {
    "httpMethod": "GET",
    "multiValueQueryStringParameters": {
        "site_identifier": ["pre-traffic-check"],
        "version": ["3.0"],
        "signature": ["invalid"],
    },
}

versions = [os.environ[name] for name in ("AUTHORIZE_VERSION", "CONFIRM_VERSION", "REVERSE_VERSION")]
# A function ends after 9 seconds.
config = Config(connect_timeout=2, read_timeout=15, retries={"total_max_attempts": 1})
lambda_client = create_client("lambda", config)
codedeploy = create_client("codedeploy", Config(retries={"mode": "standard"}))


@background_handler("pre_traffic_check")
def handler(event: dict[str, Any], now: datetime) -> None:
    """Report to CodeDeploy whether each new version rejects the callback. Any error is reported as a failure."""
    status = "Failed"
    try:
        statuses = [_invoke(version) for version in versions]
        add_log_fields(callback_statuses=statuses)
        if set(statuses) == {HTTPStatus.UNAUTHORIZED}:
            status = "Succeeded"
    except Exception as error:
        record_error(error)
    codedeploy.put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status=status,
    )


def _invoke(version: str) -> int | None:
    """Return the HTTP status of a version's response, or ``None`` if the function fails."""
    response = lambda_client.invoke(FunctionName=version, Payload=json.dumps(CALLBACK).encode())
    content: dict[str, Any] = json.loads(response["Payload"].read())
    return content.get("statusCode")
