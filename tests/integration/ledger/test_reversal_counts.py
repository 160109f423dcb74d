"""Count chargebacks and returns by the UTC day of their message, and apply the policy's rules on them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.callback_driver import NOON, CallbackDriver, reversal, send_at, unix_time
from tests.support.callback_fixtures import CUSTOMER, SITE
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture

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


def test_reversal_count_ignores_duplicate_on_another_day(reverse: LambdaFunction, ledger_table: LedgerFixture) -> None:
    for now in (NOON, NOON + timedelta(days=1), NOON + timedelta(days=400)):
        send_at(now, reverse, reversal(timestamp=unix_time(now), **CHARGEBACK))

    assert reversal_counts(ledger_table) == {"chargebacks_2026-11-20": 1}


def test_reversal_count_ignores_refunds_and_cancellations(reverse: LambdaFunction, ledger_table: LedgerFixture) -> None:
    for reverse_type in ("Refund", "Cancellation", None):
        send_at(NOON, reverse, reversal(reverse_type=reverse_type, reverse_code=None))

    assert reversal_counts(ledger_table) == {}


@pytest.mark.parametrize(
    ("timestamp", "day"),
    [
        (datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC), "2026-11-20"),
        (datetime(2026, 11, 21, 0, 0, 0, tzinfo=UTC), "2026-11-21"),
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), "2026-12-31"),
        (datetime(2027, 1, 1, 0, 0, 0, tzinfo=UTC), "2027-01-01"),
    ],
)
def test_reversal_count_uses_utc_days(
    reverse: LambdaFunction, ledger_table: LedgerFixture, timestamp: datetime, day: str
) -> None:
    send_at(timestamp, reverse, reversal(timestamp=unix_time(timestamp), **CHARGEBACK))

    assert reversal_counts(ledger_table) == {f"chargebacks_{day}": 1}
    [item] = [item for item in ledger_table.all_items() if item["sk"].startswith("REVERSALS#")]
    assert item["sk"] == f"REVERSALS#{day[:4]}"


@pytest.mark.parametrize(
    "timestamp",
    [unix_time(NOON + timedelta(seconds=1)), unix_time(NOON + timedelta(days=900)), "253402300800", "999999999999"],
    ids=["a second", "years", "after year 9999", "maximum"],
)
def test_reversal_count_future_timestamp_counts_today(
    reverse: LambdaFunction, ledger_table: LedgerFixture, timestamp: str
) -> None:
    midnight = NOON.replace(hour=23, minute=59, second=59)

    assert send_at(midnight, reverse, reversal(timestamp=timestamp, **CHARGEBACK)).status == 200

    assert reversal_counts(ledger_table) == {"chargebacks_2026-11-20": 1}


def test_reversal_count_timestamp_zero_counts_in_1970(reverse: LambdaFunction, ledger_table: LedgerFixture) -> None:
    assert send_at(NOON, reverse, reversal(timestamp="0", **CHARGEBACK)).status == 200

    assert reversal_counts(ledger_table) == {"chargebacks_1970-01-01": 1}


def test_reversal_count_belongs_to_paying_customer(
    callback_driver: CallbackDriver, reverse: LambdaFunction, ledger_table: LedgerFixture
) -> None:
    callback_driver.confirm("1")

    send_at(NOON, reverse, reversal(pnm_payment_identifier="1", site_customer_identifier="another", **CHARGEBACK))

    assert reversal_counts(ledger_table) == {"chargebacks_2026-11-20": 1}
    assert reversal_counts(ledger_table, "another") == {}


@pytest.mark.parametrize("state_before", ["unknown", "authorized", "declined"])
def test_reversal_count_includes_unposted_payments(
    callback_driver: CallbackDriver, reverse: LambdaFunction, ledger_table: LedgerFixture, state_before: str
) -> None:
    if state_before != "unknown":
        callback_driver.authorize("1")
    if state_before == "declined":
        callback_driver.decline("1")
    without_customer = {"site_customer_identifier": None} if state_before == "authorized" else {}

    send_at(NOON, reverse, reversal(pnm_payment_identifier="1", **CHARGEBACK, **without_customer))

    assert reversal_counts(ledger_table) == {"chargebacks_2026-11-20": 1}


@pytest.mark.parametrize("changes", [{"site_customer_identifier": None}, {"test": "true"}])
def test_reversal_count_ignores_tests_and_no_customer(
    reverse: LambdaFunction, ledger_table: LedgerFixture, changes: dict[str, Any]
) -> None:
    assert send_at(NOON, reverse, reversal(**CHARGEBACK, **changes)).status == 200

    assert reversal_counts(ledger_table) == {}
    [_] = ledger_table.all_items()


@each_counter
@pytest.mark.parametrize("max_count", [0, 2])
def test_reversal_count_above_policy_maximum_declines(
    callback_driver: CallbackDriver,
    reverse: LambdaFunction,
    deployed_policy: FakeAppConfig,
    captured_output: CapturedOutput,
    counter: str,
    max_count: int,
) -> None:
    deployed_policy.put_defaults(**{counter: {"max_count": max_count, "within_days": 30}})
    for payment_id in range(max_count):
        send_at(NOON, reverse, reversal(pnm_payment_identifier=f"back-{payment_id}", **KINDS[counter]))
    assert callback_driver.authorize("1")

    send_at(NOON, reverse, reversal(pnm_payment_identifier="one-more", **KINDS[counter]))

    assert not callback_driver.authorize("2")
    assert callback_driver.item("2")["reason"] == f"too_many_{counter}"
    assert captured_output.metric_total(f"DeclinedTooMany{counter.title()}") == 1
    assert callback_driver.authorize("3", site_customer_identifier="another")
    assert callback_driver.authorize("1")


@each_counter
@pytest.mark.parametrize("days", [1, 30, 365])
def test_reversal_count_declines_until_policy_days_end(
    callback_driver: CallbackDriver, reverse: LambdaFunction, deployed_policy: FakeAppConfig, counter: str, days: int
) -> None:
    deployed_policy.put_defaults(**{counter: {"max_count": 0, "within_days": days}})
    send_at(NOON, reverse, reversal(**KINDS[counter]))
    ends = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(days=days)

    assert not callback_driver.at(ends - timedelta(seconds=1)).authorize("1")
    assert callback_driver.at(ends).authorize("2")


def test_reversal_count_sums_two_years(
    callback_driver: CallbackDriver, reverse: LambdaFunction, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(chargebacks={"max_count": 1, "within_days": 30})
    new_year = datetime(2027, 1, 1, tzinfo=UTC)
    for payment_id, now in enumerate([new_year - timedelta(seconds=1), new_year]):
        assert callback_driver.at(now).authorize(f"before-{payment_id}")
        send_at(now, reverse, reversal(pnm_payment_identifier=str(payment_id), timestamp=unix_time(now), **CHARGEBACK))

    assert not callback_driver.at(new_year).authorize("after")


def test_chargeback_count_separate_from_return_count(
    callback_driver: CallbackDriver, reverse: LambdaFunction, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(
        chargebacks={"max_count": 1, "within_days": 30}, returns={"max_count": 0, "within_days": 30}
    )
    send_at(NOON, reverse, reversal(pnm_payment_identifier="1", **CHARGEBACK))
    assert callback_driver.authorize("2")

    send_at(NOON, reverse, reversal(pnm_payment_identifier="3", **RETURN))
    assert not callback_driver.authorize("4")
    assert callback_driver.item("4")["reason"] == "too_many_returns"
