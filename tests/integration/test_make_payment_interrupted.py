from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from paynearme.payments import site_payment_identifier
from tests.integration.making_payments import (
    CONFIRMED,
    DECLINED,
    EXPIRED,
    EXPIRED_AUTHORIZATION,
    HANGS,
    ORDER,
    PNM_PAYMENT,
    REFUSAL,
    REFUSED,
    SUBMITTED,
    TAKEN,
    UNDER_WAY,
    UNKNOWN,
    Making,
    outcome,
)
from tests.integration.meanwhile import Meanwhile
from tests.integration.observed import Function, Stored, Traffic, Written
from tests.integration.payments_over_time import NOON, at
from tests.integration.signed_callbacks import CUSTOMER, SITE, authorization, confirmation

URL = "https://dynamodb.us-east-1.amazonaws.com"
LOST = [ReadTimeoutError(endpoint_url=URL), ConnectionClosedError(endpoint_url=URL)]
DENIED = ClientError(
    {"Error": {"Code": "AccessDeniedException"}, "ResponseMetadata": {"HTTPStatusCode": 400}},  # type: ignore[typeddict-item] # the rest is of no interest
    "UpdateItem",
)
# What PayNearMe can say to a payment, and what the caller is told then.
SAID: dict[str, tuple[Any, tuple[int, str]]] = {
    "submitted": ((200, TAKEN), SUBMITTED),
    "unknown": (HANGS, UNKNOWN),
    "refused": ((200, REFUSAL), REFUSED),
    "expired": ((200, EXPIRED), EXPIRED_AUTHORIZATION),
    "not taken": ((401, {}), (502, "credentials-rejected")),
}

whatever_is_said = pytest.mark.parametrize(("said", "told"), SAID.values(), ids=SAID)


def test_a_confirmation_that_comes_before_paynearmes_answer_tells_what_became_of_it(making: Making) -> None:
    making.paynearme.meanwhile = [making.tell]
    making.begin()

    # Somebody could still be at it.
    assert outcome(making.after(9).make()) == UNDER_WAY
    assert outcome(making.after(10).make()) == CONFIRMED
    assert len(making.paynearme.sent) == 1
    assert making.stored.balances() == {CUSTOMER: 1000}


def test_a_decline_that_comes_before_paynearmes_answer_tells_what_became_of_it(making: Making) -> None:
    making.paynearme.meanwhile = [lambda: making.tell(status="decline")]
    making.begin()

    assert outcome(making.after(10).make()) == DECLINED


@pytest.mark.parametrize(("said", "then"), [(HANGS, CONFIRMED), ((200, TAKEN), SUBMITTED)])
def test_a_confirmation_between_answer_and_outcome_does_no_harm(
    making: Making, meanwhile: Meanwhile, said: Any, then: tuple[int, str]
) -> None:
    making.paynearme.say(said)
    meanwhile(None, making.tell)

    making.make()

    assert making.told()
    assert outcome(making.make()) == then
    assert len(making.paynearme.sent) == 1
    assert making.stored.balances() == {CUSTOMER: 1000}


def test_a_confirmation_that_comes_while_a_call_looks_for_it_is_heard_by_the_next(
    making: Making, meanwhile: Meanwhile
) -> None:
    making.begin()
    later = making.after(10)
    meanwhile(making.tell)

    # What the step writes comes before the call reads.
    assert outcome(later.make()) == CONFIRMED


@pytest.mark.parametrize("lost", LOST, ids=["no answer", "closed connection"])
@pytest.mark.parametrize("times", [1, 2])
def test_an_intent_whose_answers_are_lost_is_asked_of_paynearme_once(
    making: Making, traffic: Traffic, lost: Exception, times: int
) -> None:
    traffic.lost["UpdateItem"] = [lost] * times

    assert outcome(making.make()) == SUBMITTED
    assert outcome(making.make()) == SUBMITTED
    assert len(making.paynearme.sent) == 1


@pytest.mark.parametrize("lost", LOST, ids=["no answer", "closed connection"])
@whatever_is_said
def test_an_outcome_whose_answer_is_lost_is_written_all_the_same(
    making: Making, traffic: Traffic, lost: Exception, said: Any, told: tuple[int, str]
) -> None:
    making.paynearme.say(said)
    traffic.lost["UpdateItem"] = [None, lost]

    assert outcome(making.make()) == told
    assert making.intent()["status"] != "in_progress"


@pytest.mark.parametrize("lost", LOST, ids=["no answer", "closed connection"])
def test_to_ask_again_for_what_was_not_taken_survives_a_lost_answer(
    making: Making, traffic: Traffic, lost: Exception
) -> None:
    making.paynearme.answers = [making.paynearme.saying(401, {})]
    making.make()
    traffic.lost["UpdateItem"] = [None, lost]

    assert [outcome(making.make()) for _ in range(2)] == [SUBMITTED] * 2
    assert len(making.paynearme.sent) == 2


def test_without_a_written_intent_nothing_is_sent(making: Making, traffic: Traffic) -> None:
    traffic.refused["UpdateItem"] = DENIED

    assert outcome(making.make()) == (503, "unavailable")
    assert making.paynearme.sent == []
    traffic.refused.clear()

    assert outcome(making.make()) == SUBMITTED


