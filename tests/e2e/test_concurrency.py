"""Concurrent callbacks on the deployed stack: exact postings, decisions and limits."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from sandbox.clients.backend_client import BackendClient
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender, Delivery
from sandbox.fake_paynearme.messages import Parameters, build_confirmation, build_reversal, with_new_identifier
from sandbox.stack.sites import GAMING_SITE
from tests.e2e.conftest import CONCURRENCY, ROUNDS

ACCEPTED_COUNT = 10
AMOUNT = Decimal("33.33")


def test_concurrent_identical_callbacks_apply_once(
    concurrent_workers: ThreadPoolExecutor,
    sender: CallbackSender,
    ledger_reader: LedgerReader,
    authorization: Parameters,
) -> None:
    customer = "sends-each-callback-many-times"
    net, site = Decimal(authorization["net_payment_amount"]), authorization["site_identifier"]
    for paid_count in range(1, ROUNDS + 1):
        message = with_new_identifier({**authorization, "site_customer_identifier": customer})
        confirmation = build_confirmation(message)

        def deliver(index: int, message: Parameters = message, confirmation: Parameters = confirmation) -> Delivery:
            if index % 2:
                return sender.deliver("authorize", message, "json")
            return sender.deliver("confirm", confirmation, "json")

        deliveries = list(concurrent_workers.map(deliver, range(CONCURRENCY)))

        # The memo of an authorization contains the time of the decision. Equal responses prove one decision.
        assert [delivery.reason for delivery in deliveries] == [None] * CONCURRENCY
        assert len({delivery.body for delivery in deliveries}) == 2
        assert ledger_reader.balance(site, customer) == paid_count * net
        payment = ledger_reader.payment(site, message["pnm_payment_identifier"])
        assert payment is not None
        assert (payment["decision"], payment["outcome"]) == ("accept", "payment")
        assert "anomalies" not in payment


@pytest.mark.full
def test_concurrent_payments_of_customer_exact_balance(
    concurrent_workers: ThreadPoolExecutor,
    sender: CallbackSender,
    ledger_reader: LedgerReader,
    authorization: Parameters,
) -> None:
    customer = "pays-many-times"
    # The sum of these amounts is inexact in floating point.
    amounts = [Decimal("0.10") + Decimal(index) / 100 for index in range(CONCURRENCY)]

    def pay(amount: Decimal) -> Delivery:
        payment = with_new_identifier(build_confirmation(authorization, site_customer_identifier=customer))
        message = {**payment, "net_payment_amount": str(amount), "payment_amount": str(amount)}
        # Many conflicts can exceed the time limit of an attempt.
        return sender.deliver_until_acknowledged("confirm", message, "form", retry_interval=0.01)[-1]

    deliveries = list(concurrent_workers.map(pay, amounts))

    assert [delivery.reason for delivery in deliveries] == [None] * CONCURRENCY
    assert ledger_reader.balance(authorization["site_identifier"], customer) == sum(amounts)


@pytest.mark.full
def test_concurrent_identical_reversals_debit_once(
    concurrent_workers: ThreadPoolExecutor,
    sender: CallbackSender,
    ledger_reader: LedgerReader,
    authorization: Parameters,
) -> None:
    confirmation = build_confirmation(authorization, site_customer_identifier="reversed-concurrently")
    assert sender.deliver("confirm", confirmation, "json").accepted
    reversal = build_reversal(confirmation, reverse_amount="100.00")

    deliveries = list(concurrent_workers.map(lambda _: sender.deliver("reverse", reversal, "json"), range(8)))

    assert [delivery.reason for delivery in deliveries] == [None] * 8
    expected = Decimal(authorization["net_payment_amount"]) - Decimal("100.00")
    assert ledger_reader.balance(authorization["site_identifier"], "reversed-concurrently") == expected


def test_concurrent_authorizations_within_limit(
    concurrent_workers: ThreadPoolExecutor, sender: CallbackSender, backend: BackendClient, ledger_reader: LedgerReader
) -> None:
    # A month limit, because a day can end during the test.
    customer = "at-the-limit"
    path = f"/customers/{GAMING_SITE}/{customer}"
    limit = {"self_imposed_month_limit": str(AMOUNT * ACCEPTED_COUNT)}
    assert backend.put(path, {"status": "active", **limit}).status == 200
    amounts = {"payment_amount": str(AMOUNT), "net_payment_amount": str(AMOUNT)}
    identifiers = {"site_identifier": GAMING_SITE, "site_customer_identifier": customer}
    template = {**load("authorization")["credit"], **identifiers, **amounts}

    def spent() -> Decimal:
        return Decimal(backend.get(path).content["spending"]["month"]["spent"])

    for _ in range(ROUNDS):
        messages = [with_new_identifier(template) for _ in range(CONCURRENCY)]
        deliveries = list(concurrent_workers.map(lambda m: sender.deliver("authorize", m, "json"), messages))

        assert [delivery.reason for delivery in deliveries] == [None] * CONCURRENCY
        payments = [ledger_reader.payment(GAMING_SITE, message["pnm_payment_identifier"]) for message in messages]
        assert Counter(payment["reason"] for payment in payments if payment) == {
            "accepted": ACCEPTED_COUNT,
            "self_imposed_month_limit_exceeded": CONCURRENCY - ACCEPTED_COUNT,
        }
        assert spent() == AMOUNT * ACCEPTED_COUNT

        # A declined payment releases its reservation for the next round.
        confirmations = [
            build_confirmation(message, status="decline")
            for message, delivery in zip(messages, deliveries, strict=True)
            if (delivery.fields or {})["accept_payment"] == "yes"
        ]
        declines = list(concurrent_workers.map(lambda m: sender.deliver("confirm", m, "json"), confirmations))
        assert [delivery.reason for delivery in declines] == [None] * ACCEPTED_COUNT
        assert spent() == 0
