"""The common behavior of the backend API: requests, errors, log lines and metrics."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.exceptions import EndpointConnectionError

from paynearme.platform.deadline import Deadline
from tests.support.api_driver import (
    ApiDriver,
    customer_path,
    match_route,
    order_path,
    parameter_errors,
    payment_path,
    problem_type,
)
from tests.support.api_gateway_events import json_event, query_event
from tests.support.aws_errors import MARKER
from tests.support.callback_fixtures import SITE
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.fake_clock import Clock
from tests.support.harness import AwsCallRecorder, CapturedOutput, LedgerFixture, Response

ORDER_INPUT = {"status": "closed", "order_amount": "77.31"}
CUSTOMER_INPUT = {"status": "suspended", "suspended_reason": MARKER, "self_imposed_day_limit": "77.31"}
CALLS: dict[str, Callable[[ApiDriver], Response]] = {
    "getOrder": lambda backend: backend.get(order_path()),
    "putOrder": lambda backend: backend.put(order_path(), **ORDER_INPUT),
    "getCustomer": lambda backend: backend.get(customer_path()),
    "putCustomer": lambda backend: backend.put(customer_path(), **CUSTOMER_INPUT),
    "getPayment": lambda backend: backend.get(payment_path()),
}
UNREACHABLE = EndpointConnectionError(endpoint_url="https://dynamodb.invalid")

for_each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.mark.parametrize("site", [MARKER, "", f"{SITE} ", SITE.lower()])
def test_backend_get_unknown_site_is_named_invalid(
    api_driver: ApiDriver, monkeypatch: pytest.MonkeyPatch, site: str
) -> None:
    # A path always names a site, so the default site has no effect.
    monkeypatch.setenv("DEFAULT_SITE_IDENTIFIER", SITE)

    response = api_driver.get(order_path(site=site))

    assert parameter_errors(response).keys() == {"site_identifier"}
    assert MARKER not in response.body


def test_backend_reads_query_of_get_and_body_of_put_only(api_driver: ApiDriver) -> None:
    query = query_event([("status", "closed")])
    body_and_query = json_event({"status": "open"}) | {name: query[name] for name in query if "ueryString" in name}

    put_response = api_driver.send(order_path(), body_and_query | {"httpMethod": "PUT"})
    get_response = api_driver.send(order_path(), json_event({"site_identifier": MARKER}) | {"httpMethod": "GET"})

    assert [response.content["status"] for response in (put_response, get_response)] == ["open", "open"]


def test_customer_put_without_policy_stored_but_unavailable(
    api_driver: ApiDriver, ledger_table: LedgerFixture, deployed_policy: FakeAppConfig, captured_output: CapturedOutput
) -> None:
    deployed_policy.put("{")

    responses = [CALLS["putCustomer"](api_driver), CALLS["getCustomer"](api_driver)]

    assert [(response.status, problem_type(response)) for response in responses] == [(503, "unavailable")] * 2
    assert [item["status"] for item in ledger_table.all_items()] == ["suspended"]
    assert captured_output.metric_total("PolicyUnavailable") == 2


def test_order_and_payment_requests_read_no_policy(api_driver: ApiDriver, deployed_policy: FakeAppConfig) -> None:
    deployed_policy.put("")

    assert [CALLS[name](api_driver).status for name in ("getOrder", "putOrder", "getPayment")] == [404, 200, 404]
    assert deployed_policy.calls == []


@for_each_call
def test_backend_request_table_unreachable_503_within_deadline(
    api_driver: ApiDriver,
    aws_calls: AwsCallRecorder,
    captured_output: CapturedOutput,
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
    call: Callable[[ApiDriver], Response],
) -> None:
    aws_calls.request_errors = {"BatchGetItem": UNREACHABLE, "UpdateItem": UNREACHABLE}
    attempt_seconds: list[float] = []

    def deadline_after(seconds: float) -> Deadline:
        attempt_seconds.append(seconds)
        return Deadline(clock.now + seconds, clock, clock.sleep)

    monkeypatch.setattr(Deadline, "after", deadline_after)

    response = call(api_driver)

    assert (response.status, problem_type(response)) == (503, "unavailable")
    assert MARKER not in response.body
    assert captured_output.metric_total("LedgerUnavailable") == 1
    assert attempt_seconds == [7.0]
    assert sum(clock.sleeps) < attempt_seconds[0]
    assert len(aws_calls.calls) > 2


@pytest.mark.parametrize("name", ["orders", "customers", "payments", "make_payment"])
def test_backend_malformed_event_returns_error_response(api_driver: ApiDriver, name: str) -> None:
    events: list[Any] = [
        *({}, None, [MARKER], {"httpMethod": "DELETE"}),
        {"httpMethod": "GET", "pathParameters": {"site_identifier": 1}},
        {"httpMethod": "PUT", "body": {"a": MARKER}, "pathParameters": None},
        {"httpMethod": "POST", "multiValueHeaders": MARKER},
    ]

    responses = [api_driver.function(name).handle(event) for event in events]

    assert {response.status for response in responses} <= {400, 500}
    assert MARKER not in str(responses)


@for_each_call
def test_backend_log_line_contains_identifiers_and_no_values(
    api_driver: ApiDriver, captured_output: CapturedOutput, call: Callable[[ApiDriver], Response]
) -> None:
    response = call(api_driver)

    [line] = captured_output.logs()
    paths = {"orders": order_path(), "customers": customer_path(), "payments": payment_path()}
    identifiers = {name: unquote(value) for name, value in match_route(paths[line["operation"]])[1].items()}
    assert {name: line[name] for name in identifiers} == identifiers
    assert (line["status"], line["method"]) == (response.status, "PUT" if response.status == 200 else "GET")
    assert not [text for text in (MARKER, "77.31") if text in captured_output.text()]
    assert captured_output.metric_total("NotFound") == (1 if response.status == 404 else 0)
    assert "error_location" not in line
