"""Where the stacks of ``samconfig.toml`` and the local one have what an operation works on."""

import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from operations.dlq_redrive import DeadLetterQueue
from operations.errors import OperationError
from operations.policy_deployment import AppConfigTarget, DeployedPolicy
from sandbox.stack import stack
from sandbox.stack.policy import policy_of

LOCAL = "local"
CONFIGURATION = stack.ROOT / "samconfig.toml"
_POLICY_OUTPUTS = ("PolicyApplicationId", "PolicyEnvironmentId", "PolicyProfileId", "PolicyStrategyId")
_DEAD_LETTER_QUEUE_OUTPUTS = ("DeadLetterQueueUrl", "PublishEventsFunctionName")


def deployed_policy_of(
    environment: str,
    configuration: Path = CONFIGURATION,
    session_factory: Callable[..., Any] = boto3.Session,
) -> DeployedPolicy:
    """Return the policy of the stack that ``environment`` of ``samconfig.toml`` names.

    ``local`` is the stack that ``make up`` left running. ``session_of`` makes a ``boto3.Session``. Raises
    ``OperationError`` when there is no such environment or stack, or it has no policy; botocore's errors.
    """
    if environment == LOCAL:
        return policy_of(_local())
    session, outputs = _resolve(environment, configuration, session_factory, _POLICY_OUTPUTS, "a policy")
    return DeployedPolicy(session.client("appconfig"), AppConfigTarget(*(outputs[name] for name in _POLICY_OUTPUTS)))


def dead_letter_queue_of(
    environment: str,
    configuration: Path = CONFIGURATION,
    session_factory: Callable[..., Any] = boto3.Session,
) -> DeadLetterQueue:
    """Return the dead letters of a stack; for the rest like ``deployed_policy_of``."""
    if environment == LOCAL:
        running = _local()
        clients = (running.client("sqs"), running.client("lambda"))
        return DeadLetterQueue(*clients, running.dead_letter_queue_url, running.publish_events_function_name)
    session, outputs = _resolve(environment, configuration, session_factory, _DEAD_LETTER_QUEUE_OUTPUTS, "events")
    clients = (session.client("sqs"), session.client("lambda"))
    return DeadLetterQueue(*clients, *(outputs[name] for name in _DEAD_LETTER_QUEUE_OUTPUTS))


def _local() -> stack.Stack:
    running = stack.load(stack.ROOT / ".local")
    if running is None:
        raise OperationError("the local stack does not run; 'make up' starts it")
    return running


def _resolve(
    environment: str,
    configuration: Path,
    session_factory: Callable[..., Any],
    names: Iterable[str],
    description: str,
) -> tuple[Any, dict[str, str]]:
    """Return a session in the account of an environment's stack, and the stack's outputs."""
    settings = _settings(environment, configuration)
    session = session_factory(profile_name=settings.get("profile"), region_name=settings.get("region"))
    outputs = _outputs(session.client("cloudformation"), settings["stack_name"], environment)
    if missing := [name for name in names if name not in outputs]:
        raise OperationError(
            f"the stack {settings['stack_name']} has no outputs {', '.join(missing)}: it is of a version"
            f" without {description}; deploy it anew with 'make deploy ENV={environment}'"
        )
    return session, outputs


def _settings(environment: str, configuration: Path) -> dict[str, str]:
    """Return the parameters that ``sam deploy`` would take from the file."""
    config = tomllib.loads(configuration.read_text(encoding="utf-8"))
    environments = {name: entry for name, entry in config.items() if isinstance(entry, dict)}
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
        stack_description = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        # CloudFormation has no error of its own for a stack that is not there.
        if "does not exist" not in error.response["Error"].get("Message", ""):
            raise
        region = cloudformation.meta.region_name
        raise OperationError(
            f"there is no stack {name} in {region}; 'make deploy ENV={environment}' deploys it"
        ) from None
    return {output["OutputKey"]: output["OutputValue"] for output in stack_description.get("Outputs", [])}
