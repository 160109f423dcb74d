"""What a payment that failed, or that nobody confirmed, gives back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.deployed_policy import DeployedPolicy
from tests.integration.observed import Function, Stored, Traffic
from tests.integration.payments_over_time import DAY, MONTH, NOON, WEEK, Payments, in_all, limit

LATER = {
    "at once": NOON,
    "same day, last second": datetime(2026, 11, 21, 4, 59, 59, tzinfo=UTC),
    "after midnight": datetime(2026, 11, 21, 5, 0, tzinfo=UTC),
    "next day": NOON + timedelta(days=1),
    "next month": NOON + timedelta(days=30),
}
later = pytest.mark.parametrize("moment", LATER.values(), ids=LATER)


@pytest.fixture
def payments(authorize: Function, confirm: Function, stored: Stored) -> Payments:
    return Payments(authorize, confirm, stored)


@pytest.fixture
def limited(deployed_policy: DeployedPolicy) -> None:
    """100.00 may be spent."""
    deployed_policy.put_defaults(
        spending_limits=[limit(window, "100.00") for window in ("day", "week", "month")]
    )


@pytest.mark.usefixtures("limited")
@later
def test_a_payment_that_failed_gives_back_what_it_reserved_and_that_can_be_spent_again(
    payments: Payments, moment: datetime
) -> None:
    assert payments.ask("1")
    assert not payments.ask("2")

    payments.at(moment).fail("1")

    assert payments.spent() == payments.spent(of_type="credit") == {}
    assert payments.ask("3")
    assert not payments.ask("4", payment_amount="0.01")
    assert payments.spent() == in_all("100.00")


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("moment", [NOON, NOON + timedelta(days=1)], ids=["same day", "next day"])
@pytest.mark.parametrize(
    "changes",
    [
        {"payment_type": "cash"},
        {"payment_type": "a_new_one"},
        {"payment_type": None},
        {"payment_amount": "40.00"},
        {"payment_amount": "900.00"},
        {"site_customer_identifier": "another"},
        {"site_customer_identifier": None},
        dict.fromkeys(["payment_amount", "payment_currency", "net_payment_amount", "net_payment_currency"]),
        {"payment_amount": "0.00", "payment_type": None, "site_customer_identifier": "another"},
    ],
    ids=lambda changes: ", ".join(changes),
)
def test_it_gives_back_what_was_reserved_whatever_its_decline_says(
    payments: Payments, stored: Stored, moment: datetime, changes: dict[str, Any]
) -> None:
    payments.ask("1")

    payments.at(moment).fail("1", **changes)

    assert payments.spent() == payments.spent(of_type="credit") == {}
    assert payments.spent("another") == {}
    assert payments.item()["outcome"] == "decline"
    assert payments.ask("2")


@pytest.mark.usefixtures("limited")
@later
def test_it_gives_back_without_any_policy_too(
    payments: Payments,
    deployed_policy: DeployedPolicy,
    cold_start: Callable[[str], Function],
    moment: datetime,
) -> None:
    payments.ask("1")
    deployed_policy.put("no policy")

    Payments(payments.authorize, cold_start("confirm"), payments.stored, moment).fail("1")

    assert payments.spent() == {}
    assert payments.ask("2")


@later
def test_other_payments_keep_what_they_reserved(payments: Payments, moment: datetime) -> None:
    payments.ask("1", payment_amount="1.00")
    payments.ask("2", payment_type="cash")
    payments.ask("3", payment_amount="9.00", site_customer_identifier="another")

    payments.at(moment).fail("1", payment_amount="1.00")

    assert payments.spent() == payments.spent(of_type="cash") == in_all("100.00")
    assert payments.spent("another") == in_all("9.00")


@later
def test_it_is_given_back_once_however_often_it_is_told(payments: Payments, moment: datetime) -> None:
    payments.ask("1")
    payments.ask("2")

    for now in (NOON, moment, moment + timedelta(days=1)):
        payments.at(now).fail("1")
        payments.at(now).fail("1", payment_amount="7.00")

    assert payments.spent() == in_all("100.00")


@pytest.mark.parametrize(
    "asked",
    [None, {"payment_currency": "CAD"}, {"test": "true"}, {"site_customer_identifier": None}],
    ids=["nobody asked", "we declined", "test", "unnamed customer"],
)
def test_what_reserved_nothing_gives_nothing_back(payments: Payments, asked: dict[str, Any] | None) -> None:
    payments.ask("1")
    if asked is not None:
        payments.ask("2", **asked)

    payments.fail("2", **{**(asked or {}), "site_customer_identifier": "773090000"})

    assert payments.spent() == in_all("100.00")


def test_on_the_day_of_the_decision_it_costs_one_transaction(payments: Payments, traffic: Traffic) -> None:
    payments.ask()

    assert traffic.made_by(payments.fail).count("TransactWriteItems") == 1


@pytest.mark.usefixtures("limited")
@later
def test_what_nobody_confirmed_can_be_given_back_once_and_spent_again(
    payments: Payments, moment: datetime
) -> None:
    payments.ask("1")

    assert [payments.at(moment).release("1") for _ in range(3)] == [True, False, False]

    assert payments.spent() == payments.spent(of_type="credit") == {}
    assert payments.ask("2")
    assert not payments.at(moment).release("1")
    assert payments.spent() == in_all("100.00")


@pytest.mark.parametrize("outcome", ["payment", "decline"])
def test_nothing_is_released_of_a_payment_with_an_outcome(payments: Payments, outcome: str) -> None:
    payments.ask()
    payments.pay(status=outcome)
    before = payments.stored.everything()

    assert not payments.release()
    assert payments.stored.everything() == before


@pytest.mark.parametrize(
    "asked",
    [None, {"payment_currency": "CAD"}, {"test": "true"}, {"site_customer_identifier": None}],
    ids=["nobody asked", "we declined", "test", "unnamed customer"],
)
def test_nothing_is_released_where_nothing_was_reserved(
    payments: Payments, asked: dict[str, Any] | None
) -> None:
    payments.ask("1")
    if asked is not None:
        payments.ask("2", **asked)
    before = without_the_wait(payments.stored.everything())

    assert not payments.release("2")
    assert without_the_wait(payments.stored.everything()) == before


def without_the_wait(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return items without what says that an outcome is awaited: that ends, whatever was reserved."""
    of_the_wait = {"pending_partition", "pending_since", "revision"}
    return [{name: value for name, value in item.items() if name not in of_the_wait} for item in items]


