"""Compare net amounts of authorizations and confirmations."""

from decimal import Decimal

import pytest

from tests.support.callback_fixtures import CUSTOMER, authorization, confirmation
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture

NET_AMOUNT = {"net_payment_amount": "350.00", "net_payment_currency": "USD"}
ONE_TRANSACTION = ["TransactWriteItems"]


def test_net_amount_mismatch_posted_and_flagged(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput
) -> None:
    assert authorize(authorization(**NET_AMOUNT | {"net_payment_amount": "349.99"})).status == 200

    assert confirm(confirmation(**NET_AMOUNT)).status == 200

    assert ledger_table.balances() == {CUSTOMER: Decimal("350.00")}
    assert ledger_table.anomalies() == {"amount_differs"}
    assert captured_output.metric_total("AnomalyAmountDiffers") == 1


def test_net_amount_mismatch_late_authorization_flagged(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    assert confirm(confirmation(**NET_AMOUNT)).status == 200
    assert ledger_table.anomalies() == set()

    assert authorize(authorization(**NET_AMOUNT | {"net_payment_amount": "349.99"})).status == 200

    assert ledger_table.balances() == {CUSTOMER: Decimal("350.00")}
    assert ledger_table.anomalies() == {"amount_differs"}


@pytest.mark.parametrize(
    "authorized_net", [None, {}, NET_AMOUNT], ids=["unauthorized", "without net", "with another net"]
)
def test_net_amount_exceeding_amount_posted_once_and_flagged(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
    authorized_net: dict[str, str] | None,
) -> None:
    if authorized_net is not None:
        assert authorize(authorization(**authorized_net)).status == 200
    message = confirmation(net_payment_amount="355.00")

    assert [confirm(message).status for _ in range(3)] == [200] * 3

    assert ledger_table.balances() == {CUSTOMER: Decimal("355.00")}
    assert ledger_table.anomalies() == {"net_exceeds_amount"} | ({"amount_differs"} if authorized_net else set())
    assert captured_output.metric_total("AnomalyNetExceedsAmount") == 1
    assert captured_output.metric_total("PaymentConfirmed") == 1


def test_net_amount_exceeding_of_failed_payment_is_no_anomaly(
    confirm: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    assert confirm(confirmation(status="decline", net_payment_amount="355.00")).status == 200

    assert ledger_table.balances() == {}
    assert ledger_table.anomalies() == set()


@pytest.mark.parametrize(
    ("authorized_net", "confirmed_net"),
    [
        ({}, "350.00"),
        (NET_AMOUNT, "350.00"),
        (NET_AMOUNT, "350"),
        (NET_AMOUNT | {"net_payment_amount": "354.99"}, "354.99"),
    ],
    ids=["authorized without net", "equal", "equal without cents", "no fees"],
)
def test_net_amount_consistent_one_transaction_without_anomaly(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    ledger_table: LedgerFixture,
    aws_calls: AwsCallRecorder,
    authorized_net: dict[str, str],
    confirmed_net: str,
) -> None:
    assert authorize(authorization(**authorized_net)).status == 200
    message = confirmation(net_payment_amount=confirmed_net)

    assert aws_calls.calls_during(lambda: confirm(message)) == ONE_TRANSACTION
    assert ledger_table.balances() == {CUSTOMER: Decimal(confirmed_net)}
    assert ledger_table.anomalies() == set()


@pytest.mark.parametrize("net", ["349.99", "355.00"], ids=["differs", "differs and exceeds"])
def test_net_amount_mismatch_duplicate_costs_one_transaction(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    ledger_table: LedgerFixture,
    aws_calls: AwsCallRecorder,
    net: str,
) -> None:
    authorize(authorization(**NET_AMOUNT))
    message = confirmation(net_payment_amount=net)
    assert aws_calls.calls_during(lambda: confirm(message)) == ONE_TRANSACTION * 2

    assert aws_calls.calls_during(lambda: confirm(message)) == ONE_TRANSACTION
    assert ledger_table.balances() == {CUSTOMER: Decimal(net)}


@pytest.mark.parametrize("net", ["350.00", "355.00"], ids=["below the amount", "exceeds"])
@pytest.mark.parametrize(
    ("was_authorized", "transactions"), [(True, 1), (False, 2)], ids=["authorized", "unauthorized"]
)
def test_net_amount_exceeding_costs_no_additional_transaction(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    aws_calls: AwsCallRecorder,
    net: str,
    was_authorized: bool,
    transactions: int,
) -> None:
    if was_authorized:
        authorize(authorization())
    message = confirmation(net_payment_amount=net)

    assert aws_calls.calls_during(lambda: confirm(message)) == ONE_TRANSACTION * transactions
