"""The commands that describe the events, and that bring back what could not be told."""

import click

from operations.errors import cli_errors
from operations.event_schemas import FOLDER, schemas
from operations.stack_lookup import dead_letter_queue_of
from sandbox.stack.stack import ROOT


@click.group(help="The events of payments.")
def events() -> None:
    """Take the command."""


@events.command(name="schemas", help=f"Write the events' JSON Schemas to {FOLDER.relative_to(ROOT)}.")
@click.option("--check", is_flag=True, help="Write nothing; say whether the files are current.")
def schemas_command(*, check: bool) -> None:
    """Write the schemas, or exit with 1 when a file is not the schema."""
    expected = schemas()
    if not check:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for path, text in expected.items():
            path.write_text(text, encoding="utf-8")
        return
    outdated = [path for path, text in expected.items() if not path.exists() or path.read_text() != text]
    if outdated:
        names = ", ".join(path.name for path in outdated)
        raise click.ClickException(f"not current: {names}; write them with 'python -m operations events schemas'")


@events.command(help="Tell what is among the dead letters. What cannot be told comes back to them.")
@click.option(
    "--config-env",
    "environment",
    required=True,
    metavar="ENV",
    help="Environment of samconfig.toml, or local.",
)
def redrive(environment: str) -> None:
    """Hand the dead letters to the function again, and say how many there are now."""
    with cli_errors():
        result = dead_letter_queue_of(environment).redrive()
    click.echo(f"{result.redriven} handed over; about {result.remaining} among the dead letters now")
