"""The sites of the local stack, with new keys for each run."""

import secrets
from typing import Any

SAMPLE_SITES = ("S2155373459", "S3711063247", "S2411573363", "S1733026124", "S6404173951")
"""The sites of the sample messages, with version 3.0."""

VERSION_2_SITE = "S2000000020"
"""A site with version 2.0: MD5 signatures and XML responses."""

XML_SITE = "S3000000030"
"""A site with version 3.0, XML responses, and its own envelope for reversals."""

GAMING_SITE = "S4000000040"
"""A site with the policy of a gaming operator, ``docs/policies/gaming_operator.json``."""

LENDER_SITE = "S5000000050"
"""A site with the policy of a lender, ``docs/policies/lender.json``."""

OAUTH_SITE = "S6000000060"
"""A site with OAuth. Its client authenticates by HTTP Basic."""

OAUTH_SIGNED_SITE = "S7000000070"
"""A site with OAuth and signatures. Its client authenticates in the body."""

PAUSED_SITE = "S8000000080"
"""A site whose policy pauses its payments."""

DISCARD_URL = "http://127.0.0.1:1"
"""A URL without a server."""


def new_sites(paynearme_url: str = DISCARD_URL) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the content of the sites' secret, ``{"sites": {…}}``, with new random keys.

    ``paynearme_url`` is the base URL of the token endpoint. Without it, no access token is available.
    """
    plain = (*SAMPLE_SITES, GAMING_SITE, LENDER_SITE, PAUSED_SITE)
    sites: dict[str, dict[str, Any]] = {identifier: {"version": "3.0"} for identifier in plain}
    sites[VERSION_2_SITE] = {"version": "2.0"}
    sites[XML_SITE] = {
        "version": "3.0",
        "response_format": "xml",
        "reverse_envelope": "payment_reversal_response",
        "reverse_element": "reversal",
    }
    token_url = f"{paynearme_url}/oauth/token"
    sites[OAUTH_SITE] = _with_client(token_url, scope="payments")
    sites[OAUTH_SIGNED_SITE] = {
        **_with_client(token_url, client_authentication="body", send_signature=True),
        "api_secret": secrets.token_hex(16),
    }
    return {"sites": {name: {**site, "secret": secrets.token_hex(16)} for name, site in sites.items()}}


def _with_client(token_url: str, **settings: str | bool) -> dict[str, Any]:
    # Characters that a form must encode, to detect a client that does not.
    secret = f"{secrets.token_hex(16)}+/:="
    client = {"token_url": token_url, "client_id": secrets.token_hex(8), "client_secret": secret}
    return {"version": "3.0", "call_authentication": "oauth", "oauth": {**client, **settings}}
