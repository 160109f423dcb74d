"""The active policy, from AppConfig. An invalid document, or a failed refresh, never replaces a valid policy.

A function validates the defaults when it reads the document, and the entry of a site at the site's first request.
"""

import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from paynearme.errors import PolicyInvalidError, PolicyUnavailableError
from paynearme.platform.aws_clients import create_client, is_retryable
from paynearme.platform.cached_value import CachedValue
from paynearme.platform.deadline import Deadline
from paynearme.platform.observability import add_log_fields, add_metric
from paynearme.platform.settings import Settings
from paynearme.policy import DEFAULT_TEXTS, ConsumerText, PolicyDocument, Reason, SitePolicy, read_policy

if TYPE_CHECKING:
    from mypy_boto3_appconfigdata import AppConfigDataClient

REFRESH_SECONDS = 1.5
"""The maximum duration of a refresh while an earlier policy is available."""

_parse_policy = lru_cache(maxsize=2)(partial(read_policy, defer_sites=True))


class _AppConfigSession:
    """Polls the deployed document. A session token is valid for one request."""

    def __init__(self, settings: Settings, client: "AppConfigDataClient") -> None:
        self._settings = settings
        self._client = client
        self._token: str | None = None
        self._content = b""

    def poll(self, deadline: Deadline) -> bytes:
        """Return the deployed document. Costs one request, or two for a new session."""
        # A failed request may have used the token, so every failure starts a new session.
        tokens = [self._token] if self._token else []
        self._token = None

        def send() -> tuple[str, bytes]:
            token = tokens.pop() if tokens else self._start()
            response = self._client.get_latest_configuration(ConfigurationToken=token)
            return response["NextPollConfigurationToken"], response["Configuration"].read()

        self._token, content = deadline.call(send, is_retryable, allow_short_attempt=True)
        # Empty: the document has not changed since the last poll, or none is deployed.
        self._content = content or self._content
        return self._content

    def _start(self) -> str:
        response = self._client.start_configuration_session(
            ApplicationIdentifier=self._settings.policy_application,
            EnvironmentIdentifier=self._settings.policy_environment,
            ConfigurationProfileIdentifier=self._settings.policy_profile,
            RequiredMinimumPollIntervalInSeconds=_poll_interval(self._settings.policy_cache_seconds),
        )
        return response["InitialConfigurationToken"]


def _poll_interval(cache_seconds: int) -> int:
    """Return the minimum poll interval of a session, in seconds. AppConfig rejects earlier polls.

    It is below the cache time, because AppConfig's interval can start later. AppConfig accepts 15 seconds to a day.
    """
    return max(15, min(cache_seconds - 5, 24 * 60 * 60))


class PolicyProvider:
    """Provide the active policy of each site."""

    def __init__(
        self,
        settings: Settings,
        client: "AppConfigDataClient | None" = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Use the document and the cache time of ``settings``. Sends no request. ``clock`` returns seconds."""
        self._session = _AppConfigSession(settings, client or create_client("appconfigdata"))
        self._cache = CachedValue[PolicyDocument](settings.policy_cache_seconds, clock)
        # The last valid policy of each site with a request.
        self._site_policies: dict[str, SitePolicy] = {}

    def get(self, site_identifier: str, deadline: Deadline) -> SitePolicy:
        """Return the active policy of a known site. Costs at most two requests if the cache has expired.

        Raises ``PolicyUnavailableError`` if no valid policy can be read before the deadline and none was read earlier.
        """
        document = self._cache.get(lambda: self._load(deadline))
        policy = self._site_policies.get(site_identifier)
        if policy is None or policy.version != document.defaults.version:
            try:
                policy = self._site_policies[site_identifier] = document.for_site(site_identifier)
            except PolicyInvalidError as error:
                policy = _last_valid(policy, error)
        add_log_fields(policy_version=policy.version)
        return policy

    def get_if_available(self, site_identifier: str, deadline: Deadline) -> SitePolicy | None:
        """Return the policy of a site within ``REFRESH_SECONDS``, or ``None``. For callers that do not require one."""
        try:
            return self.get(site_identifier, deadline.within(REFRESH_SECONDS))
        except PolicyUnavailableError:
            add_metric("ConfirmationWithoutPolicy")
            return None

    def cached_text(self, site_identifier: str, reason: Reason) -> ConsumerText:
        """Return the text of a decline without a decision, of the last valid policy. Sends no request."""
        document = self._cache.value
        try:
            policy = document.for_site(site_identifier) if document else None
        except PolicyInvalidError:
            policy = self._site_policies.get(site_identifier)
        return (policy.texts if policy else DEFAULT_TEXTS)[reason]

    def _load(self, deadline: Deadline) -> PolicyDocument:
        cached = self._cache.value
        try:
            return self._read(deadline.within(REFRESH_SECONDS) if cached else deadline)
        except PolicyInvalidError as error:
            return _last_valid(cached, error)
        except Exception as error:
            if cached is None:
                raise PolicyUnavailableError from error
            add_metric("PolicyRefreshFailed")
            add_log_fields(policy_error=type(error).__name__)
            return cached

    def _read(self, deadline: Deadline) -> PolicyDocument:
        content = self._session.poll(deadline)
        if not content:
            raise PolicyUnavailableError
        try:
            return _parse_policy(content.decode())
        except UnicodeDecodeError:
            raise PolicyInvalidError(["not readable as UTF-8"]) from None


def _last_valid[T: (PolicyDocument, SitePolicy)](last_valid: T | None, error: PolicyInvalidError) -> T:
    """Return what an invalid policy does not replace. Raises ``PolicyUnavailableError`` if it is ``None``."""
    # The alarm on this metric makes AppConfig roll the deployment back.
    add_metric("PolicyInvalid")
    add_log_fields(policy_error_count=len(error.errors))
    if last_valid is None:
        raise PolicyUnavailableError from error
    return last_valid
