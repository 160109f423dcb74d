"""The sites of this deployment, from one Secrets Manager secret."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from paynearme.errors import SiteKeysUnavailableError
from paynearme.platform.aws_clients import create_client, is_retryable
from paynearme.platform.cached_value import CachedValue
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS, Deadline
from paynearme.platform.observability import add_log_fields, add_metric, describe_cause
from paynearme.platform.settings import Settings
from paynearme.sites.site import ResolvedSite
from paynearme.sites.sites_document import SitesDocument, parse_sites

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

REFRESH_INTERVAL_SECONDS = 30
"""The minimum time between two refreshes that messages cause, and the wait after a failed refresh."""

REFRESH_SECONDS = 1.5
"""The maximum duration of a refresh while keys are cached."""

type _Documents = tuple[SitesDocument, SitesDocument | None]


class SiteProvider:
    """Read the sites' secret, and cache its current and its previous version together.

    A faulty document, or a failed request, never replaces valid keys: this process keeps them as long as it runs. A
    revocation is a valid document without the site, so no process can miss it once Secrets Manager responds. Without
    this rule, an outage of Secrets Manager would reject authentic callbacks.
    """

    def __init__(
        self,
        settings: Settings,
        client: "SecretsManagerClient | None" = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Use the secret and the cache time of ``settings``. Sends no request. ``clock`` returns seconds."""
        self._name = settings.sites_secret
        self._client: SecretsManagerClient = client or create_client("secretsmanager")
        self._clock = clock
        self._cache = CachedValue[_Documents](settings.sites_cache_seconds, clock)
        self._last_refresh: float | None = None

    def get(self, identifier: str | None, deadline: Deadline) -> ResolvedSite:
        """Return a site. Costs two requests if the cache has expired.

        Raises ``UnknownSiteError`` if the site is missing or disabled. Raises ``SiteKeysUnavailableError`` if this
        process has no valid entry of it: the secret cannot be read before the deadline or is not a valid document, or
        the entry is malformed. A malformed entry costs two more requests, at most once per
        ``REFRESH_INTERVAL_SECONDS``.
        """
        name = identifier or ""
        cached = self._cache.value
        documents = self._documents(deadline)
        if documents[0].is_unavailable(name) and documents is cached and self.refresh(deadline):
            documents = self._documents(deadline)
        current, previous = documents
        return current.resolve(name, previous)

    def refresh(self, deadline: Deadline) -> bool:
        """Read the secret again. Return ``False`` if a refresh is not allowed yet (``REFRESH_INTERVAL_SECONDS``).

        Raises ``SiteKeysUnavailableError`` if it fails and no keys are cached. Cached keys remain.
        """
        now = self._clock()
        if self._last_refresh is not None and now - self._last_refresh < REFRESH_INTERVAL_SECONDS:
            return False
        self._last_refresh = now
        self._documents(deadline, refresh=True)
        return True

    def _documents(self, deadline: Deadline, *, refresh: bool = False) -> _Documents:
        cached = self._cache.value
        limited, max_attempt = deadline, MAX_ATTEMPT_SECONDS
        # A message that caused the refresh needs other keys, so its refresh has the whole time.
        if cached and not refresh:
            limited, max_attempt = deadline.within(REFRESH_SECONDS), REFRESH_SECONDS / 2
        try:
            return self._cache.get(lambda: self._load(limited, max_attempt), refresh=refresh)
        except SiteKeysUnavailableError as error:
            if cached is None:
                raise
            add_metric("SiteKeysRefreshFailed")
            add_log_fields(site_keys_error=describe_cause(error.__cause__ or error))
            self._cache.keep(REFRESH_INTERVAL_SECONDS)
            return cached

    def _load(self, deadline: Deadline, max_attempt: float) -> _Documents:
        try:
            current = parse_sites(self._read("AWSCURRENT", deadline, max_attempt) or "")
            previous_text = self._read("AWSPREVIOUS", deadline, max_attempt)
        except (BotoCoreError, ClientError, TimeoutError, ValueError) as error:
            raise SiteKeysUnavailableError from error
        if names := current.invalid_names:
            add_metric("SiteInvalid", len(names))
            add_log_fields(invalid_sites=names)
        if cached := self._cache.value:
            current = current.keep(cached[0])
        try:
            return current, parse_sites(previous_text) if previous_text is not None else None
        except ValueError:
            # A faulty previous version must not invalidate the current one.
            return current, None

    def _read(self, stage: str, deadline: Deadline, max_attempt: float) -> str | None:
        """Return a version of the secret, or ``None`` if the secret has no previous version."""
        try:
            response = deadline.call(
                lambda: self._client.get_secret_value(SecretId=self._name, VersionStage=stage),
                is_retryable,
                max_attempt,
            )
        except ClientError as error:
            if stage == "AWSPREVIOUS" and error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise
        # A binary secret has no text, and empty text is not a valid document.
        return response.get("SecretString", "")
