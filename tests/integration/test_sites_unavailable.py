import json
import traceback
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, ReadTimeoutError

from paynearme.errors import SiteKeysUnavailableError
from paynearme.settings import Settings, Site, Sites
from tests.clock import Clock
from tests.integration.observed import ANSWER_WITHIN_SECONDS, Function, StoredSites, Traffic
from tests.integration.signed_callbacks import SITE, SITES, authorization, confirmation

KEY = SITES[SITE]["secret"]
URL = "https://secretsmanager.us-east-1.amazonaws.com"


@pytest.fixture
def sites(traffic: Traffic, clock: Clock) -> Sites:
    return Sites(Settings(sites_secret="paynearme-sites"), clock=clock)


def one_site(**changes: Any) -> dict[str, Any]:
    return {"sites": {SITE: {"version": "3.0", "secret": KEY} | changes}}


MALFORMED: dict[str, Any] = {
    "no JSON": f'{{"sites": {{"{SITE}": {{"secret": "{KEY}"',
    "empty": "{}",
    "a list": [KEY],
    "no map of sites": {"sites": [KEY]},
    "sites beside each other": one_site()["sites"],
    "a field more": one_site() | {"keys": KEY},
    "a field more in a site": one_site(password=KEY),
    "no secret": {"sites": {SITE: {"version": "3.0"}}},
    "empty secret": one_site(secret=""),
    "a secret that is no text": one_site(secret=[KEY]),
    "empty secret for calls": one_site(api_secret=""),
    "unknown version": one_site(version=KEY),
    "a version that is a number": one_site(version=3.0),
    "unknown format": one_site(response_format=KEY),
    "a site that is none": {"sites": {"S#1": {"version": "3.0", "secret": KEY}}},
}


@pytest.mark.parametrize("document", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_secret_is_unavailable_and_the_error_says_nothing_of_it(
    sites: Sites, clock: Clock, stored_sites: StoredSites, document: object
) -> None:
    stored_sites.put(document)

    with pytest.raises(SiteKeysUnavailableError) as raised:
        sites.find(SITE, clock.deadline(ANSWER_WITHIN_SECONDS))

    error: BaseException | None = raised.value
    assert KEY not in "".join(traceback.format_exception(raised.value))
    while error:
        assert KEY not in f"{error} {error!r} {error.args}"
        error = error.__context__


def test_a_binary_secret_is_unavailable(sites: Sites, clock: Clock, stored_sites: StoredSites) -> None:
    stored_sites.client.put_secret_value(
        SecretId=stored_sites.name, SecretBinary=json.dumps(one_site()).encode()
    )

    with pytest.raises(SiteKeysUnavailableError):
        sites.find(SITE, clock.deadline(ANSWER_WITHIN_SECONDS))


def test_a_missing_secret_is_unavailable(sites: Sites, clock: Clock, stored_sites: StoredSites) -> None:
    stored_sites.delete()

    with pytest.raises(SiteKeysUnavailableError):
        sites.find(SITE, clock.deadline(ANSWER_WITHIN_SECONDS))
    with pytest.raises(SiteKeysUnavailableError):
        sites.refresh(clock.deadline(ANSWER_WITHIN_SECONDS))


def test_no_form_of_a_site_shows_its_keys(sites: Sites, clock: Clock) -> None:
    found = sites.find(SITE, clock.deadline(ANSWER_WITHIN_SECONDS))
    stored = Site.model_validate(one_site(api_secret=KEY)["sites"][SITE])

    for shown in (sites, found, stored, vars(sites), found.model_dump(), stored.model_dump()):
        assert KEY not in f"{shown} {shown!r}"
    assert KEY not in found.model_dump_json() + stored.model_dump_json()


def test_sites_that_are_known_stay_known_while_the_secret_is_gone(
    authorize: Function, stored_sites: StoredSites
) -> None:
    assert authorize(authorization()).status == 200
    stored_sites.delete()

    assert authorize(authorization()).fields["accept_payment"] == "yes"


def test_a_secret_that_was_put_right_holds_whatever_it_was_before(
    sites: Sites, clock: Clock, stored_sites: StoredSites
) -> None:
    stored_sites.put('{"sites": ')
    stored_sites.put(one_site())

    assert sites.find(SITE, clock.deadline(ANSWER_WITHIN_SECONDS)).identifier == SITE


def test_a_secret_that_was_put_right_is_heard_at_once(confirm: Function, stored_sites: StoredSites) -> None:
    stored_sites.put('{"sites": ')
    assert confirm(confirmation()).status == 503
    stored_sites.put(one_site())
    # Once more, so that the previous version is a good one as well.
    stored_sites.put(one_site(response_format="json"))

    assert confirm(confirmation()).status == 200


def test_a_secret_that_became_malformed_does_not_displace_the_keys_that_hold(
    confirm: Function, stored_sites: StoredSites
) -> None:
    assert confirm(confirmation()).status == 200
    stored_sites.put('{"sites": ')
    forged = confirm({**confirmation(), "signature": "0" * 64})

    assert forged.status in (401, 503)
    assert confirm(confirmation()).status == 200


def failed(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item] # the rest is of no interest
        "GetSecretValue",
    )


PASSING = {
    "throttled": failed("ThrottlingException", 400),
    "broken": failed("InternalServiceError", 500),
    "slow": ReadTimeoutError(endpoint_url=URL),
    "hung up": ConnectionClosedError(endpoint_url=URL),
}


@pytest.mark.parametrize("error", PASSING.values(), ids=PASSING)
def test_a_read_that_failed_in_passing_is_tried_again(
    sites: Sites, clock: Clock, traffic: Traffic, error: Exception
) -> None:
    traffic.lost["GetSecretValue"] = [error, error, None, error]

    assert sites.find(SITE, clock.deadline(ANSWER_WITHIN_SECONDS)).identifier == SITE
    assert len(traffic.calls) == 5


@pytest.mark.parametrize("error", PASSING.values(), ids=PASSING)
def test_a_read_that_fails_on_and_on_ends_in_time(
    sites: Sites, clock: Clock, traffic: Traffic, error: Exception
) -> None:
    traffic.refused["GetSecretValue"] = error
    deadline = clock.deadline(ANSWER_WITHIN_SECONDS)

    with pytest.raises(SiteKeysUnavailableError):
        sites.find(SITE, deadline)
    assert len(traffic.calls) > 1
    assert deadline.remaining > 0


@pytest.mark.parametrize(
    "error",
    [failed("AccessDeniedException", 400), failed("DecryptionFailure", 400), BotoCoreError()],
)
def test_a_read_that_is_refused_is_not_tried_again(
    sites: Sites, clock: Clock, traffic: Traffic, error: Exception
) -> None:
    traffic.refused["GetSecretValue"] = error

    with pytest.raises(SiteKeysUnavailableError):
        sites.find(SITE, clock.deadline(ANSWER_WITHIN_SECONDS))
    assert len(traffic.calls) == 1


def test_without_time_left_nothing_is_read(sites: Sites, clock: Clock, traffic: Traffic) -> None:
    with pytest.raises(SiteKeysUnavailableError):
        sites.find(SITE, clock.deadline(1.0))
    assert traffic.calls == []


def test_a_message_of_a_known_site_is_heard_after_a_failed_refresh(
    authorize: Function, traffic: Traffic
) -> None:
    assert authorize(authorization()).status == 200
    traffic.refused["GetSecretValue"] = failed("AccessDeniedException", 400)
    authorize({**authorization(), "signature": "0" * 64})

    assert authorize(authorization()).fields["accept_payment"] == "yes"
