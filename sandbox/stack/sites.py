"""The sites of the local stack, with keys that live as long as one run."""

import secrets
from collections.abc import Mapping
from typing import Any

from paynearme.sites.site import Site

SAMPLE_SITES = ("S2155373459", "S3711063247", "S2411573363", "S1733026124", "S6404173951")
"""The sites that the documents' messages name, all of version 3.0."""

VERSION_2_SITE = "S2000000020"
"""A site of version 2.0: MD5, and answers in XML."""

XML_SITE = "S3000000030"
"""A site of version 3.0 that is set to answers in XML, and to an envelope of its own for reversals."""

GAMING_SITE = "S4000000040"
"""A site with the policy of a gaming operator, ``docs/policies/gaming_operator.json``."""

LENDER_SITE = "S5000000050"
"""A site with the policy of a lender, ``docs/policies/lender.json``."""

OAUTH_SITE = "S6000000060"
"""A site whose calls carry a bearer token; the client proves itself by HTTP Basic."""

OAUTH_SIGNED_SITE = "S7000000070"
"""A site whose calls carry a bearer token and a signature; the client proves itself in the body."""

DISCARD_URL = "http://127.0.0.1:1"
"""An address that nobody listens on."""

type SiteEntries = Mapping[str, Mapping[str, Any]]
"""The secret document's entries by site identifier: what ``paynearme.platform.settings.Site`` holds, as JSON."""


def new_sites(paynearme_url: str = DISCARD_URL) -> dict[str, dict[str, dict[str, Any]]]:
    """Return a document for the sites' secret, ``{"sites": {…}}``, with new random keys.

    ``paynearme_url`` is the base address of PayNearMe, whose token address is below it; without one, no
    token can be had.
    """
    plain = (*SAMPLE_SITES, GAMING_SITE, LENDER_SITE)
    sites: dict[str, dict[str, Any]] = {identifier: {"version": "3.0"} for identifier in plain}
    sites[VERSION_2_SITE] = {"version": "2.0"}
    sites[XML_SITE] = {
        "version": "3.0",
        "response_format": "xml",
        "reverse_envelope": "payment_reverse_response",
        "reverse_element": "reverse",
    }
    token_url = f"{paynearme_url}/oauth/token"
    sites[OAUTH_SITE] = _with_client(token_url, scope="payments")
    sites[OAUTH_SIGNED_SITE] = {
        **_with_client(token_url, client_authentication="body", send_signature=True),
        "api_secret": secrets.token_hex(16),
    }
    return {"sites": {name: {**site, "secret": secrets.token_hex(16)} for name, site in sites.items()}}


def _with_client(token_url: str, **settings: str | bool) -> dict[str, Any]:
    # Characters that a form encodes, so that whoever forgets to is found out.
    secret = f"{secrets.token_hex(16)}+/:="
    client = {"token_url": token_url, "client_id": secrets.token_hex(8), "client_secret": secret}
    return {"version": "3.0", "call_authentication": "oauth", "oauth": {**client, **settings}}


def read_sites(entries: SiteEntries) -> dict[str, Site]:
    """Return the document's entries as sites. Raises pydantic's ``ValidationError`` when one is malformed."""
    return {identifier: Site.model_validate(dict(entry)) for identifier, entry in entries.items()}
