from typing import Any

import pytest

from tests.support.api_driver import (
    ACCEPTED_REPLY,
    BROKEN_CONNECTION,
    CONFIRMED,
    EXPIRED_AUTHORIZATION,
    EXPIRED_REPLY,
    OUTCOME_UNKNOWN,
    PAYMENT_FAILED,
    PNM_PAYMENT,
    READ_TIMEOUT,
    REJECTED,
    REJECTION,
    REQUEST,
    SUBMISSION_ORDER,
    SUBMITTED,
    SubmissionScenario,
    identifier_of,
    outcome,
)
from tests.support.callback_driver import NOON, send_at, unix_time
from tests.support.callback_fixtures import CUSTOMER, SITE, authorization
from tests.support.harness import CapturedOutput, LambdaFunction
from tests.support.paynearme_stub import PayNearMeStub

# Replies after which the outcome of the payment is unknown.
AMBIGUOUS_REPLIES: dict[str, Any] = {
    "timeout": READ_TIMEOUT,
    "closed connection": BROKEN_CONNECTION,
    "HTML": (200, b"<html>Down</html>"),
    "truncated response": (200, b'{"status": "ok", "paym'),
    "500": (500, {"status": "error", "errors": ["Down"]}),
    "503": (503, b"<html>Down</html>"),
    "redirected": (302, ACCEPTED_REPLY),
    "unknown status": (200, {"status": "pending"}),
    "a list": (200, [ACCEPTED_REPLY]),
}
ambiguous_replies = pytest.mark.parametrize("reply", AMBIGUOUS_REPLIES.values(), ids=AMBIGUOUS_REPLIES)


@pytest.fixture
def unknown_outcome(submission: SubmissionScenario) -> SubmissionScenario:
    """A payment with an unknown outcome. PayNearMe would accept another submission."""
    submission.paynearme.next_replies = [READ_TIMEOUT]
    assert outcome(submission.submit()) == OUTCOME_UNKNOWN
    return submission


@ambiguous_replies
def test_make_payment_ambiguous_response_stored_as_unknown(submission: SubmissionScenario, reply: Any) -> None:
    submission.paynearme.reply(reply)

    first = submission.submit()

    assert outcome(first) == OUTCOME_UNKNOWN
    assert first.content["site_payment_identifier"] == identifier_of()
    assert submission.stored_intent()["status"] == "unknown"
    assert [submission.at(seconds).submit() for seconds in (0, 5, 3600)] == [first] * 3
    assert len(submission.paynearme.sent) == 1


@ambiguous_replies
def test_make_payment_ambiguous_response_not_retried_by_urllib3(
    paynearme_behind_urllib3: PayNearMeStub, submission: SubmissionScenario, reply: Any
) -> None:
    paynearme_behind_urllib3.reply(reply)

    assert outcome(submission.submit()) == OUTCOME_UNKNOWN
    assert len(paynearme_behind_urllib3.sent) == 1


def test_unknown_outcome_confirmation_returns_confirmed(unknown_outcome: SubmissionScenario) -> None:
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


@pytest.mark.parametrize("authorized", [True, False], ids=["authorized", "not authorized"])
def test_unknown_outcome_confirmed_with_or_without_authorization(
    unknown_outcome: SubmissionScenario, authorize: LambdaFunction, authorized: bool
) -> None:
    if authorized:
        request = {
            "pnm_order_identifier": SUBMISSION_ORDER,
            "pnm_payment_identifier": PNM_PAYMENT,
            "timestamp": unix_time(NOON),
        }
        send_at(NOON, authorize, authorization(**request, payment_amount="1000.00"))

    unknown_outcome.finish()

    assert outcome(unknown_outcome.submit()) == CONFIRMED
    assert unknown_outcome.ledger_table.balances() == {CUSTOMER: 1000}


