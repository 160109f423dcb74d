"""The content of the sites' secret. A malformed entry affects only its own site."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from paynearme.errors import SiteKeysUnavailableError, UnknownSiteError
from paynearme.protocol.signing import major_version
from paynearme.sites.site import ResolvedSite, Site

MALFORMED = "(malformed)"
"""The replacement of a text that can contain a key, in logs and messages."""

BYTE_ORDER_MARK = "\ufeff"

_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BOOLEAN = TypeAdapter(bool)


class JsonObject(dict[str, Any]):
    """A JSON object. ``duplicates`` are the names that it contains more than once."""

    def __init__(self, members: list[tuple[str, Any]]) -> None:
        """Store the members. The last member of a name replaces the others."""
        super().__init__(members)
        self.duplicates = {name for name, count in Counter(name for name, _ in members).items() if count > 1}


@dataclass(frozen=True)
class SitesDocument:
    """The sites by identifier.

    ``sites`` are the valid entries. ``disabled`` are entries with ``"disabled": true``, which revokes a site at once,
    also if the rest of its entry is malformed. ``invalid`` has the malformed entries with the names of their faulty
    fields. ``malformed_identifiers`` is the number of entries whose name is no site identifier.
    """

    sites: Mapping[str, Site] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    invalid: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    malformed_identifiers: int = 0

    @property
    def invalid_names(self) -> list[str]:
        """Return the identifiers of all malformed entries, for the log."""
        return [*sorted(self.invalid), *[MALFORMED] * self.malformed_identifiers]

    def keep(self, earlier: "SitesDocument") -> "SitesDocument":
        """Return this document, with the ``earlier`` entry of each site whose entry is malformed."""
        kept = {name: earlier.sites[name] for name in self.invalid if name in earlier.sites}
        return replace(self, sites={**self.sites, **kept})

    def is_unavailable(self, identifier: str) -> bool:
        """Return whether the site has a malformed entry and no earlier one."""
        return identifier in self.invalid and identifier not in self.sites

    def resolve(self, identifier: str, previous: "SitesDocument | None") -> ResolvedSite:
        """Return the effective settings of a site.

        While keys rotate, the key of the ``previous`` document also verifies callbacks of the same major version. An
        MD5 key does not remain valid after the change to HMAC. ``previous`` never replaces a malformed entry: a typing
        error must not bring back settings that the operator replaced, for example a leaked key that signs requests.

        Raises ``UnknownSiteError`` for a missing or disabled site, and ``SiteKeysUnavailableError`` for a malformed
        entry without an earlier one.
        """
        if self.is_unavailable(identifier):
            raise SiteKeysUnavailableError
        site = self.sites.get(identifier)
        if site is None:
            raise UnknownSiteError
        secrets = [site.secret, *([site.previous_secret] if site.previous_secret else [])]
        previous_site = previous.sites.get(identifier) if previous else None
        major = major_version(site.version)
        if previous_site and major_version(previous_site.version) == major and previous_site.secret not in secrets:
            secrets.append(previous_site.secret)
        return ResolvedSite(
            identifier=identifier,
            version=site.version,
            callback_secrets=tuple(secrets),
            api_secret=site.api_secret or site.secret,
            api_key_id=site.api_key_id,
            oauth=site.oauth if site.call_authentication == "oauth" else None,
            response_format=site.response_format or ("json" if major == "3" else "xml"),
            reverse_envelope=site.reverse_envelope,
            reverse_element=site.reverse_element,
        )


def load_sites(text: str) -> tuple[JsonObject, JsonObject]:
    """Return the JSON document and its unvalidated ``sites``. A byte order mark is ignored.

    Raises ``ValueError``, which contains no value, if the text is not JSON or not an object with one ``sites`` object.
    """
    document: object = None
    fault = "the document is not a JSON object"
    try:
        document = json.loads(text.removeprefix(BYTE_ORDER_MARK), object_pairs_hook=JsonObject, parse_float=Decimal)
    except json.JSONDecodeError as error:
        # The error contains the text with the keys, so it must not be the context of another error.
        fault = f"the document is not JSON: line {error.lineno}, column {error.colno}"
    except (ValueError, RecursionError):
        fault = "a number in the document is too long, or its nesting is too deep"
    if not isinstance(document, JsonObject):
        raise ValueError(fault)
    sites = document.get("sites")
    if not isinstance(sites, JsonObject) or "sites" in document.duplicates:
        raise ValueError("the document does not have one object with the name sites")
    return document, sites


@lru_cache(maxsize=4)
def parse_sites(text: str) -> SitesDocument:
    """Return the document of the secret. White space around a site identifier is removed.

    Raises ``ValueError`` as ``load_sites``. A malformed entry raises nothing.
    """
    _, entries = load_sites(text)
    counts = Counter(name.strip() for name in entries)
    sites: dict[str, Site] = {}
    disabled: set[str] = set()
    invalid: dict[str, tuple[str, ...]] = {}
    malformed_identifiers = 0
    for name, entry in entries.items():
        identifier = name.strip()
        result = ("duplicate entry",) if name in entries.duplicates or counts[identifier] > 1 else _parse_entry(entry)
        if not _IDENTIFIER.fullmatch(identifier):
            malformed_identifiers += 1
        elif result is None:
            disabled.add(identifier)
        elif isinstance(result, Site):
            sites[identifier] = result
        else:
            invalid[identifier] = result
    return SitesDocument(sites, frozenset(disabled), invalid, malformed_identifiers)


def _parse_entry(entry: object) -> Site | tuple[str, ...] | None:
    """Return a valid entry, the names of the faulty fields of a malformed one, or ``None`` for a disabled one.

    A name of a fault is a name of the model, never a text of the document.
    """
    if not isinstance(entry, JsonObject):
        return ("entry",)
    with suppress(ValidationError):
        if _BOOLEAN.validate_python(entry.get("disabled", False)):
            return None
    if entry.duplicates or any(isinstance(value, JsonObject) and value.duplicates for value in entry.values()):
        return ("duplicate field",)
    try:
        return Site.model_validate(entry)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        # The check of the whole entry concerns ``oauth``.
        return tuple(sorted({".".join(map(str, detail["loc"])) or "oauth" for detail in details}))
