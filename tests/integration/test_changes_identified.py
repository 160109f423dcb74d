"""By what a merchant tells events apart and puts them in order, and what no event says."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from paynearme.ledger import events_of
from paynearme.messages.events import PaymentEvent
from paynearme.table import images_of
from tests.integration.observed import Function, Stored
from tests.integration.payments_over_time import NOON, Payments, at, reversal, sent
from tests.integration.signed_callbacks import (
    SITE_OF_3_0_IN_XML,
    authorization,
    confirmation,
    site_changes,
)
from tests.integration.streamed import Streamed, events_in

MARKER = "zq7marker7qz"
LATER = NOON + timedelta(days=2)
WHOLE_STORY = [
    *("PaymentReversed", "PaymentAnomaly", "PaymentAuthorized", "ReservationReleased", "PaymentAuthorized"),
    *("PaymentFailed", "PaymentConfirmed", "PaymentAnomaly", "PaymentReversed"),
]


@pytest.fixture
def payments(authorize: Function, confirm: Function, stored: Stored, streamed: Streamed) -> Payments:
    return Payments(authorize, confirm, stored)


def tell_it_all(payments: Payments, reverse: Function, **changes: str | None) -> None:
    """Let a payment come back, be asked about, released, asked about again, fail, be made, and come back."""
    at(NOON, reverse, reversal(pnm_payment_identifier="1", reverse_amount="1.00", **changes))
    payments.ask("1", **changes)
    payments.release("1")
    payments.at(LATER).ask("1", **changes)
    payments.at(LATER).fail("1", **changes)
    payments.at(LATER).pay("1", **changes)
    at(LATER, reverse, reversal(pnm_payment_identifier="1", reverse_amount="2.00", **changes))


def test_the_identifiers_are_the_same_whoever_makes_the_events_again(
    payments: Payments, reverse: Function, streamed: Streamed
) -> None:
    tell_it_all(payments, reverse)
    records = streamed.records()

    assert events_in(records) == events_in(records)
    assert [event.detail_type for event in events_in(records)] == WHOLE_STORY
    assert len({event.event_identifier for event in events_in(records)}) == len(WHOLE_STORY)


@pytest.mark.parametrize("what", ["pnm_payment_identifier", "site_identifier"])
def test_the_identifiers_of_equal_payments_differ(
    authorize: Function, confirm: Function, streamed: Streamed, what: str
) -> None:
    another: dict[str, Any] = {"pnm_payment_identifier": "2"}
    if what == "site_identifier":
        another = site_changes(SITE_OF_3_0_IN_XML)
    for changes in ({}, another):
        at(NOON, authorize, authorization(**{"timestamp": sent(NOON)} | changes))
        at(NOON, confirm, confirmation(**{"timestamp": sent(NOON)} | changes))

    identifiers = [event.event_identifier for event in streamed.told()]
    # Each was asked about, made, and told to differ: its net amount is not its amount.
    assert len(identifiers) == len(set(identifiers)) == 4


def test_the_sequence_grows_over_the_whole_story(
    payments: Payments, reverse: Function, streamed: Streamed
) -> None:
    tell_it_all(payments, reverse)
    payments.ask("1", payment_amount="7.00")
    payments.ask("1", payment_amount="7.00")
    payments.pay("1", payment_amount="8.00")

    sequence = [event.sequence for event in streamed.told()]
    assert len(sequence) == len(WHOLE_STORY) + 1
    assert sequence == sorted(set(sequence))


def test_amounts_are_text_with_two_places(payments: Payments, reverse: Function, streamed: Streamed) -> None:
    tell_it_all(payments, reverse, payment_amount="100")

    amounts = [
        value
        for event in streamed.told()
        for name, value in event.model_dump(mode="json", exclude_none=True).items()
        if "amount" in name or name in ("credited_amount", "debited_amount")
    ]
    assert len(amounts) == 11
    assert [amount for amount in amounts if not re.fullmatch(r"[0-9]+\.[0-9]{2}", amount)] == []


def test_no_event_says_anything_personal(payments: Payments, reverse: Function, streamed: Streamed) -> None:
    personal = (
        *("agent_name", "agent_email", "payment_bank_name", "payment_card_last4", "user_agent_string"),
        *("payment_bank_last4", "payment_latitude", "retailer_name", "site_order_annotation", "card_pii"),
    )

    tell_it_all(payments, reverse, **dict.fromkeys(personal, MARKER))

    records = streamed.records()
    told = "".join(event.model_dump_json() for event in events_in(records))
    assert len(events_in(records)) == len(WHOLE_STORY)
    assert MARKER not in told + str(records)
    assert "_pii" not in told


def test_repeats_are_told_to_nobody(payments: Payments, reverse: Function, streamed: Streamed) -> None:
    back = reversal(pnm_payment_identifier="1")
    payments.ask("1")
    payments.ask("2", payment_amount="90.00")
    payments.pay("1")
    payments.fail("2")
    at(NOON, reverse, back)
    streamed.told()

    for now in (NOON, LATER):
        payments.at(now).ask("1")
        payments.at(now).ask("2", payment_amount="90.00")
        payments.at(now).pay("1")
        payments.at(now).fail("2")
        at(now, reverse, back)
        payments.at(now).release("1")

    assert streamed.told() == []


def test_a_test_is_told_to_nobody(payments: Payments, reverse: Function, streamed: Streamed) -> None:
    payments.ask("1", test="true")
    payments.pay("1", test="true", payment_amount="7.00")
    at(NOON, reverse, reversal(pnm_payment_identifier="1", test="true"))

    records = streamed.records()
    assert len(records) == 3
    assert events_in(records) == []


def test_what_happens_to_other_items_and_what_is_deleted_is_told_to_nobody(
    payments: Payments, streamed: Streamed, stored: Stored
) -> None:
    payments.ask()
    payments.pay()
    for item in stored.everything():
        key: Any = {name: {"S": item[name]} for name in ("pk", "sk")}
        stored.client.delete_item(TableName=stored.table_name, Key=key)

    records = streamed.records()
    of_others = [record for record in records if record["dynamodb"]["Keys"]["sk"]["S"] != "PAYMENT"]
    deleted = [record for record in records if record["eventName"] == "REMOVE"]
    assert len(of_others) > 5
    assert len(deleted) > 4
    assert events_in([*of_others, *deleted]) == []


def test_what_is_not_as_the_ledger_writes_it_is_no_event_but_an_error(
    payments: Payments, streamed: Streamed
) -> None:
    payments.ask()
    [record] = [r for r in streamed.records() if r["dynamodb"]["Keys"]["sk"]["S"] == "PAYMENT"]
    old, new = images_of(record)

    def told(**changes: Any) -> list[PaymentEvent]:
        return events_of(old, new | changes, datetime.now(UTC))

    assert len(told()) == 1
    with pytest.raises(ValueError, match="pnm_order_identifier"):
        told(pnm_order_identifier="not one of theirs")
    with pytest.raises(KeyError, match="policy_version"):
        events_of(old, {name: value for name, value in new.items() if name != "policy_version"}, datetime.now(UTC))


def test_what_was_written_before_there_were_revisions_is_told_as_the_first(
    payments: Payments, streamed: Streamed
) -> None:
    payments.ask()
    [record] = [r for r in streamed.records() if r["dynamodb"]["Keys"]["sk"]["S"] == "PAYMENT"]
    del record["dynamodb"]["NewImage"]["revision"]
    payments.pay()

    before, after = [*events_in([record]), *streamed.told()]
    assert before.sequence < after.sequence
