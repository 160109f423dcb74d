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
    SubmissionDriver,
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
    submission_driver: SubmissionDriver,
) -> None:
    submission_driver.paynearme.during_call = [submission_driver.finish]
    submission_driver.start()

    # Another process can still be submitting it.
    assert outcome(submission_driver.at(9).submit()) == IN_PROGRESS
    assert outcome(submission_driver.at(10).submit()) == CONFIRMED
    assert len(submission_driver.paynearme.sent) == 1
    assert submission_driver.ledger_table.balances() == {CUSTOMER: 1000}


def test_a_decline_that_comes_before_paynearmes_answer_tells_what_became_of_it(
    submission_driver: SubmissionDriver,
) -> None:
    submission_driver.paynearme.during_call = [lambda: submission_driver.finish(status="decline")]
    submission_driver.start()

    assert outcome(submission_driver.at(10).submit()) == PAYMENT_FAILED


@pytest.mark.parametrize(("reply", "expected"), [(READ_TIMEOUT, CONFIRMED), ((200, ACCEPTED_REPLY), SUBMITTED)])
def test_a_confirmation_between_answer_and_outcome_does_no_harm(
    submission_driver: SubmissionDriver, interleave: Interleaver, reply: Any, expected: tuple[int, str]
) -> None:
    submission_driver.paynearme.reply(reply)
    interleave(None, submission_driver.finish)

    submission_driver.submit()

    assert submission_driver.stored_outcomes()
    assert outcome(submission_driver.submit()) == expected
    assert len(submission_driver.paynearme.sent) == 1
    assert submission_driver.ledger_table.balances() == {CUSTOMER: 1000}


def test_a_confirmation_that_comes_while_a_call_looks_for_it_is_heard_by_the_next(
    submission_driver: SubmissionDriver, interleave: Interleaver
) -> None:
    submission_driver.start()
    submissions_later = submission_driver.at(10)
    interleave(submission_driver.finish)

    # The step runs before the first write, so the read finds the outcome.
    assert outcome(submissions_later.submit()) == CONFIRMED


@pytest.mark.parametrize("response_error", RESPONSE_ERRORS, ids=["no response", "closed connection"])
@pytest.mark.parametrize("times", [1, 2])
def test_an_intent_whose_answers_are_lost_is_asked_of_paynearme_once(
    submission_driver: SubmissionDriver, aws_calls: AwsCallRecorder, response_error: Exception, times: int
) -> None:
    aws_calls.response_errors["UpdateItem"] = [response_error] * times

    assert outcome(submission_driver.submit()) == SUBMITTED
    assert outcome(submission_driver.submit()) == SUBMITTED
    assert len(submission_driver.paynearme.sent) == 1


@pytest.mark.parametrize("response_error", RESPONSE_ERRORS, ids=["no response", "closed connection"])
@each_reply
def test_an_outcome_whose_answer_is_lost_is_written_all_the_same(
    submission_driver: SubmissionDriver,
    aws_calls: AwsCallRecorder,
    response_error: Exception,
    reply: Any,
    expected: tuple[int, str],
) -> None:
    submission_driver.paynearme.reply(reply)
    aws_calls.response_errors["UpdateItem"] = [None, response_error]

    assert outcome(submission_driver.submit()) == expected
    assert submission_driver.stored_intent()["status"] != "in_progress"


@pytest.mark.parametrize("response_error", RESPONSE_ERRORS, ids=["no response", "closed connection"])
def test_to_ask_again_for_what_was_not_taken_survives_a_lost_answer(
    submission_driver: SubmissionDriver, aws_calls: AwsCallRecorder, response_error: Exception
) -> None:
    submission_driver.paynearme.next_replies = [submission_driver.paynearme.replying(401, {})]
    submission_driver.submit()
    aws_calls.response_errors["UpdateItem"] = [None, response_error]

    assert [outcome(submission_driver.submit()) for _ in range(2)] == [SUBMITTED] * 2
    assert len(submission_driver.paynearme.sent) == 2


def test_without_a_written_intent_nothing_is_sent(
    submission_driver: SubmissionDriver, aws_calls: AwsCallRecorder
) -> None:
    aws_calls.request_errors["UpdateItem"] = ACCESS_DENIED

    assert outcome(submission_driver.submit()) == (503, "unavailable")
    assert submission_driver.paynearme.sent == []
    aws_calls.request_errors.clear()

    assert outcome(submission_driver.submit()) == SUBMITTED


def test_without_the_table_nothing_is_sent(submission_driver: SubmissionDriver, ledger_table: LedgerFixture) -> None:
    submission_driver.submit("another")
    ledger_table.client.delete_table(TableName=ledger_table.table_name)

    response = submission_driver.submit()
    ledger_table.client.create_table(
        TableName=ledger_table.table_name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )

    assert outcome(response) == (503, "unavailable")
    assert len(submission_driver.paynearme.sent) == 1


