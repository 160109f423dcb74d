from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest

from paynearme.protocol.signing import verify
from tests.support.api_driver import (
    EXPIRED_REPLY,
    IN_PROGRESS,
    KEY,
    KEY_REUSED,
    MARKER,
    OUTCOME_UNKNOWN,
    PNM_PAYMENT,
    READ_TIMEOUT,
    REJECTION,
    REQUEST,
    SUBMISSION_ORDER,
    SUBMITTED,
    SubmissionScenario,
    identifier_of,
    outcome,
    parameter_errors,
)
from tests.support.api_gateway_events import json_event
from tests.support.callback_fixtures import SITE, SITE_OF_3_0_IN_XML, SITES
from tests.support.harness import LambdaFunction
from tests.support.samples import load_sample, sample_names
from tests.support.template import RESOURCES

CONTENT_CHANGES = [
    {"payment_amount": "1000.01"},
    {"pnm_order_identifier": "84274665125"},
    {"payment_method_identifier": "23b9e4ba13242"},
    {"site_channel": "call-center"},
]
SUBMITTED_RESPONSE = {
    "status": "submitted",
    "site_payment_identifier": identifier_of(),
    "pnm_payment_identifier": PNM_PAYMENT,
    "pnm_order_identifier": SUBMISSION_ORDER,
    "payment_method_identifier": "76590ef5135ae",
    "payment_amount": "1000.00",
    "payment_currency": "USD",
}


def test_make_payment_sends_signed_request_with_identifier(submission: SubmissionScenario) -> None:
    response = submission.submit()

    assert (response.status, response.content) == (200, SUBMITTED_RESPONSE)
    assert submission.paynearme.urls == ["POST https://api.paynearme.invalid/json-api/make_payment"]
    [sent] = submission.paynearme.sent
    assert set(sent) == {*REQUEST, "site_payment_identifier", "site_identifier", "timestamp", "version", "signature"}
    assert {name: sent[name] for name in REQUEST} == REQUEST | {"payment_amount": "1000.00"}
    assert sent["site_payment_identifier"] == identifier_of()
    verify(sent, sent["signature"], [SITES[SITE]["secret"]], "3.0")


@pytest.mark.parametrize("name", sample_names("make_payment"))
def test_make_payment_sample_messages_accepted(submission: SubmissionScenario, name: str) -> None:
    request = load_sample("make_payment", name) | {"site_identifier": SITE, "signature": "f" * 64}

    assert submission.submit(**request).status == 200
    assert submission.paynearme.sent[0]["payment_method_identifier"] == request["payment_method_identifier"]


@pytest.mark.parametrize("seconds", [0, 5, 3600, 40 * 24 * 3600])
def test_make_payment_retry_returns_stored_response_without_call(
    submission: SubmissionScenario, seconds: float
) -> None:
    first = submission.submit()

    assert submission.at(seconds).submit() == first
    assert len(submission.paynearme.sent) == 1


def test_make_payment_retry_reformatted_content_submits_once(submission: SubmissionScenario) -> None:
    first = submission.submit()
    reformatted: dict[str, Any] = {
        "payment_amount": 1000.0,
        "signature": "f" * 64,
        "timestamp": "1",
        "site_identifier": SITE,
    }

    assert submission.submit(**reformatted) == first
    assert len(submission.paynearme.sent) == 1


def test_make_payment_retry_in_new_process_submits_once(submission: SubmissionScenario) -> None:
    first = submission.submit()
    submission.api_driver.started.clear()

    assert submission.submit() == first
    assert len(submission.paynearme.sent) == 1


@pytest.mark.parametrize("changes", CONTENT_CHANGES, ids=str)
def test_idempotency_key_reused_for_other_content_rejected(
    submission: SubmissionScenario, changes: dict[str, Any]
) -> None:
    first = submission.submit()

    assert outcome(submission.submit(**changes)) == KEY_REUSED
    assert submission.submit() == first
    assert len(submission.paynearme.sent) == 1


@pytest.mark.parametrize("seconds", [0, 9.9, 10, 3600])
def test_idempotency_key_reused_in_progress_or_unknown_rejected(submission: SubmissionScenario, seconds: float) -> None:
    submission.start()

    assert outcome(submission.at(seconds).submit(payment_amount="1000.01")) == KEY_REUSED
    assert len(submission.paynearme.sent) == 1


@pytest.mark.parametrize("reply", [REJECTION, EXPIRED_REPLY], ids=["rejected", "expired"])
def test_idempotency_key_reused_after_rejection_rejected(submission: SubmissionScenario, reply: dict[str, Any]) -> None:
    submission.paynearme.default_reply = submission.paynearme.replying(200, reply)
    submission.submit()

    assert outcome(submission.submit(payment_amount="1000.01")) == KEY_REUSED
    assert len(submission.paynearme.sent) == 1


def test_idempotency_key_reused_after_not_accepted_rejected(submission: SubmissionScenario) -> None:
    submission.paynearme.default_reply = submission.paynearme.replying(401, {})
    submission.submit()

    assert outcome(submission.submit(payment_amount="1000.01")) == KEY_REUSED
    assert len(submission.paynearme.sent) == 1


def test_idempotency_key_new_submits_another_payment(submission: SubmissionScenario) -> None:
    responses = [submission.submit(key) for key in (KEY, f"{KEY}-2")]

    assert [response.content["site_payment_identifier"] for response in responses] == [
        identifier_of(),
        identifier_of(f"{KEY}-2"),
    ]
    assert len({sent["site_payment_identifier"] for sent in submission.paynearme.sent}) == 2


