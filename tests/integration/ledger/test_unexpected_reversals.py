"""Store reversals of unposted payments, reject reversals during failures, and log reversals."""

from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.support.callback_driver import reversal
from tests.support.callback_fixtures import CUSTOMER, TRANSPORTS, authorization, confirmation
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture

MARKER = "zq7marker7qz"


def balance(amount: str) -> dict[str, Decimal]:
    return {CUSTOMER: Decimal(amount)}


pytestmark = pytest.mark.usefixtures("no_delays")


@pytest.mark.parametrize("state_before", ["unknown", "authorized", "authorization declined", "declined"])
def test_reversal_unposted_payment_flagged_and_debits_nothing(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    reverse: LambdaFunction,
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
    state_before: str,
) -> None:
    if state_before in ("authorized", "declined"):
        authorize(authorization())
    if state_before == "authorization declined":
        authorize(authorization(payment_currency="CAD"))
    if state_before == "declined":
        confirm(confirmation(status="decline"))

    bodies = {reverse(reversal()).body for _ in range(2)}

    assert len(bodies) == 1
    assert ledger_table.balances() == {}
    assert ledger_table.anomalies() == {"reversed_unknown"}
    assert ledger_table.payment()["reversed_amount"] == Decimal("100.00")
    assert captured_output.metric_total("AnomalyReversedUnknown") == 1


@pytest.mark.parametrize(
    ("reversed_amounts", "remaining_balance"),
    [(["100.00"], "250.00"), (["100.00", "50.00"], "200.00"), (["354.99"], "0"), (["200.00", "200.00"], "0")],
    ids=str,
)
@pytest.mark.parametrize("state_before", ["unknown", "authorized", "declined"])
def test_reversal_before_post_reduces_credited_amount(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    reverse: LambdaFunction,
    ledger_table: LedgerFixture,
    state_before: str,
    reversed_amounts: list[str],
    remaining_balance: str,
) -> None:
    if state_before != "unknown":
        authorize(authorization())
    if state_before == "declined":
        confirm(confirmation(status="decline"))
    messages = [reversal(reverse_amount=part, payment_arn=str(n)) for n, part in enumerate(reversed_amounts)]
    for message in messages:
        reverse(message)

    for _ in range(2):
        assert confirm(confirmation()).status == 200
        assert {reverse(message).status for message in messages} == {200}

    assert ledger_table.balances() == balance(remaining_balance)
    assert ledger_table.payment()["posted_amount"] == Decimal("350.00")
    assert "reversed_unknown" in ledger_table.anomalies()


