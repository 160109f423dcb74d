"""Unconfirmed payments on the deployed stack: one event, and the release of the reservation after 24 hours."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from paynearme.ledger.schema import stored_time
from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import Parameters, build_confirmation, with_new_identifier
from sandbox.stack.stack import Stack
from tests.support.event_assertions import PaymentEventRecorder
from tests.support.function_processes import resources_of
from tests.support.harness import WINDOW_TOTAL


def sweep(stack: Stack) -> None:
    """Invoke the sweep like its schedule."""
    [alias] = [
        name for kind, name in resources_of(stack) if kind == "AWS::Lambda::Alias" and "-SweepUnconfirmed" in name
    ]
    assert "FunctionError" not in stack.client("lambda").invoke(FunctionName=alias, Payload=b"{}")


def advance_clock(stack: Stack, message: Parameters, stage: str, minutes: int) -> None:
    """Set the stored time of a pending payment to ``minutes`` before now."""
    timestamp = datetime.now(UTC) - timedelta(minutes=minutes)
    key = f"PAYMENT#{message['site_identifier']}#{message['pnm_payment_identifier']}"
    stack.client("dynamodb").update_item(
        TableName=stack.table_name,
        Key={"pk": {"S": key}, "sk": {"S": "PAYMENT"}},
        UpdateExpression="SET pending_since = :since",
        ExpressionAttributeValues={":since": {"S": f"{stage}#{stored_time(timestamp)}"}},
    )


def reserved_amounts(ledger_reader: LedgerReader, customer: str) -> set[Decimal]:
    """Return the reserved amounts in the customer's windows."""
    [spending] = [
        item
        for item in ledger_reader.scan()
        if item["pk"].startswith("SPENDING#") and item["pk"].endswith(f"#{customer}")
    ]
    return {amount for name, amount in spending.items() if WINDOW_TOTAL.fullmatch(name)}


def test_unconfirmed_payment_published_once_then_released(
    stack: Stack,
    sender: CallbackSender,
    ledger_reader: LedgerReader,
    received_events: PaymentEventRecorder,
    authorization: Parameters,
) -> None:
    message = {**authorization, "site_customer_identifier": "unconfirmed"}
    recent = with_new_identifier({**authorization, "site_customer_identifier": "recently-authorized"})
    for authorization_message in (message, recent):
        assert sender.deliver("authorize", authorization_message, "json").accepted
    payment = message["pnm_payment_identifier"]

    advance_clock(stack, message, "authorized", minutes=61)
    sweep(stack)
    sweep(stack)
    received_events.wait_until(lambda recorder: recorder.contains_all([(payment, "PaymentUnconfirmed")]))
    assert reserved_amounts(ledger_reader, "unconfirmed") == {Decimal("504.99")}

    advance_clock(stack, message, "unconfirmed", minutes=24 * 60 + 1)
    sweep(stack)
    sweep(stack)
    received_events.wait_until(lambda recorder: recorder.contains_all([(payment, "ReservationReleased")]))
    assert reserved_amounts(ledger_reader, "unconfirmed") == {Decimal("0.00")}

    # The late confirmation is posted and recorded as an anomaly.
    assert sender.deliver("confirm", build_confirmation(message), "json").accepted
    event_names = ["PaymentAuthorized", "PaymentUnconfirmed", "ReservationReleased", "PaymentConfirmed"]
    keys = [(payment, event_name) for event_name in (*event_names, "paid_after_release")]
    received_events.wait_until(lambda recorder: recorder.contains_all(keys))
    assert received_events.count_keys([payment]) == Counter(keys)
    assert ledger_reader.balance(message["site_identifier"], "unconfirmed") == Decimal("500.00")
    assert reserved_amounts(ledger_reader, "unconfirmed") == {Decimal("504.99")}
    recent_payment = recent["pnm_payment_identifier"]
    assert set(received_events.count_keys([recent_payment])) == {(recent_payment, "PaymentAuthorized")}
