"""The outcome of a submission: accepted, unknown, rejected or not accepted, and the confirmation of the payment."""

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
    EXPIRED_AUTHORIZATION,
    EXPIRED_REPLY,
    KEY,
    OUTCOME_UNKNOWN,
    PAYMENT_FAILED,
    PNM_PAYMENT,
    READ_TIMEOUT,
    REJECTED,
    REJECTION,
    REQUEST,
    SUBMISSION_ORDER,
    SUBMITTED,
    ProcessKilled,
    SubmissionScenario,
    identifier_of,
    outcome,
)
from tests.support.callback_driver import NOON, send_at, unix_time
from tests.support.callback_fixtures import CUSTOMER, SITE, SITES, authorization
from tests.support.fake_clock import Clock
from tests.support.harness import AwsCallRecorder, LambdaFunction
from tests.support.paynearme_stub import PayNearMeStub

OTHER_PAYMENT = "943751749957"
FAILED_REPLY = {
    "status": "ok",
    "response_code": "1007",
    "errors": ["Invalid CVV"],
    "payment": {"pnm_payment_identifier": 943751749956, "payment_status": "rejected", "payment_amount": 1000},
}
# Replies after which the outcome of the payment is unknown.
AMBIGUOUS_REPLIES: dict[str, Any] = {
    "timeout": READ_TIMEOUT,
    "truncated response": (200, b'{"status": "ok", "paym'),
    "503": (503, b"<html>Down</html>"),
    "canceled": (200, {**ACCEPTED_REPLY, "payment_status": "canceled"}),
    "400 without errors": (400, b"{}"),
}
# A reply without effect, and the outcome for the caller.
NOT_ACCEPTED_REPLIES: dict[str, tuple[Any, tuple[int, str]]] = {
    "401": ((401, {"status": "error"}), (502, "credentials-rejected")),
    "refused connection": (CONNECTION_REFUSED, (502, "paynearme-error")),
    "slow connection": (CONNECT_TIMEOUT, (504, "paynearme-timeout")),
}
BATCH_GET, UPDATE_ITEM = ["BatchGetItem"], ["UpdateItem"]
# The reply to an earlier submission, if any, and the DynamoDB calls of the next submission.
EXPECTED_CALLS: dict[str, tuple[Any, list[str]]] = {
    "new": (None, UPDATE_ITEM * 2),
    "submitted": ((200, ACCEPTED_REPLY), UPDATE_ITEM + BATCH_GET),
    "in progress": (ProcessKilled(), UPDATE_ITEM),
    "unknown": (READ_TIMEOUT, UPDATE_ITEM + BATCH_GET),
    "rejected": ((200, REJECTION), UPDATE_ITEM + BATCH_GET),
    "failed": ((200, FAILED_REPLY), UPDATE_ITEM + BATCH_GET),
    "expired": ((200, EXPIRED_REPLY), UPDATE_ITEM + BATCH_GET),
    "not accepted": ((401, {}), UPDATE_ITEM + BATCH_GET + UPDATE_ITEM * 2),
}


@pytest.fixture
def unknown_outcome(submission: SubmissionScenario) -> SubmissionScenario:
    """A payment with an unknown outcome. PayNearMe would accept another submission."""
    submission.paynearme.next_replies = [READ_TIMEOUT]
    assert outcome(submission.submit()) == OUTCOME_UNKNOWN
    return submission


@pytest.mark.parametrize("reply", AMBIGUOUS_REPLIES.values(), ids=AMBIGUOUS_REPLIES)
def test_make_payment_ambiguous_response_sent_once_and_unknown(
    paynearme_behind_urllib3: PayNearMeStub, submission: SubmissionScenario, reply: Any
) -> None:
    paynearme_behind_urllib3.reply(reply)

    first = submission.submit()

    assert outcome(first) == OUTCOME_UNKNOWN
    assert first.content["site_payment_identifier"] == identifier_of()
    assert submission.stored_intent()["status"] == "unknown"
    assert [submission.at(seconds).submit() for seconds in (0, 3600)] == [first] * 2
    assert len(paynearme_behind_urllib3.sent) == 1


