"""A site's ``previous_secret``: a key that verifies callbacks until the operator removes it."""

from typing import Any

import pytest

from paynearme.protocol.signing import verify
from tests.support.callback_fixtures import SITE, SITES, authorization, confirmation
from tests.support.harness import LambdaFunction, SitesSecret
from tests.support.message_fixtures import valid_smart_token_request
from tests.support.paynearme_stub import PayNearMeStub

NEW_KEY = "f0e1d2c3b4a5968778695a4b3"
PREVIOUS_KEY = "1a2b3c4d5e6f708192a3b4c5d"
PREVIOUS_VERSION_KEY = SITES[SITE]["secret"]


def with_site(**changes: str) -> dict[str, Any]:
    return {"sites": {**SITES, SITE: {"version": "3.0", "secret": NEW_KEY, **changes}}}


@pytest.fixture
def rotated_secret(sites_secret: SitesSecret) -> SitesSecret:
    sites_secret.put(with_site(previous_secret=PREVIOUS_KEY))
    return sites_secret


@pytest.mark.parametrize("key", [NEW_KEY, PREVIOUS_KEY, PREVIOUS_VERSION_KEY])
def test_previous_secret_and_rotated_keys_verify_callbacks(
    rotated_secret: SitesSecret, authorize: LambdaFunction, confirm: LambdaFunction, key: str
) -> None:
    assert authorize(authorization(secret=key)).status == 200
    assert confirm(confirmation(secret=key)).status == 200


def test_previous_secret_other_keys_return_401(
    rotated_secret: SitesSecret, authorize: LambdaFunction, confirm: LambdaFunction
) -> None:
    for key in ("x", NEW_KEY + PREVIOUS_KEY, "None", "**********"):
        assert authorize(authorization(secret=key)).status == 401
        assert confirm(confirmation(secret=key)).status == 401


def test_previous_secret_does_not_sign_calls(
    rotated_secret: SitesSecret, get_smart_token: LambdaFunction, paynearme: PayNearMeStub
) -> None:
    assert get_smart_token(valid_smart_token_request()).status == 200

    [sent] = paynearme.sent
    verify(sent, sent["signature"], [NEW_KEY], "3.0")


def test_previous_secret_calls_signed_with_api_secret(
    sites_secret: SitesSecret, get_smart_token: LambdaFunction, paynearme: PayNearMeStub
) -> None:
    sites_secret.put(with_site(previous_secret=PREVIOUS_KEY, api_secret="api-key"))

    assert get_smart_token(valid_smart_token_request()).status == 200

    [sent] = paynearme.sent
    verify(sent, sent["signature"], ["api-key"], "3.0")


def test_previous_secret_kept_after_changes_of_other_sites(
    rotated_secret: SitesSecret, authorize: LambdaFunction
) -> None:
    for number in ("S1", "S2", "S3"):
        document = with_site(previous_secret=PREVIOUS_KEY)
        document["sites"][number] = {"version": "3.0", "secret": "another"}
        rotated_secret.put(document)

    assert authorize(authorization(secret=PREVIOUS_KEY)).status == 200
    assert authorize(authorization(secret=PREVIOUS_VERSION_KEY)).status == 401


def test_previous_secret_valid_only_for_its_site(rotated_secret: SitesSecret, authorize: LambdaFunction) -> None:
    other_sites = [site for site, entry in SITES.items() if entry["version"] == "3.0" and site != SITE]
    assert other_sites

    for site in other_sites:
        assert authorize(authorization(site_identifier=site, secret=PREVIOUS_KEY)).status == 401


def test_previous_secret_removed_returns_401(rotated_secret: SitesSecret, authorize: LambdaFunction) -> None:
    rotated_secret.put(with_site())

    assert authorize(authorization(secret=PREVIOUS_KEY)).status == 401
    assert authorize(authorization(secret=NEW_KEY)).status == 200


def test_previous_secret_empty_returns_503(sites_secret: SitesSecret, confirm: LambdaFunction) -> None:
    sites_secret.put(with_site(previous_secret=""))

    assert confirm(confirmation(secret=NEW_KEY)).status == 503
