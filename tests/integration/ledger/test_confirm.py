import time
from decimal import Decimal
from typing import Any

import pytest

from tests.support.callback_fixtures import CUSTOMER, TRANSPORTS, authorization, confirmation, signed
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture
from tests.support.samples import load_sample, sample_names

CONFIRMATION = {"pnm_order_identifier": "80080175585"}
ACKNOWLEDGEMENT = {"payment_confirmation_response": {"version": "3.0", "confirmation": CONFIRMATION}}
POSTED_BALANCES = {CUSTOMER: Decimal("350.00")}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_confirm_paid_acknowledged_and_credits_net_amount(
    confirm: LambdaFunction, ledger_table: LedgerFixture, transport: str
) -> None:
    response = confirm(confirmation(), TRANSPORTS[transport])

    assert response.status == 200
    assert response.content == ACKNOWLEDGEMENT
    assert ledger_table.balances() == POSTED_BALANCES
    assert ledger_table.payment()["outcome"] == "payment"


@pytest.mark.parametrize("authorized", [True, False], ids=["authorized", "without authorization"])
def test_confirm_duplicates_post_once_with_identical_response(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture, authorized: bool
) -> None:
    if authorized:
        authorize(authorization())

    bodies = {confirm(confirmation(), transport).body for transport in TRANSPORTS.values() for _ in range(2)}

    assert len(bodies) == 1
    assert ledger_table.balances() == POSTED_BALANCES
    assert ledger_table.anomalies() == set()


def test_balance_is_exact_sum_of_posted_amounts(confirm: LambdaFunction, ledger_table: LedgerFixture) -> None:
    for payment_id in range(10):
        confirm(confirmation(pnm_payment_identifier=str(payment_id), net_payment_amount="0.10"))
    confirm(confirmation(pnm_payment_identifier="10", net_payment_amount="123456789012.07"))

    assert ledger_table.balances() == {CUSTOMER: Decimal("123456789013.07")}


