"""The metrics of calls to PayNearMe. Each call counts once, including retries."""

from typing import Any

import pytest

from tests.support.api_driver import (
    BROKEN_CONNECTION,
    CONNECT_TIMEOUT,
    CONNECTION_REFUSED,
    EXPIRED_REPLY,
    READ_TIMEOUT,
    REJECTION,
    ApiDriver,
    SubmissionScenario,
)
from tests.support.harness import CapturedOutput, SitesSecret
from tests.support.message_fixtures import valid_smart_token_request
from tests.support.paynearme_stub import PayNearMeStub

PATH, REQUEST = "/smart-tokens", valid_smart_token_request()

REPLIES_BY_METRIC: dict[str, tuple[Any, str]] = {
    "rejected": ((200, REJECTION), "Rejected"),
    "403": ((403, {}), "CredentialsRejected"),
    "401": ((401, {}), "CredentialsRejected"),
    "429": ((429, {}), "NotAccepted"),
    "connection refused": (CONNECTION_REFUSED, "NotAccepted"),
    "HTML": ((500, b"<html>"), "Error"),
    "invalid response": ((200, {"status": "ok"}), "Error"),
    "connection reset": (BROKEN_CONNECTION, "Error"),
    "response timeout": (READ_TIMEOUT, "Timeout"),
    "connect timeout": (CONNECT_TIMEOUT, "Unreachable"),
}


def upstream_metrics(captured_output: CapturedOutput) -> dict[str, int]:
    """Return the metrics of calls to PayNearMe, without their prefix."""
    names = {name for line in captured_output.metrics() for name in line if name.startswith("PayNearMe")}
    return {name.removeprefix("PayNearMe"): captured_output.metric_total(name) for name in names}


@pytest.mark.parametrize(("reply", "metric"), REPLIES_BY_METRIC.values(), ids=REPLIES_BY_METRIC)
def test_upstream_metric_failure_counted_by_category(
    paynearme: PayNearMeStub, api_driver: ApiDriver, captured_output: CapturedOutput, reply: Any, metric: str
) -> None:
    paynearme.reply(reply)

    assert api_driver.post(PATH, REQUEST).status >= 400

    assert upstream_metrics(captured_output) == {metric: 1}


@pytest.mark.parametrize(
    ("reply", "metric"),
    [
        ((200, {"status": "ok"}), "CallSucceeded"),
        ((200, EXPIRED_REPLY), "BankAuthorizationExpired"),
        (READ_TIMEOUT, "Timeout"),
        ((500, b"<html>"), "Error"),
    ],
)
def test_upstream_metric_submission_counted_by_result(
    submission: SubmissionScenario, captured_output: CapturedOutput, reply: Any, metric: str
) -> None:
    submission.paynearme.reply(reply)

    submission.submit()

    assert upstream_metrics(captured_output) == {metric: 1}


def test_upstream_metric_stored_response_not_counted(
    submission: SubmissionScenario, captured_output: CapturedOutput
) -> None:
    submission.paynearme.reply((200, REJECTION))

    for _ in range(3):
        submission.submit()

    assert upstream_metrics(captured_output) == {"Rejected": 1}


def test_unknown_outcome_metric_counted_for_each_response(
    submission: SubmissionScenario, captured_output: CapturedOutput
) -> None:
    submission.paynearme.reply(READ_TIMEOUT)

    for _ in range(3):
        submission.submit()

    assert upstream_metrics(captured_output) == {"Timeout": 1}
    assert captured_output.metric_total("PaymentOutcomeUnknown") == 3


@pytest.mark.usefixtures("token_endpoint")
def test_upstream_metric_replaced_access_token_counts_success(
    paynearme: PayNearMeStub,
    api_driver: ApiDriver,
    oauth_site: str,
    captured_output: CapturedOutput,
) -> None:
    paynearme.next_replies = [paynearme.replying(401, {})]

    assert api_driver.post(PATH, REQUEST | {"site_identifier": oauth_site}).status == 200

    assert upstream_metrics(captured_output) == {"CallSucceeded": 1}


def test_upstream_metric_without_site_keys_not_counted(
    paynearme: PayNearMeStub,
    api_driver: ApiDriver,
    sites_secret: SitesSecret,
    captured_output: CapturedOutput,
) -> None:
    sites_secret.delete()
    assert api_driver.post(PATH, REQUEST).status == 503

    assert upstream_metrics(captured_output) == {}
