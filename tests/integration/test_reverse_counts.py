"""Chargebacks and returns, counted by the UTC day on which they were told, and the rules over them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.deployed_policy import DeployedPolicy
from tests.integration.observed import Function, Stored, Written
from tests.integration.payments_over_time import NOON, Payments, at, reversal, sent
from tests.integration.signed_callbacks import CUSTOMER, SITE

CHARGEBACK = {"reverse_type": "Chargeback", "reverse_code": "10.4"}
RETURN = {"reverse_type": "Bank Return", "reverse_code": "R01"}
KINDS = {"chargebacks": CHARGEBACK, "returns": RETURN}
kinds = pytest.mark.parametrize("what", KINDS)


@pytest.fixture
def payments(authorize: Function, confirm: Function, stored: Stored) -> Payments:
    return Payments(authorize, confirm, stored)


def counted(stored: Stored, customer: str = CUSTOMER) -> dict[str, int]:
    """Return how often what was counted of a customer, by the name of the attribute."""
    years = [item for item in stored.everything() if item["sk"].startswith("REVERSALS#")]
    own = [item for item in years if item["pk"] == f"CUSTOMER#{SITE}#{customer}"]
    return {
        name: int(value)
        for item in own
        for name, value in item.items()
        if name.startswith(("chargebacks_", "returns_"))
    }


@kinds
def test_each_is_counted_once_on_the_day_of_its_message(
    payments: Payments, reverse: Function, stored: Stored, what: str
) -> None:
    payments.pay("1")
    payments.pay("2")
    for _ in range(2):
        at(NOON, reverse, reversal(pnm_payment_identifier="1", **KINDS[what]))
    at(NOON, reverse, reversal(pnm_payment_identifier="2", **KINDS[what]))
    yesterday = NOON - timedelta(days=1)
    at(NOON, reverse, reversal(pnm_payment_identifier="3", timestamp=sent(yesterday), **KINDS[what]))

    assert counted(stored) == {f"{what}_2026-11-20": 2, f"{what}_2026-11-19": 1}


def test_a_repeat_on_another_day_is_not_counted_again(reverse: Function, stored: Stored) -> None:
    for now in (NOON, NOON + timedelta(days=1), NOON + timedelta(days=400)):
        at(now, reverse, reversal(timestamp=sent(now), **CHARGEBACK))

    assert counted(stored) == {"chargebacks_2026-11-20": 1}


def test_refunds_and_cancellations_are_not_counted(reverse: Function, stored: Stored) -> None:
    for reverse_type in ("Refund", "Cancellation", None):
        at(NOON, reverse, reversal(reverse_type=reverse_type, reverse_code=None))

    assert counted(stored) == {}


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC), "2026-11-20"),
        (datetime(2026, 11, 21, 0, 0, 0, tzinfo=UTC), "2026-11-21"),
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), "2026-12-31"),
        (datetime(2027, 1, 1, 0, 0, 0, tzinfo=UTC), "2027-01-01"),
    ],
)
def test_days_are_those_of_utc(reverse: Function, stored: Stored, moment: datetime, day: str) -> None:
    at(moment, reverse, reversal(timestamp=sent(moment), **CHARGEBACK))

    assert counted(stored) == {f"chargebacks_{day}": 1}
    [item] = [item for item in stored.everything() if item["sk"].startswith("REVERSALS#")]
    assert item["sk"] == f"REVERSALS#{day[:4]}"


@pytest.mark.parametrize(
    "timestamp",
    [sent(NOON + timedelta(seconds=1)), sent(NOON + timedelta(days=900)), "253402300800", "999999999999"],
    ids=["a second", "years", "beyond the calendar", "beyond anything"],
)
def test_what_says_to_be_from_the_future_is_counted_today(
    reverse: Function, stored: Stored, timestamp: str
) -> None:
    midnight = NOON.replace(hour=23, minute=59, second=59)

    assert at(midnight, reverse, reversal(timestamp=timestamp, **CHARGEBACK)).status == 200

    assert counted(stored) == {"chargebacks_2026-11-20": 1}


def test_what_says_to_be_from_the_beginning_of_time_is_counted_then(
    reverse: Function, stored: Stored
) -> None:
    assert at(NOON, reverse, reversal(timestamp="0", **CHARGEBACK)).status == 200

    assert counted(stored) == {"chargebacks_1970-01-01": 1}


def test_it_is_counted_with_the_customer_who_paid(
    payments: Payments, reverse: Function, stored: Stored
) -> None:
    payments.pay("1")

    at(NOON, reverse, reversal(pnm_payment_identifier="1", site_customer_identifier="another", **CHARGEBACK))

    assert counted(stored) == {"chargebacks_2026-11-20": 1}
    assert counted(stored, "another") == {}


@pytest.mark.parametrize("before", ["nothing", "asked", "failed"])
def test_it_is_counted_whether_or_not_the_payment_was_posted(
    payments: Payments, reverse: Function, stored: Stored, before: str
) -> None:
    if before != "nothing":
        payments.ask("1")
    if before == "failed":
        payments.fail("1")
    unnamed = {"site_customer_identifier": None} if before == "asked" else {}

    at(NOON, reverse, reversal(pnm_payment_identifier="1", **CHARGEBACK, **unnamed))

    assert counted(stored) == {"chargebacks_2026-11-20": 1}


@pytest.mark.parametrize("changes", [{"site_customer_identifier": None}, {"test": "true"}])
def test_those_of_nobody_and_tests_are_not_counted(
    reverse: Function, stored: Stored, changes: dict[str, Any]
) -> None:
    assert at(NOON, reverse, reversal(**CHARGEBACK, **changes)).status == 200

    assert counted(stored) == {}
    [_] = stored.everything()


@kinds
@pytest.mark.parametrize("max_count", [0, 2])
def test_one_more_than_the_policy_allows_declines_the_next_payment(
    payments: Payments,
    reverse: Function,
    deployed_policy: DeployedPolicy,
    written: Written,
    what: str,
    max_count: int,
) -> None:
    deployed_policy.put_defaults(**{what: {"max_count": max_count, "within_days": 30}})
    for number in range(max_count):
        at(NOON, reverse, reversal(pnm_payment_identifier=f"back-{number}", **KINDS[what]))
    assert payments.ask("1")

    at(NOON, reverse, reversal(pnm_payment_identifier="one-more", **KINDS[what]))

    assert not payments.ask("2")
    assert payments.item("2")["reason"] == f"too_many_{what}"
    assert written.counted(f"DeclinedTooMany{what.title()}") == 1
    assert payments.ask("3", site_customer_identifier="another")
    assert payments.ask("1")


@kinds
@pytest.mark.parametrize("days", [1, 30, 365])
def test_it_stands_against_payments_for_so_many_days_and_not_a_second_longer(
    payments: Payments, reverse: Function, deployed_policy: DeployedPolicy, what: str, days: int
) -> None:
    deployed_policy.put_defaults(**{what: {"max_count": 0, "within_days": days}})
    at(NOON, reverse, reversal(**KINDS[what]))
    ends = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(days=days)

    assert not payments.at(ends - timedelta(seconds=1)).ask("1")
    assert payments.at(ends).ask("2")


def test_those_of_two_years_are_added_up(
    payments: Payments, reverse: Function, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(chargebacks={"max_count": 1, "within_days": 30})
    new_year = datetime(2027, 1, 1, tzinfo=UTC)
    for number, now in enumerate([new_year - timedelta(seconds=1), new_year]):
        assert payments.at(now).ask(f"before-{number}")
        at(now, reverse, reversal(pnm_payment_identifier=str(number), timestamp=sent(now), **CHARGEBACK))

    assert not payments.at(new_year).ask("after")


def test_chargebacks_do_not_count_as_returns(
    payments: Payments, reverse: Function, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(
        chargebacks={"max_count": 1, "within_days": 30}, returns={"max_count": 0, "within_days": 30}
    )
    at(NOON, reverse, reversal(pnm_payment_identifier="1", **CHARGEBACK))
    assert payments.ask("2")

    at(NOON, reverse, reversal(pnm_payment_identifier="3", **RETURN))
    assert not payments.ask("4")
    assert payments.item("4")["reason"] == "too_many_returns"