def test_balance_of_one_customer_identifier_separate_per_site(
    confirm: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    confirm(confirmation())
    confirm(confirmation(site_identifier="S2411573363"))

    accounts = [item for item in ledger_table.all_items() if item["sk"] == "ACCOUNT"]
    assert [item["balance"] for item in accounts] == [350, 350]


def test_confirm_failed_recorded_without_posting(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput
) -> None:
    authorize(authorization())

    response = confirm(confirmation(status="decline"))

    assert (response.status, response.content) == (200, ACKNOWLEDGEMENT)
    assert ledger_table.payment()["outcome"] == "decline"
    assert ledger_table.balances() == {}
    assert captured_output.metric_total("PaymentFailed") == 1


def test_confirm_failed_without_amounts_acknowledged(confirm: LambdaFunction, ledger_table: LedgerFixture) -> None:
    amounts = ("payment_amount", "payment_currency", "net_payment_amount", "net_payment_currency")
    message = confirmation(status="decline", **dict.fromkeys(amounts))

    assert confirm(message).content == ACKNOWLEDGEMENT
    assert confirm(message).content == ACKNOWLEDGEMENT
    assert ledger_table.payment()["outcome"] == "decline"


@pytest.mark.parametrize(
    "changes", [{"payment_currency": "CAD"}, {"payment_amount": "-1.00"}], ids=["other currency", "negative"]
)
def test_confirm_failed_after_decline_for_money_acknowledged(
    authorize: LambdaFunction, confirm: LambdaFunction, changes: dict[str, Any]
) -> None:
    assert authorize(authorization(**changes)).fields["accept_payment"] == "no"

    assert confirm(confirmation(status="decline", **changes)).status == 200


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
    assert ledger_table.payment()["outcome"] == "payment"
    assert ledger_table.anomalies() == {"outcome_contradicted"}
    assert captured_output.metric_total("AnomalyOutcomeContradicted") == 1


def test_confirm_alternating_outcomes_post_once(confirm: LambdaFunction, ledger_table: LedgerFixture) -> None:
    for status in ["decline", "payment", "decline", "payment", "decline", "payment"]:
        assert confirm(confirmation(status=status)).content == ACKNOWLEDGEMENT

    assert ledger_table.balances() == POSTED_BALANCES


@pytest.mark.parametrize(
    "changes",
    [
        {"payment_amount": "355.00"},
        {"net_payment_amount": "349.99"},
        {"site_customer_identifier": "1"},
        {"site_customer_identifier": None},
        {"pnm_order_identifier": "1"},
    ],
    ids=["amount", "net amount", "customer", "no customer", "order"],
)
def test_confirm_contradicting_content_flagged_without_posting(
    confirm: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput, changes: dict[str, Any]
) -> None:
    confirm(confirmation())
    original = ledger_table.payment()

    response = confirm(confirmation(**changes))

    assert response.status == 200
    assert ledger_table.balances() == POSTED_BALANCES
    flagged = {"anomalies": {"outcome_contradicted"}, "revision": original["revision"] + 1}
    assert ledger_table.payment() == {**original, **flagged}
    assert captured_output.metric_total("AnomalyOutcomeContradicted") == 1


@pytest.mark.parametrize(
    ("authorized", "confirmed", "anomalies"),
    [
        ({"payment_currency": "CAD"}, {}, {"paid_after_decline", "amount_differs"}),
        ({"payment_amount": "0.00"}, {"payment_amount": "0.00"}, {"paid_after_decline", "net_exceeds_amount"}),
        ({}, {"payment_amount": "355.00"}, {"amount_differs"}),
        ({}, {"pnm_order_identifier": "1"}, {"order_differs"}),
        ({}, {"site_customer_identifier": "1"}, {"customer_differs"}),
        ({}, {"payment_amount": "360.00", "pnm_order_identifier": "1"}, {"amount_differs", "order_differs"}),
    ],
    ids=["declined: currency", "declined: amount", "amount", "order", "customer", "amount and order"],
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


@pytest.mark.parametrize("customer", [None, ""], ids=["absent", "empty"])
def test_confirm_without_customer_posts_payment_only_and_flags(
    confirm: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput, customer: str | None
) -> None:
    message = confirmation(site_customer_identifier=customer)

    assert {confirm(message).body for _ in range(2)} == {confirm(message).body}
    assert ledger_table.balances() == {}
    assert ledger_table.payment()["posted_amount"] == Decimal("350.00")
    assert ledger_table.anomalies() == {"customer_missing"}
    assert captured_output.metric_total("AnomalyCustomerMissing") == 1


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_confirm_test_payment_stored_separately_without_posting(
    confirm: LambdaFunction, ledger_table: LedgerFixture, status: str
) -> None:
    bodies = {confirm(confirmation(test="true", status=status)).body for _ in range(2)}

    assert len(bodies) == 1
    [item] = ledger_table.all_items()
    assert item["pk"].startswith("TEST#")
    assert "posted_amount" not in item


@pytest.mark.parametrize("order", [["true", None], [None, "true"]], ids=["test first", "real first"])
def test_confirm_test_and_real_payment_posts_only_real(
    confirm: LambdaFunction, ledger_table: LedgerFixture, order: list[str | None]
) -> None:
    for test in order:
        confirm(confirmation(test=test))

    assert ledger_table.balances() == POSTED_BALANCES
    assert [item.get("anomalies") for item in ledger_table.payments()] == [None, None]


@pytest.mark.parametrize("age", [0, 3600, 40 * 24 * 3600, 50 * 365 * 24 * 3600, -86400])
def test_confirm_any_timestamp_age_accepted(confirm: LambdaFunction, ledger_table: LedgerFixture, age: int) -> None:
    assert confirm(confirmation(timestamp=str(int(time.time()) - age))).content == ACKNOWLEDGEMENT
    assert ledger_table.balances() == POSTED_BALANCES


def test_confirm_duplicate_with_new_timestamp_posts_once(confirm: LambdaFunction, ledger_table: LedgerFixture) -> None:
    confirm(confirmation())
    confirm(confirmation(timestamp="1748969962"))

    assert ledger_table.balances() == POSTED_BALANCES
    assert ledger_table.anomalies() == set()


@pytest.mark.parametrize("is_standin", ["true", "false", None])
def test_confirm_standin_flag_stored(
    confirm: LambdaFunction, ledger_table: LedgerFixture, is_standin: str | None
) -> None:
    confirm(confirmation(standin=is_standin))

    assert ledger_table.payment()["standin"] is (is_standin == "true")


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_ledger_stores_no_pii(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture, status: str
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
        "payment_bank_last4": "9911",
        "payment_card_last4": "9922",
        "payment_longitude": "Marker-East",
        "retailer_location_address": "Marker-Street",
        "user_agent_string": "Marker-Browser",
    }
    authorize(authorization(**pii))
    confirm(confirmation(status=status, **pii))

    stored_text = str(ledger_table.all_items())
    assert ledger_table.payment()["outcome"] == status
    assert not [value for value in pii.values() if value in stored_text]
    assert "_pii" not in stored_text
    assert authorization(**pii)["signature"] not in stored_text


@pytest.mark.parametrize("name", sample_names("confirmation"))
def test_confirm_documentation_samples_posted(confirm: LambdaFunction, ledger_table: LedgerFixture, name: str) -> None:
    message = load_sample("confirmation", name) | {"site_identifier": "S2155373459"}

    response = confirm(signed(message))

    assert response.fields == {"pnm_order_identifier": message["pnm_order_identifier"]}
    assert list(ledger_table.balances().values()) == [Decimal(message["net_payment_amount"])]
