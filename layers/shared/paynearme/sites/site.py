"""A PayNearMe site and its keys."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, StringConstraints, model_validator

from paynearme.protocol.signing import VERSION_PATTERN, major_version

ResponseFormat = Literal["json", "xml"]
TokenUrl = Annotated[
    str, StringConstraints(pattern=r"^(https://[^\s/?#@\\]+|http://127\.0\.0\.1:[0-9]+)(/[^\s?#\\]*)?$")
]


def _number_as_text(version: object) -> object:
    # JSON numbers: ``3.0`` and ``3``. A boolean is no version.
    return str(version) if isinstance(version, int | float | Decimal) else version


Version = Annotated[str, BeforeValidator(_number_as_text), StringConstraints(pattern=VERSION_PATTERN)]
ApiKeyId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]
Secret = Annotated[SecretStr, StringConstraints(min_length=1)]
EnvelopeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]

# An unknown field, such as a comment, does not invalidate the entry. ``make sites-check`` reports it.
_ENTRY = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True, hide_input_in_errors=True)


class OAuthClient(BaseModel):
    """The OAuth 2.0 client of a site (client credentials grant, RFC 6749, section 4.4).

    PayNearMe provides ``token_url`` and ``scope``. ``client_authentication`` is ``basic``, which every server
    supports, or ``body``. With ``send_signature``, requests carry a signature in addition to the bearer token.
    """

    model_config = _ENTRY

    token_url: TokenUrl
    client_id: Annotated[str, StringConstraints(min_length=1)]
    client_secret: Secret
    scope: Annotated[str, StringConstraints(min_length=1)] | None = None
    client_authentication: Literal["basic", "body"] = "basic"
    send_signature: bool = False


class Site(BaseModel):
    """The entry of a site in the sites' secret. White space around a value is removed.

    ``secret`` verifies callbacks and, without ``api_secret``, signs requests. ``previous_secret`` also verifies
    callbacks while the site's key rotates. ``disabled`` revokes the site. With ``call_authentication`` ``oauth``,
    requests carry a bearer token of ``oauth`` instead of a signature. ``api_key_id`` names the key pair of requests.
    ``response_format`` defaults to JSON for 3.x and XML for 2.0. ``reverse_envelope`` and ``reverse_element`` name the
    acknowledgement of a reversal. A third party publishes the defaults, and states that they are PayNearMe's.
    """

    model_config = _ENTRY

    version: Version
    secret: Secret
    previous_secret: Secret | None = None
    disabled: bool = False
    api_secret: Secret | None = None
    api_key_id: ApiKeyId | None = None
    call_authentication: Literal["hmac", "oauth"] = "hmac"
    oauth: OAuthClient | None = None
    response_format: ResponseFormat | None = None
    reverse_envelope: EnvelopeName = "payment_reverse_response"
    reverse_element: EnvelopeName = "reverse_payment"

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
    api_key_id: str | None = None
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
