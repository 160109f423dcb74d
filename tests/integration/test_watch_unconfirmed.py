"""Accepted payments whose outcome nobody tells: which are watched, and what becomes of them."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from botocore.exceptions import ReadTimeoutError

from paynearme.deadline import Deadline
from tests.integration.deployed_policy import DeployedPolicy
from tests.integration.meanwhile import Meanwhile
from tests.integration.observed import Function, Stored, Traffic, Written
from tests.integration.payments_over_time import NOON, Payments, at, in_all, limit, reversal
from tests.integration.signed_callbacks import SITE
from tests.integration.streamed import Streamed
from tests.integration.watched import LONG_OVERDUE, NOT_YET, OVERDUE, SOON, Watch


@pytest.fixture
def payments(authorize: Function, confirm: Function, stored: Stored, streamed: Streamed) -> Payments:
    return Payments(authorize, confirm, stored)


@pytest.fixture
def watch(cold_start: Callable[[str], Function], stored: Stored) -> Watch:
    return Watch(cold_start("sweep_unconfirmed"), stored)


@pytest.fixture
def told(streamed: Streamed) -> Callable[[], list[str]]:
    """Tells of what kinds the new events are: an anomaly's is its code."""
    return lambda: [getattr(event, "anomaly", event.detail_type) for event in streamed.told()]


