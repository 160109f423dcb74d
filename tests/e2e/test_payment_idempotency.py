"""A payment is submitted once, also with concurrent requests, and if the process ends before the response."""

import operator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from sandbox.clients.backend_client import BackendClient
from sandbox.clients.control_client import ControlClient
from sandbox.clients.stack_client import LedgerReader
from sandbox.stack.processes import kill_functions
from sandbox.stack.stack import Stack
from tests.support.payment_driver import (
    PATHS,
    SITE,
    CustomerDriver,
    new_customer_with_method,
    new_key,
    problem_type,
    requested_operations,
)
from tests.support.test_run import IS_FULL

CONCURRENCY = 32 if IS_FULL else 8
FAR_FUTURE = 4_000_000_000
"""Unix time in seconds."""


@pytest.fixture
def customer(backend: BackendClient, paynearme: ControlClient) -> CustomerDriver:
    return new_customer_with_method(backend, paynearme)


@pytest.fixture
def key() -> str:
    return new_key()


def set_lease_expiry(stack: Stack, ledger_reader: LedgerReader, customer: CustomerDriver, expires_at: int) -> None:
    """Set the lease expiry of the customer's payment intent to ``expires_at`` (Unix seconds)."""
    (intent,) = [
        item
        for item in ledger_reader.scan()
        if item["sk"] == "INTENT" and item["pnm_order_identifier"] == customer.order
    ]
    stack.client("dynamodb").update_item(
        TableName=stack.table_name,
        Key={name: {"S": intent[name]} for name in ("pk", "sk")},
        UpdateExpression="SET lease_expires_at = :expires_at",
        ExpressionAttributeValues={":expires_at": {"N": str(expires_at)}},
    )


def payment_requests(paynearme: ControlClient) -> int:
    """Return the number of ``make_payment`` requests to the fake PayNearMe."""
    return requested_operations(paynearme).count("make_payment")


def test_payment_concurrent_same_key_submitted_once(
    paynearme: ControlClient,
    ledger_reader: LedgerReader,
    customer: CustomerDriver,
    key: str,
) -> None:
    paynearme.post("behaviour", {"mode": "slow", "seconds": 0.3, "operation": "make_payment"})

    with ThreadPoolExecutor(CONCURRENCY) as threads:
        responses = list(threads.map(lambda _: customer.pay(key), range(CONCURRENCY)))

    assert payment_requests(paynearme) == 1
    assert {problem_type(response) for response in responses} <= {"submitted", "payment-in-progress"}
    submitted = [response.content for response in responses if problem_type(response) == "submitted"]
    assert submitted
    assert all(content == submitted[0] for content in submitted)
    assert customer.pay(key).content == submitted[0]
    paynearme.post("settled")
    assert payment_requests(paynearme) == 1
    assert ledger_reader.balance(SITE, customer.identifier) == Decimal("1000.00")


@pytest.mark.parametrize(
    "captured", [True, pytest.param(False, marks=pytest.mark.full)], ids=["captured", "not-captured"]
)
def test_payment_process_killed_during_attempt_submitted_once(
    work_dir: Path,
    stack: Stack,
    backend: BackendClient,
    paynearme: ControlClient,
    ledger_reader: LedgerReader,
    customer: CustomerDriver,
    key: str,
    captured: bool,
) -> None:
    paynearme.post("behaviour", {"mode": "hang", "operation": "make_payment", "process_first": captured})
    with ThreadPoolExecutor(1) as thread:
        # The emulator returns an error response for the killed process.
        interrupted_call = thread.submit(backend.post, PATHS["make_payment"], customer.payment_request(), key)
        until_requested = Retrying(
            retry=retry_if_result(operator.not_), wait=wait_fixed(0.05), stop=stop_after_delay(60)
        )
        until_requested(payment_requests, paynearme)
        assert kill_functions(work_dir, "MakePaymentFunction") > 0
        assert interrupted_call.result().status >= 500
    paynearme.post("behaviour", {"mode": "normal"})

    set_lease_expiry(stack, ledger_reader, customer, FAR_FUTURE)
    during_lease = customer.pay(key)
    paynearme.post("settled")
    set_lease_expiry(stack, ledger_reader, customer, 0)
    after_lease = customer.pay(key)

    assert problem_type(during_lease) == "payment-in-progress"
    assert int(during_lease.headers["retry-after"]) > 0
    assert problem_type(after_lease) == ("submitted" if captured else "payment-outcome-unknown"), after_lease.content
    assert payment_requests(paynearme) == 1
    assert ledger_reader.balance(SITE, customer.identifier) == (Decimal("1000.00") if captured else 0)
