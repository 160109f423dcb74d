"""What happens between the reading of an authorization and its writing, and what is decided then."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.deployed_policy import DeployedPolicy
from tests.integration.meanwhile import Meanwhile, Step
from tests.integration.observed import Function, Stored
from tests.integration.payments_over_time import NOON, Payments, in_all, limit

WINDOWS = ("day", "week", "month")


@pytest.fixture
def payments(authorize: Function, confirm: Function, stored: Stored) -> Payments:
    return Payments(authorize, confirm, stored)


LIMITS: dict[str, Callable[[str], list[dict[str, Any]]]] = {
    "all types": lambda amount: [limit("day", amount)],
    "a week": lambda amount: [limit("week", amount)],
    "all windows": lambda amount: [limit(window, amount) for window in WINDOWS],
    "its type": lambda amount: [limit("day", amount, "credit")],
    "some types": lambda amount: [limit("day", amount, "credit", "cash", "none")],
    "two of a window": lambda amount: [limit("day", amount), limit("day", "900.00")],
    "two over its type": lambda amount: [
        limit("day", "900.00", "credit", "debit"),
        limit("day", amount, "credit", "cash"),
    ],
    "some types and all": lambda amount: [limit("day", amount, "credit", "cash"), limit("month", amount)],
}
limits = pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)


@limits
def test_a_payment_that_was_overtaken_is_accepted_while_there_is_room(
    payments: Payments,
    deployed_policy: DeployedPolicy,
    meanwhile: Meanwhile,
    limits: Callable[[str], list[dict[str, Any]]],
) -> None:
    deployed_policy.put_defaults(spending_limits=limits("200.00"))
    meanwhile(lambda: payments.ask("2"))

    assert payments.ask("1")

    assert payments.item("2")["decision"] == "accept"
    assert payments.spent() == payments.spent(of_type="credit") == in_all("200.00")


@limits
@pytest.mark.parametrize("spent_before", [False, True], ids=["first of its windows", "not the first"])
def test_a_payment_that_lost_the_last_room_is_declined_and_recorded_with_the_limits_reason(
    payments: Payments,
    deployed_policy: DeployedPolicy,
    meanwhile: Meanwhile,
    limits: Callable[[str], list[dict[str, Any]]],
    spent_before: bool,
) -> None:
    deployed_policy.put_defaults(spending_limits=limits("199.99"))
    if spent_before:
        payments.ask("0", payment_amount="0.99")
    meanwhile(lambda: payments.ask("2"))

    assert not payments.ask("1")

    reason = f"{limits('1')[0]['window']}_limit_exceeded"
    assert payments.item("2")["decision"] == "accept"
    assert (payments.item("1")["decision"], payments.item("1")["reason"]) == ("decline", reason)
    assert payments.spent() == in_all("100.99" if spent_before else "100.00")
    assert not payments.ask("1")


@pytest.mark.parametrize("missing", ["0.00", "0.01"], ids=["room left", "a cent missing"])
@pytest.mark.parametrize("between", ["cash", None, "credit"], ids=["cash", "no type", "the same type"])
@pytest.mark.parametrize("before", [[], ["credit"], ["cash", None]], ids=str)
def test_each_payment_type_of_the_same_limit_overtakes(
    payments: Payments,
    deployed_policy: DeployedPolicy,
    meanwhile: Meanwhile,
    missing: str,
    between: str | None,
    before: list[str | None],
) -> None:
    room = 100 * (len(before) + 2) - Decimal(missing)
    deployed_policy.put_defaults(spending_limits=[limit("day", str(room), "credit", "cash", "none")])
    for number, payment_type in enumerate(before):
        payments.ask(f"before-{number}", payment_type=payment_type)
    meanwhile(lambda: payments.ask("2", payment_type=between))

    accepted = payments.ask("1")

    assert accepted is (missing == "0.00")
    assert payments.item("1")["reason"] == ("accepted" if accepted else "day_limit_exceeded")
    assert payments.spent() == in_all(str(100 * (len(before) + 1 + accepted)))


def test_a_payment_type_of_no_common_limit_does_not_stand_in_the_way(
    payments: Payments, deployed_policy: DeployedPolicy, meanwhile: Meanwhile
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00", "credit", "cash")])
    meanwhile(lambda: payments.ask("2", payment_type="debit"))

    assert payments.ask("1")
    assert payments.spent() == in_all("200.00")


def test_a_payment_that_is_overtaken_again_and_again_is_accepted_while_there_is_room(
    payments: Payments, deployed_policy: DeployedPolicy, meanwhile: Meanwhile
) -> None:
    deployed_policy.put_defaults(
        spending_limits=[limit("day", "500.00", "credit", "cash", "none"), limit("week", "500.00")]
    )

    def other(number: int) -> Step:
        return lambda: payments.ask(f"other-{number}", payment_type=None if number % 2 else "cash")

    meanwhile(*[other(number) for number in range(4)])

    assert payments.ask("1")
    assert payments.spent() == in_all("500.00")

    meanwhile(lambda: payments.ask("other-9", payment_amount="0.01"))
    assert not payments.ask("2")
    assert payments.spent() == in_all("500.00")


def test_what_others_gave_back_meanwhile_does_no_harm(
    payments: Payments, deployed_policy: DeployedPolicy, meanwhile: Meanwhile
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "200.00", "credit", "cash")])
    payments.ask("2", payment_type="cash")
    meanwhile(lambda: payments.fail("2", payment_type="cash"))

    assert payments.ask("1")
    assert payments.spent() == in_all("100.00")


@pytest.mark.parametrize("before", ["0.00", "10.00"], ids=["first of its windows", "not the first"])
@pytest.mark.parametrize(
    ("told", "counted", "anomalies"),
    [
        ({"status": "payment"}, "100.00", set()),
        ({"status": "decline"}, "0.00", set()),
        ({"payment_amount": "60.00"}, "60.00", {"amount_differs"}),
        ({"payment_type": "cash"}, "100.00", set()),
    ],
    ids=["payment", "decline", "payment of another amount", "payment of another type"],
)
def test_a_payment_whose_outcome_comes_before_its_decision_is_written_counts_once(
    payments: Payments,
    deployed_policy: DeployedPolicy,
    meanwhile: Meanwhile,
    before: str,
    told: Mapping[str, str],
    counted: str,
    anomalies: set[str],
) -> None:
    room = str(100 + Decimal(before))
    deployed_policy.put_defaults(
        spending_limits=[limit("day", room, "credit", "cash"), limit("week", room), limit("month", room)]
    )
    payments.ask("0", payment_amount=before)
    meanwhile(lambda: payments.pay("1", **told))

    assert payments.ask("1")

    item = payments.item("1")
    assert (item["decision"], item["outcome"]) == ("accept", told.get("status", "payment"))
    total = Decimal(before) + Decimal(counted)
    assert payments.spent() == (in_all(str(total)) if total else {})
    assert payments.anomalies("1") == anomalies


def test_a_question_that_its_outcome_overtook_is_decided_by_what_others_spent(
    payments: Payments, deployed_policy: DeployedPolicy, meanwhile: Meanwhile
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "400.00")])
    payments.ask("0", payment_amount="350.00")
    meanwhile(lambda: payments.pay("1"))

    assert not payments.ask("1")

    assert payments.item("1")["reason"] == "day_limit_exceeded"
    assert payments.anomalies("1") == {"paid_after_decline"}
    assert payments.spent() == in_all("450.00")


@pytest.mark.parametrize("test", [None, "true"])
def test_the_same_question_at_the_same_time_gets_the_same_answer_and_reserves_once(
    payments: Payments, deployed_policy: DeployedPolicy, meanwhile: Meanwhile, test: str | None
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00"), limit("week", "100.00", "credit")])
    meanwhile(lambda: payments.ask("1", test=test))

    assert payments.ask("1", test=test)

    assert payments.item()["decided_at"] == NOON.isoformat()
    assert payments.spent() == ({} if test else in_all("100.00"))
    assert payments.anomalies() == set()


@pytest.mark.parametrize("changes", [{"payment_amount": "1.00"}, {"payment_type": "cash"}])
def test_another_question_about_the_payment_at_the_same_time_is_declined_and_marked(
    payments: Payments, meanwhile: Meanwhile, changes: dict[str, str]
) -> None:
    meanwhile(lambda: payments.ask("1", **changes))

    assert not payments.ask("1")

    assert payments.spent() == in_all(changes.get("payment_amount", "100.00"))
    assert payments.anomalies() == {"authorization_conflict"}


def test_a_declined_payment_that_is_decided_elsewhere_meanwhile_has_one_decision(
    payments: Payments, deployed_policy: DeployedPolicy, meanwhile: Meanwhile
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "50.00")])
    tomorrow = payments.at(NOON + timedelta(seconds=1))
    meanwhile(lambda: tomorrow.ask("1"))

    assert not payments.ask("1")

    assert payments.item()["decided_at"] == tomorrow.now.isoformat()
    assert payments.spent() == {}
