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
    SubmissionDriver,
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
    submission_driver: SubmissionDriver, reply: Any, expected: tuple[int, str]
) -> None:
    submission_driver.paynearme.reply(reply)
    assert [outcome(submission_driver.submit()) for _ in range(2)] == [expected] * 2
    submission_driver.paynearme.reply((200, ACCEPTED_REPLY))

    assert [outcome(submission_driver.submit()) for _ in range(2)] == [SUBMITTED] * 2
    requests = submission_driver.paynearme.sent
    assert len(requests) == 3
    # Without a connection, PayNearMe receives nothing.
    assert {sent["site_payment_identifier"] for sent in requests if sent} == {identifier_of()}
    verify(requests[-1], requests[-1]["signature"], [SITES[SITE]["secret"]], "3.0")


@pytest.mark.parametrize("reply", [(401, {}), (403, {}), (429, {})], ids=lambda reply: str(reply[0]))
def test_what_was_turned_away_is_not_sent_again_within_the_call(
    paynearme_behind_urllib3: PayNearMeStub, submission_driver: SubmissionDriver, reply: Any
) -> None:
    paynearme_behind_urllib3.reply(reply)

    assert submission_driver.submit().status == 502
    assert len(paynearme_behind_urllib3.sent) == 1


@pytest.mark.parametrize("connection_error", [CONNECTION_REFUSED.reason, CONNECT_TIMEOUT.reason])
def test_a_connection_that_was_not_made_is_tried_again_within_the_call(
    paynearme_behind_urllib3: PayNearMeStub, submission_driver: SubmissionDriver, connection_error: Any
) -> None:
    paynearme_behind_urllib3.next_replies = [connection_error]

    assert outcome(submission_driver.submit()) == SUBMITTED
    assert len(paynearme_behind_urllib3.sent) == 2


@pytest.mark.parametrize("seconds", [2.6, 2.0, 1.3])
def test_without_the_time_to_hear_of_it_paynearme_is_not_asked(
    submission_driver: SubmissionDriver, monkeypatch: pytest.MonkeyPatch, clock: Clock, seconds: float
) -> None:
    submission_driver.submit(f"{KEY}-before")
    with monkeypatch.context() as patched:
        patched.setattr(Deadline, "after", lambda _: Deadline(clock.now + seconds, clock, clock.sleep))
        assert outcome(submission_driver.submit()) == (504, "paynearme-timeout")
    assert len(submission_driver.paynearme.sent) == 1

    assert outcome(submission_driver.submit()) == SUBMITTED


def test_a_call_after_what_was_not_taken_is_under_way_again(submission_driver: SubmissionDriver) -> None:
    submission_driver.paynearme.reply((401, {}))
    submission_driver.submit()
    submissions_later = submission_driver.at(3600)
    submissions_later.start()

    assert outcome(submissions_later.at(9).submit()) == IN_PROGRESS
    assert outcome(submissions_later.at(10).submit()) == OUTCOME_UNKNOWN
    assert len(submission_driver.paynearme.sent) == 2


@pytest.mark.parametrize(
    "reply",
    [(200, REJECTION), (200, EXPIRED_REPLY), (401, {}), READ_TIMEOUT],
    ids=["rejected", "expired", "401", "timeout"],
)
@pytest.mark.parametrize(("status", "expected"), [("payment", CONFIRMED), ("decline", PAYMENT_FAILED)])
def test_a_confirmation_is_believed_before_an_answer_that_was_no_yes(
    submission_driver: SubmissionDriver, reply: Any, status: str, expected: tuple[int, str]
) -> None:
    submission_driver.paynearme.reply(reply)
    submission_driver.submit()
    submission_driver.finish(status=status)

    assert [outcome(submission_driver.at(seconds).submit()) for seconds in (0, 3600)] == [expected] * 2
    assert len(submission_driver.paynearme.sent) == 1


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_a_payment_that_was_taken_stays_so_whatever_is_told_of_it_later(
    submission_driver: SubmissionDriver, status: str
) -> None:
    first = submission_driver.submit()
    submission_driver.finish(status=status)

    assert submission_driver.submit() == first
    assert len(submission_driver.paynearme.sent) == 1


@pytest.mark.parametrize(("changes", "expected"), [({"pnm_order_identifier": "1"}, "order"), ({}, "identifier")])
def test_what_is_told_of_another_payment_keeps_nobody_from_asking_again(
    submission_driver: SubmissionDriver, changes: dict[str, str], expected: str
) -> None:
    submission_driver.paynearme.next_replies = [submission_driver.paynearme.replying(401, {})]
    submission_driver.submit()
    submission_driver.finish(**changes or {"site_payment_identifier": identifier_of(expected)})

    assert outcome(submission_driver.submit()) == SUBMITTED
    assert len(submission_driver.paynearme.sent) == 2


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
    submission_driver: SubmissionDriver, aws_calls: AwsCallRecorder, reply: Any, calls: list[str]
) -> None:
    if reply is not None:
        submission_driver.paynearme.reply(reply)
        with suppress(ProcessKilled):
            submission_driver.submit()
    submission_driver.paynearme.reply((200, ACCEPTED_REPLY))

    assert aws_calls.calls_during(submission_driver.submit) == calls
