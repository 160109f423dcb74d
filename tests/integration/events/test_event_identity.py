"""Identify and order events, and check their privacy."""

import re
from datetime import timedelta
from typing import Any

import pytest

from paynearme.ledger.event_mapping import payment_events
from paynearme.platform.dynamodb import stream_images
from tests.support.callback_driver import NOON, CallbackDriver, reversal, send_at, unix_time
from tests.support.callback_fixtures import SITE_OF_3_0_IN_XML, authorization, confirmation, site_changes
from tests.support.harness import LambdaFunction, LedgerFixture
from tests.support.stream_reader import StreamReader, events_in

MARKER = "zq7marker7qz"
TWO_DAYS_LATER = NOON + timedelta(days=2)
LIFECYCLE_EVENTS = [
    *("PaymentReversed", "PaymentAnomaly", "PaymentAuthorized", "ReservationReleased", "PaymentAuthorized"),
    *("PaymentFailed", "PaymentConfirmed", "PaymentAnomaly", "PaymentReversed"),
]


def run_lifecycle(callback_driver: CallbackDriver, reverse: LambdaFunction, **changes: str | None) -> None:
    """Reverse, authorize, release, authorize, decline, confirm and reverse a payment."""
    send_at(NOON, reverse, reversal(pnm_payment_identifier="1", reverse_amount="1.00", **changes))
    callback_driver.authorize("1", **changes)
    callback_driver.release("1")
    callback_driver.at(TWO_DAYS_LATER).authorize("1", **changes)
    callback_driver.at(TWO_DAYS_LATER).decline("1", **changes)
    callback_driver.at(TWO_DAYS_LATER).confirm("1", **changes)
    send_at(TWO_DAYS_LATER, reverse, reversal(pnm_payment_identifier="1", reverse_amount="2.00", **changes))


def test_event_identifiers_deterministic_and_unique(
    callback_driver: CallbackDriver, reverse: LambdaFunction, stream_reader: StreamReader
) -> None:
    run_lifecycle(callback_driver, reverse)
    records = stream_reader.records()

    assert events_in(records) == events_in(records)
    assert [event.detail_type for event in events_in(records)] == LIFECYCLE_EVENTS
    assert len({event.event_identifier for event in events_in(records)}) == len(LIFECYCLE_EVENTS)


@pytest.mark.parametrize("field_name", ["pnm_payment_identifier", "site_identifier"])
def test_event_identifiers_differ_between_payments_and_sites(
    authorize: LambdaFunction, confirm: LambdaFunction, stream_reader: StreamReader, field_name: str
) -> None:
    other_payment: dict[str, Any] = {"pnm_payment_identifier": "2"}
    if field_name == "site_identifier":
        other_payment = site_changes(SITE_OF_3_0_IN_XML)
    for changes in ({}, other_payment):
        send_at(NOON, authorize, authorization(**{"timestamp": unix_time(NOON)} | changes))
        send_at(NOON, confirm, confirmation(**{"timestamp": unix_time(NOON)} | changes))

    identifiers = [event.event_identifier for event in stream_reader.new_events()]
    # An authorization and a confirmation for each payment.
    assert len(identifiers) == len(set(identifiers)) == 4


def test_event_sequence_increases_over_payment_lifecycle(
    callback_driver: CallbackDriver, reverse: LambdaFunction, stream_reader: StreamReader
) -> None:
    run_lifecycle(callback_driver, reverse)
    callback_driver.authorize("1", payment_amount="7.00")
    callback_driver.authorize("1", payment_amount="7.00")
    callback_driver.confirm("1", payment_amount="8.00")

    sequence = [event.sequence for event in stream_reader.new_events()]
    assert len(sequence) == len(LIFECYCLE_EVENTS) + 1
    assert sequence == sorted(set(sequence))


