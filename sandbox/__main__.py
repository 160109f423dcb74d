"""The local stack from the command line: ``python -m local demo``, ``up``, ``down``, ``dashboard``."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from sandbox import demo
from sandbox.stack import stack

STACK_DIR = stack.ROOT / ".local"
console = Console(highlight=False)


@contextmanager
def cli_errors() -> Iterator[stack.Progress]:
    """Show each step while it runs; where a program fails, show what it said, and exit with 1."""
    with console.status("") as status:

        def progress(step: str) -> None:
            status.update(step)
            console.print(Text(f"· {step}", style="dim"))

        try:
            yield progress
        except subprocess.CalledProcessError as error:
            console.print(Text(str(error.output)))
            console.print(Text(f"failed: {' '.join(error.cmd[:2])}", style="bold red"))
            sys.exit(1)
        except RuntimeError as error:
            console.print(Text(str(error), style="bold red"))
            sys.exit(1)


@click.group(help="The whole system on one machine.")
def main() -> None:
    """Take the command."""


@main.command(name="demo", help="Start a stack, let PayNearMe's side talk to it, show it, and stop it.")
def demo_command() -> None:
    """Run the demo on a stack of its own."""
    with tempfile.TemporaryDirectory(prefix="paynearme-") as folder:
        stack_dir = Path(folder) / "stack"
        try:
            with cli_errors() as progress:
                running = stack.start(stack_dir, progress, with_faults=True)
            succeeded = demo.run(running, console)
        finally:
            stack.stop(stack_dir)
    sys.exit(0 if succeeded else 1)


@main.command(name="dashboard", help="Draw the dashboard of the stack that runs, or of one that is kept busy for it.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    default=stack.ROOT / "docs" / "dashboard.png",
    help="The image to write: docs/dashboard.png unless told.",
)
def dashboard_command(output: Path) -> None:
    """Draw what runs, or start a stack of its own, play callbacks of all kinds, draw it and stop it."""
    # Here, because no other command should wait for the plotting library.
    from sandbox.dashboard.dashboard import render_dashboard
    from sandbox.dashboard.dashboard_traffic import TrafficGenerator

    with cli_errors() as progress, tempfile.TemporaryDirectory(prefix="paynearme-") as folder:
        stack_dir = Path(folder) / "stack"
        try:
            running = stack.load(STACK_DIR)
            if running is None:
                running = stack.start(stack_dir, progress, with_faults=True)
                TrafficGenerator(running).run(progress)
            progress("Drawing")
            output.write_bytes(render_dashboard(running))
        finally:
            stack.stop(stack_dir)
    console.print(f"{output}", soft_wrap=True)


@main.command(help="Start the stack and leave it running, or deploy anew onto it.")
def up() -> None:
    """Start the stack."""
    with cli_errors() as progress:
        running = stack.start(STACK_DIR, progress)
    console.print(f"callbacks  {running.callback_url}/callbacks/authorize", soft_wrap=True)
    console.print(f"           {running.callback_url}/callbacks/confirm", soft_wrap=True)
    console.print(f"           {running.callback_url}/callbacks/reverse", soft_wrap=True)
    console.print(f"backend    {running.backend_url}", soft_wrap=True)
    console.print("All there is to know is in .local/stack.json; 'make down' stops it.")


@main.command(help="Stop the stack and remove what it left.")
def down() -> None:
    """Stop the stack."""
    stack.stop(STACK_DIR)
    console.print("Nothing is running.")


if __name__ == "__main__":
    main()
