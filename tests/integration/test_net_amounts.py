"""What is the customer's of a payment, as it was authorized and as it was confirmed."""

from decimal import Decimal

import pytest

from tests.integration.observed import Function, Stored, Traffic, Written
from tests.integration.signed_callbacks import CUSTOMER, authorization, confirmation

NET = {"net_payment_amount": "350.00", "net_payment_currency": "USD"}
ONE_TRANSACTION = ["TransactWriteItems"]


def test_a_net_amount_other_than_the_authorized_one_is_posted_and_marked(
    authorize: Function, confirm: Function, stored: Stored, written: Written
) -> None:
    assert authorize(authorization(**NET | {"net_payment_amount": "349.99"})).status == 200

    assert confirm(confirmation(**NET)).status == 200

    assert stored.balances() == {CUSTOMER: Decimal("350.00")}
    assert stored.anomalies() == {"amount_differs"}
    assert written.counted("AnomalyAmountDiffers") == 1


def test_a_net_amount_that_differs_is_marked_when_the_authorization_comes_late(
    authorize: Function, confirm: Function, stored: Stored
) -> None:
    assert confirm(confirmation(**NET)).status == 200
    assert stored.anomalies() == set()

    assert authorize(authorization(**NET | {"net_payment_amount": "349.99"})).status == 200

    assert stored.balances() == {CUSTOMER: Decimal("350.00")}
    assert stored.anomalies() == {"amount_differs"}


@pytest.mark.parametrize("authorized", [None, {}, NET], ids=["never", "without net", "with another net"])
def test_a_net_amount_above_the_amount_is_posted_once_and_marked(
    authorize: Function,
    confirm: Function,
    stored: Stored,
    written: Written,
    authorized: dict[str, str] | None,
) -> None:
    if authorized is not None:
        assert authorize(authorization(**authorized)).status == 200
    message = confirmation(net_payment_amount="355.00")

    assert [confirm(message).status for _ in range(3)] == [200] * 3

    assert stored.balances() == {CUSTOMER: Decimal("355.00")}
    assert stored.anomalies() == {"net_exceeds_amount"} | ({"amount_differs"} if authorized else set())
    assert written.counted("AnomalyNetExceedsAmount") == 1
    assert written.counted("PaymentConfirmed") == 1


def test_a_net_amount_above_the_amount_of_a_payment_that_failed_is_no_anomaly(
    confirm: Function, stored: Stored
) -> None:
    assert confirm(confirmation(status="decline", net_payment_amount="355.00")).status == 200

    assert stored.balances() == {}
    assert stored.anomalies() == set()


@pytest.mark.parametrize(
    ("authorized", "confirmed"),
    [
        ({}, "350.00"),
        (NET, "350.00"),
        (NET, "350"),
        (NET | {"net_payment_amount": "354.99"}, "354.99"),
    ],
    ids=["authorized without net", "equal", "equal, spelled differently", "all of it"],
)
def test_a_net_amount_that_contradicts_nothing_costs_one_transaction_and_no_mark(
    authorize: Function,
    confirm: Function,
    stored: Stored,
    traffic: Traffic,
    authorized: dict[str, str],
    confirmed: str,
) -> None:
    assert authorize(authorization(**authorized)).status == 200
    message = confirmation(net_payment_amount=confirmed)

    assert traffic.made_by(lambda: confirm(message)) == ONE_TRANSACTION
    assert stored.balances() == {CUSTOMER: Decimal(confirmed)}
    assert stored.anomalies() == set()


@pytest.mark.parametrize("net", ["349.99", "355.00"], ids=["differs", "differs and exceeds"])
def test_a_marked_confirmation_again_costs_one_transaction_and_posts_nothing(
    authorize: Function, confirm: Function, stored: Stored, traffic: Traffic, net: str
) -> None:
    authorize(authorization(**NET))
    message = confirmation(net_payment_amount=net)
    assert traffic.made_by(lambda: confirm(message)) == ONE_TRANSACTION * 2

    assert traffic.made_by(lambda: confirm(message)) == ONE_TRANSACTION
    assert stored.balances() == {CUSTOMER: Decimal(net)}


@pytest.mark.parametrize("net", ["350.00", "355.00"], ids=["usual", "exceeds"])
@pytest.mark.parametrize(("authorized", "transactions"), [(True, 1), (False, 2)])
def test_a_net_amount_that_exceeds_costs_no_more_than_another_where_no_net_amount_was_authorized(
    authorize: Function, confirm: Function, traffic: Traffic, net: str, authorized: bool, transactions: int
) -> None:
    if authorized:
        authorize(authorization())
    message = confirmation(net_payment_amount=net)

    assert traffic.made_by(lambda: confirm(message)) == ONE_TRANSACTION * transactions