def test_reversals_never_exceed_posted_amount(
    confirm: LambdaFunction, reverse: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    reverse(reversal(reverse_amount="300.00"))
    confirm(confirmation())
    assert ledger_table.balances() == balance("50.00")

    reverse(reversal(reverse_amount="20.00"))
    assert ledger_table.balances() == balance("30.00")

    reverse(reversal(reverse_amount="100.00"))
    assert ledger_table.balances() == balance("0")
    assert "reversed_too_much" in ledger_table.anomalies()


def test_reversal_never_debits_declined_customer(
    confirm: LambdaFunction, reverse: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    confirm(confirmation(status="decline"))
    confirm(confirmation(site_customer_identifier=None))
    reverse(reversal())

    assert ledger_table.balances() == {}
    assert "confirmed_customer" not in ledger_table.payment()


@pytest.mark.parametrize("reversal_customer", [None, CUSTOMER], ids=["no customer", "customer"])
@pytest.mark.parametrize("was_authorized", [False, True], ids=["unauthorized", "authorized"])
def test_reversal_payment_posted_without_customer_debits_nothing(
    authorize: LambdaFunction,
    confirm: LambdaFunction,
    reverse: LambdaFunction,
    ledger_table: LedgerFixture,
    was_authorized: bool,
    reversal_customer: str | None,
) -> None:
    if was_authorized:
        authorize(authorization())
    confirm(confirmation(site_customer_identifier=None))

    assert reverse(reversal(site_customer_identifier=reversal_customer)).status == 200

    assert ledger_table.balances() == {}
    assert ledger_table.payment()["reversed_amount"] == Decimal("100.00")


def test_failed_after_reversal_posts_nothing(
    confirm: LambdaFunction, reverse: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    reverse(reversal())
    confirm(confirmation(status="decline"))

    assert ledger_table.balances() == {}
    assert ledger_table.payment()["outcome"] == "decline"


@pytest.mark.parametrize(("lost_count", "status"), [(2, 200), (10_000, 503)], ids=["two responses", "all responses"])
def test_reversal_lost_responses_debited_once(
    confirm: LambdaFunction,
    reverse: LambdaFunction,
    ledger_table: LedgerFixture,
    aws_calls: AwsCallRecorder,
    lost_count: int,
    status: int,
) -> None:
    confirm(confirmation())
    response_error = ReadTimeoutError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")
    aws_calls.response_errors["TransactWriteItems"] = [response_error] * lost_count

    assert reverse(reversal()).status == status
    aws_calls.response_errors.clear()

    assert reverse(reversal()).status == 200
    assert ledger_table.balances() == balance("250.00")


@pytest.mark.parametrize("failure", ["table deleted", "access denied", "internal error"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_reversal_during_failure_returns_503_without_details(
    reverse: LambdaFunction,
    ledger_table: LedgerFixture,
    aws_calls: AwsCallRecorder,
    captured_output: CapturedOutput,
    failure: str,
    transport: str,
) -> None:
    error: dict[str, Any] = {"Error": {"Code": "AccessDeniedException", "Message": MARKER}}
    if failure == "table deleted":
        ledger_table.client.delete_table(TableName=ledger_table.table_name)
    elif failure == "access denied":
        aws_calls.request_errors["BatchGetItem"] = ClientError(error, "BatchGetItem")  # type: ignore[arg-type] # without ResponseMetadata
    else:
        aws_calls.request_errors["TransactWriteItems"] = RuntimeError(MARKER)

    response = reverse(reversal(agent_name=MARKER), TRANSPORTS[transport])

    assert response.status == 503
    assert response.content_type.startswith("application/problem+json")
    assert MARKER not in response.body + captured_output.text()
    [line] = captured_output.logs()
    assert line["level"] == "ERROR"


def test_reversal_retry_after_failure_debits_balance(
    confirm: LambdaFunction, reverse: LambdaFunction, ledger_table: LedgerFixture, aws_calls: AwsCallRecorder
) -> None:
    confirm(confirmation())
    aws_calls.request_errors["TransactWriteItems"] = RuntimeError()
    assert reverse(reversal()).status == 503
    assert ledger_table.balances() == balance("350.00")
    aws_calls.request_errors.clear()

    assert reverse(reversal()).status == 200
    assert ledger_table.balances() == balance("250.00")


@pytest.mark.parametrize(
    ("changes", "kind", "metric"),
    [
        ({"reverse_type": "Chargeback"}, "chargeback", "ReversedChargeback"),
        ({"reverse_type": "Bank Return"}, "return", "ReversedReturn"),
        ({"reverse_type": None, "reverse_code": "R29"}, "return", "ReversedReturn"),
        ({"reverse_type": "Refund", "reverse_code": None}, "other", None),
        ({"reverse_type": None, "reverse_code": None}, "other", None),
    ],
    ids=["chargeback", "return", "return by its code", "refund", "no type"],
)
def test_reversal_kind_logged_and_counted(
    confirm: LambdaFunction,
    reverse: LambdaFunction,
    captured_output: CapturedOutput,
    changes: dict[str, Any],
    kind: str,
    metric: str | None,
) -> None:
    confirm(confirmation())

    reverse(reversal(**changes, pnm_order_identifier="1"))
    reverse(reversal(**changes, pnm_order_identifier="1"))

    _, first, second = captured_output.logs()
    assert (first["operation"], first["status"], first["reversal_kind"]) == ("reverse", 200, kind)
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert first["anomalies"] == ["order_differs"]
    assert "anomalies" not in second
    expected_metrics = ["PaymentReversed", "ReversalDuplicate", "AnomalyOrderDiffers", *([metric] if metric else [])]
    assert [captured_output.metric_total(name) for name in expected_metrics] == [1] * len(expected_metrics)
    other_metrics = {"ReversedChargeback", "ReversedReturn"} - {metric}
    assert not any(captured_output.metric_total(name) for name in other_metrics)


def test_reversal_pii_not_stored_or_logged(
    confirm: LambdaFunction, reverse: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput
) -> None:
    pii = {
        "customer_name": "Marker-Name",
        "agent_name": "Marker-Agent",
        "agent_email": "marker@example.com",
        "customer_tax_id_pii": "Marker-Tax",
        "payment_bank_name": "Marker-Bank",
        "payment_bank_last4": "9911",
        "payment_card_last4": "9922",
        "retailer_location_address": "Marker-Street",
        "reverse_reason": "Marker-Reason",
        "user_agent_string": "Marker-Browser",
    }
    confirm(confirmation())

    message = reversal(**pii)
    assert reverse(message).status == 200

    stored_text = str(ledger_table.all_items()) + captured_output.text()
    assert not [value for value in pii.values() if value in stored_text]
    assert message["signature"] not in stored_text
