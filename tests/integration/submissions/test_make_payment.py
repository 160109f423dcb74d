"""Submit a payment once for each Idempotency-Key."""

from fnmatch import fnmatchcase
from typing import Any

import pytest

from paynearme.protocol.signing import verify
from tests.support.api_driver import (
    ACCEPTED_REPLY,
    IN_PROGRESS,
    KEY,
    KEY_REUSED,
    OUTCOME_UNKNOWN,
    PNM_PAYMENT,
    READ_TIMEOUT,
    REJECTED,
    REJECTION,
    REQUEST,
    SUBMISSION_ORDER,
    SubmissionScenario,
    identifier_of,
    outcome,
    parameter_errors,
)
from tests.support.aws_errors import MARKER
from tests.support.callback_fixtures import SITE, SITES
from tests.support.callback_fixtures import SITE_OF_3_0_IN_XML as OTHER_SITE
from tests.support.harness import CapturedOutput
from tests.support.template import RESOURCES

SUBMITTED_RESPONSE = {
    "status": "submitted",
    "site_payment_identifier": identifier_of(),
    "pnm_payment_identifier": PNM_PAYMENT,
    "pnm_order_identifier": SUBMISSION_ORDER,
    "payment_method_identifier": "76590ef5135ae",
    "payment_amount": "1000.00",
    "payment_currency": "USD",
}


def test_make_payment_sends_signed_request_with_identifier(
    submission: SubmissionScenario, captured_output: CapturedOutput
) -> None:
    response = submission.submit()

    assert (response.status, response.content) == (200, SUBMITTED_RESPONSE)
    assert submission.paynearme.urls == ["POST https://api.paynearme.invalid/json-api/make_payment"]
    [sent] = submission.paynearme.sent
    assert set(sent) == {*REQUEST, "site_payment_identifier", "site_identifier", "timestamp", "version", "signature"}
    assert {name: sent[name] for name in REQUEST} == REQUEST | {"payment_amount": "1000.00"}
    assert sent["site_payment_identifier"] == identifier_of()
    verify(sent, sent["signature"], [SITES[SITE]["secret"]], "3.0")
    [line] = captured_output.logs()
    assert (line["pnm_order_identifier"], line["site_payment_identifier"]) == (SUBMISSION_ORDER, identifier_of())
    assert REQUEST["payment_method_identifier"] not in captured_output.text()


def test_make_payment_retry_returns_stored_response_without_call(submission: SubmissionScenario) -> None:
    first = submission.submit()
    reformatted: dict[str, Any] = {"payment_amount": 1000.0, "signature": "f" * 64, "site_identifier": SITE}

    retries = [submission.at(seconds).submit() for seconds in (0, 5, 40 * 24 * 3600)]
    retries.append(submission.submit(**reformatted))
    # In a new process.
    submission.api_driver.started.clear()
    retries.append(submission.submit())

    assert retries == [first] * 5
    assert len(submission.paynearme.sent) == 1


def test_additional_parameters_signed_and_sent_only(
    submission: SubmissionScenario, captured_output: CapturedOutput
) -> None:
    additional = {"new_flag": True, "ext_customer_tax_id_pii": "zq7tax"}
    submission.paynearme.reply((200, {**REJECTION, "errors": ["zq7tax is invalid"]}))

    responses = [submission.submit(additional_parameters=additional) for _ in range(2)]

    [sent] = submission.paynearme.sent
    assert (sent["new_flag"], sent["ext_customer_tax_id_pii"]) == ("true", "zq7tax")
    verify(sent, sent["signature"], [SITES[SITE]["secret"]], "3.0")
    assert outcome(responses[0]) == REJECTED
    assert "zq7" not in responses[0].body + str(submission.ledger_table.all_items()) + captured_output.text()
    assert responses[1] == responses[0]
    assert outcome(submission.submit(additional_parameters={"new_flag": True})) == KEY_REUSED
    invalid = submission.submit(additional_parameters={"signature": "zq7", "new": ["zq7"]})
    assert parameter_errors(invalid).keys() == {"additional_parameters.new"}
    assert "zq7" not in invalid.body + captured_output.text()


