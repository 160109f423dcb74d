"""Every fault of PayNearMe's at every call: a documented answer in time, and the ledger right afterwards."""

import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from local.backend import Backend, Reply
from local.control import Control
from local.drive import Books
from local.events import load

SITE = "S6404173951"
WITHIN_SECONDS = 8
IDEMPOTENT = {"get_smart_token", "find_payment_methods"}


@dataclass(frozen=True)
class Fault:
    """How PayNearMe behaves, what the caller is told of a call that may be repeated, and of a payment."""

    behaviour: Mapping[str, Any]
    status: int
    payment: str
    is_repeated: bool = False

    @property
    def is_taken(self) -> bool:
        return bool(self.behaviour.get("taken"))

    def __str__(self) -> str:
        return "-".join(str(value) for value in self.behaviour.values())


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
]
STATUS = {UNKNOWN: 504, "credentials-refused": 502, "paynearme-fault": 502, "bank-authorization-expired": 409}


def kind(reply: Reply) -> str:
    return str(reply.content["type"]).rpartition(":")[2] if reply.status >= 400 else "made"


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_caller_gets_a_documented_answer_and_the_ledger_is_right(
    backend: Backend, paynearme: Control, books: Books, fault: Fault
) -> None:
    customer, key = f"meets-a-fault-{uuid.uuid4()}", str(uuid.uuid4())
    owner = {"site_identifier": SITE, "site_customer_identifier": customer}
    new = load("create_order")["guaranteed_ach"] | {**owner, "site_order_identifier": key}
    order = backend.post("/orders", new).content["order"]["pnm_order_identifier"]
    method = paynearme.post(
        "methods", {**owner, "description": "Demo", "number": "1", "guaranteed_ach": True}
    )
    wish = load("make_payment")["saved"] | {"pnm_order_identifier": order} | method
    token = load("get_smart_token")["guaranteed_ach"] | {"pnm_order_identifier": order}
    calls: dict[str, Callable[[], Reply]] = {
        "create_order": lambda: backend.post("/orders", new | {"site_order_identifier": f"{key}-2"}),
        "get_smart_token": lambda: backend.post("/tokens", token),
        "find_payment_methods": lambda: backend.post("/payment-methods/find", owner),
        "make_payment": lambda: backend.post("/payments", wish, key),
    }
    before = len(paynearme.get("calls"))
    paynearme.post("behaviour", fault.behaviour)

    with ThreadPoolExecutor(len(calls)) as threads:
        replies = dict(zip(calls, threads.map(lambda call: call(), calls.values()), strict=True))
    asked = [call["operation"] for call in paynearme.get("calls")[before:]]
    paynearme.post("behaviour", {"mode": "normal"})
    payments = paynearme.post("settled")
    again = backend.post("/payments", wish, key)
    paynearme.post("settled")

    assert all(reply.seconds < WITHIN_SECONDS for reply in replies.values())
    assert all(reply.content["status"] == reply.status for reply in replies.values())
    for operation in ("create_order", "get_smart_token", "find_payment_methods"):
        assert replies[operation].status == fault.status, operation
    assert (kind(replies["make_payment"]), replies["make_payment"].status) == (
        fault.payment,
        STATUS[fault.payment],
    )
    for operation, number in ((name, asked.count(name)) for name in calls):
        assert number == (3 if fault.is_repeated and operation in IDEMPOTENT else 1), operation
    # What was taken is learned from the confirmation; what PayNearMe did not take may be asked for again.
    not_taken = fault.payment in ("credentials-refused", "paynearme-fault")
    expected = "made" if fault.is_taken or not_taken else fault.payment
    assert kind(again) == expected
    assert len(payments) == fault.is_taken
    assert books.balance(SITE, customer) == (Decimal("1000.00") if expected == "made" else 0)
    posted = [item for item in books.everything() if item.get("confirmed_customer") == customer]
    assert len(posted) == (expected == "made")
    assert backend.get(f"/orders/{SITE}/{order}").status == 200
