"""Environment variables of the background functions in the template."""

import pytest
from pydantic import ValidationError

from paynearme.events.event_publisher import DLQ_RESERVE_SECONDS
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS
from paynearme.platform.settings import EnvironmentSettings, PublishingSettings, SweepSettings
from tests.support.template import FUNCTIONS, PARAMETERS, environment_of

SETTINGS_BY_FUNCTION: dict[str, type[EnvironmentSettings]] = {
    "PublishEventsFunction": PublishingSettings,
    "SweepUnconfirmedFunction": SweepSettings,
}
functions = pytest.mark.parametrize("function", SETTINGS_BY_FUNCTION)


@functions
def test_settings_match_environment_in_template(function: str) -> None:
    variables = environment_of(function)
    fields = SETTINGS_BY_FUNCTION[function].model_fields

    assert {name for name, field in fields.items() if field.is_required()} <= {name.lower() for name in variables}
    assert {name.lower() for name in variables if not name.startswith("POWERTOOLS_")} <= set(fields)


@functions
def test_settings_missing_or_malformed_error_has_name(function: str) -> None:
    variables = {name: "7" for name in environment_of(function) if not name.startswith("POWERTOOLS_")}
    settings = SETTINGS_BY_FUNCTION[function].from_environment(variables)
    assert {str(value) for name, value in settings if name.upper() in variables} == {"7"}

    for name, field in SETTINGS_BY_FUNCTION[function].model_fields.items():
        remaining = {variable: value for variable, value in variables.items() if variable != name.upper()}
        if field.is_required():
            with pytest.raises(ValidationError, match=name):
                SETTINGS_BY_FUNCTION[function].from_environment(remaining)
        elif name.upper() in variables:
            with pytest.raises(ValidationError, match=name):
                SETTINGS_BY_FUNCTION[function].from_environment(variables | {name.upper(): "invalid"})


def test_settings_unset_times_match_template_defaults() -> None:
    settings = SweepSettings(table_name="payments")

    assert settings.unconfirmed_after_minutes == int(PARAMETERS["UnconfirmedAfterMinutes"]["Default"])
    assert settings.reservation_timeout_minutes == int(PARAMETERS["ReservationTimeoutMinutes"]["Default"])


def test_settings_timeouts_end_before_lambda_timeout() -> None:
    publish_timeout = PublishingSettings(event_bus_name="b", dead_letter_queue_url="u").publish_timeout_seconds
    sweep_timeout = SweepSettings(table_name="t").sweep_timeout_seconds

    assert publish_timeout + MAX_ATTEMPT_SECONDS < FUNCTIONS["PublishEventsFunction"]["Timeout"]
    assert sweep_timeout + MAX_ATTEMPT_SECONDS < FUNCTIONS["SweepUnconfirmedFunction"]["Timeout"]
    # Publishing gets more than half of the time.
    assert publish_timeout / 2 > DLQ_RESERVE_SECONDS
