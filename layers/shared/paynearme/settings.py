"""Who we are and which keys hold: the environment, and the sites' secret."""

import json
import os
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import boto3
from aws_lambda_powertools.utilities.parameters.base import BaseProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, SecretStr, StringConstraints, ValidationError, model_validator

from paynearme.aws import CLIENT_CONFIG, MAX_ATTEMPT_SECONDS, is_retryable
from paynearme.deadline import Deadline
from paynearme.errors import SiteKeysUnavailableError, UnknownSiteError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

REFRESH_INTERVAL_SECONDS = 30
"""At most once in so many seconds does a message that fits no key make us read the secret again."""

ResponseFormat = Literal["json", "xml"]
TokenUrl = Annotated[
    str, StringConstraints(pattern=r"^(https://[^\s/?#@\\]+|http://127\.0\.0\.1:[0-9]+)(/[^\s?#\\]*)?$")
]
Secret = Annotated[SecretStr, StringConstraints(min_length=1)]
EnvelopeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]


class EnvironmentSettings(BaseModel):
    """What the template sets in a function's environment, under its fields' names in capitals."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the settings; raises pydantic's ``ValidationError`` when one is missing or malformed."""
        names = {name: name.upper() for name in cls.model_fields}
        return cls.model_validate({n: environment[e] for n, e in names.items() if e in environment})


class PublishingSettings(EnvironmentSettings):
    """What the function that publishes events is told."""

    event_bus_name: str
    dead_letter_queue_url: str
    # A stream forgets after 24 hours. What waits for longer than this goes to the dead letters.
    max_event_age_seconds: int = 6 * 60 * 60
    # The function ends after 60 seconds.
    publish_timeout_seconds: float = 45.0


class SweepSettings(EnvironmentSettings):
    """What the function that looks for forgotten payments is told."""

    table_name: str
    unconfirmed_after_minutes: int = 60
    reservation_timeout_minutes: int = 24 * 60
    # The function ends after 60 seconds.
    sweep_timeout_seconds: float = 45.0


class Settings(EnvironmentSettings):
    """What the functions are told that speak with PayNearMe and with the merchant's backend."""

    sites_secret: str
    sites_cache_seconds: int = 300
    table_name: str = ""
    access_tokens_path: str = ""
    policy_application: str = ""
    policy_environment: str = ""
    policy_profile: str = ""
    policy_cache_seconds: int = 60
    paynearme_base_url: str = ""
    default_site_identifier: str = ""
    authorization_max_age_seconds: int = 900
    max_clock_skew_seconds: int = 300
    # Never in production: an annotated order would have its confirmations repeated until PayNearMe gives up.
    certification_hooks: bool = False
    # PayNearMe waits 10 seconds for everything: the way there and back and a cold start take their part.
    response_timeout_seconds: float = 6.5
    # Our own backend waits; PayNearMe may take its time over a token.
    call_timeout_seconds: float = 7.0


class OAuthClient(BaseModel):
    """Who we are to PayNearMe's token address (client credentials grant, RFC 6749, section 4.4).

    The address and the scope are those that PayNearMe gives the merchant. ``client_authentication`` says how
    the client proves itself there: ``basic``, which every server must take, or ``body``. With
    ``send_signature`` a call carries its signature beside the bearer token.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    token_url: TokenUrl
    client_id: Annotated[str, StringConstraints(min_length=1)]
    client_secret: Secret
    scope: Annotated[str, StringConstraints(min_length=1)] | None = None
    client_authentication: Literal["basic", "body"] = "basic"
    send_signature: bool = False


class Site(BaseModel):
    """A PayNearMe site and its keys, as the secret holds it.

    ``secret`` signs callbacks and, unless ``api_secret`` is given, our calls. ``previous_secret`` holds for
    callbacks as well, while this site's key rotates. With ``call_authentication`` ``oauth`` our calls carry
    a bearer token of ``oauth`` instead of a signature; callbacks stay signed. ``response_format`` is
    PayNearMe's usual one for the version unless it is set: JSON for 3.0, XML for 2.0.
    ``reverse_envelope`` and ``reverse_element`` enclose the acknowledgement of a reversal: PayNearMe has
    published no names for it, so ours are made like those of a confirmation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: Literal["2.0", "3.0"]
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
        if self.call_authentication == "oauth" and (self.oauth is None or self.version != "3.0"):
            raise ValueError("oauth needs a client, and version 3.0")
        return self


