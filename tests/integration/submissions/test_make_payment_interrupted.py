"""Lost races, lost responses and failed writes of submissions."""

from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from paynearme.ledger.results import site_payment_identifier
from tests.support.api_driver import (
    ACCEPTED_REPLY,
    CONFIRMED,
    EXPIRED_AUTHORIZATION,
    EXPIRED_REPLY,
    IN_PROGRESS,
    OUTCOME_UNKNOWN,
    PAYMENT_FAILED,
    READ_TIMEOUT,
    REJECTED,
    REJECTION,
    SUBMITTED,
    SubmissionScenario,
    outcome,
)
from tests.support.aws_errors import client_error
from tests.support.callback_fixtures import CUSTOMER, SITE, authorization, confirmation
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture
from tests.support.interleaving import Interleaver

LOST_RESPONSE = ReadTimeoutError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")
ACCESS_DENIED = client_error("AccessDeniedException")
# PayNearMe's reply, and the outcome for the caller.
REPLIES: dict[str, tuple[Any, tuple[int, str]]] = {
    "submitted": ((200, ACCEPTED_REPLY), SUBMITTED),
    "unknown": (READ_TIMEOUT, OUTCOME_UNKNOWN),
    "rejected": ((200, REJECTION), REJECTED),
    "expired": ((200, EXPIRED_REPLY), EXPIRED_AUTHORIZATION),
    "not accepted": ((401, {}), (502, "credentials-rejected")),
}

each_reply = pytest.mark.parametrize(("reply", "expected"), REPLIES.values(), ids=REPLIES)


@pytest.mark.parametrize(("status", "expected"), [("payment", CONFIRMED), ("decline", PAYMENT_FAILED)])
def test_make_payment_outcome_before_response_returned(
    submission: SubmissionScenario, status: str, expected: tuple[int, str]
) -> None:
    submission.paynearme.during_call = [partial(submission.finish, status=status)]
    submission.start()

    # Another process can still be submitting it.
    assert outcome(submission.at(9).submit()) == IN_PROGRESS
    assert outcome(submission.at(10).submit()) == expected
    assert len(submission.paynearme.sent) == 1
    assert submission.ledger_table.balances() == ({CUSTOMER: 1000} if status == "payment" else {})


@pytest.mark.parametrize(("reply", "expected"), [(READ_TIMEOUT, CONFIRMED), ((200, ACCEPTED_REPLY), SUBMITTED)])
def test_make_payment_paid_before_outcome_stored_submits_once(
    submission: SubmissionScenario, interleave: Interleaver, reply: Any, expected: tuple[int, str]
) -> None:
    submission.paynearme.reply(reply)
    interleave(None, submission.finish)

    submission.submit()

    assert submission.stored_outcomes()
    assert outcome(submission.submit()) == expected
    assert len(submission.paynearme.sent) == 1
    assert submission.ledger_table.balances() == {CUSTOMER: 1000}


@pytest.mark.parametrize("times", [1, 2])
def test_payment_intent_lost_responses_submitted_once(
    submission: SubmissionScenario, aws_calls: AwsCallRecorder, times: int
) -> None:
    aws_calls.response_errors["UpdateItem"] = [LOST_RESPONSE] * times

    assert [outcome(submission.submit()) for _ in range(2)] == [SUBMITTED] * 2
    assert len(submission.paynearme.sent) == 1


@each_reply
def test_make_payment_outcome_lost_response_still_stored(
    submission: SubmissionScenario, aws_calls: AwsCallRecorder, reply: Any, expected: tuple[int, str]
) -> None:
    submission.paynearme.reply(reply)
    aws_calls.response_errors["UpdateItem"] = [None, LOST_RESPONSE]

    assert outcome(submission.submit()) == expected
    assert submission.stored_intent()["status"] != "in_progress"


def test_make_payment_not_accepted_retry_survives_lost_response(
    submission: SubmissionScenario, aws_calls: AwsCallRecorder
) -> None:
    submission.paynearme.next_replies = [submission.paynearme.replying(401, {})]
    submission.submit()
    aws_calls.response_errors["UpdateItem"] = [None, LOST_RESPONSE]

    assert [outcome(submission.submit()) for _ in range(2)] == [SUBMITTED] * 2
    assert len(submission.paynearme.sent) == 2


def test_payment_intent_write_failed_submits_nothing(
    submission: SubmissionScenario, aws_calls: AwsCallRecorder
) -> None:
    aws_calls.request_errors["UpdateItem"] = ACCESS_DENIED

    assert outcome(submission.submit()) == (503, "unavailable")
    assert submission.paynearme.sent == []
    aws_calls.request_errors.clear()

    assert outcome(submission.submit()) == SUBMITTED


