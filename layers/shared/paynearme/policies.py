"""The policy in force: read from AppConfig, kept for a minute, and never displaced by a broken one."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools.utilities.parameters import AppConfigProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from paynearme import telemetry
from paynearme.aws import CLIENT_CONFIG, LONGEST_ATTEMPT_SECONDS, is_transient
from paynearme.deadline import Deadline
from paynearme.errors import PolicyInvalidError, PolicyUnavailableError
from paynearme.policy import DEFAULT_TEXTS, PolicyDocument, Reason, SitePolicy, Text, read_policy
from paynearme.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_appconfigdata import AppConfigDataClient

REFRESH_SECONDS = 1.5
"""The most that a look for a newer policy may take while there is one that holds."""

_read = lru_cache(maxsize=2)(read_policy)


class _Deployed(AppConfigProvider):
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
            self.last_good = self._look(name, deadline)
        except PolicyInvalidError as error:
            # The alarm on this metric makes AppConfig roll the deployment back.
            telemetry.count("PolicyInvalid")
            telemetry.note(policy_error_count=len(error.faults))
            if self.last_good is None:
                raise
        except Exception as error:
            if self.last_good is None:
                raise
            telemetry.count("PolicyRefreshFailed")
            telemetry.note(policy_error=type(error).__name__)
        return self.last_good

    def _look(self, name: str, deadline: Deadline) -> PolicyDocument:
        def fetch() -> bytes:
            try:
                return AppConfigProvider._get(self, name)
            except Exception:
                # A token is good for one call, and nobody knows whether this one was used up.
                self._next_token.pop(name, None)
                raise

        try:
            content = deadline.retrying(is_transient, LONGEST_ATTEMPT_SECONDS)(deadline.bound, fetch)
        except TimeoutError:
            self._next_token.pop(name, None)
            raise
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise PolicyInvalidError(["not readable as UTF-8"]) from None
        return _read(text)


class Policies:
    """The sites' policies, as the document in force has them."""

    def __init__(self, settings: Settings, client: "AppConfigDataClient | None" = None) -> None:
        """Take from ``settings`` where the document is and how long to keep it; read nothing yet."""
        self._profile = settings.policy_profile
        self._max_age = settings.policy_max_age_seconds
        self._deployed = _Deployed(settings, client or boto3.client("appconfigdata", config=CLIENT_CONFIG))

    def find(self, site_identifier: str, deadline: Deadline) -> SitePolicy:
        """Return the policy that is in force for a site.

        Raises ``PolicyUnavailableError`` when none can be read in time, or what can be read is not valid,
        and none was read before.
        """
        try:
            document: Any = self._deployed.get(self._profile, max_age=self._max_age, deadline=deadline)
        except GetParameterError:
            raise PolicyUnavailableError from None
        policy: SitePolicy = document.of(site_identifier)
        telemetry.note(policy_version=policy.version)
        return policy

    def find_quickly(self, site_identifier: str, deadline: Deadline) -> SitePolicy | None:
        """Return the policy of a site, or None where there is none at hand: for whom it is no need."""
        try:
            return self.find(site_identifier, deadline.within(REFRESH_SECONDS))
        except PolicyUnavailableError:
            telemetry.count("PolicyUnavailable")
            return None

    def text_without_decision(self, site_identifier: str) -> Text:
        """Return what a consumer reads when nothing can be decided. Reads nothing anew."""
        document = self._deployed.last_good
        reason = Reason.CANNOT_DECIDE_NOW
        return document.of(site_identifier).text(reason) if document else DEFAULT_TEXTS[reason]