@pytest.mark.parametrize("authorized", [True, False], ids=["authorized", "not authorized"])
def test_unknown_outcome_confirmation_returns_confirmed(
    unknown_outcome: SubmissionScenario, authorize: LambdaFunction, authorized: bool
) -> None:
    if authorized:
        payment = {"pnm_order_identifier": SUBMISSION_ORDER, "pnm_payment_identifier": PNM_PAYMENT}
        send_at(NOON, authorize, authorization(**payment, payment_amount="999.50", timestamp=unix_time(NOON)))
    unknown_outcome.finish(payment_amount="999.50", net_payment_amount="990.00")

    responses = [unknown_outcome.at(seconds).submit() for seconds in (0, 3600)]

    assert [outcome(response) for response in responses] == [CONFIRMED] * 2
    assert responses[0].content == {
        "status": "confirmed",
        "site_payment_identifier": identifier_of(),
        "pnm_payment_identifier": PNM_PAYMENT,
        "pnm_order_identifier": SUBMISSION_ORDER,
        "payment_method_identifier": REQUEST["payment_method_identifier"],
        "payment_amount": "999.50",
        "payment_currency": "USD",
    }
    assert len(unknown_outcome.paynearme.sent) == 1
    assert unknown_outcome.ledger_table.balances() == {CUSTOMER: 990}


@pytest.mark.parametrize("declined", [PNM_PAYMENT, OTHER_PAYMENT], ids=["same payment", "another payment"])
@pytest.mark.parametrize("declined_first", [True, False])
def test_unknown_outcome_paid_precedes_failed(
    unknown_outcome: SubmissionScenario, declined: str, declined_first: bool
) -> None:
    decline = {"status": "decline", "pnm_payment_identifier": declined, "payment_amount": "7.00"}
    for changes in [decline, {}] if declined_first else [{}, decline]:
        unknown_outcome.finish(**changes)

    response = unknown_outcome.submit()

    assert outcome(response) == CONFIRMED
    assert response.content["pnm_payment_identifier"] == PNM_PAYMENT
    assert response.content["payment_amount"] == "1000.00"


@pytest.mark.parametrize(
    ("status", "test_status", "expected"),
    [("payment", "decline", CONFIRMED), ("decline", "payment", PAYMENT_FAILED)],
)
def test_unknown_outcome_payment_precedes_test_payment(
    unknown_outcome: SubmissionScenario, status: str, test_status: str, expected: tuple[int, str]
) -> None:
    unknown_outcome.finish(test="true", status=test_status, pnm_payment_identifier=OTHER_PAYMENT)
    unknown_outcome.finish(status=status)

    response = unknown_outcome.submit()

    assert outcome(response) == expected
    assert response.content["site_payment_identifier"] == identifier_of()
    assert response.content["pnm_payment_identifier"] == PNM_PAYMENT


@pytest.mark.parametrize(("status", "expected"), [("payment", CONFIRMED), ("decline", PAYMENT_FAILED)])
def test_unknown_outcome_test_payment_settles_and_posts_nothing(
    unknown_outcome: SubmissionScenario, status: str, expected: tuple[int, str]
) -> None:
    unknown_outcome.finish(test="true", status=status)

    assert outcome(unknown_outcome.submit()) == expected
    assert unknown_outcome.ledger_table.balances() == {}


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_unknown_outcome_of_several_payments_has_one_payment(unknown_outcome: SubmissionScenario, status: str) -> None:
    amounts = {"943751749957": "7.00", "943751749955": "2.00", "943751749959": "9.00"}
    for payment_id, amount in amounts.items():
        changes = {"payment_amount": amount, "net_payment_amount": amount}
        unknown_outcome.finish(status=status, pnm_payment_identifier=payment_id, **changes)

    assert len(unknown_outcome.stored_outcomes()) == 1
    content = unknown_outcome.submit().content
    assert content.get("payment_amount") == (
        amounts[content["pnm_payment_identifier"]] if status == "payment" else None
    )


@pytest.mark.parametrize("payment_id", [PNM_PAYMENT, None], ids=["known payment", "unknown payment"])
def test_submitted_payment_declined_later_returns_failed(
    submission: SubmissionScenario, payment_id: str | None
) -> None:
    submission.paynearme.reply((200, {"status": "ok", "pnm_payment_identifier": payment_id}))
    assert outcome(submission.submit()) == SUBMITTED
    submission.finish(status="decline")

    responses = [submission.at(seconds).submit() for seconds in (0, 3600)]

    assert [outcome(response) for response in responses] == [PAYMENT_FAILED] * 2
    assert responses[0].content["pnm_payment_identifier"] == PNM_PAYMENT
    assert responses[0].content["response_code"] is None
    # PayNearMe can pay after a decline.
    submission.finish()
    assert outcome(submission.submit()) == SUBMITTED
    assert len(submission.paynearme.sent) == 1


