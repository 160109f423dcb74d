from contextlib import suppress
from typing import Any

import pytest

from paynearme.platform.deadline import Deadline
from paynearme.protocol.signing import verify
from tests.support.api_driver import (
    ACCEPTED_REPLY,
    CONFIRMED,
    CONNECT_TIMEOUT,
    CONNECTION_REFUSED,
    EXPIRED_REPLY,
    IN_PROGRESS,
    KEY,
    OUTCOME_UNKNOWN,
    PAYMENT_FAILED,
    READ_TIMEOUT,
    REJECTION,
    SUBMITTED,
    ProcessKilled,
    SubmissionScenario,
    identifier_of,
    outcome,
)
from tests.support.callback_fixtures import SITE, SITES
from tests.support.fake_clock import Clock
from tests.support.harness import AwsCallRecorder
from tests.support.paynearme_stub import PayNearMeStub

# A reply without effect, and the outcome for the caller.
NOT_ACCEPTED_REPLIES: dict[str, tuple[Any, tuple[int, str]]] = {
    "401": ((401, {"status": "error"}), (502, "credentials-rejected")),
    "403": ((403, b"<html>"), (502, "credentials-rejected")),
    "429": ((429, {"status": "error"}), (502, "paynearme-error")),
    "refused connection": (CONNECTION_REFUSED, (502, "paynearme-error")),
    "slow connection": (CONNECT_TIMEOUT, (504, "paynearme-timeout")),
}

not_accepted = pytest.mark.parametrize(("reply", "expected"), NOT_ACCEPTED_REPLIES.values(), ids=NOT_ACCEPTED_REPLIES)


@not_accepted
def test_what_paynearme_did_not_take_may_be_asked_again_with_the_same_key(
    submission: SubmissionScenario, reply: Any, expected: tuple[int, str]
) -> None:
    submission.paynearme.reply(reply)
    assert [outcome(submission.submit()) for _ in range(2)] == [expected] * 2
    submission.paynearme.reply((200, ACCEPTED_REPLY))

    assert [outcome(submission.submit()) for _ in range(2)] == [SUBMITTED] * 2
    requests = submission.paynearme.sent
    assert len(requests) == 3
    # Without a connection, PayNearMe receives nothing.
    assert {sent["site_payment_identifier"] for sent in requests if sent} == {identifier_of()}
    verify(requests[-1], requests[-1]["signature"], [SITES[SITE]["secret"]], "3.0")


@pytest.mark.parametrize("reply", [(401, {}), (403, {}), (429, {})], ids=lambda reply: str(reply[0]))
def test_what_was_turned_away_is_not_sent_again_within_the_call(
    paynearme_behind_urllib3: PayNearMeStub, submission: SubmissionScenario, reply: Any
) -> None:
    paynearme_behind_urllib3.reply(reply)

    assert submission.submit().status == 502
    assert len(paynearme_behind_urllib3.sent) == 1


@pytest.mark.parametrize("connection_error", [CONNECTION_REFUSED.reason, CONNECT_TIMEOUT.reason])
def test_a_connection_that_was_not_made_is_tried_again_within_the_call(
    paynearme_behind_urllib3: PayNearMeStub, submission: SubmissionScenario, connection_error: Any
) -> None:
    paynearme_behind_urllib3.next_replies = [connection_error]

    assert outcome(submission.submit()) == SUBMITTED
    assert len(paynearme_behind_urllib3.sent) == 2


@pytest.mark.parametrize("seconds", [2.6, 2.0, 1.3])
def test_without_the_time_to_hear_of_it_paynearme_is_not_asked(
    submission: SubmissionScenario, monkeypatch: pytest.MonkeyPatch, clock: Clock, seconds: float
) -> None:
    submission.submit(f"{KEY}-before")
    with monkeypatch.context() as patched:
        patched.setattr(Deadline, "after", lambda _: Deadline(clock.now + seconds, clock, clock.sleep))
        assert outcome(submission.submit()) == (504, "paynearme-timeout")
    assert len(submission.paynearme.sent) == 1

    assert outcome(submission.submit()) == SUBMITTED


def test_a_call_after_what_was_not_taken_is_under_way_again(submission: SubmissionScenario) -> None:
    submission.paynearme.reply((401, {}))
    submission.submit()
    submissions_later = submission.at(3600)
    submissions_later.start()

    assert outcome(submissions_later.at(9).submit()) == IN_PROGRESS
    assert outcome(submissions_later.at(10).submit()) == OUTCOME_UNKNOWN
    assert len(submission.paynearme.sent) == 2


@pytest.mark.parametrize(
    "reply",
    [(200, REJECTION), (200, EXPIRED_REPLY), (401, {}), READ_TIMEOUT],
    ids=["rejected", "expired", "401", "timeout"],
)
@pytest.mark.parametrize(("status", "expected"), [("payment", CONFIRMED), ("decline", PAYMENT_FAILED)])
def test_a_confirmation_is_believed_before_an_answer_that_was_no_yes(
    submission: SubmissionScenario, reply: Any, status: str, expected: tuple[int, str]
) -> None:
    submission.paynearme.reply(reply)
    submission.submit()
    submission.finish(status=status)

    assert [outcome(submission.at(seconds).submit()) for seconds in (0, 3600)] == [expected] * 2
    assert len(submission.paynearme.sent) == 1


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_a_payment_that_was_taken_stays_so_whatever_is_told_of_it_later(
    submission: SubmissionScenario, status: str
) -> None:
    first = submission.submit()
    submission.finish(status=status)

    assert submission.submit() == first
    assert len(submission.paynearme.sent) == 1


@pytest.mark.parametrize(("changes", "expected"), [({"pnm_order_identifier": "1"}, "order"), ({}, "identifier")])
def test_what_is_told_of_another_payment_keeps_nobody_from_asking_again(
    submission: SubmissionScenario, changes: dict[str, str], expected: str
) -> None:
    submission.paynearme.next_replies = [submission.paynearme.replying(401, {})]
    submission.submit()
    submission.finish(**changes or {"site_payment_identifier": identifier_of(expected)})

    assert outcome(submission.submit()) == SUBMITTED
    assert len(submission.paynearme.sent) == 2


BATCH_GET, UPDATE_ITEM = ["BatchGetItem"], ["UpdateItem"]
# The reply to an earlier submission, if any, and the DynamoDB calls of the next submission.
EXPECTED_CALLS: dict[str, tuple[Any, list[str]]] = {
    "new": (None, UPDATE_ITEM * 2),
    "submitted": ((200, ACCEPTED_REPLY), UPDATE_ITEM),
    "in progress": (ProcessKilled(), UPDATE_ITEM),
    "unknown": (READ_TIMEOUT, UPDATE_ITEM + BATCH_GET),
    "rejected": ((200, REJECTION), UPDATE_ITEM + BATCH_GET),
    "expired": ((200, EXPIRED_REPLY), UPDATE_ITEM + BATCH_GET),
    "not accepted": ((401, {}), UPDATE_ITEM + BATCH_GET + UPDATE_ITEM * 2),
}


@pytest.mark.parametrize(("reply", "calls"), EXPECTED_CALLS.values(), ids=EXPECTED_CALLS)
def test_a_call_costs_so_many_calls_of_dynamodb_and_no_more(
    submission: SubmissionScenario, aws_calls: AwsCallRecorder, reply: Any, calls: list[str]
) -> None:
    if reply is not None:
        submission.paynearme.reply(reply)
        with suppress(ProcessKilled):
            submission.submit()
    submission.paynearme.reply((200, ACCEPTED_REPLY))

    assert aws_calls.calls_during(submission.submit) == calls
