"""What the template tells the functions that Lambda calls by itself."""

import pytest
from pydantic import ValidationError

from paynearme.aws import LONGEST_ATTEMPT_SECONDS
from paynearme.publishing import FOR_DEAD_LETTERS_SECONDS
from paynearme.settings import Environment, PublishingSettings, WatchingSettings
from tests.template import FUNCTIONS, PARAMETERS, environment_of

TOLD: dict[str, type[Environment]] = {
    "PublishEventsFunction": PublishingSettings,
    "SweepUnconfirmedFunction": WatchingSettings,
}
functions = pytest.mark.parametrize("function", TOLD)


@functions
def test_it_is_told_what_it_reads_and_nothing_else(function: str) -> None:
    told = environment_of(function)
    fields = TOLD[function].model_fields

    assert {name for name, field in fields.items() if field.is_required()} <= {name.lower() for name in told}
    assert {name.lower() for name in told if not name.startswith("POWERTOOLS_")} <= set(fields)


@functions
def test_what_is_missing_or_malformed_is_an_error_that_names_it(function: str) -> None:
    told = {name: "7" for name in environment_of(function) if not name.startswith("POWERTOOLS_")}
    settings = TOLD[function].from_environment(told)
    assert {str(value) for name, value in settings if name.upper() in told} == {"7"}

    for name, field in TOLD[function].model_fields.items():
        without = {variable: value for variable, value in told.items() if variable != name.upper()}
        if field.is_required():
            with pytest.raises(ValidationError, match=name):
                TOLD[function].from_environment(without)
        elif name.upper() in told:
            with pytest.raises(ValidationError, match=name):
                TOLD[function].from_environment(told | {name.upper(): "soon"})


def test_an_unset_time_is_the_templates_own() -> None:
    settings = WatchingSettings(table_name="payments")

    assert settings.unconfirmed_after_minutes == int(PARAMETERS["UnconfirmedAfterMinutes"]["Default"])
    assert settings.release_after_minutes == int(PARAMETERS["ReleaseAfterMinutes"]["Default"])


def test_each_stops_by_itself_before_lambda_stops_it() -> None:
    publishing = PublishingSettings(event_bus_name="b", dead_letters_url="u").publish_within_seconds
    watching = WatchingSettings(table_name="t").watch_within_seconds

    assert publishing + LONGEST_ATTEMPT_SECONDS < FUNCTIONS["PublishEventsFunction"]["Timeout"]
    assert watching + LONGEST_ATTEMPT_SECONDS < FUNCTIONS["SweepUnconfirmedFunction"]["Timeout"]
    # Most of the time is the bus's.
    assert publishing / 2 > FOR_DEAD_LETTERS_SECONDS