@each_reply
def test_an_outcome_that_cannot_be_written_is_told_all_the_same(
    submission_driver: SubmissionDriver,
    aws_calls: AwsCallRecorder,
    captured_output: CapturedOutput,
    reply: Any,
    expected: tuple[int, str],
) -> None:
    submission_driver.paynearme.reply(reply)
    submission_driver.paynearme.during_call = [lambda: aws_calls.request_errors.update(UpdateItem=ACCESS_DENIED)]

    assert outcome(submission_driver.submit()) == expected
    assert captured_output.metric_total("PaymentOutcomeWriteFailed") == 1
    aws_calls.request_errors.clear()

    # The outcome is unknown, so the payment is not submitted again.
    assert outcome(submission_driver.at(9).submit()) == IN_PROGRESS
    assert outcome(submission_driver.at(10).submit()) == OUTCOME_UNKNOWN
    submission_driver.finish()
    assert outcome(submission_driver.at(10).submit()) == CONFIRMED
    assert len(submission_driver.paynearme.sent) == 1


def test_a_mistake_of_ours_leaves_the_outcome_unknown(submission_driver: SubmissionDriver) -> None:
    submission_driver.paynearme.next_replies = [RuntimeError("zq7")]

    assert outcome(submission_driver.submit()) == (500, "internal")
    assert outcome(submission_driver.submit()) == IN_PROGRESS
    assert outcome(submission_driver.at(10).submit()) == OUTCOME_UNKNOWN
    assert len(submission_driver.paynearme.sent) == 1


def test_when_nobody_can_read_what_was_told_it_is_unavailable(
    submission_driver: SubmissionDriver, aws_calls: AwsCallRecorder
) -> None:
    submission_driver.start()
    submission_driver.finish()
    aws_calls.request_errors["BatchGetItem"] = ACCESS_DENIED

    assert outcome(submission_driver.at(10).submit()) == (503, "unavailable")
    aws_calls.request_errors.clear()
    assert outcome(submission_driver.at(10).submit()) == CONFIRMED


@each_reply
def test_of_two_who_ask_again_for_what_was_not_taken_one_does(
    submission_driver: SubmissionDriver, interleave: Interleaver, reply: Any, expected: tuple[int, str]
) -> None:
    submission_driver.paynearme.next_replies = [submission_driver.paynearme.replying(401, {})]
    submission_driver.submit()
    submission_driver.paynearme.reply(reply)
    winner_outcomes: list[tuple[int, str]] = []
    # The other caller submits the payment before the second write of this caller.
    interleave(None, lambda: winner_outcomes.append(outcome(submission_driver.submit())))

    own_outcome = outcome(submission_driver.submit())

    assert winner_outcomes == [expected]
    assert own_outcome == expected
    # After another rejection of the credentials, this caller submits the payment also.
    assert len(submission_driver.paynearme.sent) == (3 if expected[1] == "credentials-rejected" else 2)


def test_who_loses_while_the_winner_is_at_it_comes_again(
    submission_driver: SubmissionDriver, interleave: Interleaver
) -> None:
    submission_driver.paynearme.next_replies = [submission_driver.paynearme.replying(401, {})]
    submission_driver.submit()
    interleave(None, submission_driver.start)

    assert outcome(submission_driver.submit()) == IN_PROGRESS
    assert len(submission_driver.paynearme.sent) == 2


@pytest.mark.parametrize("first", [READ_TIMEOUT, (200, ACCEPTED_REPLY)], ids=["unknown", "submitted"])
def test_who_begins_between_another_ones_reading_and_writing_is_the_only_one(
    submission_driver: SubmissionDriver, interleave: Interleaver, first: Any
) -> None:
    submission_driver.paynearme.reply(first)
    interleave(lambda: submission_driver.submit())

    assert outcome(submission_driver.submit()) in (OUTCOME_UNKNOWN, SUBMITTED)
    assert len(submission_driver.paynearme.sent) == 1


def test_an_outcome_that_comes_late_does_not_stand_in_for_another_call(
    submission_driver: SubmissionDriver, interleave: Interleaver
) -> None:
    def take_over() -> None:
        key = {"pk": {"S": submission_driver.stored_intent()["pk"]}, "sk": {"S": "INTENT"}}
        submission_driver.ledger_table.client.update_item(
            TableName=submission_driver.ledger_table.table_name,
            Key=key,
            UpdateExpression="SET attempt = :other",
            ExpressionAttributeValues={":other": {"S": "another"}},
        )

    submission_driver.paynearme.reply((200, REJECTION))
    interleave(None, take_over)

    assert outcome(submission_driver.submit()) == REJECTED
    assert submission_driver.stored_intent()["status"] == "in_progress"


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
    submission_driver: SubmissionDriver, authorize: LambdaFunction, aws_calls: AwsCallRecorder, status: str
) -> None:
    authorized_payment = {"pnm_order_identifier": SUBMISSION_ORDER, "pnm_payment_identifier": PNM_PAYMENT}
    send_at(
        NOON,
        authorize,
        authorization(**authorized_payment, payment_amount="1000.00", timestamp=str(int(NOON.timestamp()))),
    )

    finish = partial(submission_driver.finish, status=status)

    assert aws_calls.calls_during(finish) == ["TransactWriteItems"]
    assert len(submission_driver.stored_outcomes()) == 1
    assert aws_calls.calls_during(finish) == ["TransactWriteItems"]