@pytest.mark.usefixtures("limited")
@later
def test_a_payment_that_is_made_after_its_release_counts_again_where_it_did_even_past_the_limit(
    payments: Payments, moment: datetime
) -> None:
    payments.ask("1")
    payments.release("1")
    assert payments.ask("2")

    for _ in range(2):
        payments.at(moment).pay("1")

    assert payments.spent() == payments.spent(of_type="credit") == in_all("200.00")
    assert payments.anomalies("1") == {"paid_after_release"}
    assert payments.stored.balances() == {"773090000": Decimal("100.00")}
    assert not payments.ask("3", payment_amount="0.01")


def test_it_counts_again_without_any_policy_too(
    payments: Payments, deployed_policy: DeployedPolicy, cold_start: Callable[[str], Function]
) -> None:
    payments.ask("1")
    payments.release("1")
    deployed_policy.put("no policy")

    Payments(payments.authorize, cold_start("confirm"), payments.stored).pay("1")

    assert payments.spent() == in_all("100.00")
    assert payments.anomalies() == {"paid_after_release"}


@later
def test_a_payment_that_fails_after_its_release_gives_back_nothing_more(
    payments: Payments, moment: datetime
) -> None:
    payments.ask("1")
    payments.ask("2")
    payments.release("1")

    for _ in range(2):
        payments.at(moment).fail("1")

    assert payments.spent() == in_all("100.00")
    assert payments.anomalies() == set()


def test_released_failed_and_then_made_it_counts_once(payments: Payments) -> None:
    payments.ask()
    payments.release()
    payments.fail()
    payments.at(NOON + timedelta(days=1)).pay()

    assert payments.spent() == in_all("100.00")
    assert payments.anomalies() == {"paid_after_release", "outcome_contradicted"}


@pytest.mark.usefixtures("limited")
@later
def test_a_released_payment_that_is_asked_about_again_is_decided_anew(
    payments: Payments, moment: datetime
) -> None:
    payments.ask("1")
    payments.release("1")

    assert [payments.at(moment).ask("1") for _ in range(2)] == [True, True]

    assert set(payments.spent().values()) == {Decimal("100.00")}
    assert not payments.at(moment).ask("2", payment_amount="0.01")
    payments.at(moment).pay("1")
    assert set(payments.spent().values()) == {Decimal("100.00")}
    assert payments.anomalies("1") == set()


@pytest.mark.usefixtures("limited")
def test_a_released_payment_is_declined_once_others_spent_what_it_gave_back(payments: Payments) -> None:
    payments.ask("1")
    payments.release("1")
    payments.ask("2")

    assert [payments.ask("1") for _ in range(2)] == [False, False]

    assert payments.item("1")["reason"] == "day_limit_exceeded"
    assert payments.spent() == in_all("100.00")
    payments.pay("1")
    assert payments.spent() == in_all("200.00")
    assert payments.anomalies("1") == {"paid_after_decline"}


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_a_released_payment_with_an_outcome_is_not_decided_anew(payments: Payments, status: str) -> None:
    payments.ask()
    payments.release()
    payments.pay(status=status)
    before = payments.stored.everything()

    assert payments.at(NOON + timedelta(days=1)).ask()
    assert payments.stored.everything() == before


def test_what_is_given_back_leaves_windows_that_hold_nothing(payments: Payments) -> None:
    payments.ask()
    payments.fail()

    windows = payments.windows()
    assert set(windows) == {DAY, WEEK, MONTH}
    assert {item["spent"] for item in windows.values()} == {0}