def test_event_amounts_have_two_decimals(
    callback_driver: CallbackDriver, reverse: LambdaFunction, stream_reader: StreamReader
) -> None:
    run_lifecycle(callback_driver, reverse, payment_amount="100")

    amounts = [
        value
        for event in stream_reader.new_events()
        for name, value in event.model_dump(mode="json", exclude_none=True).items()
        if "amount" in name or name in ("credited_amount", "debited_amount")
    ]
    assert len(amounts) == 11
    assert [amount for amount in amounts if not re.fullmatch(r"[0-9]+\.[0-9]{2}", amount)] == []


def test_events_contain_no_pii(
    callback_driver: CallbackDriver, reverse: LambdaFunction, stream_reader: StreamReader
) -> None:
    pii = (
        *("agent_name", "agent_email", "payment_bank_name", "payment_card_last4", "user_agent_string"),
        *("payment_bank_last4", "payment_latitude", "retailer_name", "site_order_annotation", "card_pii"),
    )

    run_lifecycle(callback_driver, reverse, **dict.fromkeys(pii, MARKER))

    records = stream_reader.records()
    event_text = "".join(event.model_dump_json() for event in events_in(records))
    assert len(events_in(records)) == len(LIFECYCLE_EVENTS)
    assert MARKER not in event_text + str(records)
    assert "_pii" not in event_text


def test_duplicates_publish_no_events(
    callback_driver: CallbackDriver, reverse: LambdaFunction, stream_reader: StreamReader
) -> None:
    reversal_message = reversal(pnm_payment_identifier="1")
    callback_driver.authorize("1")
    callback_driver.authorize("2", payment_amount="90.00")
    callback_driver.confirm("1")
    callback_driver.decline("2")
    send_at(NOON, reverse, reversal_message)
    stream_reader.new_events()

    for now in (NOON, TWO_DAYS_LATER):
        callback_driver.at(now).authorize("1")
        callback_driver.at(now).authorize("2", payment_amount="90.00")
        callback_driver.at(now).confirm("1")
        callback_driver.at(now).decline("2")
        send_at(now, reverse, reversal_message)
        callback_driver.at(now).release("1")

    assert stream_reader.new_events() == []


def test_test_payment_publishes_no_events(
    callback_driver: CallbackDriver, reverse: LambdaFunction, stream_reader: StreamReader
) -> None:
    callback_driver.authorize("1", test="true")
    callback_driver.confirm("1", test="true", payment_amount="7.00")
    send_at(NOON, reverse, reversal(pnm_payment_identifier="1", test="true"))

    records = stream_reader.records()
    assert len(records) == 3
    assert events_in(records) == []


def test_stream_other_items_and_deletions_produce_no_events(
    callback_driver: CallbackDriver, stream_reader: StreamReader, ledger_table: LedgerFixture
) -> None:
    callback_driver.authorize()
    callback_driver.confirm()
    for item in ledger_table.all_items():
        key: Any = {name: {"S": item[name]} for name in ("pk", "sk")}
        ledger_table.client.delete_item(TableName=ledger_table.table_name, Key=key)

    records = stream_reader.records()
    other_records = [record for record in records if record["dynamodb"]["Keys"]["sk"]["S"] != "PAYMENT"]
    deleted_records = [record for record in records if record["eventName"] == "REMOVE"]
    assert len(other_records) > 5
    assert len(deleted_records) > 4
    assert events_in([*other_records, *deleted_records]) == []


def test_stream_record_invalid_payment_item_raises_error(
    callback_driver: CallbackDriver, stream_reader: StreamReader
) -> None:
    callback_driver.authorize()
    [record] = [r for r in stream_reader.records() if r["dynamodb"]["Keys"]["sk"]["S"] == "PAYMENT"]
    old_image, new_image = stream_images(record)

    assert len(payment_events(old_image, new_image, NOON)) == 1
    with pytest.raises(ValueError, match="pnm_order_identifier"):
        payment_events(old_image, new_image | {"pnm_order_identifier": "not an identifier"}, NOON)
    del new_image["policy_version"]
    with pytest.raises(KeyError, match="policy_version"):
        payment_events(old_image, new_image, NOON)
