"""Calls to PayNearMe by OAuth 2.0, on the deployed stack: tokens shared, renewed, and asked for rarely."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from local.backend import Backend, Reply
from local.control import Control
from local.sites import OAUTH_SIGNED_SITE, OAUTH_SITE
from tests.documented import as_documented
from tests.e2e.access_tokens import SITES
from tests.e2e.many_processes import FRESH_PROCESSES, HAVE_A_TOKEN_IN_TIME, Storm
from tests.e2e.paying import PATHS, asked, kind, new_key, new_payer, wanted_order

ORDER = "84488215678"
CUSTOMER = "calls-by-oauth"
WITHIN_SECONDS = 8


def calls_that_may_be_repeated(backend: Backend, site: str) -> list[Callable[[], Reply]]:
    """Return a call of each function but the one that moves money."""
    contents = {
        "create_order": wanted_order(site, CUSTOMER),
        "get_smart_token": {"site_identifier": site, "pnm_order_identifier": ORDER},
        "find_payment_methods": {"site_identifier": site, "site_customer_identifier": CUSTOMER},
    }

    def call(operation: str) -> Reply:
        reply = backend.post(PATHS[operation], contents[operation])
        return as_documented(PATHS[operation], "POST", reply)

    return [partial(call, operation) for operation in contents]


def token_calls(paynearme: Control) -> int:
    number: int = paynearme.get("access-token-requests")["count"]
    return number


@pytest.mark.usefixtures("tokens")
@pytest.mark.parametrize("site", SITES)
def test_everything_can_be_called_by_oauth(backend: Backend, paynearme: Control, site: str) -> None:
    before = token_calls(paynearme)
    player = new_payer(backend, paynearme, site)

    replies = [call() for call in calls_that_may_be_repeated(backend, site)]
    paid = player.pay(new_key())

    assert [reply.status for reply in (*replies, paid)] == [200] * 4
    assert {call["authentication"] for call in paynearme.get("calls")} == {"oauth"}
    assert paynearme.post("settled")[0]["state"] == "confirmed"
    assert token_calls(paynearme) == before


@pytest.mark.usefixtures("tokens")
@pytest.mark.parametrize("what", ["revoke", "expire"])
def test_a_token_that_paynearme_takes_back_is_replaced_once_for_all_without_the_callers_noticing(
    backend: Backend, paynearme: Control, what: str
) -> None:
    before = token_calls(paynearme)
    paynearme.post("access-tokens", {what: True})

    replies = [call() for call in calls_that_may_be_repeated(backend, OAUTH_SITE) * 2]

    assert [reply.status for reply in replies] == [200] * 6
    assert token_calls(paynearme) == before + 1


@pytest.mark.usefixtures("tokens")
def test_a_payment_is_not_sent_again_after_a_refused_token_but_the_same_key_may_be(
    backend: Backend, paynearme: Control
) -> None:
    player, key = new_payer(backend, paynearme, OAUTH_SITE), new_key()
    before = len(asked(paynearme))
    paynearme.post("access-tokens", {"revoke": True})

    replies = [player.pay(key) for _ in range(2)]

    assert [kind(reply) for reply in replies] == ["credentials-rejected", "made"]
    assert asked(paynearme)[before:] == ["make_payment"] * 2
    assert len(paynearme.post("settled")) == 1


@pytest.mark.usefixtures("tokens")
def test_while_the_token_address_fails_it_is_asked_once_for_a_lease_and_all_callers_are_told(
    backend: Backend, paynearme: Control
) -> None:
    calls = calls_that_may_be_repeated(backend, OAUTH_SIGNED_SITE)
    before = token_calls(paynearme)
    paynearme.post("access-tokens", {"revoke": True})
    paynearme.post("behaviour", {"mode": "status", "status": 500, "operation": "token"})

    with ThreadPoolExecutor(len(calls)) as threads:
        replies = list(threads.map(lambda call: call(), calls))

    # One asks; the others wait for what it would store, until their time ends or is too short for a look.
    asking, *waiting = sorted(reply.status for reply in replies)
    assert asking == 502
    assert set(waiting) <= {503, 504}
    assert all(reply.seconds < WITHIN_SECONDS for reply in replies)
    assert token_calls(paynearme) == before + 1


def test_many_fresh_processes_ask_for_one_token(storm: Storm) -> None:
    assert storm.processes == FRESH_PROCESSES
    assert storm.paying >= HAVE_A_TOKEN_IN_TIME
    # Nobody has the method that they want to pay with; or the answer came too late.
    statuses = [reply.status for reply in storm.replies]
    assert set(statuses) <= {422, 504}
    assert statuses.count(422) >= HAVE_A_TOKEN_IN_TIME
    assert set(storm.token_calls) == {1}
