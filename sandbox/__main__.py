"""Run the local stack from the command line: ``python -m sandbox demo``, ``up``, ``down``, ``dashboard``."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from sandbox import ROOT
from sandbox.clients.verification import verify
from sandbox.demo.demo import Demo
from sandbox.stack import lifecycle
from sandbox.stack.stack import STACK_DIR, load

console = Console(highlight=False)


@contextmanager
def cli_errors() -> Iterator[lifecycle.Progress]:
    """Show the progress of each step. Print an error with the output of its program, and exit with status 1."""
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


@click.group(help="Run the local stack: the template on an AWS emulator, with a fake PayNearMe.")
def main() -> None:
    """Run a command."""


@main.command(name="demo", help="Start a new stack, run all scenarios of the demo, and stop the stack.")
def demo_command() -> None:
    """Run the demo on a new stack."""
    with tempfile.TemporaryDirectory(prefix="paynearme-") as folder:
        stack_dir = Path(folder) / "stack"
        try:
            with cli_errors() as progress:
                running = lifecycle.start(stack_dir, progress, with_faults=True)
            succeeded = Demo(running, console).run()
        finally:
            lifecycle.stop(stack_dir)
    sys.exit(0 if succeeded else 1)


@main.command(name="dashboard", help="Draw the dashboard of the running stack, or of a new stack with traffic.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    default=ROOT / "docs" / "dashboard.png",
    help="The image file. The default is docs/dashboard.png.",
)
def dashboard_command(output: Path) -> None:
    """Draw the dashboard of the running stack. Without one, start a stack, send traffic, and stop the stack."""
    # Here, because the import of the plotting library would delay the other commands.
    from sandbox.dashboard.image import render_dashboard
    from sandbox.dashboard.traffic import TrafficGenerator

    with cli_errors() as progress, tempfile.TemporaryDirectory(prefix="paynearme-") as folder:
        stack_dir = Path(folder) / "stack"
        try:
            running = load(STACK_DIR)
            if running is None:
                running = lifecycle.start(stack_dir, progress, with_faults=True)
                TrafficGenerator(running).run(progress)
            progress("Drawing the dashboard")
            output.write_bytes(render_dashboard(running))
        finally:
            lifecycle.stop(stack_dir)
    console.print(f"{output}", soft_wrap=True)


@main.command(help="Start the stack, or deploy again to the running stack.")
def up() -> None:
    """Start the stack, call its functions, and print its URLs."""
    with cli_errors() as progress:
        running = lifecycle.start(STACK_DIR, progress)
        verify(running, STACK_DIR, progress)
    for kind in ("authorize", "confirm", "reverse"):
        console.print(f"{kind:<10} {running.callback_url}/callbacks/{kind}", soft_wrap=True)
    console.print(f"{'backend':<10} {running.backend_url}", soft_wrap=True)
    console.print(f"{'PayNearMe':<10} {running.paynearme_url}", soft_wrap=True)
    console.print("The file .local/stack.json contains all URLs, names and keys. 'make down' stops the stack.")


@main.command(help="Stop the running stack, and remove its files.")
def down() -> None:
    """Stop the stack."""
    lifecycle.stop(STACK_DIR)
    console.print("The stack is stopped.")


if __name__ == "__main__":
    main()
