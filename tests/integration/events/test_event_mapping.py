"""Map payment changes in the table's stream to events."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from paynearme.ledger.quarantine_items import Resolution, list_unresolved, resolve
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Table
from tests.support.aws_errors import MARKER
from tests.support.callback_driver import NOON, CallbackDriver, reversal, send_at, unix_time
from tests.support.callback_fixtures import (
    CUSTOMER,
    SITE,
    SITE_OF_3_0_IN_XML,
    authorization,
    confirmation,
    site_changes,
)
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import LambdaFunction, LedgerFixture
from tests.support.stream_reader import StreamReader, events_in

ORDER = "80080175585"
TWO_DAYS_LATER = NOON + timedelta(days=2)
LIFECYCLE_EVENTS = [
    *("PaymentReversed", "PaymentAnomaly", "PaymentAuthorized", "ReservationReleased", "PaymentAuthorized"),
    *("PaymentFailed", "PaymentConfirmed", "PaymentAnomaly", "PaymentReversed"),
]


@pytest.fixture
def details(stream_reader: StreamReader) -> Callable[[], dict[str, Any]]:
    """Return the fields of the only new event, without its identity and null values."""

    def details() -> dict[str, Any]:
        [event] = stream_reader.new_events()
        ignored_fields = {"event_identifier", "sequence", "schema_version"}
        return {"type": event.detail_type} | event.model_dump(mode="json", exclude=ignored_fields, exclude_none=True)

    return details


def expected_event(callback_driver: CallbackDriver, **fields: Any) -> dict[str, Any]:
    """Return the expected fields of an event of an authorized payment."""
    return {
        "site_identifier": SITE,
        "pnm_payment_identifier": "1",
        "pnm_order_identifier": ORDER,
        "site_customer_identifier": CUSTOMER,
        "site_payment_identifier": callback_driver.item()["site_payment_identifier"],
        "occurred_at": "2026-11-20T17:00:00Z",
        "payment_amount": "100.00",
        "payment_currency": "USD",
        "payment_type": "credit",
        **fields,
    }


def test_event_payment_authorized_fields(
    callback_driver: CallbackDriver, details: Callable[[], dict[str, Any]]
) -> None:
    callback_driver.authorize(site_order_identifier="order-1")

    expected_fields = {
        "reason": "accepted",
        "policy_version": callback_driver.item()["policy_version"],
        "site_order_identifier": "order-1",
    }
    assert details() == expected_event(callback_driver, type="PaymentAuthorized", **expected_fields)


def test_event_authorization_declined_and_paid_unauthorized(
    callback_driver: CallbackDriver,
    deployed_policy: FakeAppConfig,
    stream_reader: StreamReader,
    details: Callable[[], dict[str, Any]],
) -> None:
    deployed_policy.put_defaults(amounts={"credit": {"maximum": "99.99"}})

    callback_driver.authorize()

    expected_fields = {"reason": "amount_too_high", "policy_version": callback_driver.item()["policy_version"]}
    assert details() == expected_event(callback_driver, type="AuthorizationDeclined", **expected_fields)

    callback_driver.confirm()

    confirmed_event, anomaly = (event.model_dump(mode="json") for event in stream_reader.new_events())
    assert (confirmed_event["authorized"], confirmed_event["credited_amount"]) == (False, "100.00")
    assert anomaly["anomaly"] == "paid_after_decline"


def test_event_payment_confirmed_has_credited_amount(
    callback_driver: CallbackDriver, stream_reader: StreamReader, details: Callable[[], dict[str, Any]]
) -> None:
    callback_driver.authorize()
    stream_reader.new_events()

    callback_driver.confirm(net_payment_amount="97.5", payment_type=None, standin="true")

    assert details() == expected_event(
        callback_driver,
        type="PaymentConfirmed",
        net_payment_amount="97.50",
        credited_amount="97.50",
        authorized=True,
        standin=True,
    )


def test_event_payment_failed_without_amounts(
    callback_driver: CallbackDriver, stream_reader: StreamReader, details: Callable[[], dict[str, Any]]
) -> None:
    callback_driver.authorize()
    stream_reader.new_events()
    amounts = ["payment_amount", "payment_currency", "net_payment_amount", "net_payment_currency"]

    callback_driver.decline("1", **dict.fromkeys(amounts))

    expected_fields = expected_event(callback_driver, type="PaymentFailed")
    assert details() == {name: value for name, value in expected_fields.items() if name not in amounts}


def test_event_confirmed_without_customer_credits_zero(
    callback_driver: CallbackDriver, stream_reader: StreamReader, ledger_table: LedgerFixture
) -> None:
    callback_driver.confirm(site_customer_identifier=None)

    confirmed_event, anomaly = stream_reader.new_events()
    confirmed_fields = confirmed_event.model_dump(mode="json")
    assert (confirmed_fields["credited_amount"], confirmed_fields["authorized"]) == ("0.00", False)
    assert confirmed_fields["site_payment_identifier"] is None
    assert anomaly.model_dump()["anomaly"] == "customer_missing"
    assert ledger_table.balances() == {}


def test_events_authorization_after_outcome_follows_confirmation(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, stream_reader: StreamReader
) -> None:
    deployed_policy.put_defaults(amounts={"credit": {"maximum": "100.00"}})
    callback_driver.confirm("1")
    callback_driver.authorize("1")
    callback_driver.confirm("2", payment_amount="100.01")
    callback_driver.authorize("2", payment_amount="100.01")

    assert stream_reader.new_types() == [
        *("PaymentConfirmed", "PaymentAuthorized"),
        *("PaymentConfirmed", "AuthorizationDeclined", "paid_after_decline"),
    ]


def test_event_payment_reversed_once_per_reversal(
    callback_driver: CallbackDriver,
    reverse: LambdaFunction,
    stream_reader: StreamReader,
    details: Callable[[], dict[str, Any]],
) -> None:
    callback_driver.authorize()
    callback_driver.confirm(net_payment_amount="97.50")
    stream_reader.new_events()
    parts: dict[str, dict[str, str | None]] = {
        "60.00": {"reverse_amount": "60.00"},
        "37.50": {"reverse_amount": "40.00", "reverse_type": "Chargeback", "reverse_code": None},
    }
    for debited_amount, changes in parts.items():
        send_at(TWO_DAYS_LATER, reverse, reversal(pnm_payment_identifier="1", **changes))

        event = details()
        kind, code = ("chargeback", None) if "reverse_type" in changes else ("return", "R01")
        assert event["type"] == "PaymentReversed"
        assert event["occurred_at"] == "2026-11-22T17:00:00Z"
        assert (event["reversal_kind"], event.get("reverse_code")) == (kind, code)
        assert event["reverse_type"] == changes.get("reverse_type", "Bank Return")
        assert (event["reversed_amount"], event["debited_amount"]) == (changes["reverse_amount"], debited_amount)

    send_at(TWO_DAYS_LATER, reverse, reversal(pnm_payment_identifier="1", reverse_type="Chargeback Reversed"))
    assert stream_reader.new_types() == ["reversal_type_unknown"]


def test_event_confirmed_after_reversal_credits_remainder(
    callback_driver: CallbackDriver, reverse: LambdaFunction, stream_reader: StreamReader, ledger_table: LedgerFixture
) -> None:
    send_at(NOON, reverse, reversal(pnm_payment_identifier="1", reverse_amount="40.00"))
    callback_driver.confirm(net_payment_amount="97.50")

    events = [event.model_dump(mode="json") | {"type": event.detail_type} for event in stream_reader.new_events()]
    assert [event["type"] for event in events] == ["PaymentReversed", "PaymentAnomaly", "PaymentConfirmed"]
    assert (events[0]["debited_amount"], events[1]["anomaly"]) == ("0.00", "reversed_unknown")
    assert events[2]["credited_amount"] == "57.50"
    assert ledger_table.balances() == {CUSTOMER: 57.5}


def test_event_anomaly_once_per_anomaly(callback_driver: CallbackDriver, stream_reader: StreamReader) -> None:
    callback_driver.decline("2")
    callback_driver.confirm("2")
    assert stream_reader.new_types() == ["PaymentFailed", "PaymentConfirmed", "outcome_contradicted"]
    callback_driver.authorize()
    stream_reader.new_types()

    callback_driver.confirm(
        payment_amount="90.00", net_payment_amount="95.00", pnm_order_identifier="1", site_customer_identifier="another"
    )
    assert stream_reader.new_types() == [
        "PaymentConfirmed",
        *("amount_differs", "customer_differs", "net_exceeds_amount", "order_differs"),
    ]
    callback_driver.confirm(payment_amount="80.00")
    callback_driver.confirm(payment_amount="70.00")
    assert stream_reader.new_types() == ["outcome_contradicted"]
    callback_driver.authorize(payment_amount="1.00")
    callback_driver.authorize(payment_amount="2.00")
    assert stream_reader.new_types() == ["authorization_conflict"]


def test_events_of_lifecycle_identified_ordered_without_pii(
    callback_driver: CallbackDriver, reverse: LambdaFunction, stream_reader: StreamReader
) -> None:
    pii = (
        *("agent_name", "agent_email", "payment_bank_name", "payment_card_last4", "user_agent_string"),
        *("payment_bank_last4", "payment_latitude", "retailer_name", "site_order_annotation", "card_pii"),
    )
    changes = {"payment_amount": "100", **dict.fromkeys(pii, MARKER)}
    later = callback_driver.at(TWO_DAYS_LATER)

    send_at(NOON, reverse, reversal(pnm_payment_identifier="1", reverse_amount="1.00", **changes))
    callback_driver.authorize("1", **changes)
    callback_driver.release("1")
    later.authorize("1", **changes)
    later.decline("1", **changes)
    later.confirm("1", **changes)
    send_at(TWO_DAYS_LATER, reverse, reversal(pnm_payment_identifier="1", reverse_amount="2.00", **changes))
    callback_driver.authorize("1", payment_amount="7.00")
    records = stream_reader.records()

    events = events_in(records)
    assert events_in(records) == events
    assert [event.detail_type for event in events] == [*LIFECYCLE_EVENTS, "PaymentAnomaly"]
    assert len({event.event_identifier for event in events}) == len(events)
    sequence = [event.model_dump()["sequence"] for event in events]
    assert sequence == sorted(set(sequence))
    fields = [field for event in events for field in event.model_dump(mode="json", exclude_none=True).items()]
    amounts = [value for name, value in fields if name.endswith("_amount")]
    assert len(amounts) == 11
    assert not [amount for amount in amounts if not re.fullmatch(r"[0-9]+\.[0-9]{2}", amount)]
    assert not [text for text in (MARKER, "_pii") if text in str(fields)]
    assert MARKER not in str(records)


def test_event_identifiers_differ_between_payments_and_sites(
    authorize: LambdaFunction, confirm: LambdaFunction, stream_reader: StreamReader
) -> None:
    for changes in ({}, {"pnm_payment_identifier": "2"}, site_changes(SITE_OF_3_0_IN_XML)):
        send_at(NOON, authorize, authorization(**{"timestamp": unix_time(NOON)} | changes))
        send_at(NOON, confirm, confirmation(**{"timestamp": unix_time(NOON)} | changes))

    identifiers = [event.event_identifier for event in stream_reader.new_events()]
    assert len(identifiers) == len(set(identifiers)) == 6


def test_test_payment_publishes_no_events(
    callback_driver: CallbackDriver, reverse: LambdaFunction, stream_reader: StreamReader
) -> None:
    callback_driver.authorize("1", test="true")
    callback_driver.confirm("1", test="true", payment_amount="7.00")
    send_at(NOON, reverse, reversal(pnm_payment_identifier="1", test="true"))

    records = stream_reader.records()
    assert len(records) == 3
    assert events_in(records) == []


def test_event_callback_quarantined_once_without_payment_event(
    confirm: LambdaFunction, stream_reader: StreamReader, ledger_table: LedgerFixture
) -> None:
    messages = [confirmation(status="void", agent_name=MARKER, **changes) for changes in ({}, {"timestamp": "1"})]
    messages += [confirmation(status="void", test="true"), confirmation(status="void", pnm_payment_identifier=None)]
    messages.append(confirmation(status="void", pnm_payment_identifier="a b", pnm_order_identifier="1 2"))
    for message in messages:
        assert send_at(NOON, confirm, message).status == 200
    table, deadline = Table(ledger_table.table_name), Deadline.after(10)
    for callback in list_unresolved(table, deadline):
        assert resolve(table, callback, Resolution("discarded", "ops", "why", "1"), NOON, deadline)
    records = stream_reader.records()

    events = events_in(records)
    assert events_in(records) == events
    assert {event.detail_type for event in events} == {"CallbackQuarantined"}
    details = [event.model_dump(mode="json") for event in events]
    assert len({event.pop("event_identifier") for event in details}) == len(details) == 3
    live_items = [item for item in ledger_table.quarantined() if not item["test"]]
    quarantine_identifiers = {event.pop("quarantine_identifier") for event in details}
    assert quarantine_identifiers == {f"{SITE}/{item['fingerprint'][:32]}" for item in live_items}
    first = {
        "schema_version": "1",
        "occurred_at": "2026-11-20T17:00:00Z",
        "site_identifier": SITE,
        "kind": "confirmation",
        "reason": "unknown_status",
        "pnm_payment_identifier": "830466818968",
        "pnm_order_identifier": ORDER,
    }
    assert details == [
        first,
        first | {"reason": "unsupported_callback", "pnm_payment_identifier": None},
        # A malformed identifier can contain a text.
        first | {"pnm_payment_identifier": None, "pnm_order_identifier": None},
    ]
    assert MARKER not in str(records)


def test_stream_other_items_and_deletions_produce_no_events(
    callback_driver: CallbackDriver, stream_reader: StreamReader, ledger_table: LedgerFixture
) -> None:
    callback_driver.confirm()
    stream_records = stream_reader.records()
    for item in ledger_table.all_items():
        key: Any = {name: {"S": item[name]} for name in ("pk", "sk")}
        ledger_table.client.delete_item(TableName=ledger_table.table_name, Key=key)

    other_records = [record for record in stream_records if record["dynamodb"]["Keys"]["sk"]["S"] != "PAYMENT"]
    deletions = stream_reader.records()
    assert {record["eventName"] for record in deletions} == {"REMOVE"}
    assert (len(other_records), len(deletions)) == (2, 3)
    assert events_in([*other_records, *deletions]) == []
