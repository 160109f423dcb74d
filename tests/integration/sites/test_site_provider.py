import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from paynearme.errors import SiteKeysUnavailableError, UnknownSiteError
from paynearme.platform.settings import Settings
from paynearme.protocol.signing import verify
from paynearme.sites.site_provider import REFRESH_INTERVAL_SECONDS, REFRESH_SECONDS, SiteProvider
from tests.support.aws_errors import client_error
from tests.support.callback_fixtures import SITE, SITE_OF_2_0, SITES, authorization, confirmation, site_changes
from tests.support.fake_clock import Clock
from tests.support.harness import RESPONSE_TIMEOUT_SECONDS, AwsCallRecorder, CapturedOutput, LambdaFunction, SitesSecret
from tests.support.message_fixtures import valid_smart_token_request
from tests.support.paynearme_stub import PayNearMeStub

NEW_KEY = "f0e1d2c3b4a5968778695a4b3"
PREVIOUS_KEY = "1a2b3c4d5e6f708192a3b4c5d"
KEY = SITES[SITE]["secret"]
ONE_READ = ["GetSecretValue", "GetSecretValue"]
"""The requests for the current and the previous version."""


@pytest.fixture
def sites(aws_calls: AwsCallRecorder, clock: Clock) -> SiteProvider:
    return SiteProvider(Settings(sites_secret="paynearme-sites"), clock=clock)


def with_site(identifier: str = SITE, **changes: str) -> dict[str, Any]:
    site = {**SITES.get(identifier, {"version": "3.0"}), **changes}
    return {"sites": {**SITES, identifier: site}}


def keys_of(sites: SiteProvider, clock: Clock, identifier: str = SITE) -> list[str]:
    site = sites.get(identifier, clock.deadline(RESPONSE_TIMEOUT_SECONDS))
    return [secret.get_secret_value() for secret in site.callback_secrets]


def test_site_has_keys_and_response_format_from_secret(
    sites: SiteProvider, clock: Clock, aws_calls: AwsCallRecorder
) -> None:
    for identifier, entry in SITES.items():
        site = sites.get(identifier, clock.deadline(RESPONSE_TIMEOUT_SECONDS))

        default_format = "json" if entry["version"] == "3.0" else "xml"
        assert (site.identifier, site.version) == (identifier, entry["version"])
        assert [key.get_secret_value() for key in site.callback_secrets] == [entry["secret"]]
        assert site.api_secret.get_secret_value() == entry.get("api_secret", entry["secret"])
        assert site.response_format == entry.get("response_format", default_format)
    for unknown_identifier in (None, "S1", SITE.lower()):
        with pytest.raises(UnknownSiteError):
            sites.get(unknown_identifier, clock.deadline(RESPONSE_TIMEOUT_SECONDS))
    assert aws_calls.calls == ONE_READ


def test_secret_not_read_before_first_invocation(authorize: LambdaFunction, aws_calls: AwsCallRecorder) -> None:
    assert aws_calls.calls == []


@pytest.mark.parametrize(("cache_seconds", "reads"), [(300, [1, 1, 2]), (0, [1, 2, 3])])
def test_secret_read_again_after_cache_seconds(
    aws_calls: AwsCallRecorder, clock: Clock, cache_seconds: int, reads: list[int]
) -> None:
    sites = SiteProvider(Settings(sites_secret="paynearme-sites", sites_cache_seconds=cache_seconds), clock=clock)
    for seconds, read_count in zip((0, 299, 1), reads, strict=True):
        clock.advance(seconds)
        sites.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS))
        assert aws_calls.calls == ONE_READ * read_count


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
    changes = [{"signature": "0" * 64}, {"site_identifier": "S1"}, {"version": "2.0"}]

    assert {authorize({**authorization(), **change}).status for change in changes * 5} == {401}
    assert aws_calls.calls == ONE_READ * 2


def test_new_site_callback_accepted_immediately(authorize: LambdaFunction, sites_secret: SitesSecret) -> None:
    assert authorize(authorization()).status == 200
    sites_secret.put(with_site("S77", secret=NEW_KEY))

    assert authorize(authorization(site_identifier="S77", secret=NEW_KEY)).status == 200


# Rotation.


def test_rotated_key_accepted_immediately_with_previous_key(
    authorize: LambdaFunction, sites_secret: SitesSecret
) -> None:
    assert authorize(authorization()).status == 200
    sites_secret.put(with_site(secret=NEW_KEY))

    assert authorize(authorization(secret=NEW_KEY)).status == 200
    assert authorize(authorization()).status == 200


