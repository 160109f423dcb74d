"""Nothing personal and nothing secret in what the deployed functions log and store."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.backend import Backend
from local.callbacks import CallbackSender
from local.control import Control
from local.drive import Books, confirmation_of, reversal_of
from local.events import Parameters, Transport, load, signed, with_fresh_payment
from local.sites import OAUTH_SITE
from local.stack import Stack

PERSONAL = {
    "agent_name": "Zuul-Gatekeeper Keymaster",
    "agent_email": "zuul.gatekeeper@example.com",
    "payment_bank_name": "Bank of Personal Secrets",
    "customer_birthday_pii": "1950-11-21-personal",
    "customer_tax_id_pii": "078-05-1120-personal",
    "retailer_location_address": "55 Central Park West, personal",
    "user_agent_string": "personal-agent/1.0",
    "secure_smart_token": "PersonalSmartToken!",
}
TAX_IDENTIFIER = "987654321"
BIRTHDAY = "1977-06-05"
REVERSE_REASON = "Account of a personal kind"
PLAYER = {
    "site_customer_first_name": "Dana-of-the-logs",
    "site_customer_last_name": "Barrett-of-the-logs",
    "site_customer_email": "dana.barrett@example.com",
    "site_customer_phone": "212-555-0187",
    "site_customer_street": "550 Central Park West, 22nd floor",
    "site_customer_city": "Personalville",
    "site_customer_year_of_birth": "1949",
}
KEY = "an-idempotency-key-of-a-person"


def everything_in(logs: Any, group: str) -> Iterator[str]:
    """Yield all messages of a log group, some of them twice.

    The emulator gives the first 10,000 events and no token for the rest, so each look begins where the last
    one ended.
    """
    since, most = 0, 10_000
    while True:
        events = logs.filter_log_events(logGroupName=group, startTime=since, limit=most)["events"]
        yield from (event["message"] for event in events)
        if len(events) < most:
            return
        since = events[-1]["timestamp"]


@pytest.fixture
def logged(stack: Stack) -> Callable[[], list[str]]:
    """Give everything that the functions and the APIs have logged."""

    def read() -> list[str]:
        logs = stack.client("logs")
        groups = [
            g["logGroupName"]
            for page in logs.get_paginator("describe_log_groups").paginate()
            for g in page["logGroups"]
        ]
        return [message for group in groups for message in everything_in(logs, group)]

    return read


def call_paynearme(stack: Stack, backend: Backend, paynearme: Control) -> set[str]:
    """Make all calls, with good and bad answers, by OAuth; return what nobody may find of them."""
    paynearme.post("behaviour", {"mode": "normal"})
    entry = stack.sites[OAUTH_SITE]
    owner = {"site_identifier": OAUTH_SITE, "site_customer_identifier": "wants-privacy"}
    method = paynearme.post("methods", {**owner, "description": PERSONAL["payment_bank_name"], "number": "1"})
    new = load("create_order")["guaranteed_ach"] | owner | PLAYER
    created = backend.post("/orders", new).content["order"]
    wish = load("make_payment")["saved"] | method | {"site_identifier": OAUTH_SITE}
    wish |= {"pnm_order_identifier": created["pnm_order_identifier"]}
    assert backend.post("/payment-methods/find", owner).status == 200
    # The first may meet a token that other tests have had revoked.
    assert 200 in [backend.post("/payments", wish, KEY).status for _ in range(3)]
    assert (
        backend.post("/payments", {**wish, "payment_amount": PLAYER["site_customer_email"]}, KEY).status
        == 400
    )
    for mode in ("refuse", "html"):
        paynearme.post("behaviour", {"mode": mode})
        assert backend.post("/orders", {**new, "site_order_identifier": mode}).status in (422, 502)
        assert backend.post("/payments", wish, f"{KEY}-{mode}").status in (409, 504)
    paynearme.post("behaviour", {"mode": "normal"})
    paynearme.post("settled")
    parameter = f"/{stack.stack_name}/access-tokens/{OAUTH_SITE}"
    kept = stack.client("ssm").get_parameter(Name=parameter, WithDecryption=True)["Parameter"]
    assert kept["Type"] == "SecureString"
    token = json.loads(kept["Value"])["access_token"]
    secrets = {token, entry["oauth"]["client_secret"], created["secure_smart_token"]}
    # A year alone is in every date.
    personal = {text for name, text in PLAYER.items() if not name.endswith("_year_of_birth")}
    return {*personal, *secrets, KEY}


def test_everything_logged_and_stored_is_free_of_secrets_and_personal_data(
    stack: Stack,
    sender: CallbackSender,
    backend: Backend,
    books: Books,
    faults: Control,
    paynearme: Control,
    logged: Callable[[], list[str]],
) -> None:
    message: Parameters = with_fresh_payment(load("authorization")["ach"]) | PERSONAL
    site = message["site_identifier"]
    good = signed(confirmation_of(message), stack.sites[site]["secret"])
    reversal = reversal_of(confirmation_of(message), reverse_reason=REVERSE_REASON)
    forged = {**good, "signature": "0123456789abcdef" * 4}
    unwanted = {
        *PERSONAL.values(),
        TAX_IDENTIFIER,
        BIRTHDAY,
        REVERSE_REASON,
        good["signature"],
        forged["signature"],
    }
    unwanted |= {entry["secret"] for entry in stack.sites.values()}
    requests = load("get_smart_token").values()
    unwanted |= {text for request in requests for name, text in request.items() if name.endswith("_pii")}
    transports: tuple[Transport, ...] = ("query", "form", "json")

    for transport in transports:
        asked = signed(with_fresh_payment(message), stack.sites[site]["secret"])
        unwanted.add(asked["signature"])
        assert sender.deliver("authorize", asked, transport).accepted
        assert sender.deliver("confirm", good, transport).accepted
        assert sender.deliver("confirm", forged, transport).status == 401
        assert sender.deliver("reverse", reversal, transport).accepted
        assert (
            sender.deliver(
                "authorize", {**message, "payment_amount": PERSONAL["agent_name"]}, transport
            ).status
            == 400
        )
    faults.post("fault", {"service": "dynamodb", "mode": "error500"})
    assert sender.deliver("confirm", good, "json").status == 503
    faults.post("reset")

    request = load("get_smart_token")["guaranteed_ach"] | {
        "ext_customer_tax_id_pii": TAX_IDENTIFIER,
        "ext_customer_date_of_birth_pii": BIRTHDAY,
    }
    order = backend.post("/tokens", request).content["orders"][0]
    unwanted |= {order["secure_smart_token"], order["secure_smart_link"]}
    assert backend.post("/tokens", {**request, "flow_pay_url": TAX_IDENTIFIER}).status == 400
    for mode in ("refuse", "html", "abort"):
        paynearme.post("behaviour", {"mode": mode})
        assert backend.post("/tokens", request).status in (422, 502)

    unwanted |= call_paynearme(stack, backend, paynearme)

    lines = logged()
    stored = json.dumps(books.everything(), default=str)
    assert any(message["pnm_payment_identifier"] in line for line in lines)
    assert message["pnm_payment_identifier"] in stored
    for value in unwanted:
        assert not [line for line in lines if value in line]
        assert value not in stored
    assert "_pii" not in stored
    # What other tests sent and got is in these logs as well: no text that could be a signature or a token.
    assert not [line for line in lines if re.search(r"[A-Za-z0-9!$]{100}", line)]
    assert not re.search(r"[A-Za-z0-9!$]{100}", stored)
    assert not [line for line in lines if re.search(r"\b([0-9a-f]{32}|[0-9a-f]{64})\b", line)]
