"""The command line of the operations: ``python -m operations``, with one group of commands for each subject."""

import click

from operations.dashboard import dashboard_body_command
from operations.events import events
from operations.openapi import openapi
from operations.policy import policy
from operations.quarantine import quarantine
from operations.sites_check import sites_check
from operations.versions import versions


@click.group(help="Commands for operators and maintainers.")
def main() -> None:
    """Group the commands."""


for command in (dashboard_body_command, events, openapi, policy, quarantine, sites_check, versions):
    main.add_command(command)

if __name__ == "__main__":
    main()
