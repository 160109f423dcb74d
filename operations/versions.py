"""The command that deletes the superseded versions of a stack's functions."""

import sys

import click
from botocore.exceptions import ClientError

from operations.errors import cli_errors
from operations.stack_lookup import environment_option, function_versions_of


@click.group(help="The published versions of the functions.")
def versions() -> None:
    """Group the commands."""


@versions.command(help="Delete the superseded versions. A version that an alias uses remains.")
@environment_option
@click.option("--keep", type=click.IntRange(min=1), default=2, show_default=True, help="Newest versions to keep.")
@click.option("--dry-run", is_flag=True, help="Print the versions, and delete none.")
def prune(environment: str, *, keep: int, dry_run: bool) -> None:
    """Delete versions. Exit with 1 after the other deletions if one deletion fails."""
    failed = 0
    with cli_errors():
        function_versions = function_versions_of(environment)
        superseded = function_versions.superseded(keep)
        for version in superseded:
            if dry_run:
                click.echo(f"would delete {version}")
                continue
            try:
                function_versions.delete(version)
            except ClientError as error:
                failed += 1
                click.echo(f"{version} remains: {error}", err=True)
            else:
                click.echo(f"deleted {version}")
    if not superseded:
        click.echo("no superseded versions")
    if failed:
        sys.exit(1)
