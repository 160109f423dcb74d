"""What an accepted payment reserves, and what the limits make of it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from paynearme.policy import DEFAULT_TEXTS, Reason
from tests.integration.deployed_policy import DeployedPolicy
from tests.integration.observed import Function, Stored, Written
from tests.integration.payments_over_time import NOON, Payments, at, in_all, limit, sent
from tests.integration.signed_callbacks import CUSTOMER, SITE_OF_2_0_IN_JSON, authorization, site_changes


@pytest.fixture
def payments(authorize: Function, confirm: Function, stored: Stored) -> Payments:
    return Payments(authorize, confirm, stored)


@pytest.mark.parametrize("limits", [[], [limit("week", "500.00")]], ids=["no limit", "a limit"])
def test_an_accepted_payment_is_reserved_in_its_day_its_week_and_its_month(
    payments: Payments, deployed_policy: DeployedPolicy, limits: list[dict[str, Any]]
) -> None:
    deployed_policy.put_defaults(spending_limits=limits)

    assert payments.ask()

    assert payments.spent() == in_all("100.00")
    assert payments.spent(of_type="credit") == in_all("100.00")
    item = payments.item()
    assert item["reservation_amount"] == Decimal("100.00")
    assert item["reservation_customer"] == CUSTOMER


def test_windows_hold_the_sum_and_the_sum_by_payment_type(payments: Payments) -> None:
    payments.ask("1", payment_type="cash", payment_amount="20.10")
    payments.ask("2", payment_type="cash", payment_amount="0.20")
    payments.ask("3", payment_type="zelle", payment_amount="3.03")
    payments.ask("4", payment_type=None, payment_amount="4.00")

    assert payments.spent() == in_all("27.33")
    assert payments.spent(of_type="cash") == in_all("20.30")
    assert payments.spent(of_type="other") == in_all("3.03")
    assert payments.spent(of_type="none") == in_all("4.00")


def test_a_windows_item_is_deleted_some_time_but_not_while_it_counts(payments: Payments) -> None:
    payments.ask()

    for item in payments.windows().values():
        expires_at = datetime.fromtimestamp(int(item["expires_at_epoch"]), UTC)
        assert timedelta(days=366) < expires_at - NOON < timedelta(days=3 * 366)


@pytest.mark.parametrize("window", ["day", "week", "month"])
def test_exactly_the_limit_is_accepted_and_a_cent_more_is_not(
    payments: Payments, deployed_policy: DeployedPolicy, written: Written, window: str
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit(window, "250.00")])

    assert payments.ask("1")
    assert not payments.ask("2", payment_amount="150.01")
    assert payments.ask("3", payment_amount="150.00")
    assert not payments.ask("4", payment_amount="0.01")

    assert payments.spent() == in_all("250.00")
    assert payments.item("4")["decision"] == "decline"
    assert payments.item("4")["reason"] == f"{window}_limit_exceeded"
    assert written.counted(f"Declined{window.title()}LimitExceeded") == 2


def test_a_single_payment_above_the_limit_is_declined_in_so_many_words(
    authorize: Function, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "354.98")])

    answer = at(NOON, authorize, authorization(timestamp=sent(NOON)))

    assert answer.fields["accept_payment"] == "no"
    assert answer.fields["decline_reason"] == DEFAULT_TEXTS[Reason.DAY_LIMIT_EXCEEDED].decline_reason


@pytest.mark.parametrize(
    ("limited", "first"),
    [
        (["month", "day", "week"], "day"),
        (["month", "week"], "week"),
        (["month"], "month"),
    ],
)
def test_of_several_windows_that_are_full_the_first_is_the_reason(
    payments: Payments, deployed_policy: DeployedPolicy, limited: list[str], first: str
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit(window, "100.00") for window in limited])
    payments.ask("1")

    assert not payments.ask("2", payment_amount="0.01")
    assert payments.item("2")["reason"] == f"{first}_limit_exceeded"


def test_fees_count_too(payments: Payments, deployed_policy: DeployedPolicy) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "99.99")])

    assert not payments.ask(net_payment_amount="90.00", net_payment_currency="USD")


def test_a_limit_over_some_payment_types_counts_these_and_no_others(
    payments: Payments, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "250.00", "cash", "credit", "other")])

    assert payments.ask("1", payment_type="cash")
    assert payments.ask("2", payment_type="debit", payment_amount="900.00")
    assert payments.ask("3", payment_type="credit")
    assert payments.ask("4", payment_type="a_new_one", payment_amount="50.00")
    assert not payments.ask("5", payment_type="cash", payment_amount="0.01")
    assert not payments.ask("6", payment_type="another_new_one", payment_amount="0.01")
    assert payments.ask("7", payment_type="debit", payment_amount="900.00")
    assert payments.ask("8", payment_type=None, payment_amount="900.00")


def test_a_limit_over_all_payment_types_counts_them_all(
    payments: Payments, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "300.00")])
    for number, payment_type in enumerate(["cash", "a_new_one", None]):
        assert payments.ask(str(number), payment_type=payment_type)

    assert not payments.ask("9", payment_type="debit", payment_amount="0.01")


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ([limit("day", "500.00"), limit("day", "150.00", "credit")], "day_limit_exceeded"),
        ([limit("day", "150.00", "credit"), limit("day", "500.00")], "day_limit_exceeded"),
        ([limit("day", "500.00", "credit"), limit("day", "150.00", "credit", "cash")], "day_limit_exceeded"),
        ([limit("day", "500.00"), limit("week", "150.00", "credit")], "week_limit_exceeded"),
        ([limit("day", "150.00", "cash"), limit("month", "150.00")], "month_limit_exceeded"),
    ],
)
def test_of_several_limits_each_holds(
    payments: Payments, deployed_policy: DeployedPolicy, limits: list[dict[str, Any]], reason: str
) -> None:
    deployed_policy.put_defaults(spending_limits=limits)

    assert payments.ask("1")
    assert not payments.ask("2", payment_amount="50.01")
    assert payments.item("2")["reason"] == reason
    assert payments.ask("3", payment_amount="50.00")


def test_a_limit_counts_what_was_spent_on_the_windows_other_days(
    payments: Payments, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(
        spending_limits=[limit("day", "100.00"), limit("week", "200.00"), limit("month", "300.00")]
    )

    assert payments.ask("Friday")
    assert not payments.ask("Friday-2", payment_amount="0.01")
    assert payments.at(NOON + timedelta(days=1)).ask("Saturday")
    assert not payments.at(NOON + timedelta(days=2)).ask("Sunday", payment_amount="0.01")
    assert payments.item("Sunday")["reason"] == "week_limit_exceeded"
    assert payments.at(NOON + timedelta(days=3)).ask("Monday")
    assert not payments.at(NOON + timedelta(days=4)).ask("Tuesday", payment_amount="0.01")
    assert payments.item("Tuesday")["reason"] == "month_limit_exceeded"
    assert payments.at(NOON + timedelta(days=11)).ask("December")


@pytest.mark.parametrize(
    ("moment", "accepted"),
    [
        (datetime(2026, 11, 21, 4, 59, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 21, 5, 0, tzinfo=UTC), True),
    ],
    ids=["last second", "midnight"],
)
def test_a_day_ends_at_midnight_in_the_policys_time_zone(
    payments: Payments, deployed_policy: DeployedPolicy, moment: datetime, accepted: bool
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    payments.ask("1")

    assert payments.at(moment).ask("2") is accepted


def test_customers_and_sites_have_windows_of_their_own(
    payments: Payments, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])

    assert payments.ask("1")
    assert payments.ask("2", site_customer_identifier="another")
    assert payments.ask("3", **site_changes(SITE_OF_2_0_IN_JSON))
    assert not payments.ask("4", payment_amount="0.01")


@pytest.mark.parametrize(
    "changes",
    [{"payment_amount": "0.00"}, {"test": "true"}, {"site_customer_identifier": None}],
    ids=["declined", "test", "unnamed customer"],
)
def test_nothing_is_reserved_for_what_is_no_accepted_payment_of_a_customer(
    payments: Payments, stored: Stored, changes: dict[str, Any]
) -> None:
    payments.ask(**changes)

    [item] = stored.everything()
    assert "reservation_amount" not in item


def test_a_test_is_decided_by_the_limits_and_does_not_count(
    payments: Payments, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "150.00")])

    assert payments.ask("1", test="true")
    assert payments.ask("2")
    assert not payments.ask("3", test="true")
    assert payments.spent() == in_all("100.00")


@pytest.mark.parametrize(
    "changes",
    [{}, {"payment_amount": "1.00"}, {"payment_type": "cash"}, {"site_customer_identifier": "another"}],
    ids=["repeat", "other amount", "other type", "other customer"],
)
def test_a_payment_that_is_asked_about_again_reserves_nothing_more(
    payments: Payments, deployed_policy: DeployedPolicy, changes: dict[str, Any]
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    payments.ask()

    for now in (NOON, NOON + timedelta(days=1)):
        assert payments.at(now).ask(**changes) is (not changes)

    assert payments.spent() == in_all("100.00")
    assert payments.spent("another") == {}
