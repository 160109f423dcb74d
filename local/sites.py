"""The sites of the local stack, with keys that live as long as one run."""

import secrets
from collections.abc import Mapping

from paynearme.settings import Site

SITES_OF_THE_DOCUMENTS = ("S2155373459", "S3711063247", "S2411573363", "S1733026124", "S6404173951")
"""The sites that the documents' messages name, all of version 3.0."""

VERSION_2_SITE = "S2000000020"
"""A site of version 2.0: MD5, and answers in XML."""

XML_SITE = "S3000000030"
"""A site of version 3.0 that is set to answers in XML, and to an envelope of its own for reversals."""

GAMING_SITE = "S4000000040"
"""A site with the policy of a gaming operator, ``docs/policies/gaming_operator.json``."""

LENDER_SITE = "S5000000050"
"""A site with the policy of a lender, ``docs/policies/lender.json``."""

type SiteEntries = Mapping[str, Mapping[str, str]]
"""The secret document's entries by site identifier: ``version``, ``secret`` and what else a site can have."""


def new_sites() -> dict[str, dict[str, dict[str, str]]]:
    """Return a document for the sites' secret, ``{"sites": {…}}``, with new random keys."""
    plain = (*SITES_OF_THE_DOCUMENTS, GAMING_SITE, LENDER_SITE)
    sites = {identifier: {"version": "3.0"} for identifier in plain}
    sites[VERSION_2_SITE] = {"version": "2.0"}
    sites[XML_SITE] = {
        "version": "3.0",
        "answer_format": "xml",
        "reverse_envelope": "payment_reverse_response",
        "reverse_part": "reverse",
    }
    return {"sites": {name: {**site, "secret": secrets.token_hex(16)} for name, site in sites.items()}}


def read_sites(entries: SiteEntries) -> dict[str, Site]:
    """Return the document's entries as sites. Raises pydantic's ``ValidationError`` when one is malformed."""
    return {identifier: Site.model_validate(dict(entry)) for identifier, entry in entries.items()}
