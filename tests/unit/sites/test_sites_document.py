import json
import traceback

import pytest

from paynearme.errors import SiteKeysUnavailableError, UnknownSiteError
from paynearme.sites.sites_document import MALFORMED, SitesDocument, parse_sites

KEY = "canary-7e2b"
VALID = {"version": "3.0", "secret": KEY}
S2 = f'"S2": {json.dumps(VALID)}'


def entry(**changes: object) -> str:
    """Return the JSON text of an entry. A change to ``None`` omits a field."""
    return json.dumps({name: value for name, value in {**VALID, **changes}.items() if value is not None})


def document(*members: str) -> str:
    return f'{{"sites": {{{", ".join(members)}}}}}'


@pytest.mark.parametrize(
    ("text", "version"),
    [
        *((f'"{version}"', version) for version in ("2.0", "3", "3.0", "3.1", "3.10")),
        *((number, number) for number in ("2.0", "3", "3.0", "3.1", "3.10")),
        ('" 3.0\\n"', "3.0"),
    ],
)
def test_entry_version_text_or_number_valid(text: str, version: str) -> None:
    parsed = parse_sites(document(f'"S1": {{"version": {text}, "secret": "{KEY}"}}'))
    assert parsed.sites["S1"].version == version


@pytest.mark.parametrize("surrounding", ["{}\n", "{}\r\n", "\t{}", " {} ", "\u00a0{}\u00a0", "{}\u3000", "{}"])
def test_entry_keys_white_space_removed(surrounding: str) -> None:
    key = surrounding.format(KEY)
    oauth = {"token_url": "https://a.example/", "client_id": "c", "client_secret": key}
    text = document(f'"S1": {entry(secret=key, previous_secret=key, api_secret=key, oauth=oauth)}')
    site = parse_sites(text).sites["S1"]
    assert site.previous_secret and site.api_secret and site.oauth
    keys = (site.secret, site.previous_secret, site.api_secret, site.oauth.client_secret)
    assert {secret.get_secret_value() for secret in keys} == {KEY}


@pytest.mark.parametrize(
    "member",
    [
        f'"S1": {entry(name="Casino", comment={"a": [1]}, oauth=None)}',
        f'" S1\\t": {entry()}',
        f'"S1": {entry(disabled=False, api_key_id=" k-1 ", previous_secret=None)}',
        f'"S1": {entry(secret=f"'{KEY}'")}',
    ],
)
def test_entry_tolerated_differences_are_valid(member: str) -> None:
    for text in (document(member, S2), "\ufeff" + document(member, S2), f'{{"a": 1, {document(member, S2)[1:]}'):
        assert parse_sites(text).sites.keys() == {"S1", "S2"}


@pytest.mark.parametrize(
    ("member", "faults"),
    [
        *((f'"S1": {entry(secret=key)}', ("secret",)) for key in (None, "", " \u00a0\r\n", 12, ["x"], "\ud800")),
        *((f'"S1": {entry(version=version)}', ("version",)) for version in (None, "2.1", "4.0", "3.", 2, 3.125, True)),
        *((f'"S1": {entry(previous_secret=key)}', ("previous_secret",)) for key in ("", " ", 1)),
        *((f'"S1": {entry(api_key_id=text)}', ("api_key_id",)) for text in ("", "a b", "é", "x" * 129)),
        *((f'"S1": {text}', ("entry",)) for text in ("null", "[]", "1", f'"{KEY}"')),
        (
            f'"S1": {entry(version=KEY, api_secret="", response_format=KEY)}',
            ("api_secret", "response_format", "version"),
        ),
        (f'"S1": {entry(oauth={"client_secret": KEY, "token_url": KEY})}', ("oauth.client_id", "oauth.token_url")),
        (f'"S1": {entry(call_authentication="oauth")}', ("oauth",)),
        (f'"S1": {entry(disabled="perhaps")}', ("disabled",)),
        (f'"S1": {entry()}, "S1": {entry()}', ("duplicate entry",)),
        (f'"S1": {entry()}, "S1 ": {entry()}', ("duplicate entry",)),
        (f'"S1": {{"secret": "a", {entry()[1:]}', ("duplicate field",)),
        (f'"S1": {{"oauth": {{"client_id": "a", "client_id": "b"}}, {entry()[1:]}', ("duplicate field",)),
    ],
)
def test_entry_malformed_affects_one_site(member: str, faults: tuple[str, ...]) -> None:
    parsed = parse_sites(document(S2, member))

    assert parsed.invalid == {"S1": faults}
    assert parsed.resolve("S2", None).identifier == "S2"
    with pytest.raises(SiteKeysUnavailableError):
        # The previous version of the secret does not replace the entry.
        parsed.resolve("S1", parse_sites(document(f'"S1": {entry()}')))
    # A malformed entry keeps the earlier one, also over several malformed documents.
    assert parsed.keep(parsed.keep(parse_sites(document(f'"S1": {entry()}')))).resolve("S1", None).version == "3.0"