def test_unknown_outcome_failed_payment_returns_failed(unknown_outcome: SubmissionScenario) -> None:
    unknown_outcome.finish(status="decline")

    response = unknown_outcome.submit()

    assert outcome(response) == PAYMENT_FAILED
    assert response.content["site_payment_identifier"] == identifier_of()
    assert response.content["pnm_payment_identifier"] == PNM_PAYMENT
    assert len(unknown_outcome.paynearme.sent) == 1


@pytest.mark.parametrize("second", [PNM_PAYMENT, "943751749957"], ids=["same payment", "another payment"])
@pytest.mark.parametrize("declined_first", [True, False])
def test_unknown_outcome_paid_precedes_failed(
    unknown_outcome: SubmissionScenario, second: str, declined_first: bool
) -> None:
    decline_changes = {"status": "decline", "pnm_payment_identifier": second}
    for changes in [decline_changes, {}] if declined_first else [{}, decline_changes]:
        unknown_outcome.finish(**changes)

    response = unknown_outcome.submit()

    assert outcome(response) == CONFIRMED
    assert response.content["pnm_payment_identifier"] == PNM_PAYMENT


@pytest.mark.parametrize("declined_first", [True, False])
def test_unknown_outcome_amount_is_of_paid_payment(unknown_outcome: SubmissionScenario, declined_first: bool) -> None:
    decline_changes = {"status": "decline", "pnm_payment_identifier": "943751749957", "payment_amount": "7.00"}
    for changes in [decline_changes, {}] if declined_first else [{}, decline_changes]:
        unknown_outcome.finish(**changes)

    assert unknown_outcome.submit().content["payment_amount"] == "1000.00"


@pytest.mark.parametrize("test_first", [True, False])
@pytest.mark.parametrize(("status", "expected"), [("payment", CONFIRMED), ("decline", PAYMENT_FAILED)])
@pytest.mark.parametrize("test_status", ["payment", "decline"])
def test_unknown_outcome_payment_precedes_test_payment(
    unknown_outcome: SubmissionScenario, test_status: str, status: str, expected: tuple[int, str], test_first: bool
) -> None:
    test = {"test": "true", "status": test_status, "pnm_payment_identifier": "943751749957"}
    for changes in [test, {"status": status}] if test_first else [{"status": status}, test]:
        unknown_outcome.finish(**changes)

    response = unknown_outcome.submit()

    assert outcome(response) == expected
    assert response.content["pnm_payment_identifier"] == PNM_PAYMENT


@pytest.mark.parametrize("order", [[0, 1], [1, 0]], ids=str)
def test_unknown_outcome_identifier_and_amount_of_one_payment(
    unknown_outcome: SubmissionScenario, order: list[int]
) -> None:
    payments = [("943751749957", "7.00"), ("943751749955", "2000.00")]
    for payment_id, amount in (payments[index] for index in order):
        changes = {"payment_amount": amount, "net_payment_amount": amount}
        unknown_outcome.finish(pnm_payment_identifier=payment_id, **changes)

    content = unknown_outcome.submit().content
    assert (content["pnm_payment_identifier"], content["payment_amount"]) in payments


@pytest.mark.parametrize("status", ["payment", "decline"])
def test_unknown_outcome_stored_size_bounded(unknown_outcome: SubmissionScenario, status: str) -> None:
    sizes = set()
    for payment_id in range(100, 112):
        unknown_outcome.finish(status=status, pnm_payment_identifier=f"943751749{payment_id}")
        [item] = unknown_outcome.stored_outcomes()
        sizes.add(len(str(item)))
    assert len(sizes) == 1


@pytest.mark.parametrize("status", ["payment", "decline"])
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
    unknown_outcome: SubmissionScenario, changes: dict[str, str | None], status: str
) -> None:
    unknown_outcome.finish(status=status, **changes)

    assert outcome(unknown_outcome.submit()) == OUTCOME_UNKNOWN


@pytest.mark.parametrize(("status", "expected"), [("payment", CONFIRMED), ("decline", PAYMENT_FAILED)])
def test_unknown_outcome_test_payment_settles_and_posts_nothing(
    unknown_outcome: SubmissionScenario, status: str, expected: tuple[int, str]
) -> None:
    unknown_outcome.finish(test="true", status=status)

    assert outcome(unknown_outcome.submit()) == expected
    assert unknown_outcome.ledger_table.balances() == {}


