"""Post paid payments once, and flag contradictions."""

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.support.callback_driver import reversal
from tests.support.callback_fixtures import CUSTOMER, TRANSPORTS, authorization, confirmation
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture

CONFIRMATION = {"pnm_order_identifier": "80080175585"}


ACKNOWLEDGEMENT = {"payment_confirmation_response": {"version": "3.0", "confirmation": CONFIRMATION}}


POSTED_BALANCES = {CUSTOMER: Decimal("350.00")}


@pytest.mark.parametrize("authorized", [True, False], ids=["authorized", "without authorization"])
def test_confirm_duplicates_post_once_with_identical_response(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture, authorized: bool
) -> None:
    if authorized:
        authorize(authorization())

    # A confirmation has no maximum age.
    messages = [confirmation(), confirmation(timestamp="1748969962"), confirmation(timestamp="4748969962")]
    bodies = {confirm(message, transport).body for message in messages for transport in TRANSPORTS.values()}

    assert [json.loads(body) for body in bodies] == [ACKNOWLEDGEMENT]
    item = ledger_table.payment()
    assert (item["outcome"], item["posted_amount"]) == ("payment", Decimal("350.00"))
    assert ledger_table.balances() == POSTED_BALANCES
    assert ledger_table.anomalies() == set()


def test_balance_is_exact_sum_of_posted_amounts(confirm: LambdaFunction, ledger_table: LedgerFixture) -> None:
    for payment_id, amount in enumerate(["0.10", "0.20", "123456789012.07"]):
        confirm(confirmation(pnm_payment_identifier=str(payment_id), net_payment_amount=amount))

    assert ledger_table.balances() == {CUSTOMER: Decimal("123456789012.37")}


def test_confirm_failed_recorded_without_posting(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput
) -> None:
    authorize(authorization())

    # The net amount of a failed payment is not checked.
    response = confirm(confirmation(status="decline", net_payment_amount="355.00"))

    assert (response.status, response.content) == (200, ACKNOWLEDGEMENT)
    assert ledger_table.payment()["outcome"] == "decline"
    assert ledger_table.balances() == {}
    assert ledger_table.anomalies() == set()
    assert captured_output.metric_total("PaymentFailed") == 1


def test_confirm_failed_without_amounts_acknowledged(confirm: LambdaFunction, ledger_table: LedgerFixture) -> None:
    amounts = ("payment_amount", "payment_currency", "net_payment_amount", "net_payment_currency")
    message = confirmation(status="decline", **dict.fromkeys(amounts))

    assert confirm(message).content == ACKNOWLEDGEMENT
    assert confirm(message).content == ACKNOWLEDGEMENT
    assert ledger_table.payment()["outcome"] == "decline"


def test_confirm_paid_after_failed_posts_once_and_flags(
    confirm: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput
) -> None:
    confirm(confirmation(status="decline"))

    bodies = {confirm(confirmation()).body for _ in range(3)}

    assert len(bodies) == 1
    assert ledger_table.balances() == POSTED_BALANCES
    assert ledger_table.payment()["outcome"] == "payment"
    assert ledger_table.anomalies() == {"outcome_contradicted"}
    assert captured_output.metric_total("AnomalyOutcomeContradicted") == 1


def test_confirm_failed_after_paid_keeps_balance_and_flags(
    confirm: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput
) -> None:
    confirm(confirmation())

    response = confirm(confirmation(status="decline"))

    assert response.content == ACKNOWLEDGEMENT
    assert ledger_table.balances() == POSTED_BALANCES
    assert ledger_table.spent_amounts() == {Decimal("354.99")}
    assert ledger_table.payment()["outcome"] == "payment"
    assert ledger_table.anomalies() == {"outcome_contradicted"}
    assert captured_output.metric_total("AnomalyOutcomeContradicted") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"payment_amount": "355.00"},
        {"net_payment_amount": "349.99"},
        {"site_customer_identifier": "another"},
        {"pnm_order_identifier": "1"},
    ],
    ids=lambda changes: "".join(changes),
)
def test_confirm_contradicting_content_flagged_without_posting(
    confirm: LambdaFunction, ledger_table: LedgerFixture, changes: dict[str, Any]
) -> None:
    confirm(confirmation())
    items_before = [item for item in ledger_table.all_items() if item["sk"] != "PAYMENT"]
    original = ledger_table.payment()

    assert confirm(confirmation(**changes)).status == 200

    assert [item for item in ledger_table.all_items() if item["sk"] != "PAYMENT"] == items_before
    flagged = {"anomalies": {"outcome_contradicted"}, "revision": original["revision"] + 1}
    assert ledger_table.payment() == {**original, **flagged}


