"""Decide authorizations while other writes occur between their read and their write."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from paynearme.ledger.schema import stored_time
from tests.support.callback_driver import NOON, CallbackDriver, limit, total
from tests.support.callback_fixtures import CUSTOMER
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.harness import AwsCallRecorder
from tests.support.interleaving import Interleaver

LIMITS: dict[str, Callable[[str], list[dict[str, Any]]]] = {
    "all types": lambda amount: [limit("day", amount)],
    "all windows": lambda amount: [limit(window, amount) for window in ("day", "week", "month")],
    "one type": lambda amount: [limit("week", amount, "credit")],
    "some types": lambda amount: [limit("day", amount, "credit", "cash", "none")],
    "two in a window": lambda amount: [limit("day", amount), limit("day", "900.00")],
    "all types, then one": lambda amount: [limit("day", "900.00"), limit("day", amount, "credit")],
    "two for one type": lambda amount: [
        limit("day", "900.00", "credit", "debit"),
        limit("day", amount, "credit", "cash"),
    ],
}


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_concurrent_authorize_over_limit_second_declined(
    callback_driver: CallbackDriver,
    deployed_policy: FakeAppConfig,
    interleave: Interleaver,
    limits: Callable[[str], list[dict[str, Any]]],
) -> None:
    deployed_policy.put_defaults(spending_limits=limits("250.00"))
    interleave(lambda: callback_driver.authorize("2"))
    assert callback_driver.authorize("1")
    interleave(lambda: callback_driver.authorize("4", payment_amount="50.00"))

    assert not callback_driver.authorize("3", payment_amount="0.01")

    assert callback_driver.item("3")["reason"] == f"{limits('1')[0]['window']}_limit_exceeded"
    assert callback_driver.spent() == callback_driver.spent(of_type="credit") == total("250.00")
    assert not callback_driver.authorize("3", payment_amount="0.01")


@pytest.mark.parametrize("missing_amount", ["0.00", "0.01"], ids=["fits", "exceeds by a cent"])
@pytest.mark.parametrize(
    ("earlier_types", "other_type"), [([], "cash"), (["credit"], None), (["cash", None], "credit")], ids=str
)
def test_concurrent_authorize_types_of_one_limit_count_together(
    callback_driver: CallbackDriver,
    deployed_policy: FakeAppConfig,
    interleave: Interleaver,
    missing_amount: str,
    earlier_types: list[str | None],
    other_type: str | None,
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


def test_concurrent_authorize_removed_window_counts_in_later(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, interleave: Interleaver
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "150.00", "credit")])
    callback_driver.authorize("0", payment_type="debit")

    def pay_today_and_on_two_later_days() -> None:
        for days in range(3):
            assert callback_driver.at(NOON + timedelta(days=days)).authorize(f"later-{days}")

    interleave(pay_today_and_on_two_later_days)

    assert not callback_driver.authorize("1")


@pytest.mark.parametrize(
    ("earlier_payments", "writes"),
    [([], 3), (["0"], 2)],
    ids=["first payments of a window", "later payments"],
)
def test_concurrent_authorize_with_room_conflicts_if_first(
    callback_driver: CallbackDriver,
    deployed_policy: FakeAppConfig,
    interleave: Interleaver,
    aws_calls: AwsCallRecorder,
    earlier_payments: list[str],
    writes: int,
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "900.00")])
    for payment_id in earlier_payments:
        callback_driver.authorize(payment_id)
    interleave(lambda: callback_driver.authorize("2"))

    calls = aws_calls.calls_during(lambda: callback_driver.authorize("1"))

    # Only the first payments of a window conflict with each other.
    assert calls.count("TransactWriteItems") == writes
    assert callback_driver.spent() == total(str(100 * (len(earlier_payments) + 2)))


@pytest.mark.parametrize(
    ("outcome_changes", "counted_amount", "anomalies"),
    [
        ({"status": "payment"}, 100, set()),
        ({"status": "decline"}, 0, set()),
        ({"payment_amount": "60.00"}, 60, {"amount_differs"}),
        ({"payment_type": "cash"}, 100, set()),
    ],
    ids=["payment", "decline", "another amount", "another type"],
)
def test_authorize_outcome_before_decision_write_counts_once(
    callback_driver: CallbackDriver,
    deployed_policy: FakeAppConfig,
    interleave: Interleaver,
    outcome_changes: Mapping[str, str],
    counted_amount: int,
    anomalies: set[str],
) -> None:
    deployed_policy.put_defaults(
        spending_limits=[limit("day", "110.00", "credit", "cash"), limit("week", "110.00"), limit("month", "110.00")]
    )
    callback_driver.authorize("0", payment_amount="10.00")
    interleave(lambda: callback_driver.confirm("1", **outcome_changes))

    assert callback_driver.authorize("1")

    item = callback_driver.item("1")
    assert (item["decision"], item["outcome"]) == ("accept", outcome_changes.get("status", "payment"))
    assert callback_driver.spent() == total(str(10 + counted_amount))
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


def test_authorize_many_conflicts_still_accepts_within_limit(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, interleave: Interleaver
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "400.00", "credit", "cash")])
    interleave(*[partial(callback_driver.authorize, f"other-{n}", payment_type="cash") for n in range(3)])

    assert callback_driver.authorize("1")
    assert callback_driver.spent() == total("400.00")


@pytest.mark.parametrize("test", [None, "true"])
def test_concurrent_duplicate_authorize_reserves_once(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, interleave: Interleaver, test: str | None
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00"), limit("week", "100.00", "credit")])
    interleave(lambda: callback_driver.authorize("1", test=test))

    assert callback_driver.authorize("1", test=test)

    assert callback_driver.item()["decided_at"] == stored_time(NOON)
    assert callback_driver.spent() == ({} if test else total("100.00"))
    assert callback_driver.anomalies() == set()


def test_concurrent_conflicting_authorize_declined_and_flagged(
    callback_driver: CallbackDriver, interleave: Interleaver
) -> None:
    interleave(lambda: callback_driver.authorize("1", payment_amount="1.00"))

    assert not callback_driver.authorize("1")

    assert callback_driver.spent() == total("1.00")
    assert callback_driver.anomalies() == {"authorization_conflict"}


@pytest.mark.parametrize("interleaved", ["1", "2"], ids=["same payment", "another payment"])
def test_reauthorize_released_payment_respects_limit(
    callback_driver: CallbackDriver, deployed_policy: FakeAppConfig, interleave: Interleaver, interleaved: str
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    callback_driver.authorize("1")
    callback_driver.release("1")
    interleave(lambda: callback_driver.authorize(interleaved))

    assert callback_driver.authorize("1") is (interleaved == "1")
    assert callback_driver.spent() == total("100.00")


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_reauthorize_released_overtaken_by_outcome_counts_once(
    callback_driver: CallbackDriver, interleave: Interleaver, status: str
) -> None:
    callback_driver.authorize()
    callback_driver.release()
    interleave(lambda: callback_driver.confirm(status=status))

    assert callback_driver.authorize()
    assert callback_driver.spent() == (total("100.00") if status == "payment" else {})


def test_authorize_overtaken_by_paid_after_failed_flagged(
    callback_driver: CallbackDriver, interleave: Interleaver, deployed_policy: FakeAppConfig
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "50.00")])
    callback_driver.decline()
    interleave(callback_driver.confirm)

    callback_driver.authorize()

    assert callback_driver.item()["decision"] == "decline"
    assert callback_driver.ledger_table.balances() == {CUSTOMER: 100}
    assert callback_driver.anomalies() >= {"paid_after_decline", "outcome_contradicted"}