@pytest.mark.parametrize(
    "member",
    [
        S2,
        f'"S1": {entry(disabled=True)}, {S2}',
        f'"S1": {entry(disabled="true", secret="", version=KEY)}, {S2}',
        f'"S1": {{"disabled": true}}, {S2}',
    ],
)
def test_entry_missing_or_disabled_revokes_site(member: str) -> None:
    earlier = parse_sites(document(f'"S1": {entry()}'))
    with pytest.raises(UnknownSiteError):
        parse_sites(document(member)).keep(earlier).resolve("S1", earlier)
    malformed = parse_sites(document('"S1": null'))
    with pytest.raises(SiteKeysUnavailableError):
        malformed.keep(parse_sites(document(member)).keep(earlier)).resolve("S1", earlier)


def test_identifier_malformed_counted_without_text() -> None:
    members = [f'"{name}": {entry()}' for name in ("", "S#1", "S 1", "x" * 65, "é")]
    parsed = parse_sites(document(*members, '"S3": null', S2))
    assert parsed.invalid_names == ["S3", *[MALFORMED] * 5]
    assert parsed.sites.keys() == {"S2"}


@pytest.mark.parametrize(
    "text",
    [
        *("", "\ufeff", "null", "[]", '"sites"', "{}", '{"sites": null}', f'{{"sites": ["{KEY}"]}}', KEY),
        *(f'{{"sites": {{{S2},}}}}', f'{{"sites": {{"S1": {{"secret": "{KEY}"', "[" * 60_000, "1" * 5_000),
        f'{{"sites": {{{S2}}}, "sites": {{{S2}}}}}',
    ],
    ids=range(14),
)
def test_document_invalid_error_contains_no_key(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(the document|a number)") as raised:
        parse_sites(text)
    assert KEY not in "".join(traceback.format_exception(raised.value))
    assert raised.value.__context__ is None


@pytest.mark.parametrize(
    ("version", "earlier", "valid"),
    [("3.1", "3.0", True), ("3.0", "3", True), ("2.0", "2.0", True), ("3.0", "2.0", False), ("2.0", "3.1", False)],
)
def test_previous_key_valid_for_same_major_version(version: str, earlier: str, valid: bool) -> None:
    current, previous = (
        parse_sites(document(f'"S1": {entry(version=number, secret=key)}'))
        for number, key in ((version, "new"), (earlier, "old"))
    )
    site = current.resolve("S1", previous)
    assert [key.get_secret_value() for key in site.callback_secrets] == ["new", *(["old"] if valid else [])]
    assert site.version == version
    assert site.response_format == ("xml" if version == "2.0" else "json")
    assert [site.accepts(number) for number in (version, earlier, "4.0", "")] == [True, valid, False, False]


def test_document_empty_has_no_sites() -> None:
    assert parse_sites('{"sites": {}}') == SitesDocument()
