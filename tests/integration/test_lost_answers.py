from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from paynearme.deadline import Deadline
from paynearme.table import Item, Table, Update
from tests.clock import Clock
from tests.integration.observed import Function, Stored, Traffic
from tests.integration.payments_over_time import reversal
from tests.integration.signed_callbacks import CUSTOMER, authorization, confirmation

URL = "https://dynamodb.us-east-1.amazonaws.com"
READS = ["BatchGetItem"]
WRITES = ["UpdateItem", "TransactWriteItems"]
LOST = [ReadTimeoutError(endpoint_url=URL), ConnectionClosedError(endpoint_url=URL)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Let the functions wait in time that costs nothing."""
    monkeypatch.setattr(Deadline, "after", lambda seconds: Deadline(clock.now + seconds, clock, clock.sleep))


@pytest.fixture(params=LOST, ids=["no answer", "closed connection"])
def lost(request: pytest.FixtureRequest) -> Exception:
    error: Exception = request.param
    return error


# Each: what was told before, and what changes in the confirmation whose answers are lost.
STORIES: dict[str, tuple[list[tuple[str, dict[str, Any]]], dict[str, Any], set[str]]] = {
    "plain": ([], {}, set()),
    "authorized": ([("authorize", {})], {}, set()),
    "other amount": ([("authorize", {"payment_amount": "1.00"})], {}, {"amount_differs"}),
    "after our decline": (
        [("authorize", {"payment_amount": "0"})],
        {},
        {"amount_differs", "paid_after_decline"},
    ),
    "after a failure": ([("confirm", {"status": "decline"})], {}, {"outcome_contradicted"}),
    "after a failure of what was authorized": (
        [("authorize", {}), ("confirm", {"status": "decline"})],
        {},
        {"outcome_contradicted"},
    ),
    "a repeat": ([("confirm", {})], {}, set()),
    "a repeat that differs": ([("confirm", {})], {"payment_amount": "1.00"}, {"outcome_contradicted"}),
}


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize(
    "which", [[0], [1], [0, 1], [1, 2]], ids=["first", "second", "first two", "later two"]
)
def test_a_payment_whose_answers_are_lost_is_posted_once_and_acknowledged(
    cold_start: Callable[[str], Function],
    stored: Stored,
    traffic: Traffic,
    lost: Exception,
    story: str,
    which: list[int],
) -> None:
    before, changes, anomalies = STORIES[story]
    for name, told in before:
        cold_start(name)({"authorize": authorization, "confirm": confirmation}[name](**told))
    for operation in WRITES:
        traffic.lost[operation] = [lost if number in which else None for number in range(3)]

    answer = cold_start("confirm")(confirmation(**changes))

    assert answer.status == 200
    assert answer.fields == {"pnm_order_identifier": "80080175585"}
    assert stored.balances() == {CUSTOMER: Decimal("350.00")}
    assert stored.spent() == {Decimal("354.99")}
    assert stored.payment()["outcome"] == "payment"
    assert stored.anomalies() == anomalies


@pytest.mark.parametrize("operations", [READS, WRITES, READS + WRITES], ids=["reading", "writing", "both"])
@pytest.mark.parametrize("changes", [{}, {"payment_amount": "0"}], ids=["accepted", "declined"])
def test_an_authorization_whose_answers_are_lost_is_answered_with_what_was_stored(
    authorize: Function,
    stored: Stored,
    traffic: Traffic,
    lost: Exception,
    changes: dict[str, str],
    operations: list[str],
) -> None:
    traffic.lost = {operation: [lost, lost] for operation in operations}

    answer = authorize(authorization(**changes))

    assert answer.status == 200
    assert answer.fields["accept_payment"] == ("no" if changes else "yes")
    assert stored.payment()["decision"] == ("decline" if changes else "accept")
    assert stored.spent() == (set() if changes else {Decimal("354.99")})
    assert authorize(authorization(**changes)).body == answer.body


@pytest.mark.parametrize("number", [0, 1])
def test_a_conflict_whose_answer_is_lost_is_still_declined_and_marked(
    authorize: Function, stored: Stored, traffic: Traffic, lost: Exception, number: int
) -> None:
    authorize(authorization())
    for operation in READS + WRITES:
        traffic.lost[operation] = [lost if call == number else None for call in range(2)]

    answer = authorize(authorization(payment_amount="1.00"))

    assert answer.fields["accept_payment"] == "no"
    assert stored.anomalies() == {"authorization_conflict"}
    assert stored.payment()["decision"] == "accept"


@pytest.mark.parametrize("number", [0, 1])
def test_an_authorization_after_the_confirmation_survives_a_lost_answer(
    authorize: Function, confirm: Function, stored: Stored, traffic: Traffic, lost: Exception, number: int
) -> None:
    confirm(confirmation())
    for operation in READS + WRITES:
        traffic.lost[operation] = [lost if call == number else None for call in range(2)]

    assert authorize(authorization(payment_amount="1.00")).fields["accept_payment"] == "yes"
    assert stored.anomalies() == {"amount_differs"}
    assert stored.payment()["outcome"] == "payment"


def test_when_all_answers_are_lost_the_confirmation_is_not_acknowledged_and_a_repeat_posts_nothing_more(
    confirm: Function, stored: Stored, traffic: Traffic, lost: Exception
) -> None:
    traffic.lost["TransactWriteItems"] = [lost] * 10_000
    assert confirm(confirmation()).status == 503
    traffic.lost.clear()

    assert confirm(confirmation()).status == 200
    assert stored.balances() == {CUSTOMER: Decimal("350.00")}


@pytest.mark.parametrize("operations", [READS, WRITES], ids=["reading", "writing"])
def test_when_all_answers_are_lost_the_authorization_is_declined_in_so_many_words(
    authorize: Function, traffic: Traffic, lost: Exception, operations: list[str]
) -> None:
    traffic.lost = {operation: [lost] * 10_000 for operation in operations}

    answer = authorize(authorization())

    assert answer.status == 200
    assert answer.fields["accept_payment"] == "no"
    assert answer.fields["pnm_order_identifier"] == "80080175585"


# What else can be told of a payment that failed, right before its late success is written; and its balance.
MEANWHILE: dict[str, tuple[str, dict[str, Any], Decimal]] = {
    "authorized": ("authorize", {}, Decimal("350.00")),
    "reversed in part": ("reverse", {}, Decimal("250.00")),
    "failed again": ("confirm", {"status": "decline"}, Decimal("350.00")),
    "paid": ("confirm", {}, Decimal("350.00")),
}


@pytest.mark.parametrize("what", MEANWHILE)
def test_a_payment_after_its_decline_is_posted_once_whatever_else_is_told_of_it_meanwhile(
    cold_start: Callable[[str], Function], stored: Stored, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    name, changes, balance = MEANWHILE[what]
    message = {"authorize": authorization, "confirm": confirmation, "reverse": reversal}[name](**changes)
    confirm, other, transact = cold_start("confirm"), cold_start(name), Table.transact
    confirm(confirmation(status="decline"))
    # The first write finds the decline, the second is the late success.
    steps: list[Callable[[], object]] = [lambda: None, lambda: other(message)]

    def late(table: Table, changes: Sequence[Update], deadline: Deadline) -> dict[int, Item] | None:
        if steps:
            step, *waiting = steps
            steps.clear()
            step()
            steps.extend(waiting)
        return transact(table, changes, deadline)

    monkeypatch.setattr(Table, "transact", late)

    assert confirm(confirmation()).status == 200
    assert stored.balances() == {CUSTOMER: balance}
    assert stored.payment()["outcome"] == "payment"
