"""Unconfirmed payments on the deployed stack: one event, and the release of the reservation after 24 hours."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from sandbox.clients.stack_client import LedgerReader
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import Parameters, build_confirmation, with_new_identifier
from sandbox.stack.stack import Stack
from tests.support.event_assertions import PaymentEventRecorder


@pytest.fixture
def sweep(stack: Stack) -> Callable[[], None]:
    """Return a function that invokes the sweep like its schedule."""
    name = function_name(stack, "SweepUnconfirmed")

    def call() -> None:
        response = stack.client("lambda").invoke(FunctionName=name, Qualifier="live", Payload=b"{}")
        assert "FunctionError" not in response

    return call


def function_name(stack: Stack, part: str) -> str:
    functions = stack.client("lambda").list_functions()["Functions"]
    names: list[str] = [function["FunctionName"] for function in functions]
    [matching_name] = [name for name in names if name.startswith(f"{stack.stack_name}-{part}Function-")]
    return matching_name


def advance_clock(stack: Stack, message: Parameters, stage: str, minutes: int) -> None:
    """Set the stored time of a pending payment to ``minutes`` before now."""
    timestamp = datetime.now(UTC) - timedelta(minutes=minutes)
    key = f"PAYMENT#{message['site_identifier']}#{message['pnm_payment_identifier']}"
    stack.client("dynamodb").update_item(
        TableName=stack.table_name,
        Key={"pk": {"S": key}, "sk": {"S": "PAYMENT"}},
        UpdateExpression="SET pending_since = :since",
        ExpressionAttributeValues={":since": {"S": f"{stage}#{timestamp.isoformat()}"}},
    )


def reserved_amounts(ledger_reader: LedgerReader, customer: str) -> set[Decimal]:
    """Return the reserved amounts in the customer's windows."""
    return {item["spent"] for item in ledger_reader.scan() if item["pk"].endswith(f"#{customer}") if "spent" in item}


def test_unconfirmed_payment_published_once_then_released(
    stack: Stack,
    sender: CallbackSender,
    ledger_reader: LedgerReader,
    received_events: PaymentEventRecorder,
    sweep: Callable[[], None],
    authorization: Parameters,
) -> None:
    message = {**authorization, "site_customer_identifier": "unconfirmed"}
    recent = with_new_identifier({**authorization, "site_customer_identifier": "recently-authorized"})
    confirmed = with_new_identifier({**authorization, "site_customer_identifier": "confirmed"})
    for authorization_message in (message, recent, confirmed):
        assert sender.deliver_until_acknowledged("authorize", authorization_message, "json", retry_interval=0.01)[
            -1
        ].accepted
    deliveries = sender.deliver_until_acknowledged(
        "confirm", build_confirmation(confirmed), "json", retry_interval=0.01
    )
    assert deliveries[-1].accepted
    payment = message["pnm_payment_identifier"]

    advance_clock(stack, message, "authorized", minutes=61)
    sweep()
    sweep()
    received_events.wait_until(lambda recorder: recorder.contains_all([(payment, "PaymentUnconfirmed")]))
    assert reserved_amounts(ledger_reader, "unconfirmed") == {Decimal("504.99")}

    advance_clock(stack, message, "unconfirmed", minutes=24 * 60 + 1)
    sweep()
    sweep()
    received_events.wait_until(lambda recorder: recorder.contains_all([(payment, "ReservationReleased")]))
    assert reserved_amounts(ledger_reader, "unconfirmed") == {Decimal("0.00")}

    # The late confirmation is posted and recorded as an anomaly.
    assert sender.deliver("confirm", build_confirmation(message), "json").accepted
    event_names = [
        "PaymentAuthorized",
        "PaymentUnconfirmed",
        "ReservationReleased",
        "PaymentConfirmed",
        "paid_after_release",
    ]
    received_events.wait_until(
        lambda recorder: recorder.contains_all([(payment, event_name) for event_name in event_names])
    )
    assert received_events.count_keys([payment]) == Counter((payment, event_name) for event_name in event_names)
    assert ledger_reader.balance(message["site_identifier"], "unconfirmed") == Decimal("500.00")
    assert reserved_amounts(ledger_reader, "unconfirmed") == {Decimal("504.99")}
    other_identifiers = [recent["pnm_payment_identifier"], confirmed["pnm_payment_identifier"]]
    assert not {"PaymentUnconfirmed", "ReservationReleased"} & {
        event_name for _, event_name in received_events.count_keys(other_identifiers)
    }
