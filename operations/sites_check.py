"""The command that validates a file with sites before it becomes the content of the secret."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from paynearme.protocol.signing import VERSION_PATTERN
from paynearme.sites.site import OAuthClient, Site
from paynearme.sites.sites_document import BYTE_ORDER_MARK, MALFORMED, JsonObject, load_sites, parse_sites

_KEYS = frozenset({"secret", "previous_secret", "api_secret", "client_secret"})
# A text that matches is a field name and no key: a key has digits or upper-case letters.
_FIELD_NAME = re.compile(r"[a-z_]{1,40}")
_QUOTES = "\"'`\u201c\u201d\u2018\u2019"


@click.command(name="sites-check", help="Validate FILE, a new content of the sites' secret. Prints no key.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def sites_check(file: Path) -> None:
    """Print a line for each site, and for each warning about the document. Exit with 1 if a site is invalid."""
    try:
        text = file.read_bytes().decode()
        lines, invalid = list(_describe(text)), bool(parse_sites(text).invalid_names)
    except UnicodeDecodeError:
        raise click.ClickException(f"{file}: not UTF-8 text") from None
    except ValueError as error:
        raise click.ClickException(f"{file}: {error}") from None
    click.echo("\n".join(lines))
    if invalid:
        sys.exit(1)


def _describe(text: str) -> Iterator[str]:
    """Yield the lines about a document. Raises ``ValueError`` if the functions would not accept it."""
    document, entries = load_sites(text)
    parsed = parse_sites(text)
    if text.startswith(BYTE_ORDER_MARK):
        yield "warning: byte order mark before the JSON"
    for name in sorted({*document} - {"sites"}):
        yield f"warning: unknown field {_safe(name)}"
    if not entries:
        yield "warning: no sites, so this document revokes every site"
    for name, entry in entries.items():
        identifier = name.strip()
        version = str(entry.get("version")).strip() if isinstance(entry, JsonObject) else ""
        if identifier in parsed.sites:
            state = "ok"
        elif identifier in parsed.disabled:
            state = "disabled"
        else:
            state = "invalid: " + ", ".join(parsed.invalid.get(identifier, ("site identifier",)))
        warnings = list(dict.fromkeys(_warnings(name, entry)))
        yield "  ".join(
            [
                identifier if identifier in {*parsed.sites, *parsed.disabled, *parsed.invalid} else MALFORMED,
                version if re.fullmatch(VERSION_PATTERN, version) else "-",
                state,
                *([f"warning: {'; '.join(warnings)}"] if warnings else []),
            ]
        )


def _warnings(name: str, entry: object) -> Iterator[str]:
    if name != name.strip():
        yield "white space around the site identifier is ignored"
    if not isinstance(entry, JsonObject):
        return
    client = entry.get("oauth")
    yield from _field_warnings(entry, {*Site.model_fields}, "")
    if isinstance(client, JsonObject):
        yield from _field_warnings(client, {*OAuthClient.model_fields}, "oauth.")


def _field_warnings(fields: JsonObject, known: set[str], prefix: str) -> Iterator[str]:
    for name, value in fields.items():
        field = prefix + _safe(name)
        if name in fields.duplicates:
            yield f"duplicate field {field}"
        if name not in known:
            yield f"unknown field {field} is ignored"
        elif isinstance(value, str):
            stripped = value.strip()
            if value != stripped:
                yield f"white space around {field} is ignored"
            if name in _KEYS and stripped:
                if stripped[0] in _QUOTES or stripped[-1] in _QUOTES:
                    yield f"{field} is in quotes, which belong to the key"
                elif not re.fullmatch(r"[!-~]+", stripped):
                    yield f"{field} contains white space or other than ASCII characters"


def _safe(name: str) -> str:
    """Return the name of a field, or a replacement if it can be a key."""
    return name if _FIELD_NAME.fullmatch(name) else MALFORMED
