"""Decide authorizations while other writes occur between their read and their write."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.callback_driver import NOON, CallbackDriver, limit, total
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.interleaving import Interleaver, Step

WINDOWS = ("day", "week", "month")


LIMITS: dict[str, Callable[[str], list[dict[str, Any]]]] = {
    "all types": lambda amount: [limit("day", amount)],
    "a week": lambda amount: [limit("week", amount)],
    "all windows": lambda amount: [limit(window, amount) for window in WINDOWS],
    "one type": lambda amount: [limit("day", amount, "credit")],
    "some types": lambda amount: [limit("day", amount, "credit", "cash", "none")],
    "two in a window": lambda amount: [limit("day", amount), limit("day", "900.00")],
    "two for one type": lambda amount: [
        limit("day", "900.00", "credit", "debit"),
        limit("day", amount, "credit", "cash"),
    ],
    "some types and all types": lambda amount: [limit("day", amount, "credit", "cash"), limit("month", amount)],
}
limits = pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)


@limits
def test_concurrent_authorize_within_limit_accepted(
    callback_driver: CallbackDriver,
    deployed_policy: FakeAppConfig,
    interleave: Interleaver,
    limits: Callable[[str], list[dict[str, Any]]],
) -> None:
    deployed_policy.put_defaults(spending_limits=limits("200.00"))
    interleave(lambda: callback_driver.authorize("2"))

    assert callback_driver.authorize("1")

    assert callback_driver.item("2")["decision"] == "accept"
    assert callback_driver.spent() == callback_driver.spent(of_type="credit") == total("200.00")


@limits
@pytest.mark.parametrize("has_earlier_spending", [False, True], ids=["empty windows", "earlier spending"])
def test_concurrent_authorize_over_limit_second_declined(
    callback_driver: CallbackDriver,
    deployed_policy: FakeAppConfig,
    interleave: Interleaver,
    limits: Callable[[str], list[dict[str, Any]]],
    has_earlier_spending: bool,
) -> None:
    deployed_policy.put_defaults(spending_limits=limits("199.99"))
    if has_earlier_spending:
        callback_driver.authorize("0", payment_amount="0.99")
    interleave(lambda: callback_driver.authorize("2"))

    assert not callback_driver.authorize("1")

    reason = f"{limits('1')[0]['window']}_limit_exceeded"
    assert callback_driver.item("2")["decision"] == "accept"
    assert (callback_driver.item("1")["decision"], callback_driver.item("1")["reason"]) == ("decline", reason)
    assert callback_driver.spent() == total("100.99" if has_earlier_spending else "100.00")
    assert not callback_driver.authorize("1")


@pytest.mark.parametrize("missing_amount", ["0.00", "0.01"], ids=["fits", "exceeds by a cent"])
@pytest.mark.parametrize("other_type", ["cash", None, "credit"], ids=["cash", "no type", "the same type"])
@pytest.mark.parametrize("earlier_types", [[], ["credit"], ["cash", None]], ids=str)
def test_concurrent_authorize_types_of_one_limit_count_together(
    callback_driver: CallbackDriver,
    deployed_policy: FakeAppConfig,
    interleave: Interleaver,
    missing_amount: str,
    other_type: str | None,
    earlier_types: list[str | None],
) -> None:
    limit_amount = 100 * (len(earlier_types) + 2) - Decimal(missing_amount)
    deployed_policy.put_defaults(spending_limits=[limit("day", str(limit_amount), "credit", "cash", "none")])
    for payment_id, payment_type in enumerate(earlier_types):
        callback_driver.authorize(f"before-{payment_id}", payment_type=payment_type)
    interleave(lambda: callback_driver.authorize("2", payment_type=other_type))

    accepted = callback_driver.authorize("1")

    assert accepted is (missing_amount == "0.00")
    assert callback_driver.item("1")["reason"] == ("accepted" if accepted else "day_limit_exceeded")
    assert callback_driver.spent() == total(str(100 * (len(earlier_types) + 1 + accepted)))


def test_concurrent_authorize_type_without_shared_limit_accepted(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, interleave: Interleaver
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00", "credit", "cash")])
    interleave(lambda: callback_driver.authorize("2", payment_type="debit"))

    assert callback_driver.authorize("1")
    assert callback_driver.spent() == total("200.00")


def test_authorize_many_conflicts_still_accepts_within_limit(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, interleave: Interleaver
) -> None:
    deployed_policy.put_defaults(
        spending_limits=[limit("day", "500.00", "credit", "cash", "none"), limit("week", "500.00")]
    )

    def pay_other(payment_id: int) -> Step:
        return lambda: callback_driver.authorize(f"other-{payment_id}", payment_type=None if payment_id % 2 else "cash")

    interleave(*[pay_other(payment_id) for payment_id in range(4)])

    assert callback_driver.authorize("1")
    assert callback_driver.spent() == total("500.00")

    interleave(lambda: callback_driver.authorize("other-9", payment_amount="0.01"))
    assert not callback_driver.authorize("2")
    assert callback_driver.spent() == total("500.00")


def test_concurrent_authorize_other_payment_fails_accepted(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, interleave: Interleaver
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "200.00", "credit", "cash")])
    callback_driver.authorize("2", payment_type="cash")
    interleave(lambda: callback_driver.decline("2", payment_type="cash"))

    assert callback_driver.authorize("1")
    assert callback_driver.spent() == total("100.00")


@pytest.mark.parametrize("earlier_amount", ["0.00", "10.00"], ids=["empty windows", "earlier spending"])
@pytest.mark.parametrize(
    ("outcome_changes", "counted_amount", "anomalies"),
    [
        ({"status": "payment"}, "100.00", set()),
        ({"status": "decline"}, "0.00", set()),
        ({"payment_amount": "60.00"}, "60.00", {"amount_differs"}),
        ({"payment_type": "cash"}, "100.00", set()),
    ],
    ids=["payment", "decline", "another amount", "another type"],
)
def test_authorize_outcome_before_decision_write_counts_once(
    callback_driver: CallbackDriver,
    deployed_policy: FakeAppConfig,
    interleave: Interleaver,
    earlier_amount: str,
    outcome_changes: Mapping[str, str],
    counted_amount: str,
    anomalies: set[str],
) -> None:
    limit_amount = str(100 + Decimal(earlier_amount))
    deployed_policy.put_defaults(
        spending_limits=[
            limit("day", limit_amount, "credit", "cash"),
            limit("week", limit_amount),
            limit("month", limit_amount),
        ]
    )
    callback_driver.authorize("0", payment_amount=earlier_amount)
    interleave(lambda: callback_driver.confirm("1", **outcome_changes))

    assert callback_driver.authorize("1")

    item = callback_driver.item("1")
    assert (item["decision"], item["outcome"]) == ("accept", outcome_changes.get("status", "payment"))
    expected_total = Decimal(earlier_amount) + Decimal(counted_amount)
    assert callback_driver.spent() == (total(str(expected_total)) if expected_total else {})
    assert callback_driver.anomalies("1") == anomalies


def test_authorize_overtaken_by_outcome_over_limit_declined(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, interleave: Interleaver
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "400.00")])
    callback_driver.authorize("0", payment_amount="350.00")
    interleave(lambda: callback_driver.confirm("1"))

    assert not callback_driver.authorize("1")

    assert callback_driver.item("1")["reason"] == "day_limit_exceeded"
    assert callback_driver.anomalies("1") == {"paid_after_decline"}
    assert callback_driver.spent() == total("450.00")


@pytest.mark.parametrize("test", [None, "true"])
def test_concurrent_duplicate_authorize_reserves_once(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, interleave: Interleaver, test: str | None
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00"), limit("week", "100.00", "credit")])
    interleave(lambda: callback_driver.authorize("1", test=test))

    assert callback_driver.authorize("1", test=test)

    assert callback_driver.item()["decided_at"] == NOON.isoformat()
    assert callback_driver.spent() == ({} if test else total("100.00"))
    assert callback_driver.anomalies() == set()


@pytest.mark.parametrize("changes", [{"payment_amount": "1.00"}, {"payment_type": "cash"}])
def test_concurrent_conflicting_authorize_declined_and_flagged(
    callback_driver: CallbackDriver, interleave: Interleaver, changes: dict[str, str]
) -> None:
    interleave(lambda: callback_driver.authorize("1", **changes))

    assert not callback_driver.authorize("1")

    assert callback_driver.spent() == total(changes.get("payment_amount", "100.00"))
    assert callback_driver.anomalies() == {"authorization_conflict"}


def test_concurrent_declines_of_one_payment_store_one_decision(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, interleave: Interleaver
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "50.00")])
    payments_later = callback_driver.at(NOON + timedelta(seconds=1))
    interleave(lambda: payments_later.authorize("1"))

    assert not callback_driver.authorize("1")

    assert callback_driver.item()["decided_at"] == payments_later.now.isoformat()
    assert callback_driver.spent() == {}
