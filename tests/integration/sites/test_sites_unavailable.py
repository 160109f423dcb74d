import json
import traceback
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ConnectionClosedError, ReadTimeoutError

from paynearme.errors import SiteKeysUnavailableError
from paynearme.platform.settings import Settings
from paynearme.sites.site import Site
from paynearme.sites.site_provider import SiteProvider
from tests.support.aws_errors import client_error
from tests.support.callback_fixtures import SITE, SITES, authorization, confirmation
from tests.support.fake_clock import Clock
from tests.support.harness import RESPONSE_TIMEOUT_SECONDS, AwsCallRecorder, LambdaFunction, SitesSecret

KEY = SITES[SITE]["secret"]
URL = "https://secretsmanager.us-east-1.amazonaws.com"


@pytest.fixture
def sites(aws_calls: AwsCallRecorder, clock: Clock) -> SiteProvider:
    return SiteProvider(Settings(sites_secret="paynearme-sites"), clock=clock)


def one_site(**changes: Any) -> dict[str, Any]:
    return {"sites": {SITE: {"version": "3.0", "secret": KEY} | changes}}


MALFORMED_SECRETS: dict[str, Any] = {
    "truncated JSON": f'{{"sites": {{"{SITE}": {{"secret": "{KEY}"',
    "empty": "{}",
    "list": [KEY],
    "list of sites": {"sites": [KEY]},
    "sites at top level": one_site()["sites"],
    "unknown field": one_site() | {"keys": KEY},
    "unknown field of a site": one_site(password=KEY),
    "missing secret": {"sites": {SITE: {"version": "3.0"}}},
    "empty secret": one_site(secret=""),
    "list as secret": one_site(secret=[KEY]),
    "empty API secret": one_site(api_secret=""),
    "unknown version": one_site(version=KEY),
    "numeric version": one_site(version=3.0),
    "unknown format": one_site(response_format=KEY),
    "invalid site identifier": {"sites": {"S#1": {"version": "3.0", "secret": KEY}}},
}


@pytest.mark.parametrize("document", MALFORMED_SECRETS.values(), ids=MALFORMED_SECRETS)
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


def test_secret_binary_is_unavailable(sites: SiteProvider, clock: Clock, sites_secret: SitesSecret) -> None:
    sites_secret.client.put_secret_value(SecretId=sites_secret.name, SecretBinary=json.dumps(one_site()).encode())

    with pytest.raises(SiteKeysUnavailableError):
        sites.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS))


def test_secret_missing_is_unavailable(sites: SiteProvider, clock: Clock, sites_secret: SitesSecret) -> None:
    sites_secret.delete()

    with pytest.raises(SiteKeysUnavailableError):
        sites.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS))
    with pytest.raises(SiteKeysUnavailableError):
        sites.refresh(clock.deadline(RESPONSE_TIMEOUT_SECONDS))


def test_site_representations_contain_no_key(sites: SiteProvider, clock: Clock) -> None:
    resolved_site = sites.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS))
    site_entry = Site.model_validate(one_site(api_secret=KEY)["sites"][SITE])

    for value in (sites, resolved_site, site_entry, vars(sites), resolved_site.model_dump(), site_entry.model_dump()):
        assert KEY not in f"{value} {value!r}"
    assert KEY not in resolved_site.model_dump_json() + site_entry.model_dump_json()


def test_sites_cached_are_used_after_secret_deleted(authorize: LambdaFunction, sites_secret: SitesSecret) -> None:
    assert authorize(authorization()).status == 200
    sites_secret.delete()

    assert authorize(authorization()).fields["accept_payment"] == "yes"


def test_secret_fixed_is_used_despite_malformed_previous(
    sites: SiteProvider, clock: Clock, sites_secret: SitesSecret
) -> None:
    sites_secret.put('{"sites": ')
    sites_secret.put(one_site())

    assert sites.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS)).identifier == SITE


def test_secret_fixed_is_used_immediately(confirm: LambdaFunction, sites_secret: SitesSecret) -> None:
    sites_secret.put('{"sites": ')
    assert confirm(confirmation()).status == 503
    sites_secret.put(one_site())
    # The previous version must also be valid.
    sites_secret.put(one_site(response_format="json"))

    assert confirm(confirmation()).status == 200


def test_secret_malformed_refresh_keeps_cached_keys(confirm: LambdaFunction, sites_secret: SitesSecret) -> None:
    assert confirm(confirmation()).status == 200
    sites_secret.put('{"sites": ')
    forged_response = confirm({**confirmation(), "signature": "0" * 64})

    assert forged_response.status in (401, 503)
    assert confirm(confirmation()).status == 200


RETRYABLE_ERRORS = {
    "throttled": client_error("ThrottlingException"),
    "internal error": client_error("InternalServiceError", 500),
    "read timeout": ReadTimeoutError(endpoint_url=URL),
    "connection closed": ConnectionClosedError(endpoint_url=URL),
}


@pytest.mark.parametrize("error", RETRYABLE_ERRORS.values(), ids=RETRYABLE_ERRORS)
def test_secret_read_retryable_error_is_retried(
    sites: SiteProvider, clock: Clock, aws_calls: AwsCallRecorder, error: Exception
) -> None:
    aws_calls.response_errors["GetSecretValue"] = [error, error, None, error]

    assert sites.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS)).identifier == SITE
    assert len(aws_calls.calls) == 5


@pytest.mark.parametrize("error", RETRYABLE_ERRORS.values(), ids=RETRYABLE_ERRORS)
def test_secret_read_always_failing_ends_within_deadline(
    sites: SiteProvider, clock: Clock, aws_calls: AwsCallRecorder, error: Exception
) -> None:
    aws_calls.request_errors["GetSecretValue"] = error
    deadline = clock.deadline(RESPONSE_TIMEOUT_SECONDS)

    with pytest.raises(SiteKeysUnavailableError):
        sites.get(SITE, deadline)
    assert len(aws_calls.calls) > 1
    assert deadline.remaining > 0


@pytest.mark.parametrize(
    "error", [client_error("AccessDeniedException"), client_error("DecryptionFailure"), BotoCoreError()]
)
def test_secret_read_permanent_error_is_not_retried(
    sites: SiteProvider, clock: Clock, aws_calls: AwsCallRecorder, error: Exception
) -> None:
    aws_calls.request_errors["GetSecretValue"] = error

    with pytest.raises(SiteKeysUnavailableError):
        sites.get(SITE, clock.deadline(RESPONSE_TIMEOUT_SECONDS))
    assert len(aws_calls.calls) == 1


def test_secret_short_deadline_reads_nothing(sites: SiteProvider, clock: Clock, aws_calls: AwsCallRecorder) -> None:
    with pytest.raises(SiteKeysUnavailableError):
        sites.get(SITE, clock.deadline(1.0))
    assert aws_calls.calls == []


def test_cached_site_callback_accepted_after_failed_refresh(
    authorize: LambdaFunction, aws_calls: AwsCallRecorder
) -> None:
    assert authorize(authorization()).status == 200
    aws_calls.request_errors["GetSecretValue"] = client_error("AccessDeniedException")
    authorize({**authorization(), "signature": "0" * 64})

    assert authorize(authorization()).fields["accept_payment"] == "yes"