@pytest.mark.parametrize("order", ["declined first", "paid first", "declined only"])
def test_submitted_payment_decline_of_other_attempt_ignored(submission: SubmissionScenario, order: str) -> None:
    first = submission.submit()
    changes: list[dict[str, Any]] = [{}, {"status": "decline", "pnm_payment_identifier": OTHER_PAYMENT}]
    for change in {"declined first": changes[::-1], "paid first": changes, "declined only": changes[1:]}[order]:
        submission.finish(**change)

    assert submission.submit() == first
    assert submission.ledger_table.balances() == ({} if order == "declined only" else {CUSTOMER: 1000})


def test_submitted_payment_declined_and_other_paid_confirmed(submission: SubmissionScenario) -> None:
    submission.submit()
    submission.finish(status="decline")
    submission.finish(pnm_payment_identifier=OTHER_PAYMENT)

    response = submission.submit()

    assert outcome(response) == CONFIRMED
    assert response.content["pnm_payment_identifier"] == OTHER_PAYMENT


@pytest.mark.parametrize(
    "changes",
    [
        {"pnm_order_identifier": "84274665125"},
        {"site_payment_identifier": identifier_of("another")},
        {"site_payment_identifier": None},
        {"site_payment_identifier": identifier_of().upper()},
    ],
    ids=["other order", "other identifier", "no identifier", "upper case"],
)
def test_unknown_outcome_other_payment_stays_unknown(
    unknown_outcome: SubmissionScenario, changes: dict[str, str | None]
) -> None:
    unknown_outcome.finish(**changes)
    unknown_outcome.finish(status="decline", pnm_payment_identifier=OTHER_PAYMENT, **changes)

    assert outcome(unknown_outcome.submit()) == OUTCOME_UNKNOWN


@pytest.mark.parametrize(
    ("status", "reply", "expected"),
    [
        (200, REJECTION, REJECTED),
        (200, EXPIRED_REPLY, EXPIRED_AUTHORIZATION),
        (400, {"status": "error"}, REJECTED),
        (400, {"response_code": "1007", "errors": [{"description": "declined"}]}, REJECTED),
        (200, FAILED_REPLY | {"errors": [{"description": "Invalid CVV"}]}, PAYMENT_FAILED),
    ],
    ids=["rejected", "expired", "without code", "400 without status", "failed"],
)
def test_make_payment_rejected_retry_returns_same_response(
    submission: SubmissionScenario, status: int, reply: Any, expected: tuple[int, str]
) -> None:
    submission.paynearme.next_replies = [submission.paynearme.replying(status, reply)]

    first = submission.submit()

    assert outcome(first) == expected
    assert ("reconnect" in first.content) == (expected == EXPIRED_AUTHORIZATION)
    assert [submission.at(seconds).submit() for seconds in (0, 3600)] == [first] * 2
    assert first.content["response_code"] == reply.get("response_code")
    assert first.content["errors"] == reply.get("errors", [])
    assert len(submission.paynearme.sent) == 1


@pytest.mark.parametrize(("reply", "expected"), NOT_ACCEPTED_REPLIES.values(), ids=NOT_ACCEPTED_REPLIES)
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


@pytest.mark.parametrize("seconds", [2.6, 1.3])
def test_make_payment_short_deadline_submits_nothing(
    submission: SubmissionScenario, monkeypatch: pytest.MonkeyPatch, clock: Clock, seconds: float
) -> None:
    submission.submit(f"{KEY}-before")
    with monkeypatch.context() as patched:
        patched.setattr(Deadline, "after", lambda _: Deadline(clock.now + seconds, clock, clock.sleep))
        assert outcome(submission.submit()) == (504, "paynearme-timeout")
    assert len(submission.paynearme.sent) == 1

    assert outcome(submission.submit()) == SUBMITTED


@pytest.mark.parametrize(
    ("reply", "status", "expected"),
    [
        ((200, REJECTION), "payment", CONFIRMED),
        ((200, EXPIRED_REPLY), "decline", PAYMENT_FAILED),
        ((200, FAILED_REPLY), "payment", CONFIRMED),
        ((200, FAILED_REPLY), "decline", PAYMENT_FAILED),
        ((401, {}), "payment", CONFIRMED),
        ((401, {}), "decline", PAYMENT_FAILED),
    ],
    ids=["rejected", "expired", "failed and paid", "failed twice", "401 and paid", "401 and failed"],
)
def test_make_payment_confirmation_precedes_error_response(
    submission: SubmissionScenario, reply: Any, status: str, expected: tuple[int, str]
) -> None:
    submission.paynearme.reply(reply)
    submission.submit()
    submission.finish(status=status)

    assert [outcome(submission.at(seconds).submit()) for seconds in (0, 3600)] == [expected] * 2
    assert len(submission.paynearme.sent) == 1


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
