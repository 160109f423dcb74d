from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from paynearme.ledger.results import site_payment_identifier
from tests.support.api_driver import (
    ACCEPTED_REPLY,
    CONFIRMED,
    EXPIRED_AUTHORIZATION,
    EXPIRED_REPLY,
    IN_PROGRESS,
    OUTCOME_UNKNOWN,
    PAYMENT_FAILED,
    PNM_PAYMENT,
    READ_TIMEOUT,
    REJECTED,
    REJECTION,
    SUBMISSION_ORDER,
    SUBMITTED,
    SubmissionScenario,
    outcome,
)
from tests.support.callback_driver import NOON, send_at
from tests.support.callback_fixtures import CUSTOMER, SITE, authorization, confirmation
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture
from tests.support.interleaving import Interleaver

URL = "https://dynamodb.us-east-1.amazonaws.com"
RESPONSE_ERRORS = [ReadTimeoutError(endpoint_url=URL), ConnectionClosedError(endpoint_url=URL)]
ACCESS_DENIED = ClientError(
    {"Error": {"Code": "AccessDeniedException"}, "ResponseMetadata": {"HTTPStatusCode": 400}},  # type: ignore[typeddict-item] # incomplete
    "UpdateItem",
)
# PayNearMe's reply, and the outcome for the caller.
REPLIES: dict[str, tuple[Any, tuple[int, str]]] = {
    "submitted": ((200, ACCEPTED_REPLY), SUBMITTED),
    "unknown": (READ_TIMEOUT, OUTCOME_UNKNOWN),
    "rejected": ((200, REJECTION), REJECTED),
    "expired": ((200, EXPIRED_REPLY), EXPIRED_AUTHORIZATION),
    "not accepted": ((401, {}), (502, "credentials-rejected")),
}

each_reply = pytest.mark.parametrize(("reply", "expected"), REPLIES.values(), ids=REPLIES)


def test_a_confirmation_that_comes_before_paynearmes_answer_tells_what_became_of_it(
    submission: SubmissionScenario,
) -> None:
    submission.paynearme.during_call = [submission.finish]
    submission.start()

    # Another process can still be submitting it.
    assert outcome(submission.at(9).submit()) == IN_PROGRESS
    assert outcome(submission.at(10).submit()) == CONFIRMED
    assert len(submission.paynearme.sent) == 1
    assert submission.ledger_table.balances() == {CUSTOMER: 1000}


def test_a_decline_that_comes_before_paynearmes_answer_tells_what_became_of_it(
    submission: SubmissionScenario,
) -> None:
    submission.paynearme.during_call = [lambda: submission.finish(status="decline")]
    submission.start()

    assert outcome(submission.at(10).submit()) == PAYMENT_FAILED


@pytest.mark.parametrize(("reply", "expected"), [(READ_TIMEOUT, CONFIRMED), ((200, ACCEPTED_REPLY), SUBMITTED)])
def test_a_confirmation_between_answer_and_outcome_does_no_harm(
    submission: SubmissionScenario, interleave: Interleaver, reply: Any, expected: tuple[int, str]
) -> None:
    submission.paynearme.reply(reply)
    interleave(None, submission.finish)

    submission.submit()

    assert submission.stored_outcomes()
    assert outcome(submission.submit()) == expected
    assert len(submission.paynearme.sent) == 1
    assert submission.ledger_table.balances() == {CUSTOMER: 1000}


def test_a_confirmation_that_comes_while_a_call_looks_for_it_is_heard_by_the_next(
    submission: SubmissionScenario, interleave: Interleaver
) -> None:
    submission.start()
    submissions_later = submission.at(10)
    interleave(submission.finish)

    # The step runs before the first write, so the read finds the outcome.
    assert outcome(submissions_later.submit()) == CONFIRMED


@pytest.mark.parametrize("response_error", RESPONSE_ERRORS, ids=["no response", "closed connection"])
@pytest.mark.parametrize("times", [1, 2])
def test_an_intent_whose_answers_are_lost_is_asked_of_paynearme_once(
    submission: SubmissionScenario, aws_calls: AwsCallRecorder, response_error: Exception, times: int
) -> None:
    aws_calls.response_errors["UpdateItem"] = [response_error] * times

    assert outcome(submission.submit()) == SUBMITTED
    assert outcome(submission.submit()) == SUBMITTED
    assert len(submission.paynearme.sent) == 1


@pytest.mark.parametrize("response_error", RESPONSE_ERRORS, ids=["no response", "closed connection"])
@each_reply
def test_an_outcome_whose_answer_is_lost_is_written_all_the_same(
    submission: SubmissionScenario,
    aws_calls: AwsCallRecorder,
    response_error: Exception,
    reply: Any,
    expected: tuple[int, str],
) -> None:
    submission.paynearme.reply(reply)
    aws_calls.response_errors["UpdateItem"] = [None, response_error]

    assert outcome(submission.submit()) == expected
    assert submission.stored_intent()["status"] != "in_progress"


