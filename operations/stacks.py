"""Where the stacks of ``samconfig.toml`` and the local one have their policy."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from local import stack
from local.policy import policy_of
from operations.deployed_policy import DeployedPolicy, Place
from operations.errors import OperationError

LOCAL = "local"
CONFIGURATION = stack.ROOT / "samconfig.toml"


def deployed_policy_of(
    environment: str,
    configuration: Path = CONFIGURATION,
    session_of: Callable[..., Any] = boto3.Session,
) -> DeployedPolicy:
    """Return the policy of the stack that ``environment`` of ``samconfig.toml`` names.

    ``local`` is the stack that ``make up`` left running. ``session_of`` makes a ``boto3.Session``. Raises
    ``OperationError`` when there is no such environment or stack, or it has no policy; botocore's errors.
    """
    if environment == LOCAL:
        running = stack.load(stack.ROOT / ".local")
        if running is None:
            raise OperationError("the local stack does not run; 'make up' starts it")
        return policy_of(running)
    settings = _settings(environment, configuration)
    session = session_of(profile_name=settings.get("profile"), region_name=settings.get("region"))
    outputs = _outputs(session.client("cloudformation"), settings["stack_name"], environment)
    names = [f"Policy{part}Id" for part in ("Application", "Environment", "Profile", "Strategy")]
    if missing := [name for name in names if name not in outputs]:
        raise OperationError(
            f"the stack {settings['stack_name']} has no outputs {', '.join(missing)}: it is of a version"
            f" without a policy; deploy it anew with 'make deploy ENV={environment}'"
        )
    return DeployedPolicy(session.client("appconfig"), Place(*(outputs[name] for name in names)))


def _settings(environment: str, configuration: Path) -> dict[str, str]:
    """Return the parameters that ``sam deploy`` would take from the file."""
    configured = tomllib.loads(configuration.read_text(encoding="utf-8"))
    environments = {name: entry for name, entry in configured.items() if isinstance(entry, dict)}
    if environment not in environments:
        raise OperationError(f"{configuration.name} has no {environment}, only {', '.join(environments)}")
    commands = environments[environment]
    settings: dict[str, str] = {}
    for command in ("global", "deploy"):
        settings |= commands.get(command, {}).get("parameters", {})
    if "stack_name" not in settings:
        raise OperationError(f"{configuration.name} names no stack_name for {environment}")
    return settings


def _outputs(cloudformation: Any, name: str, environment: str) -> dict[str, str]:
    try:
        found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        # CloudFormation has no error of its own for a stack that is not there.
        if "does not exist" not in error.response["Error"].get("Message", ""):
            raise
        region = cloudformation.meta.region_name
        raise OperationError(
            f"there is no stack {name} in {region}; 'make deploy ENV={environment}' deploys it"
        ) from None
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
