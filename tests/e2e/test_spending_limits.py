"""Concurrent payments against one limit on the deployed stack: exact reservations, released after declines."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from paynearme.ledger.release import release
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Table
from sandbox.clients.backend_client import BackendClient
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender, Delivery
from sandbox.fake_paynearme.messages import Parameters, build_confirmation, with_new_identifier
from sandbox.stack.sites import GAMING_SITE
from sandbox.stack.stack import Stack
from tests.e2e.conftest import CONCURRENCY

ROUNDS = 20
ACCEPTED_COUNT = 10
AMOUNT = Decimal("33.33")


def payment_of(customer: str, sample: str = "credit", amount: Decimal = AMOUNT) -> Parameters:
    """Return the authorization of a new payment at the gaming site."""
    amounts = {"payment_amount": str(amount), "net_payment_amount": str(amount)}
    identifiers = {"site_identifier": GAMING_SITE, "site_customer_identifier": customer}
    return {**with_new_identifier(load("authorization")[sample]), **identifiers, **amounts}


def put_limits(backend: BackendClient, customer: str, **limits: str) -> None:
    response = backend.put(f"/customers/{GAMING_SITE}/{customer}", {"status": "active", **limits})
    assert response.status == 200


def spent_amount(backend: BackendClient, customer: str, window: str) -> Decimal:
    response = backend.get(f"/customers/{GAMING_SITE}/{customer}")
    assert response.status == 200
    return Decimal(response.content["spending"][window]["spent"])


def test_concurrent_authorizations_accept_10_of_64_within_limit(
    concurrent_workers: ThreadPoolExecutor, sender: CallbackSender, backend: BackendClient, ledger_reader: LedgerReader
) -> None:
    def authorize(message: Parameters) -> Delivery:
        return sender.deliver("authorize", message, "json")

    def decline(message: Parameters) -> Delivery:
        return sender.deliver("confirm", build_confirmation(message, status="decline"), "json")

    # A month limit, because a day can end during the test.
    customer = "at-the-limit"
    put_limits(backend, customer, self_imposed_month_limit=str(AMOUNT * ACCEPTED_COUNT))
    rounds = [[payment_of(customer) for _ in range(CONCURRENCY)] for _ in range(ROUNDS)]
    for messages in rounds:
        deliveries = list(concurrent_workers.map(authorize, messages))

        assert [delivery.reason for delivery in deliveries] == [None] * CONCURRENCY
        accepted = [
            message
            for message, delivery in zip(messages, deliveries, strict=True)
            if (delivery.fields or {})["accept_payment"] == "yes"
        ]
        assert len(accepted) == ACCEPTED_COUNT
        assert spent_amount(backend, customer, "month") == AMOUNT * ACCEPTED_COUNT

        # A declined payment releases its reservation for the next round.
        decline_deliveries = list(concurrent_workers.map(decline, accepted))
        assert [delivery.reason for delivery in decline_deliveries] == [None] * ACCEPTED_COUNT
        assert spent_amount(backend, customer, "month") == 0

    reasons = {item["pk"]: item["reason"] for item in ledger_reader.scan() if "reason" in item}
    for messages in rounds:
        payment_keys = [f"PAYMENT#{GAMING_SITE}#{message['pnm_payment_identifier']}" for message in messages]
        assert Counter(map(reasons.get, payment_keys)) == {
            "accepted": ACCEPTED_COUNT,
            "self_imposed_month_limit_exceeded": CONCURRENCY - ACCEPTED_COUNT,
        }


def test_concurrent_payments_of_mixed_types_never_exceed_limit(
    concurrent_workers: ThreadPoolExecutor, sender: CallbackSender, backend: BackendClient
) -> None:
    # The policy of the gaming site: at most 1000.00 a day by credit and debit cards together.
    customer, amount = "two-cards", Decimal("100.00")
    put_limits(backend, customer)
    samples = ("credit", "debit", "ach") * 8
    messages = [payment_of(customer, sample, amount) for sample in samples]

    deliveries = list(concurrent_workers.map(lambda message: sender.deliver("authorize", message, "form"), messages))

    assert [delivery.reason for delivery in deliveries] == [None] * len(samples)
    accepted = Counter(
        "card" if sample in ("credit", "debit") else sample
        for sample, delivery in zip(samples, deliveries, strict=True)
        if (delivery.fields or {})["accept_payment"] == "yes"
    )
    assert accepted == {"card": 10, "ach": 8}


@pytest.fixture
def table(stack: Stack) -> Table:
    return Table(stack.table_name, stack.client("dynamodb"))


def test_released_amount_can_be_spent_late_confirmation_counts(
    sender: CallbackSender, backend: BackendClient, ledger_reader: LedgerReader, table: Table
) -> None:
    customer = "released"
    put_limits(backend, customer, self_imposed_month_limit=str(AMOUNT))
    first, second = payment_of(customer), payment_of(customer)
    identifier = first["pnm_payment_identifier"]

    def is_accepted(message: Parameters) -> bool:
        delivery = sender.deliver("authorize", message, "query")
        return (delivery.fields or {})["accept_payment"] == "yes"

    assert is_accepted(first)
    assert not is_accepted(payment_of(customer))
    assert release(table, GAMING_SITE, identifier, datetime.now(UTC), Deadline.after(8))
    assert not release(table, GAMING_SITE, identifier, datetime.now(UTC), Deadline.after(8))
    assert is_accepted(second)
    assert sender.deliver("confirm", build_confirmation(first), "query").accepted

    assert spent_amount(backend, customer, "month") == AMOUNT * 2
    payment = ledger_reader.payment(GAMING_SITE, identifier)
    assert payment is not None
    assert payment["anomalies"] == {"paid_after_release"}
    assert not is_accepted(payment_of(customer, amount=Decimal("10.00")))