@pytest.mark.parametrize(
    ("authorized", "confirmed", "anomalies"),
    [
        ({"payment_currency": "CAD"}, {}, {"paid_after_decline", "amount_differs"}),
        ({"payment_amount": "0.00"}, {"payment_amount": "0.00"}, {"paid_after_decline", "net_exceeds_amount"}),
        ({}, {"payment_amount": "355.00"}, {"amount_differs"}),
        ({"net_payment_amount": "349.99", "net_payment_currency": "USD"}, {}, {"amount_differs"}),
        ({}, {"payment_amount": "349.99"}, {"amount_differs", "net_exceeds_amount"}),
        ({}, {"pnm_order_identifier": "1"}, {"order_differs"}),
        ({}, {"site_customer_identifier": "1"}, {"customer_differs"}),
    ],
    ids=["declined: currency", "declined: amount", "amount", "net amount", "net exceeds amount", "order", "customer"],
)
def test_confirmation_mismatch_posted_and_flagged(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
    authorized: dict[str, Any],
    confirmed: dict[str, Any],
    anomalies: set[str],
) -> None:
    authorize(authorization(**authorized))

    bodies = {confirm(confirmation(**confirmed)).body for _ in range(2)}

    assert len(bodies) == 1
    assert list(ledger_table.balances().values()) == [Decimal("350.00")]
    assert ledger_table.anomalies() == anomalies
    for anomaly in anomalies:
        assert captured_output.metric_total("Anomaly" + anomaly.title().replace("_", "")) == 1


@pytest.mark.parametrize("source", ["authorization", "confirmation"])
def test_confirm_customer_in_one_message_is_no_anomaly(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture, source: str
) -> None:
    authorize(authorization(site_customer_identifier=CUSTOMER if source == "authorization" else None))
    confirm(confirmation(site_customer_identifier=CUSTOMER if source == "confirmation" else None))

    assert "customer_differs" not in ledger_table.anomalies()
    assert ledger_table.balances() == (POSTED_BALANCES if source == "confirmation" else {})


def test_confirm_without_customer_posts_payment_only_and_flags(
    confirm: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    message = confirmation(site_customer_identifier=None, standin="true")

    assert confirm(message).body == confirm(message).body
    [item] = ledger_table.all_items()
    assert (item["posted_amount"], item["standin"]) == (Decimal("350.00"), True)
    assert ledger_table.anomalies() == {"customer_missing"}


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_confirm_test_payment_stored_separately_without_posting(
    confirm: LambdaFunction, ledger_table: LedgerFixture, status: str
) -> None:
    bodies = {confirm(confirmation(test="true", status=status)).body for _ in range(2)}

    assert len(bodies) == 1
    [item] = ledger_table.all_items()
    assert item["pk"].startswith("TEST#")
    assert "posted_amount" not in item


def test_ledger_stores_and_logs_no_pii(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    reverse: LambdaFunction,
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
) -> None:
    pii = {
        "customer_name": "Marker-Name",
        "first_name": "Marker-First",
        "customer_email": "marker@example.com",
        "agent_name": "Marker-Agent",
        "agent_email": "marker-agent@example.com",
        "secure_smart_token": "Marker-Token",
        "customer_tax_id_pii": "Marker-Tax",
        "site_customer_identifier_pii": "Marker-Customer",
        "payment_bank_name": "Marker-Bank",
        "payment_bank_last4": "Marker-Last4",
        "payment_card_last4": "Marker-Card4",
        "payment_longitude": "Marker-East",
        "retailer_location_address": "Marker-Street",
        "user_agent_string": "Marker-Browser",
    }
    messages = [authorization(**pii), confirmation(**pii), reversal(**pii, reverse_reason="Marker-Reason")]
    functions = (authorize, confirm, reverse)
    statuses = [function(message).status for function, message in zip(functions, messages, strict=True)]

    output = str(ledger_table.all_items()) + captured_output.text()
    assert statuses == [200] * 3
    assert ledger_table.payment()["outcome"] == "payment"
    assert not [value for value in (*pii.values(), "Marker-Reason") if value in output]
    assert "_pii" not in str(ledger_table.all_items())
    assert not [message for message in messages if message["signature"] in output]