@pytest.mark.parametrize("response_error", RESPONSE_ERRORS, ids=["no response", "closed connection"])
def test_to_ask_again_for_what_was_not_taken_survives_a_lost_answer(
    submission: SubmissionScenario, aws_calls: AwsCallRecorder, response_error: Exception
) -> None:
    submission.paynearme.next_replies = [submission.paynearme.replying(401, {})]
    submission.submit()
    aws_calls.response_errors["UpdateItem"] = [None, response_error]

    assert [outcome(submission.submit()) for _ in range(2)] == [SUBMITTED] * 2
    assert len(submission.paynearme.sent) == 2


def test_without_a_written_intent_nothing_is_sent(submission: SubmissionScenario, aws_calls: AwsCallRecorder) -> None:
    aws_calls.request_errors["UpdateItem"] = ACCESS_DENIED

    assert outcome(submission.submit()) == (503, "unavailable")
    assert submission.paynearme.sent == []
    aws_calls.request_errors.clear()

    assert outcome(submission.submit()) == SUBMITTED


def test_without_the_table_nothing_is_sent(submission: SubmissionScenario, ledger_table: LedgerFixture) -> None:
    submission.submit("another")
    ledger_table.client.delete_table(TableName=ledger_table.table_name)

    response = submission.submit()
    ledger_table.client.create_table(
        TableName=ledger_table.table_name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )

    assert outcome(response) == (503, "unavailable")
    assert len(submission.paynearme.sent) == 1


@each_reply
def test_an_outcome_that_cannot_be_written_is_told_all_the_same(
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


def test_a_mistake_of_ours_leaves_the_outcome_unknown(submission: SubmissionScenario) -> None:
    submission.paynearme.next_replies = [RuntimeError("zq7")]

    assert outcome(submission.submit()) == (500, "internal")
    assert outcome(submission.submit()) == IN_PROGRESS
    assert outcome(submission.at(10).submit()) == OUTCOME_UNKNOWN
    assert len(submission.paynearme.sent) == 1


def test_when_nobody_can_read_what_was_told_it_is_unavailable(
    submission: SubmissionScenario, aws_calls: AwsCallRecorder
) -> None:
    submission.start()
    submission.finish()
    aws_calls.request_errors["BatchGetItem"] = ACCESS_DENIED

    assert outcome(submission.at(10).submit()) == (503, "unavailable")
    aws_calls.request_errors.clear()
    assert outcome(submission.at(10).submit()) == CONFIRMED


@each_reply
def test_of_two_who_ask_again_for_what_was_not_taken_one_does(
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


def test_who_loses_while_the_winner_is_at_it_comes_again(
    submission: SubmissionScenario, interleave: Interleaver
) -> None:
    submission.paynearme.next_replies = [submission.paynearme.replying(401, {})]
    submission.submit()
    interleave(None, submission.start)

    assert outcome(submission.submit()) == IN_PROGRESS
    assert len(submission.paynearme.sent) == 2


@pytest.mark.parametrize("first", [READ_TIMEOUT, (200, ACCEPTED_REPLY)], ids=["unknown", "submitted"])
def test_who_begins_between_another_ones_reading_and_writing_is_the_only_one(
    submission: SubmissionScenario, interleave: Interleaver, first: Any
) -> None:
    submission.paynearme.reply(first)
    interleave(lambda: submission.submit())

    assert outcome(submission.submit()) in (OUTCOME_UNKNOWN, SUBMITTED)
    assert len(submission.paynearme.sent) == 1


def test_an_outcome_that_comes_late_does_not_stand_in_for_another_call(
    submission: SubmissionScenario, interleave: Interleaver
) -> None:
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


@pytest.mark.parametrize("test", [None, "true"])
@pytest.mark.parametrize("status", ["payment", "decline"])
def test_what_only_our_own_answer_named_is_written_down_nowhere_else(
    authorize: LambdaFunction, confirm: LambdaFunction, ledger_table: LedgerFixture, test: str | None, status: str
) -> None:
    identifier = authorize(authorization(test=test)).fields["site_payment_identifier"]
    assert identifier == site_payment_identifier(SITE, "830466818968", test=test == "true")

    assert confirm(confirmation(test=test, status=status, site_payment_identifier=identifier)).status == 200
    assert "SITE_PAYMENT#" not in str(ledger_table.all_items())


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_what_was_named_by_whoever_asked_costs_no_round_trip(
    submission: SubmissionScenario, authorize: LambdaFunction, aws_calls: AwsCallRecorder, status: str
) -> None:
    authorized_payment = {"pnm_order_identifier": SUBMISSION_ORDER, "pnm_payment_identifier": PNM_PAYMENT}
    send_at(
        NOON,
        authorize,
        authorization(**authorized_payment, payment_amount="1000.00", timestamp=str(int(NOON.timestamp()))),
    )

    finish = partial(submission.finish, status=status)

    assert aws_calls.calls_during(finish) == ["TransactWriteItems"]
    assert len(submission.stored_outcomes()) == 1
    assert aws_calls.calls_during(finish) == ["TransactWriteItems"]
