"""The policy in force: read from AppConfig, kept for a minute, and never displaced by a broken one."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.utilities.parameters import AppConfigProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from paynearme import telemetry
from paynearme.aws import CLIENT_CONFIG, MAX_ATTEMPT_SECONDS, is_retryable
from paynearme.deadline import Deadline
from paynearme.errors import PolicyInvalidError, PolicyUnavailableError
from paynearme.policy import DEFAULT_TEXTS, PolicyDocument, Reason, SitePolicy, ConsumerText, read_policy
from paynearme.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_appconfigdata import AppConfigDataClient

REFRESH_SECONDS = 1.5
"""The most that a look for a newer policy may take while there is one that holds."""

_read = lru_cache(maxsize=2)(read_policy)


class _AppConfigSource(AppConfigProvider):
    """Powertools' cache over the deployed document, with the last good one behind it."""

    def __init__(self, settings: Settings, client: "AppConfigDataClient") -> None:
        super().__init__(
            environment=settings.policy_environment,
            application=settings.policy_application,
            boto3_client=client,
        )
        self.last_good: PolicyDocument | None = None

    def _get(self, name: str, **sdk_options: Any) -> Any:
        deadline: Deadline = sdk_options["deadline"]
        if self.last_good:
            deadline = deadline.within(REFRESH_SECONDS)
        try:
            self.last_good = self._fetch(name, deadline)
        except PolicyInvalidError as error:
            # The alarm on this metric makes AppConfig roll the deployment back.
            telemetry.add_metric("PolicyInvalid")
            telemetry.add_log_fields(policy_error_count=len(error.errors))
            if self.last_good is None:
                raise
        except Exception as error:
            if self.last_good is None:
                raise
            telemetry.add_metric("PolicyRefreshFailed")
            telemetry.add_log_fields(policy_error=type(error).__name__)
        return self.last_good

    def _fetch(self, name: str, deadline: Deadline) -> PolicyDocument:
        def get_content() -> bytes:
            try:
                return AppConfigProvider._get(self, name)
            except Exception:
                # A token is good for one call, and nobody knows whether this one was used up.
                self._next_token.pop(name, None)
                raise

        try:
            content = deadline.retrying(is_retryable, MAX_ATTEMPT_SECONDS)(deadline.run, get_content)
        except TimeoutError:
            self._next_token.pop(name, None)
            raise
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise PolicyInvalidError(["not readable as UTF-8"]) from None
        return _read(text)


class PolicyProvider:
    """The sites' policies, as the document in force has them."""

    def __init__(self, settings: Settings, client: "AppConfigDataClient | None" = None) -> None:
        """Take from ``settings`` where the document is and how long to keep it; read nothing yet."""
        self._profile = settings.policy_profile
        self._cache_seconds = settings.policy_cache_seconds
        self._source = _AppConfigSource(settings, client or boto3.client("appconfigdata", config=CLIENT_CONFIG))

    def get(self, site_identifier: str, deadline: Deadline) -> SitePolicy:
        """Return the policy that is in force for a site.

        Raises ``PolicyUnavailableError`` when none can be read in time, or what can be read is not valid,
        and none was read before.
        """
        try:
            document: Any = self._source.get(self._profile, max_age=self._cache_seconds, deadline=deadline)
        except GetParameterError:
            raise PolicyUnavailableError from None
        policy: SitePolicy = document.for_site(site_identifier)
        telemetry.add_log_fields(policy_version=policy.version)
        return policy

    def get_cached(self, site_identifier: str, deadline: Deadline) -> SitePolicy | None:
        """Return the policy of a site, or None where there is none at hand: for whom it is no need."""
        try:
            return self.get(site_identifier, deadline.within(REFRESH_SECONDS))
        except PolicyUnavailableError:
            telemetry.add_metric("PolicyUnavailable")
            return None

    def fallback_text(self, site_identifier: str) -> ConsumerText:
        """Return what a consumer reads when nothing can be decided. Reads nothing anew."""
        document = self._source.last_good
        reason = Reason.CANNOT_DECIDE_NOW
        return document.for_site(site_identifier).text(reason) if document else DEFAULT_TEXTS[reason]