class ResolvedSite(BaseModel):
    """A site as it holds now: with the keys that are valid for its callbacks, newest first.

    With ``oauth`` our calls carry a bearer token, without it a signature by ``api_secret``.
    """

    model_config = ConfigDict(frozen=True)

    identifier: str
    version: Literal["2.0", "3.0"]
    callback_secrets: tuple[SecretStr, ...]
    api_secret: SecretStr
    oauth: OAuthClient | None = None
    response_format: ResponseFormat
    reverse_envelope: str
    reverse_element: str


class _SitesDocument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    sites: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")], Site]


@lru_cache(maxsize=4)
def _parse_sites(text: str) -> _SitesDocument:
    return _SitesDocument.model_validate_json(text)


def _is_valid(text: str | None) -> bool:
    try:
        return text is not None and bool(_parse_sites(text))
    except ValidationError:
        return False


class _SecretSource(BaseProvider):
    """Powertools' cache over the secret's current and previous version, read and kept together."""

    def __init__(self, client: "SecretsManagerClient") -> None:
        super().__init__(client=client)  # type: ignore[no-untyped-call] # Powertools has no types here
        self._client = client

    def _get(self, name: str, **sdk_options: Any) -> str:
        deadline: Deadline = sdk_options["deadline"]
        current = self._read(name, "AWSCURRENT", deadline)
        # Here, so that what is malformed never displaces what is kept.
        _parse_sites(current or "")
        previous = self._read(name, "AWSPREVIOUS", deadline)
        return json.dumps([current, previous if _is_valid(previous) else None])

    def _read(self, name: str, stage: str, deadline: Deadline) -> str | None:
        if deadline.remaining < MAX_ATTEMPT_SECONDS:
            raise TimeoutError
        try:
            for attempt in deadline.retrying(is_retryable, MAX_ATTEMPT_SECONDS):
                with attempt:
                    response = deadline.run(
                        lambda: self._client.get_secret_value(SecretId=name, VersionStage=stage)
                    )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if stage == "AWSPREVIOUS" and code == "ResourceNotFoundException":
                return None
            raise
        return response["SecretString"]

    def _get_multiple(self, path: str, **sdk_options: Any) -> dict[str, str]:
        raise NotImplementedError


class SiteProvider:
    """The sites of this deployment: read from the secret, kept for some minutes.

    While keys rotate, the key of the secret's previous version holds for callbacks as well, if it is
    one for the same API version: an old MD5 key must not outlive the change to HMAC.
    """

    def __init__(
        self,
        settings: Settings,
        client: "SecretsManagerClient | None" = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the secret's name and how long to keep it from ``settings``; read nothing yet."""
        self._name = settings.sites_secret
        self._cache_seconds = settings.sites_cache_seconds
        self._source = _SecretSource(client or boto3.client("secretsmanager", config=CLIENT_CONFIG))
        self._clock = clock
        self._last_refresh: float | None = None

    def get(self, identifier: str | None, deadline: Deadline) -> ResolvedSite:
        """Return the site.

        Raises ``UnknownSiteError`` when it is not ours and ``SiteKeysUnavailableError`` when the secret
        cannot be read in time or is not what it should be.
        """
        current, previous = self._documents(deadline, force=False)
        site = current.sites.get(identifier or "")
        if identifier is None or site is None:
            raise UnknownSiteError
        previous_site = previous.sites.get(identifier) if previous else None
        secrets = [site.secret, *([site.previous_secret] if site.previous_secret else [])]
        if previous_site and previous_site.version == site.version and previous_site.secret not in secrets:
            secrets.append(previous_site.secret)
        return ResolvedSite(
            identifier=identifier,
            version=site.version,
            callback_secrets=tuple(secrets),
            api_secret=site.api_secret or site.secret,
            oauth=site.oauth if site.call_authentication == "oauth" else None,
            response_format=site.response_format or ("json" if site.version == "3.0" else "xml"),
            reverse_envelope=site.reverse_envelope,
            reverse_element=site.reverse_element,
        )

    def refresh(self, deadline: Deadline) -> bool:
        """Read the secret again and return True, unless that was done within the last half minute.

        Raises ``SiteKeysUnavailableError`` like ``find``.
        """
        now = self._clock()
        if self._last_refresh is not None and now - self._last_refresh < REFRESH_INTERVAL_SECONDS:
            return False
        self._last_refresh = now
        self._documents(deadline, force=True)
        return True

    def _documents(self, deadline: Deadline, *, force: bool) -> tuple[_SitesDocument, _SitesDocument | None]:
        try:
            documents = self._source.get(self._name, max_age=self._cache_seconds, force_fetch=force, deadline=deadline)
            current, previous = json.loads(str(documents))
            return _parse_sites(current), _parse_sites(previous) if previous else None
        except GetParameterError:
            raise SiteKeysUnavailableError from None
