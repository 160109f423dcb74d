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
def test_make_payment_not_accepted_retry_with_same_key_submits(
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
def test_make_payment_4xx_response_not_retried_within_request(
    paynearme_behind_urllib3: PayNearMeStub, submission: SubmissionScenario, reply: Any
) -> None:
    paynearme_behind_urllib3.reply(reply)

    assert submission.submit().status == 502
    assert len(paynearme_behind_urllib3.sent) == 1


@pytest.mark.parametrize("connection_error", [CONNECTION_REFUSED.reason, CONNECT_TIMEOUT.reason])
def test_make_payment_connection_failure_retried_within_request(
    paynearme_behind_urllib3: PayNearMeStub, submission: SubmissionScenario, connection_error: Any
) -> None:
    paynearme_behind_urllib3.next_replies = [connection_error]

    assert outcome(submission.submit()) == SUBMITTED
    assert len(paynearme_behind_urllib3.sent) == 2


@pytest.mark.parametrize("seconds", [2.6, 2.0, 1.3])
def test_make_payment_short_deadline_submits_nothing(
    submission: SubmissionScenario, monkeypatch: pytest.MonkeyPatch, clock: Clock, seconds: float
) -> None:
    submission.submit(f"{KEY}-before")
    with monkeypatch.context() as patched:
        patched.setattr(Deadline, "after", lambda _: Deadline(clock.now + seconds, clock, clock.sleep))
        assert outcome(submission.submit()) == (504, "paynearme-timeout")
    assert len(submission.paynearme.sent) == 1

    assert outcome(submission.submit()) == SUBMITTED


def test_make_payment_retry_after_not_accepted_in_progress(submission: SubmissionScenario) -> None:
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
def test_make_payment_confirmation_precedes_error_response(
    submission: SubmissionScenario, reply: Any, status: str, expected: tuple[int, str]
) -> None:
    submission.paynearme.reply(reply)
    submission.submit()
    submission.finish(status=status)

    assert [outcome(submission.at(seconds).submit()) for seconds in (0, 3600)] == [expected] * 2
    assert len(submission.paynearme.sent) == 1


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_make_payment_submitted_response_unchanged_by_outcome(submission: SubmissionScenario, status: str) -> None:
    first = submission.submit()
    submission.finish(status=status)

    assert submission.submit() == first
    assert len(submission.paynearme.sent) == 1


@pytest.mark.parametrize(("changes", "expected"), [({"pnm_order_identifier": "1"}, "order"), ({}, "identifier")])
def test_make_payment_other_payment_outcome_allows_retry(
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
def test_make_payment_costs_expected_dynamodb_calls(
    submission: SubmissionScenario, aws_calls: AwsCallRecorder, reply: Any, calls: list[str]
) -> None:
    if reply is not None:
        submission.paynearme.reply(reply)
        with suppress(ProcessKilled):
            submission.submit()
    submission.paynearme.reply((200, ACCEPTED_REPLY))

    assert aws_calls.calls_during(submission.submit) == calls
