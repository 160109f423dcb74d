from typing import Any

import pytest

from paynearme.errors import UnknownSiteError
from paynearme.platform.settings import Settings
from paynearme.sites.site_provider import REFRESH_INTERVAL_SECONDS, SiteProvider
from tests.support.callback_fixtures import SITE, SITE_OF_2_0, SITES, authorization, confirmation
from tests.support.fake_clock import Clock
from tests.support.harness import RESPONSE_TIMEOUT_SECONDS, AwsCallRecorder, LambdaFunction, SitesSecret

NEW_KEY = "f0e1d2c3b4a5968778695a4b3"
ONE_READ = ["GetSecretValue", "GetSecretValue"]
"""The requests for the current and the previous version."""


@pytest.fixture
def sites(aws_calls: AwsCallRecorder, clock: Clock) -> SiteProvider:
    return SiteProvider(Settings(sites_secret="paynearme-sites"), clock=clock)


def with_site(identifier: str, **changes: str) -> dict[str, Any]:
    site = {**SITES.get(identifier, {"version": "3.0"}), **changes}
    return {"sites": {**SITES, identifier: site}}


def keys_of(sites: SiteProvider, clock: Clock, identifier: str = SITE) -> list[str]:
    site = sites.get(identifier, clock.deadline(RESPONSE_TIMEOUT_SECONDS))
    return [secret.get_secret_value() for secret in site.callback_secrets]


def test_site_has_keys_and_response_format_from_secret(sites: SiteProvider, clock: Clock) -> None:
    for identifier, entry in SITES.items():
        site = sites.get(identifier, clock.deadline(RESPONSE_TIMEOUT_SECONDS))

        default_format = "json" if entry["version"] == "3.0" else "xml"
        assert (site.identifier, site.version) == (identifier, entry["version"])
        assert [key.get_secret_value() for key in site.callback_secrets] == [entry["secret"]]
        assert site.api_secret.get_secret_value() == entry.get("api_secret", entry["secret"])
        assert site.response_format == entry.get("response_format", default_format)


@pytest.mark.parametrize("identifier", [None, "", "S1", SITE.lower()])
def test_site_not_in_secret_raises_unknown_site(sites: SiteProvider, clock: Clock, identifier: str | None) -> None:
    with pytest.raises(UnknownSiteError):
        sites.get(identifier, clock.deadline(RESPONSE_TIMEOUT_SECONDS))


def test_secret_read_once_for_all_sites(sites: SiteProvider, clock: Clock, aws_calls: AwsCallRecorder) -> None:
    for identifier in [*SITES, *SITES]:
        sites.get(identifier, clock.deadline(RESPONSE_TIMEOUT_SECONDS))

    assert aws_calls.calls == ONE_READ


def test_secret_not_read_before_first_invocation(authorize: LambdaFunction, aws_calls: AwsCallRecorder) -> None:
    assert aws_calls.calls == []


def test_secret_read_again_after_cache_expires(sites: SiteProvider, clock: Clock, aws_calls: AwsCallRecorder) -> None:
    sites.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS))
    clock.advance(299)
    sites.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS))
    assert aws_calls.calls == ONE_READ

    clock.advance(1)
    sites.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS))
    assert aws_calls.calls == ONE_READ * 2


def test_secret_cache_seconds_from_setting(aws_calls: AwsCallRecorder, clock: Clock) -> None:
    sites = SiteProvider(Settings(sites_secret="paynearme-sites", sites_cache_seconds=0))
    for _ in range(2):
        sites.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS))

    assert aws_calls.calls == ONE_READ * 2


def test_secret_refreshed_once_per_interval(sites: SiteProvider, clock: Clock, aws_calls: AwsCallRecorder) -> None:
    started = clock.now
    sites.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS))
    reads = []
    for second in range(2 * REFRESH_INTERVAL_SECONDS):
        clock.now = started + second
        reads.append(sites.refresh(clock.deadline(RESPONSE_TIMEOUT_SECONDS)))

    assert [second for second, was_read in enumerate(reads) if was_read] == [0, REFRESH_INTERVAL_SECONDS]
    assert aws_calls.calls == ONE_READ * 3


def test_forged_callbacks_refresh_secret_once(authorize: LambdaFunction, aws_calls: AwsCallRecorder) -> None:
    valid_message = authorization()
    forged = [
        {**valid_message, "signature": "0" * 64},
        {**valid_message, "site_identifier": "S1"},
        {**valid_message, "version": "2.0"},
    ]

    assert {authorize(parameters).status for parameters in forged * 5} == {401}
    assert aws_calls.calls == ONE_READ * 2


def test_new_site_callback_accepted_immediately(authorize: LambdaFunction, sites_secret: SitesSecret) -> None:
    assert authorize(authorization()).status == 200
    sites_secret.put(with_site("S77", secret=NEW_KEY))

    assert authorize(authorization(site_identifier="S77", secret=NEW_KEY)).status == 200


def test_rotated_key_accepted_immediately_with_previous_key(
    authorize: LambdaFunction, sites_secret: SitesSecret
) -> None:
    assert authorize(authorization()).status == 200
    sites_secret.put(with_site(SITE, secret=NEW_KEY))

    assert authorize(authorization(secret=NEW_KEY)).status == 200
    assert authorize(authorization()).status == 200


def test_rotated_key_expires_after_second_rotation(
    sites: SiteProvider, clock: Clock, sites_secret: SitesSecret
) -> None:
    for key in ("second-key", NEW_KEY):
        sites_secret.put(with_site(SITE, secret=key))

    assert keys_of(sites, clock) == [NEW_KEY, "second-key"]


def test_secret_change_without_rotation_leaves_one_key(
    sites: SiteProvider, clock: Clock, sites_secret: SitesSecret
) -> None:
    sites_secret.put(with_site("S77", secret=NEW_KEY))

    assert keys_of(sites, clock) == [SITES[SITE]["secret"]]
    assert keys_of(sites, clock, "S77") == [NEW_KEY]


def test_call_signing_key_is_newest_key(sites: SiteProvider, clock: Clock, sites_secret: SitesSecret) -> None:
    sites_secret.put(with_site(SITE, secret=NEW_KEY))

    assert sites.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS)).api_secret.get_secret_value() == NEW_KEY


def test_md5_key_expires_after_change_to_hmac(
    confirm: LambdaFunction, sites: SiteProvider, clock: Clock, sites_secret: SitesSecret
) -> None:
    md5_message = confirmation(site_identifier=SITE_OF_2_0, version="2.0")
    assert confirm(md5_message).status == 200
    sites_secret.put(with_site(SITE_OF_2_0, version="3.0", secret=NEW_KEY))
    assert keys_of(sites, clock, SITE_OF_2_0) == [NEW_KEY]

    assert confirm(confirmation(site_identifier=SITE_OF_2_0, secret=NEW_KEY)).status == 200
    assert confirm(md5_message).status == 401
    assert confirm(confirmation(site_identifier=SITE_OF_2_0)).status == 401
