"""Count chargebacks and returns by the UTC day of their message, and apply the policy's rules on them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.callback_driver import NOON, CallbackDriver, reversal, send_at, unix_time
from tests.support.callback_fixtures import CUSTOMER, SITE
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import LambdaFunction, LedgerFixture

CHARGEBACK = {"reverse_type": "Chargeback", "reverse_code": "10.4"}


RETURN = {"reverse_type": "Bank Return", "reverse_code": "R01"}


KINDS = {"chargebacks": CHARGEBACK, "returns": RETURN}


each_counter = pytest.mark.parametrize("counter", KINDS)


def reversal_counts(ledger_table: LedgerFixture, customer: str = CUSTOMER) -> dict[str, int]:
    """Return a customer's counts by attribute name."""
    year_items = [item for item in ledger_table.all_items() if item["sk"].startswith("REVERSALS#")]
    customer_items = [item for item in year_items if item["pk"] == f"CUSTOMER#{SITE}#{customer}"]
    return {
        name: int(value)
        for item in customer_items
        for name, value in item.items()
        if name.startswith(("chargebacks_", "returns_"))
    }


@each_counter
def test_reversal_count_once_on_day_of_message(
    callback_driver: CallbackDriver, reverse: LambdaFunction, ledger_table: LedgerFixture, counter: str
) -> None:
    callback_driver.confirm("1")
    callback_driver.confirm("2")
    for _ in range(2):
        send_at(NOON, reverse, reversal(pnm_payment_identifier="1", **KINDS[counter]))
    send_at(NOON, reverse, reversal(pnm_payment_identifier="2", **KINDS[counter]))
    yesterday = NOON - timedelta(days=1)
    send_at(NOON, reverse, reversal(pnm_payment_identifier="3", timestamp=unix_time(yesterday), **KINDS[counter]))

    assert reversal_counts(ledger_table) == {f"{counter}_2026-11-20": 2, f"{counter}_2026-11-19": 1}


def test_reversal_count_ignores_refunds_and_cancellations(reverse: LambdaFunction, ledger_table: LedgerFixture) -> None:
    for reverse_type in ("Refund", "Cancellation", None):
        send_at(NOON, reverse, reversal(reverse_type=reverse_type, reverse_code=None))

    assert reversal_counts(ledger_table) == {}


@pytest.mark.parametrize(
    ("types", "debited", "reversed_amount", "chargebacks"),
    [
        (["Chargeback", "Chargeback Reversed"], "60.00", "60.00", 1),
        (["Chargeback Reversed", "Chargeback"], "60.00", "60.00", 1),
        (["Representment", "Bank Return Reversed"], "0", "0", 0),
        (["Chargeback", "Second Chargeback"], "100.00", "120.00", 1),
        (["Adjustment"], "60.00", "60.00", 0),
    ],
    ids=str,
)
def test_reversal_type_unknown_flagged_and_not_counted(
    callback_driver: CallbackDriver,
    reverse: LambdaFunction,
    ledger_table: LedgerFixture,
    types: list[str],
    debited: str,
    reversed_amount: str,
    chargebacks: int,
) -> None:
    callback_driver.confirm("1", payment_amount="150.00", net_payment_amount="100.00")
    for text in types * 2:
        message = reversal(pnm_payment_identifier="1", reverse_type=text, reverse_code=None, reverse_amount="60.00")
        assert send_at(NOON, reverse, message).status == 200

    item = callback_driver.item("1")
    assert (item.get("debited_amount", 0), item.get("reversed_amount", 0)) == (
        Decimal(debited),
        Decimal(reversed_amount),
    )
    assert ledger_table.balances() == {CUSTOMER: 100 - Decimal(debited)}
    assert reversal_counts(ledger_table) == ({"chargebacks_2026-11-20": chargebacks} if chargebacks else {})
    assert callback_driver.anomalies("1") == {"reversal_type_unknown"}


