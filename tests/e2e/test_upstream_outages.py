"""Every failure of PayNearMe at every operation: a documented response, and a correct ledger.

A request that hangs ends only when the test removes the fault. Therefore a response proves the function's time limit.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from sandbox.clients.backend_client import BackendClient, Response
from sandbox.clients.control_client import ControlClient
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader
from tests.support.openapi_assertions import assert_documented
from tests.support.payment_driver import (
    CUSTOMER_DATA,
    PATHS,
    PII,
    PII_VALUES,
    SITE,
    CustomerDriver,
    new_customer_with_method,
    new_key,
    order_request,
    problem_type,
    text_of,
)
from tests.support.test_run import IS_FULL

IDEMPOTENT = {"get_smart_token", "find_payment_methods"}


@dataclass(frozen=True)
class Fault:
    """A behavior of the fake PayNearMe, and the expected responses of the backend API.

    ``status`` is the status of all operations except ``make_payment``, and ``payment`` the problem type of
    ``make_payment``. With ``expires``, the bank authorization of the customer's account has expired.
    """

    behaviour: Mapping[str, Any]
    status: int
    payment: str
    is_retried: bool = False
    expires: bool = False

    @property
    def is_processed(self) -> bool:
        return bool(self.behaviour.get("process_first"))

    def __str__(self) -> str:
        label = "-".join(str(value) for value in self.behaviour.values())
        return f"{label}-expired" if self.expires else label


UNKNOWN = "payment-outcome-unknown"
FAULTS = [
    Fault({"mode": "html"}, 502, UNKNOWN),
    Fault({"mode": "html", "process_first": True}, 502, UNKNOWN),
    Fault({"mode": "html", "status": 502}, 502, UNKNOWN, is_retried=True),
    Fault({"mode": "truncate", "process_first": True}, 502, UNKNOWN, is_retried=True),
    Fault({"mode": "abort"}, 502, UNKNOWN, is_retried=True),
    Fault({"mode": "abort", "process_first": True}, 502, UNKNOWN, is_retried=True),
    Fault({"mode": "status", "status": 401}, 502, "credentials-rejected"),
    Fault({"mode": "status", "status": 429}, 502, "paynearme-error", is_retried=True),
    Fault({"mode": "status", "status": 500}, 502, UNKNOWN, is_retried=True),
    Fault({"mode": "status", "status": 500, "process_first": True}, 502, UNKNOWN, is_retried=True),
    Fault({"mode": "reject", "response_code": "6513"}, 422, "bank-authorization-expired"),
    Fault({"mode": "reject", "response_code": "1100"}, 422, "rejected-by-paynearme"),
    Fault({"mode": "normal"}, 200, "bank-authorization-expired", expires=True),
    Fault({"mode": "hang"}, 504, UNKNOWN, is_retried=True),
    Fault({"mode": "hang", "process_first": True}, 504, UNKNOWN, is_retried=True),
]
SHORT_RUN_FAULTS = [FAULTS[9], FAULTS[-1]]
STATUS = {
    UNKNOWN: 504,
    "credentials-rejected": 502,
    "paynearme-error": 502,
    "bank-authorization-expired": 409,
    "rejected-by-paynearme": 422,
}


def backend_calls(backend: BackendClient, customer: CustomerDriver, key: str) -> dict[str, Callable[[], Response]]:
    """Return a call of each operation. The requests contain PII."""
    smart_token_request = load("get_smart_token")["guaranteed_ach"] | PII | {"pnm_order_identifier": customer.order}
    owner = {"site_identifier": customer.site, "site_customer_identifier": customer.identifier}
    contents = {
        "create_order": order_request(customer.site, customer.identifier, **CUSTOMER_DATA),
        "get_smart_token": smart_token_request,
        "find_payment_methods": owner,
        "make_payment": customer.payment_request(),
    }
    return {name: partial(backend.post, PATHS[name], content, key) for name, content in contents.items()}


@dataclass(frozen=True)
class FaultOutcome:
    """The responses to a customer's calls during a fault, and to a retry of the payment after it.

    ``operations`` are the requests to PayNearMe during the fault, ``payments`` the payments that PayNearMe accepted.
    """

    customer: CustomerDriver
    responses: dict[str, Response]
    operations: list[str]
    payments: list[dict[str, Any]]
    retry: Response


def run_with_fault(backend: BackendClient, paynearme: ControlClient, fault: Fault) -> FaultOutcome:
    """Call all operations for a new customer during the fault, and retry the payment after it."""
    customer, key = new_customer_with_method(backend, paynearme, **CUSTOMER_DATA), new_key()
    texts = (customer.identifier, customer.order)

    def set_fault_mode(behaviour: Mapping[str, Any]) -> None:
        for text in texts:
            paynearme.post("behaviour", {**behaviour, "body_contains": text})

    def customer_operations() -> list[str]:
        calls_log = paynearme.get("calls")
        return [call["operation"] for call in calls_log if {*texts} & {*call["parameters"].values()}]

    calls = backend_calls(backend, customer, key)
    initial_count = len(customer_operations())
    set_fault_mode(fault.behaviour)
    if fault.expires:
        paynearme.post("expire", {"payment_method_identifier": customer.method})
    with ThreadPoolExecutor(len(calls)) as threads:
        responses = dict(zip(calls, threads.map(lambda call: call(), calls.values()), strict=True))
    operations = customer_operations()[initial_count:]
    set_fault_mode({"mode": "normal"})
    payments = paynearme.post("settled")
    retry = customer.pay(key)
    paynearme.post("settled")
    customer_payments = [payment for payment in payments if payment["pnm_order_identifier"] == customer.order]
    return FaultOutcome(customer, responses, operations, customer_payments, retry)


@pytest.mark.parametrize("fault", FAULTS if IS_FULL else SHORT_RUN_FAULTS, ids=str)
def test_upstream_error_documented_response_and_correct_ledger(
    backend: BackendClient, paynearme: ControlClient, ledger_reader: LedgerReader, fault: Fault
) -> None:
    outcome = run_with_fault(backend, paynearme, fault)

    customer, submission = outcome.customer.identifier, outcome.responses["make_payment"]
    for operation, response in outcome.responses.items():
        assert_documented(PATHS[operation], "POST", response)
    for text in map(text_of, (*outcome.responses.values(), outcome.retry)):
        assert not [value for value in PII_VALUES if value in text]
    for operation in ("create_order", "get_smart_token", "find_payment_methods"):
        assert outcome.responses[operation].status == fault.status, operation
    assert (problem_type(submission), submission.status) == (fault.payment, STATUS[fault.payment])
    for operation in outcome.responses:
        expected_calls = 3 if fault.is_retried and operation in IDEMPOTENT else 1
        assert outcome.operations.count(operation) == expected_calls, operation
    # The confirmation resolves an accepted payment. A payment that was not accepted can be submitted again.
    not_accepted = fault.payment in ("credentials-rejected", "paynearme-error")
    expected = "submitted" if fault.is_processed or not_accepted else fault.payment
    assert problem_type(outcome.retry) == expected
    assert len(outcome.payments) == fault.is_processed
    assert ledger_reader.balance(SITE, customer) == (Decimal("1000.00") if expected == "submitted" else 0)
    posted_items = [item for item in ledger_reader.scan() if item.get("confirmed_customer") == customer]
    assert len(posted_items) == (expected == "submitted")
    order_response = backend.get(f"/orders/{SITE}/{outcome.customer.order}")
    assert assert_documented("/orders/{site_identifier}/{pnm_order_identifier}", "GET", order_response).status == 200
