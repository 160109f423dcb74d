"""Concurrent callbacks on the deployed stack: each payment is posted once, and the balance is exact."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender, Delivery
from sandbox.fake_paynearme.messages import Parameters, build_confirmation, with_new_identifier
from tests.e2e.conftest import CONCURRENCY

ROUNDS = 20


def test_concurrent_identical_confirmations_post_once(
    concurrent_workers: ThreadPoolExecutor,
    sender: CallbackSender,
    ledger_reader: LedgerReader,
    authorization: Parameters,
) -> None:
    customer = "confirmed-64-times"
    confirmation = build_confirmation(authorization, site_customer_identifier=customer)
    net = Decimal(confirmation["net_payment_amount"])
    site = confirmation["site_identifier"]

    for paid_count in range(1, ROUNDS + 1):
        message = with_new_identifier(confirmation)

        def deliver(_: int, message: Parameters = message) -> Delivery:
            return sender.deliver("confirm", message, "json")

        deliveries = list(concurrent_workers.map(deliver, range(CONCURRENCY)))

        assert Counter((delivery.reason, delivery.body) for delivery in deliveries) == {
            (None, deliveries[0].body): CONCURRENCY
        }
        assert ledger_reader.balance(site, customer) == paid_count * net
        payment = ledger_reader.payment(site, message["pnm_payment_identifier"])
        assert payment is not None
        assert "anomalies" not in payment


def test_concurrent_confirmations_of_customer_exact_balance(
    concurrent_workers: ThreadPoolExecutor,
    sender: CallbackSender,
    ledger_reader: LedgerReader,
    authorization: Parameters,
) -> None:
    customer = "pays-64-times"
    site = authorization["site_identifier"]
    # The sum of these amounts is inexact in floating point.
    amounts = [Decimal("0.10") + Decimal(index) / 100 for index in range(CONCURRENCY)]

    def pay(amount: Decimal) -> Delivery:
        payment = with_new_identifier(build_confirmation(authorization, site_customer_identifier=customer))
        return sender.deliver(
            "confirm", {**payment, "net_payment_amount": str(amount), "payment_amount": str(amount)}, "form"
        )

    deliveries = list(concurrent_workers.map(pay, amounts))

    assert [delivery.reason for delivery in deliveries] == [None] * CONCURRENCY
    assert ledger_reader.balance(site, customer) == sum(amounts)


def test_concurrent_identical_authorizations_make_one_decision(
    concurrent_workers: ThreadPoolExecutor,
    sender: CallbackSender,
    ledger_reader: LedgerReader,
    authorization: Parameters,
) -> None:
    def authorize(_: int) -> Delivery:
        return sender.deliver("authorize", authorization, "json")

    deliveries = list(concurrent_workers.map(authorize, range(CONCURRENCY)))

    # The memo contains the time of the decision. Therefore equal responses prove one decision.
    assert Counter((delivery.reason, delivery.body) for delivery in deliveries) == {
        (None, deliveries[0].body): CONCURRENCY
    }
    payment = ledger_reader.payment(authorization["site_identifier"], authorization["pnm_payment_identifier"])
    assert payment is not None
    assert "anomalies" not in payment


def test_concurrent_authorization_and_confirmation_no_anomaly(
    concurrent_workers: ThreadPoolExecutor,
    sender: CallbackSender,
    ledger_reader: LedgerReader,
    authorization: Parameters,
) -> None:
    customer = "races-itself"
    message = {**authorization, "site_customer_identifier": customer}
    confirmation = build_confirmation(message)

    def deliver(index: int) -> Delivery:
        if index % 2:
            return sender.deliver("authorize", message, "json")
        return sender.deliver("confirm", confirmation, "json")

    deliveries = list(concurrent_workers.map(deliver, range(CONCURRENCY)))

    assert [delivery.reason for delivery in deliveries] == [None] * CONCURRENCY
    site = message["site_identifier"]
    assert ledger_reader.balance(site, customer) == Decimal(message["net_payment_amount"])
    payment = ledger_reader.payment(site, message["pnm_payment_identifier"])
    assert payment is not None
    assert (payment["decision"], payment["outcome"]) == ("accept", "payment")
    assert "anomalies" not in payment