def test_rotated_key_expires_after_second_rotation(
    sites: SiteProvider, clock: Clock, sites_secret: SitesSecret
) -> None:
    for key in ("second-key", NEW_KEY):
        sites_secret.put(with_site(secret=key))

    assert keys_of(sites, clock) == [NEW_KEY, "second-key"]
    sites_secret.put({"sites": {**with_site(secret=NEW_KEY)["sites"], "S77": {"version": "3.0", "secret": "x"}}})
    clock.advance(300)
    assert keys_of(sites, clock) == [NEW_KEY]


def test_md5_key_expires_after_change_to_hmac(confirm: LambdaFunction, sites_secret: SitesSecret) -> None:
    md5_message = confirmation(site_identifier=SITE_OF_2_0, version="2.0")
    assert confirm(md5_message).status == 200
    sites_secret.put(with_site(SITE_OF_2_0, version="3.0", secret=NEW_KEY))

    assert confirm(confirmation(site_identifier=SITE_OF_2_0, secret=NEW_KEY)).status == 200
    assert confirm(md5_message).status == 401
    assert confirm(confirmation(site_identifier=SITE_OF_2_0)).status == 401


# ``previous_secret``: a key that verifies callbacks until the operator removes it.


def test_previous_secret_and_rotated_keys_verify_only_for_site(
    authorize: LambdaFunction, sites_secret: SitesSecret
) -> None:
    sites_secret.put(with_site(secret=NEW_KEY, previous_secret=PREVIOUS_KEY))

    for key in (NEW_KEY, PREVIOUS_KEY, KEY):
        assert authorize(authorization(secret=key)).status == 200
    for key in ("x", NEW_KEY + PREVIOUS_KEY, "None", "**********"):
        assert authorize(authorization(secret=key)).status == 401
    for site in {name for name, entry in SITES.items() if entry["version"] == "3.0"} - {SITE}:
        assert authorize(authorization(site_identifier=site, secret=PREVIOUS_KEY)).status == 401


def test_previous_secret_does_not_sign_calls(
    sites_secret: SitesSecret, get_smart_token: LambdaFunction, paynearme: PayNearMeStub
) -> None:
    sites_secret.put(with_site(secret=NEW_KEY, previous_secret=PREVIOUS_KEY))

    assert get_smart_token(valid_smart_token_request()).status == 200

    [sent] = paynearme.sent
    verify(sent, sent["signature"], [NEW_KEY], "3.0")


def test_previous_secret_kept_after_changes_of_other_sites(
    authorize: LambdaFunction, sites_secret: SitesSecret
) -> None:
    document = with_site(secret=NEW_KEY, previous_secret=PREVIOUS_KEY)
    for number in ("S1", "S2"):
        document["sites"][number] = {"version": "3.0", "secret": "another"}
        sites_secret.put(document)

    assert authorize(authorization(secret=PREVIOUS_KEY)).status == 200
    assert authorize(authorization(secret=KEY)).status == 401


def test_previous_secret_removed_returns_401(authorize: LambdaFunction, sites_secret: SitesSecret) -> None:
    sites_secret.put(with_site(secret=NEW_KEY, previous_secret=PREVIOUS_KEY))
    sites_secret.put(with_site(secret=NEW_KEY))

    assert authorize(authorization(secret=PREVIOUS_KEY)).status == 401
    assert authorize(authorization(secret=NEW_KEY)).status == 200


# A secret that cannot be read.


def one_site(**changes: Any) -> dict[str, Any]:
    return {"sites": {SITE: {"version": "3.0", "secret": KEY} | changes}}


@pytest.mark.parametrize(
    "document",
    [
        f'{{"sites": {{"{SITE}": {{"secret": "{KEY}"',
        {"sites": [KEY]},
        *(one_site(secret=""), one_site(previous_secret=""), one_site(version=KEY)),
    ],
    ids=range(5),
)
def test_secret_malformed_unavailable_error_contains_no_key(
    sites: SiteProvider, clock: Clock, sites_secret: SitesSecret, document: object
) -> None:
    sites_secret.put(document)

    with pytest.raises(SiteKeysUnavailableError) as raised:
        sites.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS))

    error: BaseException | None = raised.value
    assert KEY not in "".join(traceback.format_exception(raised.value))
    while error:
        assert KEY not in f"{error} {error!r} {error.args}"
        error = error.__context__


def test_secret_binary_or_missing_is_unavailable(sites: SiteProvider, clock: Clock, sites_secret: SitesSecret) -> None:
    sites_secret.client.put_secret_value(SecretId=sites_secret.name, SecretBinary=json.dumps(one_site()).encode())
    with pytest.raises(SiteKeysUnavailableError):
        sites.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS))
    sites_secret.delete()
    with pytest.raises(SiteKeysUnavailableError):
        sites.refresh(clock.deadline(RESPONSE_TIMEOUT_SECONDS))


