"""Every fault of PayNearMe's at every call: a documented answer in time, and the ledger right afterwards."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from local.backend import Backend, Reply
from local.control import Control
from local.drive import Books, backend_of
from local.events import load
from local.processes import functions_running
from local.stack import Stack
from tests.documented import as_documented
from tests.e2e.conftest import controlled_paynearme
from tests.e2e.paying import (
    PATHS,
    PERSONAL,
    PII,
    PLAYER,
    SITE,
    Player,
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
    Fault({"mode": "html"}, 502, UNKNOWN),
    Fault({"mode": "html", "taken": True}, 502, UNKNOWN),
    Fault({"mode": "html", "status": 502}, 502, UNKNOWN, is_repeated=True),
    Fault({"mode": "cut", "taken": True}, 502, UNKNOWN, is_repeated=True),
    Fault({"mode": "abort"}, 502, UNKNOWN, is_repeated=True),
    Fault({"mode": "abort", "taken": True}, 502, UNKNOWN, is_repeated=True),
    Fault({"mode": "status", "status": 401}, 502, "credentials-rejected"),
    Fault({"mode": "status", "status": 429}, 502, "paynearme-error", is_repeated=True),
    Fault({"mode": "status", "status": 500}, 502, UNKNOWN, is_repeated=True),
    Fault({"mode": "status", "status": 500, "taken": True}, 502, UNKNOWN, is_repeated=True),
    Fault({"mode": "refuse", "response_code": "6513"}, 422, "bank-authorization-expired"),
    Fault({"mode": "refuse", "response_code": "1100"}, 422, "rejected-by-paynearme"),
    Fault({"mode": "normal"}, 200, "bank-authorization-expired", expires=True),
    # The last, because it takes the longest until everybody has given up.
    Fault({"mode": "hang"}, 504, UNKNOWN, is_repeated=True),
    Fault({"mode": "hang", "taken": True}, 504, UNKNOWN, is_repeated=True),
]
WAITING = [fault for fault in FAULTS if fault.behaviour["mode"] == "hang"]
AT_ONCE = len(WAITING) + 1
"""How many are met at once: those that let everybody wait, and one after the other beside them."""
STATUS = {
    UNKNOWN: 504,
    "credentials-rejected": 502,
    "paynearme-error": 502,
    "bank-authorization-expired": 409,
    "rejected-by-paynearme": 422,
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


@dataclass(frozen=True)
class Meeting:
    """What came of a payer's calls while PayNearMe had a fault, and of the same payment again afterwards.

    ``asked`` are the operations that PayNearMe was asked for meanwhile, ``payments`` what it took by then.
    """

    player: Player
    replies: dict[str, Reply]
    asked: list[str]
    payments: list[dict[str, Any]]
    again: Reply


def meet(backend: Backend, paynearme: Control, fault: Fault) -> Meeting:
    """Have a payer of its own meet the fault."""
    player, key = new_payer(backend, paynearme, **PLAYER), new_key()
    texts = (player.customer, player.order)

    def behave(behaviour: Mapping[str, Any]) -> None:
        for text in texts:
            paynearme.post("behaviour", {**behaviour, "about": text})

    def asked_about() -> list[str]:
        every = paynearme.get("calls")
        return [call["operation"] for call in every if {*texts} & {*call["parameters"].values()}]

    calls = calls_of(backend, player, key)
    before = len(asked_about())
    behave(fault.behaviour)
    if fault.expires:
        paynearme.post("expire", {"payment_method_identifier": player.method})
    with ThreadPoolExecutor(len(calls)) as threads:
        replies = dict(zip(calls, threads.map(lambda call: call(), calls.values()), strict=True))
    asked = asked_about()[before:]
    behave({"mode": "normal"})
    payments = paynearme.post("settled")
    again = player.pay(key)
    paynearme.post("settled")
    own = [payment for payment in payments if payment["pnm_order_identifier"] == player.order]
    return Meeting(player, replies, asked, own, again)


@pytest.fixture(scope="module")
def paynearme(stack: Stack) -> Iterator[Control]:
    with controlled_paynearme(stack) as control:
        yield control


@pytest.fixture(scope="module")
def warm(stack: Stack, folder: Path, paynearme: Control) -> None:
    """Have a process of each function for each fault that is met at once: starting takes of the time."""
    patient = backend_of(stack, patience=60)
    player = new_payer(patient, paynearme)
    calls = [call for _ in range(AT_ONCE) for call in calls_of(patient, player, new_key()).values()]
    # So all are busy until the last has started.
    paynearme.post("behaviour", {"mode": "slow", "seconds": 1})
    with ThreadPoolExecutor(len(calls)) as threads:
        assert {reply.status for reply in threads.map(lambda call: call(), calls)} == {200}
    paynearme.post("behaviour", {})
    for function in ("CreateOrder", "FindPaymentMethods", "GetToken", "MakePayment"):
        assert len(functions_running(folder / "processes.json", f"{function}Function")) >= AT_ONCE


@pytest.fixture(scope="module")
def meeting(warm: None, backend: Backend, paynearme: Control) -> Iterator[Callable[[Fault], Meeting]]:
    """Give what comes of a fault. Those that let everybody wait are met from the start, beside the others."""
    with ThreadPoolExecutor(len(WAITING)) as threads:
        begun = {str(fault): threads.submit(meet, backend, paynearme, fault) for fault in WAITING}

        def met(fault: Fault) -> Meeting:
            return begun[str(fault)].result() if str(fault) in begun else meet(backend, paynearme, fault)

        yield met


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_caller_gets_a_documented_answer_and_the_ledger_is_right(
    meeting: Callable[[Fault], Meeting], backend: Backend, books: Books, fault: Fault
) -> None:
    met = meeting(fault)

    customer, made = met.player.customer, met.replies["make_payment"]
    for operation, reply in met.replies.items():
        as_documented(PATHS[operation], "POST", reply)
        assert reply.seconds < WITHIN_SECONDS, operation
    for text in map(text_of, (*met.replies.values(), met.again)):
        assert not [value for value in PERSONAL if value in text]
    for operation in ("create_order", "get_smart_token", "find_payment_methods"):
        assert met.replies[operation].status == fault.status, operation
    assert (kind(made), made.status) == (fault.payment, STATUS[fault.payment])
    for operation in met.replies:
        expected_calls = 3 if fault.is_repeated and operation in IDEMPOTENT else 1
        assert met.asked.count(operation) == expected_calls, operation
    # What was taken is learned from the confirmation; what PayNearMe did not take may be asked for again.
    not_accepted = fault.payment in ("credentials-rejected", "paynearme-error")
    expected = "made" if fault.is_taken or not_accepted else fault.payment
    assert kind(met.again) == expected
    assert len(met.payments) == fault.is_taken
    assert books.balance(SITE, customer) == (Decimal("1000.00") if expected == "made" else 0)
    posted = [item for item in books.everything() if item.get("confirmed_customer") == customer]
    assert len(posted) == (expected == "made")
    known = backend.get(f"/orders/{SITE}/{met.player.order}")
    assert as_documented("/orders/{site_identifier}/{pnm_order_identifier}", "GET", known).status == 200