@pytest.mark.parametrize("reply", [(200, ACCEPTED_REPLY), (200, REJECTION), (401, {}), READ_TIMEOUT], ids=str)
def test_idempotency_key_reused_for_other_content_rejected(submission: SubmissionScenario, reply: Any) -> None:
    submission.paynearme.reply(reply)
    first = submission.submit()

    assert outcome(submission.submit(payment_amount="1000.01")) == KEY_REUSED
    assert len(submission.paynearme.sent) == 1
    assert submission.submit() == first


def test_idempotency_key_new_or_other_site_submits_another(submission: SubmissionScenario) -> None:
    responses = [submission.submit(), submission.submit(f"{KEY}-2"), submission.submit(site_identifier=OTHER_SITE)]

    assert [response.status for response in responses] == [200] * 3
    identifiers = [identifier_of(), identifier_of(f"{KEY}-2"), identifier_of(site=OTHER_SITE)]
    assert [response.content["site_payment_identifier"] for response in responses] == identifiers
    assert [sent["site_payment_identifier"] for sent in submission.paynearme.sent] == identifiers


@pytest.mark.parametrize(("seconds", "retry_after"), [(0, 10), (0.5, 10), (9.999, 1)])
def test_make_payment_in_progress_returns_retry_after(
    submission: SubmissionScenario, seconds: float, retry_after: int
) -> None:
    submission.start()

    response = submission.at(seconds).submit()

    assert outcome(response) == IN_PROGRESS
    assert response.retry_after == str(retry_after)
    assert outcome(submission.at(seconds).submit(payment_amount="1000.01")) == KEY_REUSED
    assert len(submission.paynearme.sent) == 1


@pytest.mark.parametrize("seconds", [10, 3600])
def test_make_payment_interrupted_attempt_outcome_unknown(submission: SubmissionScenario, seconds: float) -> None:
    submission.start()

    responses = [submission.at(seconds).submit() for _ in range(2)]

    assert [outcome(response) for response in responses] == [OUTCOME_UNKNOWN] * 2
    assert responses[0].content["site_payment_identifier"] == identifier_of()
    assert responses[0].retry_after is None
    assert outcome(submission.at(seconds).submit(payment_amount="1000.01")) == KEY_REUSED
    assert len(submission.paynearme.sent) == 1


@pytest.mark.parametrize("key", [None, "", "zq7 key"], ids=repr)
def test_idempotency_key_missing_or_invalid_rejected(submission: SubmissionScenario, key: str | None) -> None:
    response = submission.submit(key)

    assert parameter_errors(response).keys() == {"Idempotency-Key"}
    assert MARKER not in response.body
    assert (submission.paynearme.sent, submission.ledger_table.all_items()) == ([], [])


@pytest.mark.parametrize("name", ["idempotency_key", "Idempotency-Key"])
def test_idempotency_key_in_body_rejected(submission: SubmissionScenario, name: str) -> None:
    assert name in parameter_errors(submission.submit(None, **{name: KEY}))
    assert submission.paynearme.sent == []


def all_keys_allowed(keys: set[str], role: str, action: str) -> bool:
    """Return whether the permission of a role in the template contains all keys."""
    [policy] = RESOURCES[role]["Properties"]["Policies"]
    [statement] = [s for s in policy["PolicyDocument"]["Statement"] if s["Action"] == action]
    patterns = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    return bool(keys) and all(any(fnmatchcase(key, pattern) for pattern in patterns) for key in keys)


def test_make_payment_item_keys_match_template_permissions(submission: SubmissionScenario) -> None:
    submission.paynearme.default_reply = READ_TIMEOUT
    submission.submit()
    intent_keys = {item["pk"] for item in submission.ledger_table.all_items()}
    for test in (None, "true"):
        submission.finish(test=test)
    outcome_keys = {item["pk"] for item in submission.stored_outcomes()}
    other_keys = {item["pk"] for item in submission.ledger_table.all_items()} - intent_keys

    assert len(outcome_keys) == 2
    assert all_keys_allowed(intent_keys, "MakePaymentRole", "dynamodb:UpdateItem")
    assert all_keys_allowed(other_keys, "ConfirmRole", "dynamodb:UpdateItem")
    assert all_keys_allowed(outcome_keys, "MakePaymentRole", "dynamodb:BatchGetItem")
