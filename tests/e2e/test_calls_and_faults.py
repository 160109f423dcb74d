"""Every fault of PayNearMe's at every call: a documented answer in time, and the ledger right afterwards."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from local.backend import Backend, Reply
from local.control import Control
from local.drive import Books, backend_of
from local.events import load
from local.stack import Stack
from tests.documented import as_documented
from tests.e2e.paying import (
    PATHS,
    PERSONAL,
    PII,
    PLAYER,
    SITE,
    Player,
    asked,
    kind,
    new_key,
    new_payer,
    text_of,
    wanted_order,
)

WITHIN_SECONDS = 8
IDEMPOTENT = {"get_smart_token", "find_payment_methods"}


@dataclass(frozen=True)
class Fault:
    """How PayNearMe behaves, the status of what moves no money, and what the caller is told of a payment.

    With ``expires`` the bank has taken back the authorization of the payer's account.
    """

    behaviour: Mapping[str, Any]
    status: int
    payment: str
    is_repeated: bool = False
    expires: bool = False

    @property
    def is_taken(self) -> bool:
        return bool(self.behaviour.get("taken"))

    def __str__(self) -> str:
        told = "-".join(str(value) for value in self.behaviour.values())
        return f"{told}-expired" if self.expires else told


UNKNOWN = "payment-outcome-unknown"
FAULTS = [
    Fault({"mode": "hang"}, 504, UNKNOWN, is_repeated=True),
    Fault({"mode": "hang", "taken": True}, 504, UNKNOWN, is_repeated=True),
    Fault({"mode": "html"}, 502, UNKNOWN),
    Fault({"mode": "html", "taken": True}, 502, UNKNOWN),
    Fault({"mode": "html", "status": 502}, 502, UNKNOWN, is_repeated=True),
    Fault({"mode": "cut", "taken": True}, 502, UNKNOWN, is_repeated=True),
    Fault({"mode": "abort"}, 502, UNKNOWN, is_repeated=True),
    Fault({"mode": "abort", "taken": True}, 502, UNKNOWN, is_repeated=True),
    Fault({"mode": "status", "status": 401}, 502, "credentials-refused"),
    Fault({"mode": "status", "status": 429}, 502, "paynearme-fault", is_repeated=True),
    Fault({"mode": "status", "status": 500}, 502, UNKNOWN, is_repeated=True),
    Fault({"mode": "status", "status": 500, "taken": True}, 502, UNKNOWN, is_repeated=True),
    Fault({"mode": "refuse", "response_code": "6513"}, 422, "bank-authorization-expired"),
    Fault({"mode": "refuse", "response_code": "1100"}, 422, "refused-by-paynearme"),
    Fault({"mode": "normal"}, 200, "bank-authorization-expired", expires=True),
]
STATUS = {
    UNKNOWN: 504,
    "credentials-refused": 502,
    "paynearme-fault": 502,
    "bank-authorization-expired": 409,
    "refused-by-paynearme": 422,
}


def calls_of(backend: Backend, player: Player, key: str) -> dict[str, Callable[[], Reply]]:
    """Return a call of each operation, all that is personal included."""
    token = load("get_smart_token")["guaranteed_ach"] | PII | {"pnm_order_identifier": player.order}
    owner = {"site_identifier": player.site, "site_customer_identifier": player.customer}
    contents = {
        "create_order": wanted_order(player.site, player.customer, **PLAYER),
        "get_smart_token": token,
        "find_payment_methods": owner,
        "make_payment": player.wish(),
    }
    return {name: partial(backend.post, PATHS[name], content, key) for name, content in contents.items()}


@pytest.fixture(scope="module", autouse=True)
def _warm(stack: Stack) -> None:
    """Have a process for each operation: to start four at once takes some of the time that is measured."""
    patient = backend_of(stack, patience=60)
    for path in PATHS.values():
        assert patient.post(path, {}, new_key()).status == 400


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_caller_gets_a_documented_answer_and_the_ledger_is_right(
    backend: Backend, paynearme: Control, books: Books, fault: Fault
) -> None:
    player, key = new_payer(backend, paynearme, **PLAYER), new_key()
    calls = calls_of(backend, player, key)
    before = len(asked(paynearme))
    paynearme.post("behaviour", fault.behaviour)
    if fault.expires:
        paynearme.post("expire", {"payment_method_identifier": player.method})

    with ThreadPoolExecutor(len(calls)) as threads:
        replies = dict(zip(calls, threads.map(lambda call: call(), calls.values()), strict=True))
    met = asked(paynearme)[before:]
    paynearme.post("behaviour", {"mode": "normal"})
    payments = paynearme.post("settled")
    again = player.pay(key)
    paynearme.post("settled")

    for operation, reply in replies.items():
        as_documented(PATHS[operation], "POST", reply)
        assert reply.seconds < WITHIN_SECONDS, operation
    for text in map(text_of, (*replies.values(), again)):
        assert not [value for value in PERSONAL if value in text]
    for operation in ("create_order", "get_smart_token", "find_payment_methods"):
        assert replies[operation].status == fault.status, operation
    assert (kind(replies["make_payment"]), replies["make_payment"].status) == (
        fault.payment,
        STATUS[fault.payment],
    )
    for operation, number in ((name, met.count(name)) for name in calls):
        assert number == (3 if fault.is_repeated and operation in IDEMPOTENT else 1), operation
    # What was taken is learned from the confirmation; what PayNearMe did not take may be asked for again.
    not_taken = fault.payment in ("credentials-refused", "paynearme-fault")
    expected = "made" if fault.is_taken or not_taken else fault.payment
    assert kind(again) == expected
    assert len(payments) == fault.is_taken
    assert books.balance(SITE, player.customer) == (Decimal("1000.00") if expected == "made" else 0)
    posted = [item for item in books.everything() if item.get("confirmed_customer") == player.customer]
    assert len(posted) == (expected == "made")
    known = backend.get(f"/orders/{SITE}/{player.order}")
    assert as_documented("/orders/{site_identifier}/{pnm_order_identifier}", "GET", known).status == 200
