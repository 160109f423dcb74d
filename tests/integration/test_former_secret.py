"""A site's ``previous_secret``: a key that still holds for callbacks, however often the secret changes."""

from typing import Any

import pytest

from paynearme.signing import verify
from tests.integration.observed import Function, StoredSites
from tests.integration.paynearme_stub import PayNearMeStub
from tests.integration.signed_callbacks import SITE, SITES, authorization, confirmation
from tests.messages import valid_smart_token_request

NEW_KEY = "f0e1d2c3b4a5968778695a4b3"
FORMER_KEY = "1a2b3c4d5e6f708192a3b4c5d"
KEY_OF_THE_PREVIOUS_VERSION = SITES[SITE]["secret"]


def with_site(**changes: str) -> dict[str, Any]:
    return {"sites": {**SITES, SITE: {"version": "3.0", "secret": NEW_KEY, **changes}}}


@pytest.fixture
def rotating(stored_sites: StoredSites) -> StoredSites:
    stored_sites.put(with_site(previous_secret=FORMER_KEY))
    return stored_sites


@pytest.mark.parametrize("key", [NEW_KEY, FORMER_KEY, KEY_OF_THE_PREVIOUS_VERSION])
def test_it_holds_for_callbacks_beside_the_new_key_and_that_of_the_previous_version(
    rotating: StoredSites, authorize: Function, confirm: Function, key: str
) -> None:
    assert authorize(authorization(secret=key)).status == 200
    assert confirm(confirmation(secret=key)).status == 200


def test_no_other_key_holds(rotating: StoredSites, authorize: Function, confirm: Function) -> None:
    for key in ("x", NEW_KEY + FORMER_KEY, "None", "**********"):
        assert authorize(authorization(secret=key)).status == 401
        assert confirm(confirmation(secret=key)).status == 401


def test_it_does_not_sign_our_calls(rotating: StoredSites, get_smart_token: Function, paynearme: PayNearMeStub) -> None:
    assert get_smart_token(valid_smart_token_request()).status == 200

    [sent] = paynearme.sent
    verify(sent, sent["signature"], [NEW_KEY], "3.0")


def test_our_calls_keep_their_own_key_beside_it(
    stored_sites: StoredSites, get_smart_token: Function, paynearme: PayNearMeStub
) -> None:
    stored_sites.put(with_site(previous_secret=FORMER_KEY, api_secret="key-of-calls"))

    assert get_smart_token(valid_smart_token_request()).status == 200

    [sent] = paynearme.sent
    verify(sent, sent["signature"], ["key-of-calls"], "3.0")


def test_it_outlives_changes_of_other_sites(rotating: StoredSites, authorize: Function) -> None:
    for number in ("S1", "S2", "S3"):
        document = with_site(previous_secret=FORMER_KEY)
        document["sites"][number] = {"version": "3.0", "secret": "another"}
        rotating.put(document)

    assert authorize(authorization(secret=FORMER_KEY)).status == 200
    assert authorize(authorization(secret=KEY_OF_THE_PREVIOUS_VERSION)).status == 401


def test_it_holds_for_its_own_site_only(rotating: StoredSites, authorize: Function) -> None:
    others = [site for site, known in SITES.items() if known["version"] == "3.0" and site != SITE]
    assert others

    for site in others:
        assert authorize(authorization(site_identifier=site, secret=FORMER_KEY)).status == 401


def test_it_holds_no_longer_once_it_is_taken_out(rotating: StoredSites, authorize: Function) -> None:
    rotating.put(with_site())

    assert authorize(authorization(secret=FORMER_KEY)).status == 401
    assert authorize(authorization(secret=NEW_KEY)).status == 200


def test_an_empty_one_is_no_key(stored_sites: StoredSites, confirm: Function) -> None:
    stored_sites.put(with_site(previous_secret=""))

    assert confirm(confirmation(secret=NEW_KEY)).status == 503