@each_reply
def test_make_payment_outcome_write_failed_still_returned(
    submission: SubmissionScenario,
    aws_calls: AwsCallRecorder,
    captured_output: CapturedOutput,
    reply: Any,
    expected: tuple[int, str],
) -> None:
    submission.paynearme.reply(reply)
    submission.paynearme.during_call = [lambda: aws_calls.request_errors.update(UpdateItem=ACCESS_DENIED)]

    assert outcome(submission.submit()) == expected
    assert captured_output.metric_total("PaymentOutcomeWriteFailed") == 1
    aws_calls.request_errors.clear()

    # The outcome is unknown, so the payment is not submitted again.
    assert outcome(submission.at(9).submit()) == IN_PROGRESS
    assert outcome(submission.at(10).submit()) == OUTCOME_UNKNOWN
    submission.finish()
    assert outcome(submission.at(10).submit()) == CONFIRMED
    assert len(submission.paynearme.sent) == 1


def test_make_payment_internal_error_outcome_unknown(submission: SubmissionScenario) -> None:
    submission.paynearme.next_replies = [RuntimeError("zq7")]

    assert outcome(submission.submit()) == (500, "internal")
    assert outcome(submission.submit()) == IN_PROGRESS
    assert outcome(submission.at(10).submit()) == OUTCOME_UNKNOWN
    assert len(submission.paynearme.sent) == 1


def test_make_payment_outcome_read_failed_returns_unavailable(
    submission: SubmissionScenario, aws_calls: AwsCallRecorder
) -> None:
    submission.start()
    submission.finish()
    aws_calls.request_errors["BatchGetItem"] = ACCESS_DENIED

    assert outcome(submission.at(10).submit()) == (503, "unavailable")
    aws_calls.request_errors.clear()
    assert outcome(submission.at(10).submit()) == CONFIRMED


@each_reply
def test_make_payment_concurrent_retries_return_same_outcome(
    submission: SubmissionScenario, interleave: Interleaver, reply: Any, expected: tuple[int, str]
) -> None:
    submission.paynearme.next_replies = [submission.paynearme.replying(401, {})]
    submission.submit()
    submission.paynearme.reply(reply)
    winner_outcomes: list[tuple[int, str]] = []
    # The other caller submits the payment before the second write of this caller.
    interleave(None, lambda: winner_outcomes.append(outcome(submission.submit())))

    own_outcome = outcome(submission.submit())

    assert winner_outcomes == [expected]
    assert own_outcome == expected
    # After another rejection of the credentials, this caller submits the payment also.
    assert len(submission.paynearme.sent) == (3 if expected[1] == "credentials-rejected" else 2)


def test_make_payment_retry_during_other_attempt_in_progress(
    submission: SubmissionScenario, interleave: Interleaver
) -> None:
    submission.paynearme.next_replies = [submission.paynearme.replying(401, {})]
    submission.submit()
    interleave(None, submission.start)

    assert outcome(submission.submit()) == IN_PROGRESS
    assert len(submission.paynearme.sent) == 2


@pytest.mark.parametrize("first", [READ_TIMEOUT, (200, ACCEPTED_REPLY)], ids=["unknown", "submitted"])
def test_make_payment_concurrent_first_requests_submit_once(
    submission: SubmissionScenario, interleave: Interleaver, first: Any
) -> None:
    submission.paynearme.reply(first)
    interleave(lambda: submission.submit())

    assert outcome(submission.submit()) in (OUTCOME_UNKNOWN, SUBMITTED)
    assert len(submission.paynearme.sent) == 1


def test_make_payment_late_outcome_keeps_other_attempt(submission: SubmissionScenario, interleave: Interleaver) -> None:
    def take_over() -> None:
        key = {"pk": {"S": submission.stored_intent()["pk"]}, "sk": {"S": "INTENT"}}
        submission.ledger_table.client.update_item(
            TableName=submission.ledger_table.table_name,
            Key=key,
            UpdateExpression="SET attempt = :other",
            ExpressionAttributeValues={":other": {"S": "another"}},
        )

    submission.paynearme.reply((200, REJECTION))
    interleave(None, take_over)

    assert outcome(submission.submit()) == REJECTED
    assert submission.stored_intent()["status"] == "in_progress"


@pytest.mark.parametrize(("test", "status"), [(None, "payment"), ("true", "decline")])
def test_confirm_identifier_from_authorize_stores_no_outcome(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture, test: str | None, status: str
) -> None:
    identifier = authorize(authorization(test=test)).fields["site_payment_identifier"]
    assert identifier == site_payment_identifier(SITE, "830466818968", test=test == "true")

    assert confirm(confirmation(test=test, status=status, site_payment_identifier=identifier)).status == 200
    assert "SITE_PAYMENT#" not in str(ledger_table.all_items())
