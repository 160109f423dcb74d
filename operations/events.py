"""The commands that write the schemas of the events and redrive the dead-letter queue."""

import click

from operations import ROOT
from operations.errors import cli_errors
from operations.event_schemas import FOLDER, schemas
from operations.stack_lookup import dead_letter_queue_of, environment_option


@click.group(help="The events of payments.")
def events() -> None:
    """Group the commands."""


@events.command(name="schemas", help=f"Write the JSON Schemas of the events to {FOLDER.relative_to(ROOT)}.")
@click.option("--check", is_flag=True, help="Write nothing. Exit with 1 if a file is not current.")
def schemas_command(*, check: bool) -> None:
    """Write the schemas, or compare them with the files."""
    expected = schemas()
    if not check:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for path, text in expected.items():
            path.write_text(text, encoding="utf-8")
        return
    outdated = [path.name for path, text in expected.items() if not path.exists() or path.read_text() != text]
    if outdated:
        advice = "write them with 'make event-schemas'"
        raise click.ClickException(f"not current: {', '.join(outdated)}; {advice}")


@events.command(help="Publish the messages of the dead-letter queue. Failed ones return to the queue.")
@environment_option
def redrive(environment: str) -> None:
    """Redrive the messages, and print their number and the number of remaining ones."""
    with cli_errors():
        result = dead_letter_queue_of(environment).redrive()
    click.echo(f"{result.redriven} messages redriven; about {result.remaining} messages are in the queue")
