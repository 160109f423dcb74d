"""The sites that the fake PayNearMe serves."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

type _Secret = Annotated[str, Field(min_length=1)]
type SiteEntries = Mapping[str, Any]
"""The entries of the sites by site identifier, as JSON or as ``Site``."""


class OAuthClient(BaseModel):
    """The OAuth 2.0 client of a site. ``client_authentication`` is ``basic`` (a header) or ``body`` (a form)."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    client_id: str
    client_secret: _Secret = Field(repr=False)
    scope: str | None = None
    client_authentication: Literal["basic", "body"] = "basic"
    send_signature: bool = False


class Site(BaseModel):
    """The entry of a site. Other fields of the entry are ignored.

    ``secret`` signs callbacks. ``api_secret``, or ``secret`` without it, verifies requests. ``api_key_id`` names it.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    version: Annotated[str, Field(pattern=r"^(2\.0|3(\.[0-9]{1,2})?)$")]
    secret: _Secret = Field(repr=False)
    api_secret: _Secret | None = Field(default=None, repr=False)
    api_key_id: str | None = None
    call_authentication: Literal["hmac", "oauth"] = "hmac"
    oauth: OAuthClient | None = None
    response_format: Literal["json", "xml"] | None = None
    reverse_envelope: str = "payment_reverse_response"
    reverse_element: str = "reverse_payment"

    @property
    def client(self) -> OAuthClient | None:
        """The OAuth client of the site, or None if the site signs its requests."""
        return self.oauth if self.call_authentication == "oauth" else None


_ENTRIES = TypeAdapter(dict[str, Site])


def read_sites(entries: SiteEntries) -> dict[str, Site]:
    """Return the sites by identifier. Raises pydantic's ``ValidationError`` for an invalid entry."""
    return _ENTRIES.validate_python(entries)