@pytest.mark.parametrize("reply", [REJECTION, EXPIRED_REPLY], ids=["rejected", "expired"])
def test_make_payment_rejected_retry_returns_same_response(submission: SubmissionScenario, reply: Any) -> None:
    submission.paynearme.next_replies = [submission.paynearme.replying(200, reply)]

    first = submission.submit()

    assert [submission.at(seconds).submit() for seconds in (0, 3600)] == [first] * 2
    assert first.content["response_code"] == reply["response_code"]
    assert first.content["errors"] == reply["errors"]
    assert len(submission.paynearme.sent) == 1


def test_make_payment_rejected_without_code_returns_rejected(submission: SubmissionScenario) -> None:
    submission.paynearme.next_replies = [submission.paynearme.replying(400, {"status": "error"})]

    responses = [submission.submit() for _ in range(2)]

    assert [outcome(response) for response in responses] == [REJECTED] * 2
    assert responses[0] == responses[1]


def test_make_payment_expired_returns_reconnect_fields(
    submission: SubmissionScenario, get_smart_token: LambdaFunction
) -> None:
    submission.paynearme.next_replies = [submission.paynearme.replying(200, EXPIRED_REPLY)]

    response = submission.submit()

    assert outcome(response) == EXPIRED_AUTHORIZATION
    method = REQUEST["payment_method_identifier"]
    assert response.content["payment_method_identifier"] == method
    submission.paynearme.default_reply = PayNearMeStub().default_reply
    return_url = {"flow_return_url": "https://merchant.example.com/cashier"}
    for extra_fields in ({}, return_url):
        assert get_smart_token(response.content["reconnect"] | extra_fields).status == 200
    request = submission.paynearme.sent[-1]
    assert submission.paynearme.urls[-1].endswith("/get_smart_token")
    assert (request["flow_trustly"], request["flow_trustly_reconnect"]) == ("true", method)
    assert (request["pnm_order_identifier"], request["site_identifier"]) == (SUBMISSION_ORDER, SITE)
    assert request["flow_return_url"] == return_url["flow_return_url"]


@pytest.mark.parametrize(
    ("reply", "names"),
    [
        (READ_TIMEOUT, ["PaymentOutcomeUnknown", "PayNearMeTimeout"]),
        ((401, {}), ["PayNearMeCredentialsRejected"]),
        ((403, {}), ["PayNearMeCredentialsRejected"]),
    ],
)
def test_make_payment_failures_counted_in_metrics(
    submission: SubmissionScenario, captured_output: CapturedOutput, reply: Any, names: list[str]
) -> None:
    submission.paynearme.reply(reply)

    submission.submit()

    assert [captured_output.metric_total(name) for name in names] == [1] * len(names)
    assert captured_output.metric_total("PaymentOutcomeWriteFailed") == 0


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ((200, REJECTION), REJECTED),
        ((200, EXPIRED_REPLY), EXPIRED_AUTHORIZATION),
        ((500, b"<html>"), OUTCOME_UNKNOWN),
        ((200, {"status": "ok"}), SUBMITTED),
    ],
    ids=["rejected", "expired", "unknown", "submitted"],
)
def test_make_payment_log_line_contains_only_identifiers(
    submission: SubmissionScenario, captured_output: CapturedOutput, reply: Any, expected: tuple[int, str]
) -> None:
    submission.paynearme.default_reply = submission.paynearme.replying(*reply)

    assert outcome(submission.submit()) == expected
    [line] = captured_output.logs()
    assert (line["operation"], line["status"]) == ("make_payment", expected[0])
    assert (line["pnm_order_identifier"], line["site_payment_identifier"]) == (SUBMISSION_ORDER, identifier_of())
    assert REQUEST["payment_method_identifier"] not in captured_output.text()