def test_site_representations_contain_no_key(sites: SiteProvider, clock: Clock) -> None:
    resolved_site = sites.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS))

    for value in (sites, resolved_site, vars(sites), resolved_site.model_dump(), resolved_site.model_dump_json()):
        assert KEY not in f"{value} {value!r}"


def test_secret_fixed_is_used_immediately(confirm: LambdaFunction, sites_secret: SitesSecret) -> None:
    sites_secret.put('{"sites": ')
    assert confirm(confirmation()).status == 503
    # The previous version is still malformed.
    sites_secret.put(one_site())

    assert confirm(confirmation()).status == 200


def test_malformed_entry_affects_one_site_until_fixed(
    confirm: LambdaFunction, authorize: LambdaFunction, sites_secret: SitesSecret, captured_output: CapturedOutput
) -> None:
    sites_secret.put({"sites": {**SITES, SITE: {"version": KEY, "secret": KEY}, f"#{KEY}": None}})

    assert confirm(confirmation()).status == 503
    assert authorize(authorization()).status == 200
    assert authorize({**authorization(), "site_identifier": "S1"}).status == 401
    assert confirm(confirmation(**site_changes(SITE_OF_2_0))).status == 200
    assert {tuple(line["invalid_sites"]) for line in captured_output.logs() if "invalid_sites" in line} == {
        (SITE, "(malformed)")
    }
    # Each function read the secret once, and `authorize` again for the unknown site.
    assert captured_output.metric_total("SiteInvalid") == 2 * 3
    assert KEY not in captured_output.text()

    sites_secret.put(one_site())
    assert confirm(confirmation()).status == 200


def test_malformed_entry_keeps_valid_entry_until_revoked(
    sites: SiteProvider, clock: Clock, sites_secret: SitesSecret
) -> None:
    assert keys_of(sites, clock) == [KEY]
    for malformed in ({"secret": " "}, {"version": "1"}):
        sites_secret.put(with_site(**malformed))
        clock.advance(301)
        # The previous version of the secret has no other valid key.
        assert keys_of(sites, clock) == [KEY]
    sites_secret.put(with_site(secret=NEW_KEY))
    clock.advance(301)
    assert keys_of(sites, clock) == [NEW_KEY]
    sites_secret.put({"sites": {SITE: {"version": "3.0", "secret": NEW_KEY, "disabled": True}}})
    clock.advance(301)
    with pytest.raises(UnknownSiteError):
        keys_of(sites, clock)


FAILURES: dict[str, Any] = {
    "trailing comma": '{"sites": {},}',
    "empty": " ",
    "no sites": {},
    "deleted": None,
    "error": client_error("AccessDeniedException"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_failed_refresh_keeps_keys_and_is_counted(
    advance_clock: Callable[[float], None],
    confirm: LambdaFunction,
    sites_secret: SitesSecret,
    aws_calls: AwsCallRecorder,
    captured_output: CapturedOutput,
    failure: Any,
) -> None:
    assert confirm(confirmation()).status == 200
    if failure is None:
        sites_secret.delete()
    elif isinstance(failure, Exception):
        aws_calls.request_errors["GetSecretValue"] = failure
    else:
        sites_secret.put(failure)
    for seconds in (300, 29, 1, 10_000):
        advance_clock(seconds)
        assert confirm(confirmation()).status == 200
    assert confirm({**confirmation(), "signature": "0" * 64}).status == 401

    # After 300 s, after 30 s more, after 10,000 s more, and for the wrong signature.
    assert captured_output.metric_total("SiteKeysRefreshFailed") == 4
    assert len([line for line in captured_output.logs() if "site_keys_error" in line]) == 4


def test_refresh_with_cached_keys_has_limited_time(
    sites: SiteProvider, clock: Clock, aws_calls: AwsCallRecorder
) -> None:
    keys_of(sites, clock)
    aws_calls.request_errors["GetSecretValue"] = client_error("ThrottlingException")
    clock.advance(300)
    started = clock.now
    assert keys_of(sites, clock) == [KEY]
    assert clock.now - started <= REFRESH_SECONDS


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException"])
def test_secret_read_always_failing_ends_within_deadline(
    sites: SiteProvider, clock: Clock, aws_calls: AwsCallRecorder, code: str
) -> None:
    aws_calls.request_errors["GetSecretValue"] = client_error(code)
    deadline = clock.deadline(RESPONSE_TIMEOUT_SECONDS)

    with pytest.raises(SiteKeysUnavailableError):
        sites.get(SITE, deadline)
    assert (len(aws_calls.calls) > 1) is (code == "ThrottlingException")
    assert deadline.remaining > 0
