"""The commands that check, deploy and revert a policy, and show the active one."""

import difflib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from operations.errors import OperationError, cli_errors
from operations.policy_deployment import Deployment, PolicyStatus
from operations.stack_lookup import deployed_policy_of, environment_option
from paynearme.errors import PolicyInvalidError
from paynearme.policy import read_policy

_path = click.Path(exists=True, dir_okay=False, path_type=Path)
_one_file = click.argument("file", type=_path, default="policy.json")


@click.group(help="The merchant's policy.")
def policy() -> None:
    """Group the commands."""


@policy.command(help="Print the errors of FILES, one per line, or their versions. Default: policy.json")
@click.argument("files", type=_path, nargs=-1, default=["policy.json"])
def check(files: tuple[Path, ...]) -> None:
    """Validate documents. Exit with 1 if one of them is not valid."""
    invalid = False
    for file in files:
        try:
            click.echo(f"{file}: version {_version(_read(file))}")
        except PolicyInvalidError as error:
            invalid = True
            for message in error.errors:
                click.echo(f"{file}: {message}", err=True)
    if invalid:
        sys.exit(1)


@policy.command(help="Deploy FILE. Default: policy.json")
@_one_file
@environment_option
@click.option("--no-wait", is_flag=True, help="Do not wait for the deployment.")
def deploy(file: Path, environment: str, *, no_wait: bool) -> None:
    """Deploy a document. Exit with 1 if it is not valid, rejected or rolled back."""
    with cli_errors():
        text = _read(file)
        version = _version(text)
        deployed_policy = deployed_policy_of(environment)
        deployment = deployed_policy.deploy(text)
        if deployment is None:
            click.echo(f"policy {version} is already active")
            return
        click.echo(f"policy {version}: {deployment}")
        # A deployment that has already ended can have been rolled back.
        if not (no_wait and deployment.in_progress):
            try:
                deployment = deployed_policy.wait(deployment, _ProgressPrinter(deployment))
            except KeyboardInterrupt:
                raise OperationError(f"interrupted; {deployment.name} continues") from None
    if deployment.complete:
        click.echo(f"policy {version} is active")
    else:
        click.echo("the deployment continues; 'policy show' shows its progress")


@policy.command(help="Revert the deployment in progress, otherwise the active policy.")
@environment_option
def revert(environment: str) -> None:
    """Revert a deployment and show the active policy. Exit with 1 if that fails."""
    with cli_errors():
        deployed_policy = deployed_policy_of(environment)
        # Printed first, because the next request can fail.
        click.echo(deployed_policy.revert())
        status = deployed_policy.status()
    click.echo("\n".join(_describe(status)))


@policy.command(help="Show the active policy and its differences from FILE. Default: policy.json")
@_one_file
@environment_option
def show(file: Path, environment: str) -> None:
    """Show the active policy, the deployment in progress, and a unified diff."""
    with cli_errors():
        local = _read(file)
        status = deployed_policy_of(environment).status()
    click.echo("\n".join(_describe(status)))
    if status.text is not None:
        click.echo("\n".join(_differences(status.text, local, str(file))))


class _ProgressPrinter:
    """Prints the progress of a deployment when it has changed."""

    def __init__(self, first: Deployment) -> None:
        self._last_printed = str(first)

    def __call__(self, deployment: Deployment) -> None:
        if self._last_printed != str(deployment):
            self._last_printed = str(deployment)
            click.echo(self._last_printed)


def _read(file: Path) -> str:
    """Return the document with its line endings. Its version depends on each character."""
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError:
        raise PolicyInvalidError(["invalid UTF-8"]) from None


def _version(text: str) -> str:
    return read_policy(text).defaults.version


def _describe(status: PolicyStatus) -> Iterator[str]:
    if status.active is None:
        yield "active       no policy: payments are declined until a policy is deployed"
    elif status.text is None:
        yield f"active       version {status.active.version}, which was deleted from AppConfig"
    else:
        since = _format_timestamp(status.active.completed_at or status.active.started_at)
        try:
            name = f"policy {_version(status.text)}"
        except PolicyInvalidError as error:
            name = f"an invalid policy ({'; '.join(error.errors)})"
        yield f"active       {name}, version {status.active.version} in AppConfig, since {since}"
    if status.in_progress:
        yield f"in progress  {status.in_progress}, since {_format_timestamp(status.in_progress.started_at)}"


def _differences(deployed: str, local: str, name: str) -> Iterator[str]:
    if deployed == local:
        yield f"no differences from {name}"
        return
    lines = list(difflib.unified_diff(deployed.splitlines(), local.splitlines(), "active", name, lineterm=""))
    yield from lines or [f"only line endings differ from {name}"]


def _format_timestamp(timestamp: datetime) -> str:
    return f"{timestamp.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