def test_without_the_table_nothing_is_sent(making: Making, stored: Stored) -> None:
    making.make("another")
    stored.client.delete_table(TableName=stored.table_name)

    answer = making.make()
    stored.client.create_table(
        TableName=stored.table_name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
    )

    assert outcome(answer) == (503, "unavailable")
    assert len(making.paynearme.sent) == 1


@whatever_is_said
def test_an_outcome_that_cannot_be_written_is_told_all_the_same(
    making: Making, traffic: Traffic, written: Written, said: Any, told: tuple[int, str]
) -> None:
    making.paynearme.say(said)
    making.paynearme.meanwhile = [lambda: traffic.refused.update(UpdateItem=DENIED)]

    assert outcome(making.make()) == told
    assert written.counted("PaymentOutcomeWriteFailed") == 1
    traffic.refused.clear()

    # Nobody can know it any more, and so it is not asked again.
    assert outcome(making.after(9).make()) == UNDER_WAY
    assert outcome(making.after(10).make()) == UNKNOWN
    making.tell()
    assert outcome(making.after(10).make()) == CONFIRMED
    assert len(making.paynearme.sent) == 1


def test_a_mistake_of_ours_leaves_the_outcome_unknown(making: Making) -> None:
    making.paynearme.answers = [RuntimeError("zq7")]

    assert outcome(making.make()) == (500, "internal")
    assert outcome(making.make()) == UNDER_WAY
    assert outcome(making.after(10).make()) == UNKNOWN
    assert len(making.paynearme.sent) == 1


def test_when_nobody_can_read_what_was_told_it_is_unavailable(making: Making, traffic: Traffic) -> None:
    making.begin()
    making.tell()
    traffic.refused["BatchGetItem"] = DENIED

    assert outcome(making.after(10).make()) == (503, "unavailable")
    traffic.refused.clear()
    assert outcome(making.after(10).make()) == CONFIRMED


@whatever_is_said
def test_of_two_who_ask_again_for_what_was_not_taken_one_does(
    making: Making, meanwhile: Meanwhile, said: Any, told: tuple[int, str]
) -> None:
    making.paynearme.answers = [making.paynearme.saying(401, {})]
    making.make()
    making.paynearme.say(said)
    won: list[tuple[int, str]] = []
    # The other has read that it was not taken, asks, and ends before this one's second write.
    meanwhile(None, lambda: won.append(outcome(making.make())))

    lost = outcome(making.make())

    assert won == [told]
    assert lost == told
    # Who lost asks for itself where the winner's was not taken, either.
    assert len(making.paynearme.sent) == (3 if told[1] == "credentials-rejected" else 2)


def test_who_loses_while_the_winner_is_at_it_comes_again(making: Making, meanwhile: Meanwhile) -> None:
    making.paynearme.answers = [making.paynearme.saying(401, {})]
    making.make()
    meanwhile(None, making.begin)

    assert outcome(making.make()) == UNDER_WAY
    assert len(making.paynearme.sent) == 2


@pytest.mark.parametrize("first", [HANGS, (200, TAKEN)], ids=["unknown", "submitted"])
def test_who_begins_between_another_ones_reading_and_writing_is_the_only_one(
    making: Making, meanwhile: Meanwhile, first: Any
) -> None:
    making.paynearme.say(first)
    meanwhile(lambda: making.make())

    assert outcome(making.make()) in (UNKNOWN, SUBMITTED)
    assert len(making.paynearme.sent) == 1


def test_an_outcome_that_comes_late_does_not_stand_in_for_another_call(
    making: Making, meanwhile: Meanwhile
) -> None:
    def change_hands() -> None:
        key = {"pk": {"S": making.intent()["pk"]}, "sk": {"S": "INTENT"}}
        making.stored.client.update_item(
            TableName=making.stored.table_name,
            Key=key,
            UpdateExpression="SET attempt = :other",
            ExpressionAttributeValues={":other": {"S": "another"}},
        )

    making.paynearme.say((200, REFUSAL))
    meanwhile(None, change_hands)

    assert outcome(making.make()) == REFUSED
    assert making.intent()["status"] == "in_progress"


@pytest.mark.parametrize("test", [None, "true"])
@pytest.mark.parametrize("status", ["payment", "decline"])
def test_what_only_our_own_answer_named_is_written_down_nowhere_else(
    authorize: Function, confirm: Function, stored: Stored, test: str | None, status: str
) -> None:
    named = authorize(authorization(test=test)).fields["site_payment_identifier"]
    assert named == site_payment_identifier(SITE, "830466818968", test=test == "true")

    assert confirm(confirmation(test=test, status=status, site_payment_identifier=named)).status == 200
    assert "SITE_PAYMENT#" not in str(stored.everything())


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_what_was_named_by_whoever_asked_costs_no_round_trip(
    making: Making, authorize: Function, traffic: Traffic, status: str
) -> None:
    asked = {"pnm_order_identifier": ORDER, "pnm_payment_identifier": PNM_PAYMENT}
    at(
        NOON,
        authorize,
        authorization(**asked, payment_amount="1000.00", timestamp=str(int(NOON.timestamp()))),
    )

    tell = partial(making.tell, status=status)

    assert traffic.made_by(tell) == ["TransactWriteItems"]
    assert len(making.told()) == 1
    assert traffic.made_by(tell) == ["TransactWriteItems"]