def test_only_an_accepted_payment_without_an_outcome_is_awaited(
    payments: Payments, watch: Watch, reverse: Function, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(amounts={"credit": {"maximum": "100.00"}})
    payments.ask("accepted")
    payments.ask("declined", payment_amount="100.01")
    payments.ask("a-test", test="true")
    payments.ask("made")
    payments.pay("made")
    payments.ask("failed")
    payments.fail("failed")
    payments.ask("made-otherwise")
    payments.pay("made-otherwise", payment_amount="7.00")
    payments.pay("asked-later")
    payments.ask("asked-later")
    at(NOON, reverse, reversal(pnm_payment_identifier="reversed"))

    assert watch.pending() == {"accepted": f"authorized#{NOON.isoformat()}"}


def test_it_is_marked_once_after_the_set_time(
    payments: Payments, watch: Watch, written: Written, told: Callable[[], list[str]]
) -> None:
    payments.ask()
    told()

    watch.look(SOON)
    assert told() == []
    for now in (OVERDUE, OVERDUE, NOT_YET):
        watch.look(now)

    assert told() == ["PaymentUnconfirmed"]
    assert payments.item()["unconfirmed_at"] == OVERDUE.isoformat()
    assert payments.spent() == in_all("100.00")
    assert written.counted("PaymentUnconfirmed") == 1
    assert written.counted("ReservationReleased") == 0


def test_a_mark_whose_answer_is_lost_is_counted_too(
    payments: Payments, watch: Watch, written: Written, traffic: Traffic, told: Callable[[], list[str]]
) -> None:
    payments.ask()
    told()

    traffic.lost["UpdateItem"] = [ReadTimeoutError(endpoint_url="https://dynamodb.invalid")]
    watch.look(OVERDUE)

    assert told() == ["PaymentUnconfirmed"]
    assert written.counted("PaymentUnconfirmed") == 1


def test_two_that_look_at_once_mark_it_once(
    payments: Payments,
    watch: Watch,
    written: Written,
    told: Callable[[], list[str]],
    meanwhile: Meanwhile,
) -> None:
    payments.ask()
    told()

    meanwhile(lambda: watch.look(OVERDUE + timedelta(seconds=1)))
    watch.look(OVERDUE)

    assert told() == ["PaymentUnconfirmed"]
    assert written.counted("PaymentUnconfirmed") == 1


@pytest.mark.parametrize("outcome", ["pay", "fail"])
def test_an_outcome_that_comes_between_the_look_and_the_mark_wins(
    payments: Payments,
    watch: Watch,
    written: Written,
    told: Callable[[], list[str]],
    meanwhile: Meanwhile,
    outcome: str,
) -> None:
    payments.ask()
    told()

    meanwhile(lambda: getattr(payments.at(OVERDUE), outcome)())
    watch.look(OVERDUE)

    assert told() == ["PaymentConfirmed" if outcome == "pay" else "PaymentFailed"]
    assert written.counted("PaymentUnconfirmed") == 0
    assert watch.pending() == {}


def test_what_it_reserved_is_given_back_once_after_the_longer_time(
    payments: Payments, watch: Watch, written: Written, told: Callable[[], list[str]]
) -> None:
    payments.ask("1")
    payments.ask("2", payment_amount="30.00")
    payments.pay("2", payment_amount="30.00")
    told()

    watch.look(OVERDUE)
    watch.look(NOT_YET)
    assert payments.spent() == in_all("130.00")
    for hours in range(3):
        watch.look(LONG_OVERDUE + timedelta(hours=hours))

    assert told() == ["PaymentUnconfirmed", "ReservationReleased"]
    assert payments.spent() == in_all("30.00")
    assert written.counted("ReservationReleased") == 1
    assert watch.pending() == {}


def test_what_nobody_looked_at_for_long_is_marked_and_released_by_one_look(
    payments: Payments, watch: Watch, told: Callable[[], list[str]]
) -> None:
    payments.ask()

    watch.look(LONG_OVERDUE)

    assert told() == ["PaymentAuthorized", "PaymentUnconfirmed", "ReservationReleased"]


def test_an_outcome_that_comes_right_before_the_release_wins(
    payments: Payments, watch: Watch, told: Callable[[], list[str]], meanwhile: Meanwhile
) -> None:
    payments.ask()
    watch.look(OVERDUE)
    told()

    meanwhile(lambda: payments.at(LONG_OVERDUE).pay())
    watch.look(LONG_OVERDUE)

    assert told() == ["PaymentConfirmed"]
    assert payments.spent() == in_all("100.00")


@pytest.mark.parametrize("customer", ["773090000", None], ids=["a customer", "nobody"])
def test_a_look_that_is_over_spares_what_was_decided_on_again(
    payments: Payments, watch: Watch, meanwhile: Meanwhile, customer: str | None
) -> None:
    payments.ask(site_customer_identifier=customer)
    watch.look(OVERDUE)

    def another_watch_and_another_question() -> None:
        watch.look(LONG_OVERDUE)
        payments.at(LONG_OVERDUE).ask(site_customer_identifier=customer)

    meanwhile(another_watch_and_another_question)
    watch.look(LONG_OVERDUE)

    item = payments.item()
    assert "released_at" not in item
    if customer:
        assert payments.spent() == in_all("100.00", "DAY#2026-11-21", "WEEK#2026-W47", "MONTH#2026-11")
        assert watch.pending() == {"1": f"authorized#{LONG_OVERDUE.isoformat()}"}


def test_a_release_of_what_was_awaited_before_another_decision_does_nothing(
    payments: Payments, watch: Watch
) -> None:
    payments.ask()
    pending_since = watch.pending()["1"]
    watch.look(LONG_OVERDUE)
    payments.at(LONG_OVERDUE).ask()

    ledger, deadline = watch.function.app.ledger, Deadline.after(10)
    assert not ledger.release(SITE, "1", LONG_OVERDUE, deadline, pending_since=pending_since)
    assert payments.item()["reservation_amount"] == 100


def test_what_reserves_nothing_is_awaited_no_longer_and_nothing_is_given_back(
    payments: Payments, watch: Watch, written: Written, told: Callable[[], list[str]]
) -> None:
    payments.ask(site_customer_identifier=None)
    told()

    watch.look(OVERDUE)
    assert list(watch.pending()) == ["1"]
    watch.look(LONG_OVERDUE)

    assert watch.pending() == {}
    assert told() == ["PaymentUnconfirmed"]
    assert "released_at" not in payments.item()
    assert written.counted("ReservationReleased") == 0


def test_what_is_decided_on_again_is_awaited_again(
    payments: Payments, watch: Watch, streamed: Streamed, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("day", "100.00")])
    payments.ask()
    watch.look(LONG_OVERDUE)

    payments.at(LONG_OVERDUE).ask()
    assert "unconfirmed_at" not in payments.item()
    watch.look(LONG_OVERDUE + timedelta(minutes=59))
    watch.look(LONG_OVERDUE + timedelta(minutes=60))
    watch.look(LONG_OVERDUE + timedelta(hours=24))

    events = streamed.told()
    once = ["PaymentAuthorized", "PaymentUnconfirmed", "ReservationReleased"]
    assert [event.detail_type for event in events] == once * 2
    assert len({event.event_identifier for event in events}) == 6


def test_what_is_decided_on_again_with_no_is_awaited_no_longer(
    payments: Payments, watch: Watch, deployed_policy: DeployedPolicy
) -> None:
    deployed_policy.put_defaults(spending_limits=[limit("month", "100.00")])
    payments.ask("1")
    watch.look(LONG_OVERDUE)
    payments.at(LONG_OVERDUE).pay("2")

    assert not payments.at(LONG_OVERDUE).ask("1")

    assert watch.pending() == {}


def test_what_is_made_after_its_release_is_told_and_marked(
    payments: Payments, watch: Watch, told: Callable[[], list[str]]
) -> None:
    payments.ask()
    watch.look(LONG_OVERDUE)
    told()

    payments.at(LONG_OVERDUE).pay()

    assert told() == ["PaymentConfirmed", "paid_after_release"]
    assert payments.spent() == in_all("100.00")
    assert payments.stored.balances() == {"773090000": 100}
