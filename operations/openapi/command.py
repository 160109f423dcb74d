"""The command that writes the document, or says that it is not current."""

import click

from operations.openapi.document import ROOT, text

FILE = ROOT / "docs" / "openapi.json"


@click.command(help=f"Write the backend API's OpenAPI document to {FILE.relative_to(ROOT)}.")
@click.option("--check", is_flag=True, help="Write nothing; say whether the file is current.")
def openapi(*, check: bool) -> None:
    """Write the document, or exit with 1 when the file is not the document."""
    if not check:
        FILE.write_text(text(), encoding="utf-8")
    elif not FILE.exists() or FILE.read_text(encoding="utf-8") != text():
        advice = "write it with 'python -m operations openapi'"
        raise click.ClickException(f"{FILE.relative_to(ROOT)} is not current; {advice}")
