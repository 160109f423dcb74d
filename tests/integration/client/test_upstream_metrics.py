"""The metrics of calls to PayNearMe. Each call counts once, including retries."""

from collections.abc import Callable
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
from tests.support.callback_fixtures import SITE
from tests.support.harness import CapturedOutput, LambdaFunction, SitesSecret
from tests.support.message_fixtures import valid_smart_token_request
from tests.support.paynearme_stub import PayNearMeStub
from tests.support.samples import load_sample
from tests.support.token_endpoint_stub import TokenEndpointStub

REQUESTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "get_smart_token": (
        "/smart-tokens",
        valid_smart_token_request(),
        load_sample("get_smart_token_response", "guaranteed_ach"),
    ),
    "create_order": (
        "/orders",
        load_sample("create_order", "guaranteed_ach") | {"site_identifier": SITE},
        load_sample("create_order_response", "guaranteed_ach"),
    ),
    "find_payment_methods": (
        "/payment-methods/find",
        {"site_customer_identifier": "1"},
        load_sample("find_payment_methods_response", "saved"),
    ),
}
"""By operation without effect on money: the path, a request, and a successful response."""

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


@pytest.mark.parametrize("operation", REQUESTS)
def test_upstream_metric_success_counted(
    paynearme: PayNearMeStub,
    cold_start: Callable[[str], LambdaFunction],
    captured_output: CapturedOutput,
    operation: str,
) -> None:
    path, request, success_reply = REQUESTS[operation]
    paynearme.reply((200, success_reply))

    assert ApiDriver(cold_start).post(path, request).status == 200

    assert upstream_metrics(captured_output) == {"CallSucceeded": 1}


@pytest.mark.parametrize("case", REPLIES_BY_METRIC)
@pytest.mark.parametrize("operation", REQUESTS)
def test_upstream_metric_failure_counted_by_category(
    paynearme: PayNearMeStub,
    cold_start: Callable[[str], LambdaFunction],
    captured_output: CapturedOutput,
    operation: str,
    case: str,
) -> None:
    path, request, _ = REQUESTS[operation]
    reply, metric = REPLIES_BY_METRIC[case]
    paynearme.reply(reply)

    assert ApiDriver(cold_start).post(path, request).status >= 400

    assert upstream_metrics(captured_output) == {metric: 1}


@pytest.mark.parametrize(
    ("reply", "metric"),
    [
        ((200, {"status": "ok"}), "CallSucceeded"),
        ((200, REJECTION), "Rejected"),
        ((200, EXPIRED_REPLY), "BankAuthorizationExpired"),
        ((401, {}), "CredentialsRejected"),
        (CONNECTION_REFUSED, "NotAccepted"),
        (CONNECT_TIMEOUT, "Unreachable"),
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
    cold_start: Callable[[str], LambdaFunction],
    oauth_site: str,
    captured_output: CapturedOutput,
) -> None:
    path, request, success_reply = REQUESTS["get_smart_token"]
    paynearme.reply((200, success_reply))
    paynearme.next_replies = [paynearme.replying(401, {})]

    assert ApiDriver(cold_start).post(path, request | {"site_identifier": oauth_site}).status == 200

    assert upstream_metrics(captured_output) == {"CallSucceeded": 1}


def test_upstream_metric_grant_401_counts_rejected_credentials(
    paynearme: PayNearMeStub,
    cold_start: Callable[[str], LambdaFunction],
    token_endpoint: TokenEndpointStub,
    oauth_site: str,
    captured_output: CapturedOutput,
) -> None:
    token_endpoint.reply = paynearme.replying(401, {"error": "invalid_client"})
    path, request, _ = REQUESTS["get_smart_token"]

    assert ApiDriver(cold_start).post(path, request | {"site_identifier": oauth_site}).status == 502

    assert paynearme.sent == []
    assert upstream_metrics(captured_output) == {"CredentialsRejected": 1}


def test_upstream_metric_without_site_keys_not_counted(
    paynearme: PayNearMeStub,
    cold_start: Callable[[str], LambdaFunction],
    sites_secret: SitesSecret,
    captured_output: CapturedOutput,
) -> None:
    sites_secret.delete()

    path, request, _ = REQUESTS["get_smart_token"]
    assert ApiDriver(cold_start).post(path, request).status == 503

    assert upstream_metrics(captured_output) == {}
