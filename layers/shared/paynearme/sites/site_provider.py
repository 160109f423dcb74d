"""The sites of this deployment, from one Secrets Manager secret."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from paynearme.errors import SiteKeysUnavailableError, UnknownSiteError
from paynearme.platform.aws_clients import CLIENT_CONFIG, is_retryable
from paynearme.platform.cached_value import CachedValue
from paynearme.platform.deadline import Deadline
from paynearme.platform.settings import Settings
from paynearme.sites.site import ResolvedSite, SitesDocument, parse_sites

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

REFRESH_INTERVAL_SECONDS = 30
"""The minimum time between two refreshes that messages with an unknown signature cause."""


class SiteProvider:
    """Read the sites' secret, and cache its current and its previous version together."""

    def __init__(
        self,
        settings: Settings,
        client: "SecretsManagerClient | None" = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Use the secret and the cache time of ``settings``. Sends no request. ``clock`` returns seconds."""
        self._name = settings.sites_secret
        self._client = client or boto3.client("secretsmanager", config=CLIENT_CONFIG)
        self._clock = clock
        self._cache = CachedValue[tuple[SitesDocument, SitesDocument | None]](settings.sites_cache_seconds, clock)
        self._last_refresh: float | None = None

    def get(self, identifier: str | None, deadline: Deadline) -> ResolvedSite:
        """Return a site. Costs two requests if the cache has expired.

        Raises ``UnknownSiteError`` if the site is not configured, and ``SiteKeysUnavailableError`` if the secret
        cannot be read before the deadline or is not valid.
        """
        current, previous = self._cache.get(lambda: self._load(deadline))
        site = current.resolve(identifier or "", previous)
        if site is None:
            raise UnknownSiteError
        return site

    def refresh(self, deadline: Deadline) -> bool:
        """Read the secret again. Return ``False`` if a refresh is not allowed yet (``REFRESH_INTERVAL_SECONDS``).

        Raises ``SiteKeysUnavailableError``. The cached sites remain.
        """
        now = self._clock()
        if self._last_refresh is not None and now - self._last_refresh < REFRESH_INTERVAL_SECONDS:
            return False
        self._last_refresh = now
        self._cache.get(lambda: self._load(deadline), refresh=True)
        return True

    def _load(self, deadline: Deadline) -> tuple[SitesDocument, SitesDocument | None]:
        try:
            current = parse_sites(self._read("AWSCURRENT", deadline) or "")
            previous = self._read("AWSPREVIOUS", deadline)
        except (BotoCoreError, ClientError, TimeoutError, ValidationError) as error:
            raise SiteKeysUnavailableError from error
        try:
            return current, parse_sites(previous) if previous is not None else None
        except ValidationError:
            # A faulty previous version must not invalidate the current one.
            return current, None

    def _read(self, stage: str, deadline: Deadline) -> str | None:
        """Return a version of the secret, or ``None`` if the secret has no previous version."""
        try:
            response = deadline.call(
                lambda: self._client.get_secret_value(SecretId=self._name, VersionStage=stage), is_retryable
            )
        except ClientError as error:
            if stage == "AWSPREVIOUS" and error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise
        # A binary secret has no text, and empty text is not a valid document.
        return response.get("SecretString", "")
