"""Calls to PayNearMe by OAuth 2.0, on the deployed stack: tokens shared, renewed, and asked for rarely."""

import uuid
from typing import Any

import pytest
from tenacity import Retrying, retry_if_result, stop_after_attempt

from local.backend import Backend
from local.control import Control
from local.sites import OAUTH_SIGNED_SITE, OAUTH_SITE
from tests.e2e.conftest import FRESH_PROCESSES, Storm

ORDER: dict[str, Any] = {
    "order_amount": "500.00",
    "order_currency": "USD",
    "order_type": "any",
    "order_is_standing": True,
    "site_customer_identifier": "pays-by-oauth",
}
PAYMENT = {"payment_amount": "100.00", "payment_currency": "USD", "site_channel": "consumer"}


def tokens_granted(paynearme: Control) -> int:
    number: int = paynearme.get("token-calls")["granted"]
    return number


@pytest.mark.parametrize("site", [OAUTH_SITE, OAUTH_SIGNED_SITE])
def test_everything_can_be_called_by_oauth(backend: Backend, paynearme: Control, site: str) -> None:
    owner = {"site_identifier": site, "site_customer_identifier": ORDER["site_customer_identifier"]}
    method = paynearme.post(
        "methods", {**owner, "description": "Demo Savings Account", "number": "6213", "guaranteed_ach": True}
    )["payment_method_identifier"]

    created = backend.post("/orders", {**ORDER, "site_identifier": site})
    order = created.content["order"]["pnm_order_identifier"]
    token = backend.post("/tokens", {"site_identifier": site, "pnm_order_identifier": order})
    found = backend.post("/payment-methods/find", owner)
    wish = {**PAYMENT, "pnm_order_identifier": order, "payment_method_identifier": method}
    paid = backend.post("/payments", {**wish, "site_identifier": site}, str(uuid.uuid4()))

    assert [reply.status for reply in (created, token, found, paid)] == [200] * 4
    assert {call["authentication"] for call in paynearme.get("calls")} == {"oauth"}
    assert paynearme.post("settled")[0]["state"] == "confirmed"


@pytest.mark.parametrize("what", ["revoke", "expire"])
def test_a_token_that_paynearme_takes_back_is_replaced_without_the_caller_noticing(
    backend: Backend, paynearme: Control, what: str
) -> None:
    wanted = {"site_identifier": OAUTH_SITE, "pnm_order_identifier": "84488215678"}
    assert backend.post("/tokens", wanted).status == 200
    before = tokens_granted(paynearme)
    paynearme.post("tokens", {what: True})

    replies = [backend.post("/tokens", wanted) for _ in range(3)]

    assert [reply.status for reply in replies] == [200] * 3
    assert tokens_granted(paynearme) == before + 1


def test_a_payment_is_not_sent_again_after_a_refused_token_but_the_same_key_may_be(
    backend: Backend, paynearme: Control
) -> None:
    owner = {"site_identifier": OAUTH_SITE, "site_customer_identifier": "pays-after-a-refusal"}
    method = paynearme.post(
        "methods", {**owner, "description": "Demo Savings Account", "number": "6213", "guaranteed_ach": True}
    )["payment_method_identifier"]
    order = backend.post("/orders", {**ORDER, **owner}).content["order"]["pnm_order_identifier"]
    wish = {**PAYMENT, "pnm_order_identifier": order, "payment_method_identifier": method}
    wish["site_identifier"] = OAUTH_SITE
    # Its process has the newest token then.
    until_paid = Retrying(retry=retry_if_result(lambda got: got.status != 200), stop=stop_after_attempt(3))
    until_paid(backend.post, "/payments", wish, str(uuid.uuid4()))
    before = len(paynearme.get("calls"))
    key = str(uuid.uuid4())
    paynearme.post("tokens", {"revoke": True})

    replies = [backend.post("/payments", wish, key) for _ in range(2)]

    assert [reply.status for reply in replies] == [502, 200]
    assert replies[0].content["type"].endswith("credentials-refused")
    assert [call["operation"] for call in paynearme.get("calls")[before:]] == ["make_payment"] * 2
    assert len(paynearme.post("settled")) == 2


def test_while_the_token_address_fails_it_is_asked_rarely_and_callers_are_told(
    backend: Backend, paynearme: Control
) -> None:
    # No other test that comes later calls for this site: the lease is still held then.
    wanted = {"site_identifier": OAUTH_SIGNED_SITE, "pnm_order_identifier": "84488215678"}
    paynearme.post("tokens", {"revoke": True})
    paynearme.post("behaviour", {"mode": "status", "status": 500, "operation": "token"})

    reply = backend.post("/tokens", wanted)

    assert reply.status == 502
    assert reply.seconds < 8
    assert paynearme.get("token-calls")["count"] == 1


def test_many_fresh_processes_ask_for_one_token(storm: Storm) -> None:
    assert len(storm.replies) == FRESH_PROCESSES
    assert storm.token_calls == 1
