"""The resources of the stacks in ``samconfig.toml``, from the outputs of each stack."""

import json
import tomllib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import click
from botocore.exceptions import ClientError

from operations import ROOT
from operations.dlq_redrive import DeadLetterQueue
from operations.errors import OperationError
from operations.function_versions import FunctionVersions
from operations.isolated_session import isolated_session
from operations.policy_deployment import AppConfigTarget, DeployedPolicy, emulated_policy
from operations.quarantine_client import QuarantineClient

LOCAL = "local"
CONFIGURATION = ROOT / "samconfig.toml"
LOCAL_STACK = ROOT / ".local" / "stack.json"
"""The description of the running local stack. ``make up`` writes it."""

# The emulator permits everything for these keys.
_EMULATOR_KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
_POLICY_OUTPUTS = ("PolicyApplicationId", "PolicyEnvironmentId", "PolicyProfileId", "PolicyStrategyId")
_QUARANTINE_OUTPUT = "QuarantineFunctionName"
_DEAD_LETTER_QUEUE_OUTPUTS = ("DeadLetterQueueUrl", "PublishEventsFunctionName")

environment_option = click.option(
    "--config-env",
    "environment",
    required=True,
    metavar="ENV",
    help="Environment in samconfig.toml: dev, prod or local.",
)
"""The environment of a command."""

type ClientFactory = Callable[[str], Any]
"""Returns boto3's client of a service."""


def deployed_policy_of(
    environment: str, configuration: Path = CONFIGURATION, session_factory: Callable[..., Any] = boto3.Session
) -> DeployedPolicy:
    """Return the policy of the stack of ``environment`` in ``samconfig.toml``.

    ``local`` is the stack of ``make up``, regardless of this machine's AWS settings. ``session_factory`` creates a
    ``boto3.Session``. Raises ``OperationError`` if the environment or the stack does not exist, or if the stack has no
    policy. Raises botocore's errors.
    """
    client_of, outputs = _resolve(environment, configuration, session_factory, _POLICY_OUTPUTS)
    create = emulated_policy if environment == LOCAL else DeployedPolicy
    return create(client_of("appconfig"), AppConfigTarget(*(outputs[name] for name in _POLICY_OUTPUTS)))


def dead_letter_queue_of(
    environment: str, configuration: Path = CONFIGURATION, session_factory: Callable[..., Any] = boto3.Session
) -> DeadLetterQueue:
    """Return the dead-letter queue of a stack. Arguments and errors as for ``deployed_policy_of``."""
    client_of, outputs = _resolve(environment, configuration, session_factory, _DEAD_LETTER_QUEUE_OUTPUTS)
    clients = (client_of("sqs"), client_of("lambda"))
    return DeadLetterQueue(*clients, *(outputs[name] for name in _DEAD_LETTER_QUEUE_OUTPUTS))


def function_versions_of(
    environment: str, configuration: Path = CONFIGURATION, session_factory: Callable[..., Any] = boto3.Session
) -> FunctionVersions:
    """Return the function versions of a stack. Arguments and errors as for ``deployed_policy_of``."""
    client_of, _ = _resolve(environment, configuration, session_factory, ())
    stack_name = _settings(environment, configuration)["stack_name"]
    return FunctionVersions(client_of("cloudformation"), client_of("lambda"), stack_name)


def quarantine_of(
    environment: str, configuration: Path = CONFIGURATION, session_factory: Callable[..., Any] = boto3.Session
) -> QuarantineClient:
    """Return the quarantine of a stack. Arguments and errors as for ``deployed_policy_of``."""
    client_of, outputs = _resolve(environment, configuration, session_factory, (_QUARANTINE_OUTPUT,))
    operator = client_of("sts").get_caller_identity()["Arn"]
    return QuarantineClient(client_of("lambda"), outputs[_QUARANTINE_OUTPUT], operator)


def _resolve(
    environment: str, configuration: Path, session_factory: Callable[..., Any], names: Iterable[str]
) -> tuple[ClientFactory, dict[str, str]]:
    """Return a client factory for the account of a stack, and the stack's outputs."""
    settings = _settings(environment, configuration)
    client_of: ClientFactory
    if environment == LOCAL:
        client_of = _local_clients(settings, session_factory)
    else:
        client_of = session_factory(profile_name=settings.get("profile"), region_name=settings.get("region")).client
    advice = "'make up'" if environment == LOCAL else f"'make deploy ENV={environment}'"
    outputs = _outputs(client_of("cloudformation"), settings["stack_name"], advice)
    if missing := [name for name in names if name not in outputs]:
        raise OperationError(
            f"the stack {settings['stack_name']} has no outputs {', '.join(missing)}: it has an older version;"
            f" deploy it again with {advice}"
        )
    return client_of, outputs


def _local_clients(settings: dict[str, str], session_factory: Callable[..., Any]) -> ClientFactory:
    if not LOCAL_STACK.exists():
        raise OperationError("the local stack is not running; 'make up' starts it")
    endpoint_url = json.loads(LOCAL_STACK.read_text(encoding="utf-8"))["endpoint_url"]
    session = session_factory(botocore_session=isolated_session(), region_name=settings.get("region"), **_EMULATOR_KEYS)
    return partial(session.client, endpoint_url=endpoint_url)


def _settings(environment: str, configuration: Path) -> dict[str, str]:
    """Return the parameters of ``sam deploy`` in the file."""
    config = tomllib.loads(configuration.read_text(encoding="utf-8"))
    environments = {name: entry for name, entry in config.items() if isinstance(entry, dict)}
    if environment not in environments:
        raise OperationError(f"{configuration.name} has no {environment}, only {', '.join(environments)}")
    commands = environments[environment]
    parameters = (commands.get(command, {}).get("parameters", {}) for command in ("global", "deploy"))
    settings: dict[str, str] = {name: value for entry in parameters for name, value in entry.items()}
    if "stack_name" not in settings:
        raise OperationError(f"{configuration.name} has no stack_name for {environment}")
    return settings


def _outputs(cloudformation: Any, name: str, advice: str) -> dict[str, str]:
    try:
        stack_description = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        # CloudFormation has no error code for a missing stack.
        if "does not exist" not in error.response["Error"].get("Message", ""):
            raise
        region = cloudformation.meta.region_name
        raise OperationError(f"there is no stack {name} in {region}; {advice} deploys it") from None
    return {output["OutputKey"]: output["OutputValue"] for output in stack_description.get("Outputs", [])}
