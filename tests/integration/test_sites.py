from datetime import datetime, timedelta
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parameters import base as powertools_cache

from paynearme.errors import UnknownSiteError
from paynearme.settings import REFRESH_INTERVAL_SECONDS, Settings, Sites
from tests.clock import Clock
from tests.integration.observed import ANSWER_WITHIN_SECONDS, Function, StoredSites, Traffic
from tests.integration.signed_callbacks import SITE, SITE_OF_2_0, SITES, authorization, confirmation

NEW_KEY = "f0e1d2c3b4a5968778695a4b3"
ONE_READ = ["GetSecretValue", "GetSecretValue"]
"""The current version and the previous one."""


@pytest.fixture
def sites(traffic: Traffic, clock: Clock) -> Sites:
    return Sites(Settings(sites_secret="paynearme-sites"), clock=clock)


def with_site(identifier: str, **changes: str) -> dict[str, Any]:
    site = {**SITES.get(identifier, {"version": "3.0"}), **changes}
    return {"sites": {**SITES, identifier: site}}


def keys_of(sites: Sites, clock: Clock, identifier: str = SITE) -> list[str]:
    found = sites.find(identifier, clock.deadline(ANSWER_WITHIN_SECONDS))
    return [secret.get_secret_value() for secret in found.callback_secrets]


def test_a_site_has_the_keys_and_forms_of_the_secret(sites: Sites, clock: Clock) -> None:
    for identifier, stored in SITES.items():
        site = sites.find(identifier, clock.deadline(ANSWER_WITHIN_SECONDS))

        usual = "json" if stored["version"] == "3.0" else "xml"
        assert (site.identifier, site.version) == (identifier, stored["version"])
        assert [key.get_secret_value() for key in site.callback_secrets] == [stored["secret"]]
        assert site.api_secret.get_secret_value() == stored.get("api_secret", stored["secret"])
        assert site.response_format == stored.get("response_format", usual)


@pytest.mark.parametrize("identifier", [None, "", "S1", SITE.lower()])
def test_a_site_that_is_not_ours_is_unknown(sites: Sites, clock: Clock, identifier: str | None) -> None:
    with pytest.raises(UnknownSiteError):
        sites.find(identifier, clock.deadline(ANSWER_WITHIN_SECONDS))


def test_the_secret_is_read_once_for_many_messages(sites: Sites, clock: Clock, traffic: Traffic) -> None:
    for identifier in [*SITES, *SITES]:
        sites.find(identifier, clock.deadline(ANSWER_WITHIN_SECONDS))

    assert traffic.calls == ONE_READ


def test_a_cold_function_reads_nothing_until_it_is_called(authorize: Function, traffic: Traffic) -> None:
    assert traffic.calls == []


def test_the_secret_is_read_again_when_it_is_too_old(
    sites: Sites, clock: Clock, traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Later(datetime):
        ahead = timedelta()

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime(2026, 11, 20, tzinfo=tz) + cls.ahead

    monkeypatch.setattr(powertools_cache, "datetime", Later)
    sites.find(SITE, clock.deadline(ANSWER_WITHIN_SECONDS))
    Later.ahead = timedelta(seconds=300)
    sites.find(SITE, clock.deadline(ANSWER_WITHIN_SECONDS))
    assert traffic.calls == ONE_READ

    Later.ahead = timedelta(seconds=301)
    sites.find(SITE, clock.deadline(ANSWER_WITHIN_SECONDS))
    assert traffic.calls == ONE_READ * 2


def test_how_long_the_secret_is_kept_is_a_setting(traffic: Traffic, clock: Clock) -> None:
    sites = Sites(Settings(sites_secret="paynearme-sites", sites_max_age_seconds=0))
    for _ in range(2):
        sites.find(SITE, clock.deadline(ANSWER_WITHIN_SECONDS))

    assert traffic.calls == ONE_READ * 2


def test_a_flood_of_bad_signatures_costs_one_read_per_half_minute(
    sites: Sites, clock: Clock, traffic: Traffic
) -> None:
    started = clock.now
    sites.find(SITE, clock.deadline(ANSWER_WITHIN_SECONDS))
    fresh = []
    for second in range(2 * REFRESH_INTERVAL_SECONDS):
        clock.now = started + second
        fresh.append(sites.refresh(clock.deadline(ANSWER_WITHIN_SECONDS)))

    assert [second for second, read in enumerate(fresh) if read] == [0, REFRESH_INTERVAL_SECONDS]
    assert traffic.calls == ONE_READ * 3


def test_forged_callbacks_of_all_kinds_cost_a_function_one_read_more(
    authorize: Function, traffic: Traffic
) -> None:
    valid = authorization()
    forged = [
        {**valid, "signature": "0" * 64},
        {**valid, "site_identifier": "S1"},
        {**valid, "version": "2.0"},
    ]

    assert {authorize(parameters).status for parameters in forged * 5} == {401}
    assert traffic.calls == ONE_READ * 2


def test_a_new_site_is_heard_at_once(authorize: Function, stored_sites: StoredSites) -> None:
    assert authorize(authorization()).status == 200
    stored_sites.put(with_site("S77", secret=NEW_KEY))

    assert authorize(authorization(site_identifier="S77", secret=NEW_KEY)).status == 200


def test_a_rotated_key_is_heard_at_once_and_the_former_one_still(
    authorize: Function, stored_sites: StoredSites
) -> None:
    assert authorize(authorization()).status == 200
    stored_sites.put(with_site(SITE, secret=NEW_KEY))

    assert authorize(authorization(secret=NEW_KEY)).status == 200
    assert authorize(authorization()).status == 200


def test_a_key_two_rotations_old_is_no_longer_heard(
    sites: Sites, clock: Clock, stored_sites: StoredSites
) -> None:
    for key in ("second-key", NEW_KEY):
        stored_sites.put(with_site(SITE, secret=key))

    assert keys_of(sites, clock) == [NEW_KEY, "second-key"]


def test_a_change_of_something_else_leaves_one_key(
    sites: Sites, clock: Clock, stored_sites: StoredSites
) -> None:
    stored_sites.put(with_site("S77", secret=NEW_KEY))

    assert keys_of(sites, clock) == [SITES[SITE]["secret"]]
    assert keys_of(sites, clock, "S77") == [NEW_KEY]


def test_calls_are_signed_with_the_newest_key(sites: Sites, clock: Clock, stored_sites: StoredSites) -> None:
    stored_sites.put(with_site(SITE, secret=NEW_KEY))

    assert sites.find(SITE, clock.deadline(ANSWER_WITHIN_SECONDS)).api_secret.get_secret_value() == NEW_KEY


def test_an_md5_key_does_not_outlive_the_change_to_hmac(
    confirm: Function, sites: Sites, clock: Clock, stored_sites: StoredSites
) -> None:
    by_md5 = confirmation(site_identifier=SITE_OF_2_0, version="2.0")
    assert confirm(by_md5).status == 200
    stored_sites.put(with_site(SITE_OF_2_0, version="3.0", secret=NEW_KEY))
    assert keys_of(sites, clock, SITE_OF_2_0) == [NEW_KEY]

    assert confirm(confirmation(site_identifier=SITE_OF_2_0, secret=NEW_KEY)).status == 200
    assert confirm(by_md5).status == 401
    assert confirm(confirmation(site_identifier=SITE_OF_2_0)).status == 401