def test_idempotency_key_other_site_submits_another_payment(submission: SubmissionScenario) -> None:
    responses = [submission.submit(site_identifier=site) for site in (SITE, SITE_OF_3_0_IN_XML)]

    assert [response.status for response in responses] == [200, 200]
    assert len({sent["site_payment_identifier"] for sent in submission.paynearme.sent}) == 2


@pytest.mark.parametrize(("seconds", "retry_after"), [(0, 10), (0.5, 10), (3, 7), (9.5, 1), (9.999, 1)])
def test_make_payment_in_progress_returns_retry_after(
    submission: SubmissionScenario, seconds: float, retry_after: int
) -> None:
    submission.start()

    response = submission.at(seconds).submit()

    assert outcome(response) == IN_PROGRESS
    assert response.retry_after == str(retry_after)
    assert len(submission.paynearme.sent) == 1


@pytest.mark.parametrize("seconds", [10, 11, 3600, 40 * 24 * 3600])
def test_make_payment_interrupted_attempt_outcome_unknown(submission: SubmissionScenario, seconds: float) -> None:
    submission.start()

    responses = [submission.at(seconds).submit() for _ in range(2)]

    assert [outcome(response) for response in responses] == [OUTCOME_UNKNOWN] * 2
    assert responses[0].content["site_payment_identifier"] == identifier_of()
    assert responses[0].retry_after is None
    assert len(submission.paynearme.sent) == 1


def test_make_payment_request_during_call_returns_in_progress(submission: SubmissionScenario) -> None:
    responses_during_call: list[Any] = []
    submission.paynearme.during_call.append(lambda: responses_during_call.append(submission.submit()))

    assert outcome(submission.submit()) == SUBMITTED
    assert [outcome(response) for response in responses_during_call] == [IN_PROGRESS]
    assert len(submission.paynearme.sent) == 1


@pytest.mark.parametrize("key", [None, "", " ", "zq7 key", "zq7\n", "zq7é", "zq7" * 86], ids=repr)
def test_idempotency_key_missing_or_invalid_rejected(submission: SubmissionScenario, key: str | None) -> None:
    response = submission.submit(key)

    assert parameter_errors(response).keys() == {"Idempotency-Key"}
    assert MARKER not in response.body
    assert (submission.paynearme.sent, submission.ledger_table.all_items()) == ([], [])


@pytest.mark.parametrize("key", ["!", "zq7~", "zq7" * 85])
def test_idempotency_key_visible_characters_accepted(submission: SubmissionScenario, key: str) -> None:
    assert outcome(submission.submit(key)) == SUBMITTED


def send(submission: SubmissionScenario, headers: dict[str, list[str]] | None, **content: str) -> Any:
    event = json_event(REQUEST | content) | {"multiValueHeaders": headers}
    return submission.api_driver.at(submission.now).send("/payments", event)


@pytest.mark.parametrize("name", ["idempotency-key", "IDEMPOTENCY-KEY", "Idempotency-Key"])
def test_idempotency_key_header_name_case_insensitive(submission: SubmissionScenario, name: str) -> None:
    assert send(submission, {"Host": ["x"], name: [KEY]}).content == SUBMITTED_RESPONSE


@pytest.mark.parametrize(
    "headers",
    [{"Idempotency-Key": [KEY, KEY]}, {"Idempotency-Key": [KEY], "idempotency-key": [f"{KEY}-2"]}],
    ids=["same case", "different case"],
)
def test_idempotency_key_two_values_rejected(submission: SubmissionScenario, headers: dict[str, list[str]]) -> None:
    assert parameter_errors(send(submission, headers)).keys() == {"Idempotency-Key"}
    assert submission.paynearme.sent == []


@pytest.mark.parametrize("name", ["idempotency_key", "Idempotency-Key"])
def test_idempotency_key_in_body_rejected(submission: SubmissionScenario, name: str) -> None:
    assert name in parameter_errors(send(submission, None, **{name: KEY}))
    assert submission.paynearme.sent == []


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"payment_amount": "0"}, "payment_amount"),
        ({"payment_amount": None}, "payment_amount"),
        ({"payment_currency": "CAD"}, "payment_currency"),
        ({"pnm_order_identifier": "zq7 order"}, "pnm_order_identifier"),
        ({"payment_method_identifier": ""}, "payment_method_identifier"),
        ({"site_channel": None}, "site_channel"),
        ({"site_payment_identifier": "zq7"}, "site_payment_identifier"),
        ({"site_identifier": "zq7"}, "site_identifier"),
    ],
    ids=str,
)
def test_make_payment_invalid_parameter_not_stored_or_sent(
    submission: SubmissionScenario, changes: dict[str, Any], name: str
) -> None:
    response = submission.submit(**changes)

    assert parameter_errors(response).keys() == {name}
    assert MARKER not in response.body
    assert (submission.paynearme.sent, submission.ledger_table.all_items()) == ([], [])


def leading_keys(role: str, action: str) -> list[str]:
    """Return the key patterns of a function's permission in the template."""
    [policy] = RESOURCES[role]["Properties"]["Policies"]
    [statement] = [s for s in policy["PolicyDocument"]["Statement"] if s["Action"] == action]
    keys: list[str] = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    return keys


def all_keys_allowed(keys: set[str], role: str, action: str) -> bool:
    patterns = leading_keys(role, action)
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


@pytest.mark.parametrize("event", [{}, None, [MARKER], {"httpMethod": "POST", "multiValueHeaders": MARKER}])
def test_make_payment_malformed_event_returns_error(
    submission: SubmissionScenario, cold_start: Callable[[str], LambdaFunction], event: Any
) -> None:
    assert cold_start("make_payment").handle(event).status in (400, 500)
    assert submission.paynearme.sent == []
