"""The command that writes or checks the document."""

import click

from operations import ROOT
from operations.openapi.document import text

FILE = ROOT / "docs" / "openapi.json"


@click.command(help=f"Write the backend API's OpenAPI document to {FILE.relative_to(ROOT)}.")
@click.option("--check", is_flag=True, help="Write nothing. Exit with 1 if the file is not current.")
def openapi(*, check: bool) -> None:
    """Write the document, or compare it with the file."""
    if not check:
        FILE.write_text(text(), encoding="utf-8")
    elif not FILE.exists() or FILE.read_text(encoding="utf-8") != text():
        advice = "write it with 'make openapi'"
        raise click.ClickException(f"{FILE.name} is not current; {advice}")
