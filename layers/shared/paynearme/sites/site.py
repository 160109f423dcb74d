"""A PayNearMe site and its keys."""

from functools import lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, SecretStr, StringConstraints, model_validator

from paynearme.protocol.signing import VERSION_PATTERN, major_version

ResponseFormat = Literal["json", "xml"]
TokenUrl = Annotated[
    str, StringConstraints(pattern=r"^(https://[^\s/?#@\\]+|http://127\.0\.0\.1:[0-9]+)(/[^\s?#\\]*)?$")
]
Version = Annotated[str, StringConstraints(pattern=VERSION_PATTERN)]
Secret = Annotated[SecretStr, StringConstraints(min_length=1)]
EnvelopeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]


class OAuthClient(BaseModel):
    """The OAuth 2.0 client of a site (client credentials grant, RFC 6749, section 4.4).

    PayNearMe provides ``token_url`` and ``scope``. ``client_authentication`` is ``basic``, which every server
    supports, or ``body``. With ``send_signature``, requests carry a signature in addition to the bearer token.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    token_url: TokenUrl
    client_id: Annotated[str, StringConstraints(min_length=1)]
    client_secret: Secret
    scope: Annotated[str, StringConstraints(min_length=1)] | None = None
    client_authentication: Literal["basic", "body"] = "basic"
    send_signature: bool = False


class Site(BaseModel):
    """The entry of a site in the sites' secret.

    ``secret`` verifies callbacks and, without ``api_secret``, signs requests. ``previous_secret`` also verifies
    callbacks while the site's key rotates. With ``call_authentication`` ``oauth``, requests carry a bearer token
    of ``oauth`` instead of a signature. ``response_format`` defaults to JSON for 3.x and XML for 2.0.
    ``reverse_envelope`` and ``reverse_element`` name the acknowledgement of a reversal. PayNearMe has not published
    these names, so the defaults follow the confirmation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: Version
    secret: Secret
    previous_secret: Secret | None = None
    api_secret: Secret | None = None
    call_authentication: Literal["hmac", "oauth"] = "hmac"
    oauth: OAuthClient | None = None
    response_format: ResponseFormat | None = None
    reverse_envelope: EnvelopeName = "payment_reversal_response"
    reverse_element: EnvelopeName = "reversal"

    @model_validator(mode="after")
    def _check_call_credentials(self) -> "Site":
        if self.call_authentication == "oauth" and (self.oauth is None or major_version(self.version) != "3"):
            raise ValueError("oauth needs a client, and version 3")
        return self


class ResolvedSite(BaseModel):
    """The effective settings of a site. ``callback_secrets`` are all valid keys, the newest first.

    With ``oauth``, requests carry a bearer token. Without it, they are signed with ``api_secret``.
    """

    model_config = ConfigDict(frozen=True)

    identifier: str
    version: Version
    callback_secrets: tuple[SecretStr, ...]
    api_secret: SecretStr
    oauth: OAuthClient | None = None
    response_format: ResponseFormat
    reverse_envelope: str
    reverse_element: str

    def accepts(self, version: str) -> bool:
        """Return whether a callback of API version ``version`` can carry a signature of the site's keys.

        That is every 3.x for a 3.x site, and 2.0 for a 2.0 site. A message therefore cannot downgrade a site to MD5.
        """
        major = major_version(version)
        return major is not None and major == major_version(self.version)


class SitesDocument(BaseModel):
    """The sites' secret: one entry for each site identifier."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    sites: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")], Site]

    def resolve(self, identifier: str, previous: "SitesDocument | None") -> ResolvedSite | None:
        """Return the effective settings of a site, or ``None`` if the site is unknown.

        While keys rotate, the key of the ``previous`` document also verifies callbacks of the same major version. An
        MD5 key does not remain valid after the change to HMAC.
        """
        site = self.sites.get(identifier)
        if site is None:
            return None
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
            oauth=site.oauth if site.call_authentication == "oauth" else None,
            response_format=site.response_format or ("json" if major == "3" else "xml"),
            reverse_envelope=site.reverse_envelope,
            reverse_element=site.reverse_element,
        )


@lru_cache(maxsize=4)
def parse_sites(text: str) -> SitesDocument:
    """Return the document of the secret. Raises pydantic's ``ValidationError``, which contains no value."""
    return SitesDocument.model_validate_json(text)
