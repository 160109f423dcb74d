"""Many callbacks at once on the deployed stack: the money moves once and the balance is exact."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from local.callbacks import CallbackSender, Delivery
from local.drive import Books, confirmation_of
from local.events import Parameters, with_fresh_payment
from tests.e2e.conftest import AT_ONCE

ROUNDS = 20


def test_64_identical_confirmations_at_once_post_once_in_each_of_20_rounds(
    crowd: ThreadPoolExecutor, sender: CallbackSender, books: Books, authorization: Parameters
) -> None:
    customer = "told-64-times"
    confirmation = confirmation_of(authorization, site_customer_identifier=customer)
    net = Decimal(confirmation["net_payment_amount"])
    site = confirmation["site_identifier"]

    for paid in range(1, ROUNDS + 1):
        message = with_fresh_payment(confirmation)

        def deliver(_: int, message: Parameters = message) -> Delivery:
            return sender.deliver("confirm", message, "json")

        deliveries = list(crowd.map(deliver, range(AT_ONCE)))

        assert Counter((delivery.reason, delivery.body) for delivery in deliveries) == {
            (None, deliveries[0].body): AT_ONCE
        }
        assert books.balance(site, customer) == paid * net
        payment = books.payment(site, message["pnm_payment_identifier"])
        assert payment is not None
        assert "anomalies" not in payment


def test_64_payments_of_one_customer_at_once_give_the_exact_balance(
    crowd: ThreadPoolExecutor, sender: CallbackSender, books: Books, authorization: Parameters
) -> None:
    customer = "pays-64-times"
    site = authorization["site_identifier"]
    # Amounts that floats would get wrong.
    amounts = [Decimal("0.10") + Decimal(number) / 100 for number in range(AT_ONCE)]

    def pay(amount: Decimal) -> Delivery:
        payment = with_fresh_payment(confirmation_of(authorization, site_customer_identifier=customer))
        return sender.deliver(
            "confirm", {**payment, "net_payment_amount": str(amount), "payment_amount": str(amount)}, "form"
        )

    deliveries = list(crowd.map(pay, amounts))

    assert [delivery.reason for delivery in deliveries] == [None] * AT_ONCE
    assert books.balance(site, customer) == sum(amounts)


def test_64_identical_authorizations_at_once_make_one_decision(
    crowd: ThreadPoolExecutor, sender: CallbackSender, books: Books, authorization: Parameters
) -> None:
    def ask(_: int) -> Delivery:
        return sender.deliver("authorize", authorization, "json")

    deliveries = list(crowd.map(ask, range(AT_ONCE)))

    # The memo holds the moment of the decision, so equal answers come from one decision.
    assert Counter((delivery.reason, delivery.body) for delivery in deliveries) == {
        (None, deliveries[0].body): AT_ONCE
    }
    payment = books.payment(authorization["site_identifier"], authorization["pnm_payment_identifier"])
    assert payment is not None
    assert "anomalies" not in payment


def test_an_authorization_that_races_its_own_confirmation_loses_nothing(
    crowd: ThreadPoolExecutor, sender: CallbackSender, books: Books, authorization: Parameters
) -> None:
    customer = "races-itself"
    message = {**authorization, "site_customer_identifier": customer}
    confirmation = confirmation_of(message)

    def deliver(number: int) -> Delivery:
        if number % 2:
            return sender.deliver("authorize", message, "json")
        return sender.deliver("confirm", confirmation, "json")

    deliveries = list(crowd.map(deliver, range(AT_ONCE)))

    assert [delivery.reason for delivery in deliveries] == [None] * AT_ONCE
    site = message["site_identifier"]
    assert books.balance(site, customer) == Decimal(message["net_payment_amount"])
    payment = books.payment(site, message["pnm_payment_identifier"])
    assert payment is not None
    assert (payment["decision"], payment["outcome"]) == ("accept", "payment")
    assert "anomalies" not in payment
