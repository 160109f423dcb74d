from contextlib import suppress
from typing import Any

import pytest

from paynearme.deadline import Deadline
from paynearme.signing import verify
from tests.clock import Clock
from tests.integration.making_payments import (
    CONFIRMED,
    DECLINED,
    EXPIRED,
    HANGS,
    KEY,
    REFUSAL,
    REFUSED_CONNECTION,
    SLOW_CONNECTION,
    SUBMITTED,
    TAKEN,
    UNDER_WAY,
    UNKNOWN,
    Killed,
    Making,
    identifier_of,
    outcome,
)
from tests.integration.observed import Traffic
from tests.integration.paynearme_stub import PayNearMeStub
from tests.integration.signed_callbacks import SITE, SITES

# What PayNearMe did not take, and what the caller is told.
NOT_TAKEN: dict[str, tuple[Any, tuple[int, str]]] = {
    "401": ((401, {"status": "error"}), (502, "credentials-rejected")),
    "403": ((403, b"<html>"), (502, "credentials-rejected")),
    "429": ((429, {"status": "error"}), (502, "paynearme-error")),
    "refused connection": (REFUSED_CONNECTION, (502, "paynearme-error")),
    "slow connection": (SLOW_CONNECTION, (504, "paynearme-timeout")),
}

not_accepted = pytest.mark.parametrize(("said", "told"), NOT_TAKEN.values(), ids=NOT_TAKEN)


@not_accepted
def test_what_paynearme_did_not_take_may_be_asked_again_with_the_same_key(
    making: Making, said: Any, told: tuple[int, str]
) -> None:
    making.paynearme.say(said)
    assert [outcome(making.make()) for _ in range(2)] == [told] * 2
    making.paynearme.say((200, TAKEN))

    assert [outcome(making.make()) for _ in range(2)] == [SUBMITTED] * 2
    asked = making.paynearme.sent
    assert len(asked) == 3
    # Without a connection nothing arrives.
    assert {sent["site_payment_identifier"] for sent in asked if sent} == {identifier_of()}
    verify(asked[-1], asked[-1]["signature"], [SITES[SITE]["secret"]], "3.0")


@pytest.mark.parametrize("said", [(401, {}), (403, {}), (429, {})], ids=lambda said: str(said[0]))
def test_what_was_turned_away_is_not_sent_again_within_the_call(
    paynearme_behind_urllib3: PayNearMeStub, making: Making, said: Any
) -> None:
    paynearme_behind_urllib3.say(said)

    assert making.make().status == 502
    assert len(paynearme_behind_urllib3.sent) == 1


@pytest.mark.parametrize("refused", [REFUSED_CONNECTION.reason, SLOW_CONNECTION.reason])
def test_a_connection_that_was_not_made_is_tried_again_within_the_call(
    paynearme_behind_urllib3: PayNearMeStub, making: Making, refused: Any
) -> None:
    paynearme_behind_urllib3.answers = [refused]

    assert outcome(making.make()) == SUBMITTED
    assert len(paynearme_behind_urllib3.sent) == 2


@pytest.mark.parametrize("seconds", [2.6, 2.0, 1.3])
def test_without_the_time_to_hear_of_it_paynearme_is_not_asked(
    making: Making, monkeypatch: pytest.MonkeyPatch, clock: Clock, seconds: float
) -> None:
    making.make(f"{KEY}-before")
    with monkeypatch.context() as hurry:
        hurry.setattr(Deadline, "after", lambda _: Deadline(clock.now + seconds, clock, clock.sleep))
        assert outcome(making.make()) == (504, "paynearme-timeout")
    assert len(making.paynearme.sent) == 1

    assert outcome(making.make()) == SUBMITTED


def test_a_call_after_what_was_not_taken_is_under_way_again(making: Making) -> None:
    making.paynearme.say((401, {}))
    making.make()
    later = making.after(3600)
    later.begin()

    assert outcome(later.after(9).make()) == UNDER_WAY
    assert outcome(later.after(10).make()) == UNKNOWN
    assert len(making.paynearme.sent) == 2


@pytest.mark.parametrize(
    "said", [(200, REFUSAL), (200, EXPIRED), (401, {}), HANGS], ids=["refused", "expired", "401", "hangs"]
)
@pytest.mark.parametrize(("status", "told"), [("payment", CONFIRMED), ("decline", DECLINED)])
def test_a_confirmation_is_believed_before_an_answer_that_was_no_yes(
    making: Making, said: Any, status: str, told: tuple[int, str]
) -> None:
    making.paynearme.say(said)
    making.make()
    making.tell(status=status)

    assert [outcome(making.after(seconds).make()) for seconds in (0, 3600)] == [told] * 2
    assert len(making.paynearme.sent) == 1


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_a_payment_that_was_taken_stays_so_whatever_is_told_of_it_later(making: Making, status: str) -> None:
    first = making.make()
    making.tell(status=status)

    assert making.make() == first
    assert len(making.paynearme.sent) == 1


@pytest.mark.parametrize(("changes", "told"), [({"pnm_order_identifier": "1"}, "order"), ({}, "identifier")])
def test_what_is_told_of_another_payment_keeps_nobody_from_asking_again(
    making: Making, changes: dict[str, str], told: str
) -> None:
    making.paynearme.answers = [making.paynearme.saying(401, {})]
    making.make()
    making.tell(**changes or {"site_payment_identifier": identifier_of(told)})

    assert outcome(making.make()) == SUBMITTED
    assert len(making.paynearme.sent) == 2


READ, UPDATE = ["BatchGetItem"], ["UpdateItem"]
# What came of the payment at first, if it was asked for; and the calls of DynamoDB that the next call costs.
COSTS: dict[str, tuple[Any, list[str]]] = {
    "new": (None, UPDATE * 2),
    "submitted": ((200, TAKEN), UPDATE),
    "under way": (Killed(), UPDATE),
    "unknown": (HANGS, UPDATE + READ),
    "refused": ((200, REFUSAL), UPDATE + READ),
    "expired": ((200, EXPIRED), UPDATE + READ),
    "not taken": ((401, {}), UPDATE + READ + UPDATE * 2),
}


@pytest.mark.parametrize(("said", "calls"), COSTS.values(), ids=COSTS)
def test_a_call_costs_so_many_calls_of_dynamodb_and_no_more(
    making: Making, traffic: Traffic, said: Any, calls: list[str]
) -> None:
    if said is not None:
        making.paynearme.say(said)
        with suppress(Killed):
            making.make()
    making.paynearme.say((200, TAKEN))

    assert traffic.made_by(making.make) == calls
