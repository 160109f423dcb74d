"""The commands that list, replay and discard quarantined callbacks of a deployed stack."""

import sys
from collections.abc import Sequence

import click

from operations.errors import cli_errors
from operations.quarantine_client import QuarantineClient
from operations.stack_lookup import environment_option, quarantine_of
from paynearme.quarantine.operator_request import ListedCallback, ResolutionResponse, ResolutionStatus

_MAX_WHY_LENGTH = 500
_SUCCESSFUL = {ResolutionStatus.REPLAYED, ResolutionStatus.REPLAY_POSSIBLE, ResolutionStatus.DISCARDED}


def _check_why(_: click.Context, __: click.Parameter, why: str) -> str:
    if not 0 < len(why.strip()) <= _MAX_WHY_LENGTH:
        raise click.BadParameter(f"give 1 to {_MAX_WHY_LENGTH} characters")
    return why


@click.group(help="Callbacks that could not be processed.")
def quarantine() -> None:
    """Group the commands."""


@quarantine.command(name="list", help="List the unresolved callbacks.")
@environment_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each callback.")
def list_command(environment: str, *, as_json: bool) -> None:
    """Print the unresolved callbacks in order of their reception."""
    with cli_errors():
        callbacks = quarantine_of(environment).list()
    for callback in callbacks:
        click.echo(callback.model_dump_json() if as_json else _description(callback))
    if not callbacks and not as_json:
        click.echo("the quarantine is empty")


@quarantine.command(help="Process one callback, or all callbacks with a reason, like new ones.")
@environment_option
@click.argument("identifier", required=False)
@click.option("--reason", help="Replay all unresolved callbacks with this reason.")
@click.option("--why", required=True, callback=_check_why, help="The reason for the replay. It is recorded.")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="A parameter that PayNearMe confirmed.")
@click.option("--dry-run", is_flag=True, help="Print what a replay does, and change nothing.")
def replay(
    environment: str, identifier: str | None, reason: str | None, why: str, changes: tuple[str, ...], *, dry_run: bool
) -> None:
    """Replay callbacks. Exit with 1 if one of them is not replayed."""
    if reason is not None and changes:
        raise click.UsageError("--set requires an identifier")
    if any("=" not in change for change in changes):
        raise click.UsageError("--set requires NAME=VALUE")
    parameters = dict(change.split("=", 1) for change in changes)
    with cli_errors():
        client = quarantine_of(environment)
        selected = _selected(client, identifier, reason)
        responses = [client.replay(each, why, parameters, dry_run=dry_run) for each in selected]
    _print(responses)


@quarantine.command(help="Resolve one callback, or all callbacks with a reason, without an effect on the ledger.")
@environment_option
@click.argument("identifier", required=False)
@click.option("--reason", help="Discard all unresolved callbacks with this reason.")
@click.option("--why", required=True, callback=_check_why, help="The reason for the discard. It is recorded.")
def discard(environment: str, identifier: str | None, reason: str | None, why: str) -> None:
    """Discard callbacks. Exit with 1 if one of them is not discarded."""
    with cli_errors():
        client = quarantine_of(environment)
        responses = [client.discard(each, why) for each in _selected(client, identifier, reason)]
    _print(responses)


def _selected(client: QuarantineClient, identifier: str | None, reason: str | None) -> list[str]:
    """Return the identifiers of the callbacks of a command."""
    if (identifier is None) == (reason is None):
        raise click.UsageError("give either an identifier or --reason")
    return (
        [identifier] if identifier else [callback.identifier for callback in client.list() if callback.reason == reason]
    )


def _print(responses: Sequence[ResolutionResponse]) -> None:
    for response in responses:
        click.echo(f"{response.identifier}  {response.status}  {response.detail}".rstrip())
    if not responses:
        click.echo("no unresolved callback has this reason")
    if any(response.status not in _SUCCESSFUL for response in responses):
        sys.exit(1)


def _description(callback: ListedCallback) -> str:
    """Return the description of a callback in several lines."""
    lines = [
        f"{callback.identifier}  {callback.kind}  {callback.reason}{'  test' if callback.test else ''}",
        f"  received {callback.received_count} times since {callback.received_at:%Y-%m-%d %H:%M:%S}Z"
        f" by version {callback.function_version or 'unknown'}",
        *(f"  {name} = {value}" for name, value in callback.parameters.items()),
    ]
    lines += [f"  {name} is not stored" for name in callback.omitted_parameters]
    lines += [f"  {name} is missing or invalid" for name in callback.invalid_parameters]
    return "\n".join(lines)
