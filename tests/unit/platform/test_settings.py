"""Environment variables of the background functions in the template."""

import pytest
from pydantic import ValidationError

from paynearme.events.event_publisher import DLQ_RESERVE_SECONDS
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS
from paynearme.platform.settings import PublishingSettings, SweepSettings
from tests.support.template import FUNCTIONS


def test_settings_missing_or_malformed_error_has_name() -> None:
    variables = {"TABLE_NAME": "payments", "UNCONFIRMED_AFTER_MINUTES": "7", "OTHER": "x"}
    assert SweepSettings.from_environment(variables) == SweepSettings(
        table_name="payments", unconfirmed_after_minutes=7
    )
    with pytest.raises(ValidationError, match="table_name"):
        SweepSettings.from_environment({})
    with pytest.raises(ValidationError, match="unconfirmed_after_minutes"):
        SweepSettings.from_environment(variables | {"UNCONFIRMED_AFTER_MINUTES": "invalid"})


def test_settings_timeouts_end_before_lambda_timeout() -> None:
    publish_timeout = PublishingSettings(event_bus_name="b", dead_letter_queue_url="u").publish_timeout_seconds
    sweep_timeout = SweepSettings(table_name="t").sweep_timeout_seconds

    assert publish_timeout + MAX_ATTEMPT_SECONDS < FUNCTIONS["PublishEventsFunction"]["Timeout"]
    assert sweep_timeout + MAX_ATTEMPT_SECONDS < FUNCTIONS["SweepUnconfirmedFunction"]["Timeout"]
    # Publishing gets more than half of the time.
    assert publish_timeout / 2 > DLQ_RESERVE_SECONDS
