"""The operations from the command line: ``python -m operations events``, ``openapi``, ``policy``."""

import click

from operations.events import events
from operations.openapi import openapi
from operations.policy import policy


@click.group(help="What an operator or a maintainer does.")
def main() -> None:
    """Take the command."""


main.add_command(events)
main.add_command(openapi)
main.add_command(policy)

if __name__ == "__main__":
    main()
