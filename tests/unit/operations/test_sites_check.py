import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from operations.sites_check import sites_check

KEY = "Canary7e2b"
VALID = f'"version": "3.0", "secret": "{KEY}"'

SPACE = "white space around {} is ignored"
UNKNOWN = "unknown field {} is ignored"
QUOTES = "{} is in quotes, which belong to the key"
ENTRIES: list[tuple[str, str, list[str]]] = [
    (f'"S1": {{{VALID}}}', "S1  3.0  ok", []),
    (
        f'"S1 ": {{"version": 3.1, "secret": " {KEY}\\n"}}',
        "S1  3.1  ok",
        [SPACE.format("the site identifier"), SPACE.format("secret")],
    ),
    (
        f'"S1": {{{VALID}, "previous_secret": "\'{KEY}\'", "name": "a", "{KEY}": 1}}',
        "S1  3.0  ok",
        [QUOTES.format("previous_secret"), UNKNOWN.format("name"), UNKNOWN.format("(malformed)")],
    ),
    (
        f'"S1": {{"version": "3", "secret": "{KEY} {KEY}"}}',
        "S1  3  ok",
        ["secret contains white space or other than ASCII characters"],
    ),
    ('"S1": {"disabled": true}', "S1  -  disabled", []),
    (f'"S1": {{"version": "{KEY}", "secret": " "}}', "S1  -  invalid: secret, version", [SPACE.format("secret")]),
    (f'"S1": {{{VALID}, "secret": "b"}}', "S1  3.0  invalid: duplicate field", ["duplicate field secret"]),
    (
        f'"S1": {{{VALID}, "oauth": {{"client_secret": "\\"{KEY}", "a": 1}}}}',
        "S1  3.0  invalid: oauth.client_id, oauth.token_url",
        [QUOTES.format("oauth.client_secret"), UNKNOWN.format("oauth.a")],
    ),
    (f'"#{KEY}": "{KEY}"', "(malformed)  -  invalid: site identifier", []),
    (f'"S1": "{KEY}"', "S1  -  invalid: entry", []),
]


def check(path: Path, content: bytes) -> tuple[int, list[str]]:
    file = path / "sites.json"
    file.write_bytes(content)
    result = CliRunner().invoke(sites_check, [str(file)])
    assert KEY not in result.output
    return result.exit_code, result.output.splitlines()


@pytest.mark.parametrize(("entry", "state", "warnings"), ENTRIES)
def test_sites_check_prints_one_line_per_site(tmp_path: Path, entry: str, state: str, warnings: list[str]) -> None:
    line = state + (f"  warning: {'; '.join(warnings)}" if warnings else "")
    content = f'{{"sites": {{{entry}, "S2": {{{VALID}}}}}}}'
    assert check(tmp_path, content.encode()) == ("invalid" in state, [line, "S2  3.0  ok"])


def test_sites_check_prints_document_warnings(tmp_path: Path) -> None:
    document = json.dumps({"sites": {}, "comment": "", KEY: 1})
    assert check(tmp_path, f"\ufeff{document}".encode()) == (
        0,
        [
            "warning: byte order mark before the JSON",
            "warning: unknown field (malformed)",
            "warning: unknown field comment",
            "warning: no sites, so this document revokes every site",
        ],
    )


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (f'{{"sites": {{"S1": {{{VALID}}}}},\n}}'.encode(), "not JSON: line "),
        (f'{{"sites": "{KEY}"}}'.encode(), "one object with the name sites"),
        (f"\ufeff{KEY}".encode("utf-16-le"), "not UTF-8"),
        (b"", "not JSON: line 1"),
    ],
)
def test_sites_check_invalid_document_exits_with_1(tmp_path: Path, content: bytes, error: str) -> None:
    code, lines = check(tmp_path, content)
    assert (code, len(lines)) == (1, 1)
    assert error in lines[0]