@pytest.mark.parametrize("day", ["2026-12-31", "2027-01-01"])
def test_reversal_count_uses_utc_days(reverse: LambdaFunction, ledger_table: LedgerFixture, day: str) -> None:
    time_of_day = "T23:59:59Z" if day == "2026-12-31" else "T00:00:00Z"
    timestamp = datetime.fromisoformat(day + time_of_day)

    send_at(timestamp, reverse, reversal(timestamp=unix_time(timestamp), **CHARGEBACK))

    assert reversal_counts(ledger_table) == {f"chargebacks_{day}": 1}
    assert f"REVERSALS#{day[:4]}" in {item["sk"] for item in ledger_table.all_items()}


def test_reversal_count_future_timestamp_counts_today(reverse: LambdaFunction, ledger_table: LedgerFixture) -> None:
    assert send_at(NOON, reverse, reversal(timestamp="999999999999", **CHARGEBACK)).status == 200

    assert reversal_counts(ledger_table) == {"chargebacks_2026-11-20": 1}


def test_reversal_count_belongs_to_paying_customer(
    callback_driver: CallbackDriver, reverse: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    callback_driver.confirm("1")

    send_at(NOON, reverse, reversal(pnm_payment_identifier="1", site_customer_identifier="another", **CHARGEBACK))

    assert reversal_counts(ledger_table) == {"chargebacks_2026-11-20": 1}
    assert reversal_counts(ledger_table, "another") == {}


@pytest.mark.parametrize("was_authorized", [False, True])
def test_reversal_count_includes_unposted_payments(
    callback_driver: CallbackDriver, reverse: LambdaFunction, ledger_table: LedgerFixture, was_authorized: bool
) -> None:
    # The customer is in one of the messages.
    if was_authorized:
        callback_driver.authorize("1")
    customer = None if was_authorized else CUSTOMER

    send_at(NOON, reverse, reversal(pnm_payment_identifier="1", site_customer_identifier=customer, **CHARGEBACK))

    assert reversal_counts(ledger_table) == {"chargebacks_2026-11-20": 1}


@pytest.mark.parametrize("changes", [{"site_customer_identifier": None}, {"test": "true"}])
def test_reversal_count_ignores_tests_and_no_customer(
    reverse: LambdaFunction, ledger_table: LedgerFixture, changes: dict[str, Any]
) -> None:
    assert send_at(NOON, reverse, reversal(**CHARGEBACK, **changes)).status == 200

    assert reversal_counts(ledger_table) == {}
    [_] = ledger_table.all_items()


@each_counter
def test_reversal_count_above_policy_maximum_declines(
    callback_driver: CallbackDriver, reverse: LambdaFunction, deployed_policy: FakeAppConfig, counter: str
) -> None:
    deployed_policy.put_defaults(**{counter: {"max_count": 1, "within_days": 30}})
    send_at(NOON, reverse, reversal(pnm_payment_identifier="first", **KINDS[counter]))
    assert callback_driver.authorize("1")

    send_at(NOON, reverse, reversal(pnm_payment_identifier="second", **KINDS[counter]))

    assert not callback_driver.authorize("2")
    assert callback_driver.item("2")["reason"] == f"too_many_{counter}"
    assert callback_driver.authorize("3", site_customer_identifier="another")
    assert callback_driver.authorize("1")


def test_reversal_count_sums_two_years(
    callback_driver: CallbackDriver, reverse: LambdaFunction, deployed_policy: FakeAppConfig
) -> None:
    # The first counted day is the last day of a year, and the other rule counts fewer days.
    rules = {"chargebacks": {"max_count": 1, "within_days": 2}, "returns": {"max_count": 9, "within_days": 1}}
    deployed_policy.put_defaults(**rules)
    new_year = datetime(2027, 1, 1, tzinfo=UTC)
    for payment_id, now in enumerate([new_year - timedelta(seconds=1), new_year]):
        assert callback_driver.at(now).authorize(f"before-{payment_id}")
        send_at(now, reverse, reversal(pnm_payment_identifier=str(payment_id), timestamp=unix_time(now), **CHARGEBACK))

    assert not callback_driver.at(new_year).authorize("after")
