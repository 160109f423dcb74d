"""Settings of the functions, from environment variables that the template sets."""

import os
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict


class EnvironmentSettings(BaseModel):
    """Settings from environment variables with the names of the fields in capitals."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the settings. Raises pydantic's ``ValidationError`` if one is missing or malformed."""
        names = {name: name.upper() for name in cls.model_fields}
        return cls.model_validate({n: environment[e] for n, e in names.items() if e in environment})


class PublishingSettings(EnvironmentSettings):
    """Settings of ``publish_events``."""

    event_bus_name: str
    dead_letter_queue_url: str
    # DynamoDB deletes stream records after 24 hours. Older records than this go to the dead-letter queue.
    max_event_age_seconds: int = 6 * 60 * 60
    # Lambda ends the function after 60 seconds.
    publish_timeout_seconds: float = 45.0


class SweepSettings(EnvironmentSettings):
    """Settings of ``sweep_unconfirmed``."""

    table_name: str
    unconfirmed_after_minutes: int = 60
    reservation_timeout_minutes: int = 24 * 60
    # Lambda ends the function after 60 seconds.
    sweep_timeout_seconds: float = 45.0


class Settings(EnvironmentSettings):
    """Settings of the callbacks, of the backend API and of the quarantine, which has no access to the sites' secret."""

    sites_secret: str = ""
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
    # Never in production: PayNearMe would retry the confirmations of an annotated order until it stops trying.
    certification_hooks: bool = False
    # Lambda sets it.
    aws_lambda_function_version: str = ""
    # PayNearMe waits 10 seconds in total, including the network and a cold start.
    response_timeout_seconds: float = 6.5
    # The backend waits longer than PayNearMe, so a slow PayNearMe gets more time.
    call_timeout_seconds: float = 7.0
    # Lambda ends the function of the operators after 60 seconds.
    operator_timeout_seconds: float = 45.0
