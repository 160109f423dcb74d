"""Many payments at once against one limit on the deployed stack: it holds to the cent, and comes back."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from local.backend import Backend
from local.callbacks import CallbackSender, Delivery
from local.drive import Books, confirmation_of
from local.events import Parameters, load, with_fresh_payment
from local.sites import GAMING_SITE
from local.stack import Stack
from paynearme.deadline import Deadline
from paynearme.ledger import Ledger
from paynearme.table import Table
from tests.e2e.conftest import AT_ONCE

ROUNDS = 20
ADMITTED = 10
AMOUNT = Decimal("33.33")


def payment_of(customer: str, like: str = "credit", amount: Decimal = AMOUNT) -> Parameters:
    """Return the authorization of a fresh payment at the gaming operator's site."""
    money = {"payment_amount": str(amount), "net_payment_amount": str(amount)}
    of = {"site_identifier": GAMING_SITE, "site_customer_identifier": customer}
    return {**with_fresh_payment(load("authorization")[like]), **of, **money}


def feed(backend: Backend, customer: str, **limits: str) -> None:
    reply = backend.put(f"/customers/{GAMING_SITE}/{customer}", {"status": "active", **limits})
    assert reply.status == 200


def spent(backend: Backend, customer: str, window: str) -> Decimal:
    reply = backend.get(f"/customers/{GAMING_SITE}/{customer}")
    assert reply.status == 200
    return Decimal(reply.content["spending"][window]["spent"])


def test_64_payments_at_once_against_a_limit_that_admits_10_of_them_in_each_of_20_rounds(
    crowd: ThreadPoolExecutor, sender: CallbackSender, backend: Backend, books: Books
) -> None:
    def ask(message: Parameters) -> Delivery:
        return sender.deliver("authorize", message, "json")

    def fail(message: Parameters) -> Delivery:
        return sender.deliver("confirm", confirmation_of(message, status="decline"), "json")

    # A month's limit, because a day can end during the rounds.
    customer = "at-the-limit"
    feed(backend, customer, self_imposed_month_limit=str(AMOUNT * ADMITTED))
    rounds = [[payment_of(customer) for _ in range(AT_ONCE)] for _ in range(ROUNDS)]
    for messages in rounds:
        deliveries = list(crowd.map(ask, messages))

        assert [delivery.reason for delivery in deliveries] == [None] * AT_ONCE
        accepted = [
            message
            for message, delivery in zip(messages, deliveries, strict=True)
            if (delivery.fields or {})["accept_payment"] == "yes"
        ]
        assert len(accepted) == ADMITTED
        assert spent(backend, customer, "month") == AMOUNT * ADMITTED

        # What failed can be spent again: by the next round.
        released = list(crowd.map(fail, accepted))
        assert [delivery.reason for delivery in released] == [None] * ADMITTED
        assert spent(backend, customer, "month") == 0

    reasons = {item["pk"]: item["reason"] for item in books.everything() if "reason" in item}
    for messages in rounds:
        asked = [f"PAYMENT#{GAMING_SITE}#{message['pnm_payment_identifier']}" for message in messages]
        assert Counter(map(reasons.get, asked)) == {
            "accepted": ADMITTED,
            "self_imposed_month_limit_exceeded": AT_ONCE - ADMITTED,
        }


def test_payments_of_different_types_at_once_keep_a_limit_over_some_types(
    crowd: ThreadPoolExecutor, sender: CallbackSender, backend: Backend
) -> None:
    # The gaming operator's policy: 1000.00 a day by credit and debit cards together.
    customer, amount = "two-cards", Decimal("100.00")
    feed(backend, customer)
    likes = ("credit", "debit", "ach") * 8
    messages = [payment_of(customer, like, amount) for like in likes]

    deliveries = list(crowd.map(lambda message: sender.deliver("authorize", message, "form"), messages))

    assert [delivery.reason for delivery in deliveries] == [None] * len(likes)
    accepted = Counter(
        "card" if like in ("credit", "debit") else like
        for like, delivery in zip(likes, deliveries, strict=True)
        if (delivery.fields or {})["accept_payment"] == "yes"
    )
    assert accepted == {"card": 10, "ach": 8}


@pytest.fixture
def ledger(stack: Stack) -> Ledger:
    return Ledger(Table(stack.table_name, stack.client("dynamodb")))


def test_what_was_released_can_be_spent_again_and_a_late_confirmation_takes_it_again(
    sender: CallbackSender, backend: Backend, books: Books, ledger: Ledger
) -> None:
    customer = "released"
    feed(backend, customer, self_imposed_month_limit=str(AMOUNT))
    first, second = payment_of(customer), payment_of(customer)
    identifier = first["pnm_payment_identifier"]

    def accepts(message: Parameters) -> bool:
        delivery = sender.deliver("authorize", message, "query")
        return (delivery.fields or {})["accept_payment"] == "yes"

    assert accepts(first)
    assert not accepts(payment_of(customer))
    assert ledger.release(GAMING_SITE, identifier, datetime.now(UTC), Deadline.after(8))
    assert not ledger.release(GAMING_SITE, identifier, datetime.now(UTC), Deadline.after(8))
    assert accepts(second)
    assert sender.deliver("confirm", confirmation_of(first), "query").accepted

    assert spent(backend, customer, "month") == AMOUNT * 2
    payment = books.payment(GAMING_SITE, identifier)
    assert payment is not None
    assert payment["anomalies"] == {"paid_after_release"}
    assert not accepts(payment_of(customer, amount=Decimal("10.00")))
