"""The commands that check a policy, deploy it, take it back, and show the one in force."""

import difflib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from operations.deployed_policy import Deployment, Situation
from operations.errors import OperationError, told_plainly
from operations.stacks import deployed_policy_of
from paynearme.errors import PolicyInvalidError
from paynearme.policy import read_policy

_path = click.Path(exists=True, dir_okay=False, path_type=Path)
_one_file = click.argument("file", type=_path, default="policy.json")
_environment = click.option(
    "--config-env",
    "environment",
    required=True,
    metavar="ENV",
    help="Environment of samconfig.toml, or local.",
)


@click.group(help="The merchant's policy.")
def policy() -> None:
    """Take the command."""


@policy.command(help="Say what is wrong with FILES, a line each, or their versions. Default: policy.json")
@click.argument("files", type=_path, nargs=-1, default=["policy.json"])
def check(files: tuple[Path, ...]) -> None:
    """Check documents; exit with 1 when one of them is not valid."""
    broken = False
    for file in files:
        try:
            click.echo(f"{file}: version {_version(_read(file))}")
        except PolicyInvalidError as error:
            broken = True
            for fault in error.faults:
                click.echo(f"{file}: {fault}", err=True)
    if broken:
        sys.exit(1)


@policy.command(help="Bring FILE into force. Default: policy.json")
@_one_file
@_environment
@click.option("--no-wait", is_flag=True, help="Do not wait until it is in force.")
def deploy(file: Path, environment: str, *, no_wait: bool) -> None:
    """Deploy a document; exit with 1 when it is not valid, not taken, or taken back."""
    with told_plainly():
        text = _read(file)
        version = _version(text)
        deployed = deployed_policy_of(environment)
        deployment = deployed.deploy(text)
        if deployment is None:
            click.echo(f"policy {version} is in force already")
            return
        click.echo(f"policy {version}: {deployment}")
        # What has ended already needs no waiting, but may have ended badly.
        if not (no_wait and deployment.in_progress):
            try:
                deployment = deployed.wait(deployment, _Changes(deployment))
            except KeyboardInterrupt:
                raise OperationError(f"nobody waits any longer, but {deployment.name} goes on") from None
    if deployment.complete:
        click.echo(f"policy {version} is in force")
    else:
        click.echo("it goes on, and 'policy show' tells how far it is")


@policy.command(help="Take back the deployment that goes on, or else the policy in force.")
@_environment
def revert(environment: str) -> None:
    """Take a deployment back and show what is in force now; exit with 1 when that cannot be done."""
    with told_plainly():
        deployed = deployed_policy_of(environment)
        # Told at once, because what is asked next can fail.
        click.echo(deployed.revert())
        now = deployed.situation()
    for line in _described(now):
        click.echo(line)


@policy.command(help="Show the policy in force, and how FILE differs from it. Default: policy.json")
@_one_file
@_environment
def show(file: Path, environment: str) -> None:
    """Show what is in force, what goes on, and a unified diff."""
    with told_plainly():
        ours = _read(file)
        now = deployed_policy_of(environment).situation()
    for line in _described(now):
        click.echo(line)
    if now.text is not None:
        for line in _differences(now.text, ours, str(file)):
            click.echo(line)


class _Changes:
    """Tells how far a deployment is whenever that has changed."""

    def __init__(self, told: Deployment) -> None:
        self._told = str(told)

    def __call__(self, deployment: Deployment) -> None:
        if self._told != str(deployment):
            self._told = str(deployment)
            click.echo(self._told)


def _read(file: Path) -> str:
    """Return the document as it is, line ends included: its version depends on each character."""
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError:
        raise PolicyInvalidError(["not readable as UTF-8"]) from None


def _version(text: str) -> str:
    return read_policy(text).defaults.version


def _described(now: Situation) -> Iterator[str]:
    if now.in_force is None:
        yield "in force  nothing: payments are declined until a policy is deployed"
    elif now.text is None:
        yield f"in force  version {now.in_force.version}, which was deleted from AppConfig"
    else:
        since = _moment(now.in_force.completed_at or now.in_force.started_at)
        try:
            name = f"policy {_version(now.text)}"
        except PolicyInvalidError as error:
            name = f"a policy that is not valid ({'; '.join(error.faults)})"
        yield f"in force  {name}, version {now.in_force.version} in AppConfig, since {since}"
    if now.in_progress:
        yield f"going on  {now.in_progress}, since {_moment(now.in_progress.started_at)}"


def _differences(theirs: str, ours: str, name: str) -> Iterator[str]:
    if theirs == ours:
        yield f"nothing differs from {name}"
        return
    lines = list(difflib.unified_diff(theirs.splitlines(), ours.splitlines(), "in force", name, lineterm=""))
    yield from lines or [f"only line ends differ from {name}"]


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
