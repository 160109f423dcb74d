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
from tests.support.harness import CapturedOutput
from tests.support.message_fixtures import valid_smart_token_request
from tests.support.paynearme_stub import PayNearMeStub

PATH, REQUEST = "/smart-tokens", valid_smart_token_request()


def upstream_metrics(captured_output: CapturedOutput) -> dict[str, int]:
    """Return the metrics of calls to PayNearMe, without their prefix."""
    names = {name for line in captured_output.metrics() for name in line if name.startswith("PayNearMe")}
    return {name.removeprefix("PayNearMe"): captured_output.metric_total(name) for name in names}


@pytest.mark.parametrize(
    ("reply", "metric"),
    [
        ((401, {}), "CredentialsRejected"),
        (CONNECTION_REFUSED, "NotAccepted"),
        (BROKEN_CONNECTION, "Error"),
        (CONNECT_TIMEOUT, "Unreachable"),
    ],
)
def test_upstream_metric_failure_counted_by_category(
    paynearme: PayNearMeStub, api_driver: ApiDriver, captured_output: CapturedOutput, reply: Any, metric: str
) -> None:
    paynearme.reply(reply)

    assert api_driver.post(PATH, REQUEST).status >= 400

    assert upstream_metrics(captured_output) == {metric: 1}


@pytest.mark.parametrize(
    ("reply", "metric", "unknown_count"),
    [
        ((200, REJECTION), "Rejected", 0),
        ((200, EXPIRED_REPLY), "BankAuthorizationExpired", 0),
        (READ_TIMEOUT, "Timeout", 3),
    ],
)
def test_upstream_metric_stored_response_not_counted(
    submission: SubmissionScenario, captured_output: CapturedOutput, reply: Any, metric: str, unknown_count: int
) -> None:
    submission.paynearme.reply(reply)

    for _ in range(3):
        submission.submit()

    assert upstream_metrics(captured_output) == {metric: 1}
    # Each response counts, not only the call.
    assert captured_output.metric_total("PaymentOutcomeUnknown") == unknown_count


@pytest.mark.usefixtures("token_endpoint")
def test_upstream_metric_replaced_access_token_counts_success(
    paynearme: PayNearMeStub, api_driver: ApiDriver, oauth_site: str, captured_output: CapturedOutput
) -> None:
    paynearme.next_replies = [paynearme.replying(401, {})]

    assert api_driver.post(PATH, REQUEST | {"site_identifier": oauth_site}).status == 200

    assert upstream_metrics(captured_output) == {"CallSucceeded": 1}
