import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from paynearme.platform.deadline import Deadline
from paynearme.platform.http_request import MAX_BYTES
from tests.support.api_driver import (
    ApiDriver,
    customer_path,
    decode_path,
    order_path,
    parameter_errors,
    payment_path,
    problem_type,
)
from tests.support.api_gateway_events import body_event, bytes_event, json_event, query_event
from tests.support.callback_driver import NOON
from tests.support.callback_fixtures import SITES
from tests.support.dynamodb_stub import raise_in_table
from tests.support.fake_appconfig import FakeAppConfig
from tests.support.fake_clock import Clock
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture, Response, SitesSecret

MARKER = "zq7marker7qz"
GET_PATHS = {"orders": order_path, "customers": customer_path, "payments": payment_path}
PUT_PATHS = {"orders": order_path, "customers": customer_path}
INPUTS: dict[str, dict[str, Any]] = {
    "orders": {"status": "closed", "order_amount": "77.31"},
    "customers": {"status": "suspended", "suspended_reason": MARKER, "self_imposed_day_limit": "77.31"},
}
CALLS: dict[str, Callable[[ApiDriver], Response]] = {
    "getOrder": lambda backend: backend.get(order_path()),
    "putOrder": lambda backend: backend.put(order_path(), **INPUTS["orders"]),
    "getCustomer": lambda backend: backend.get(customer_path()),
    "putCustomer": lambda backend: backend.put(customer_path(), **INPUTS["customers"]),
    "getPayment": lambda backend: backend.get(payment_path()),
}

for_each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
for_each_get = pytest.mark.parametrize("build_path", GET_PATHS.values(), ids=GET_PATHS)
for_each_put = pytest.mark.parametrize("build_path", PUT_PATHS.values(), ids=PUT_PATHS)


@pytest.fixture
def api_driver(cold_start: Callable[[str], LambdaFunction]) -> ApiDriver:
    return ApiDriver(cold_start)


@for_each_get
@pytest.mark.parametrize("site", [MARKER, "", " ", "S2155373459 ", "\x00", "s2155373459"])
def test_backend_get_unknown_site_is_named_invalid(
    api_driver: ApiDriver, build_path: Callable[..., str], site: str
) -> None:
    response = api_driver.get(build_path(site=site))

    assert parameter_errors(response).keys() == {"site_identifier"}
    assert MARKER not in response.body


@for_each_get
def test_backend_get_empty_site_ignores_default_site(
    api_driver: ApiDriver, build_path: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEFAULT_SITE_IDENTIFIER", next(iter(SITES)))

    assert parameter_errors(api_driver.get(build_path(site=""))).keys() == {"site_identifier"}


@for_each_get
def test_backend_path_invalid_utf8_is_malformed(api_driver: ApiDriver, build_path: Callable[..., str]) -> None:
    path = build_path("1").removesuffix("1") + "%FF"

    response = api_driver.get(path)
    assert (response.status, problem_type(response)) == (400, "malformed-request")


@for_each_get
def test_backend_query_duplicate_parameter_is_malformed(api_driver: ApiDriver, build_path: Callable[..., str]) -> None:
    response = api_driver.send(build_path(), query_event([("test", "true"), ("test", "false")]))

    assert (response.status, problem_type(response)) == (400, "malformed-request")


@for_each_put
@pytest.mark.parametrize(
    "event",
    [
        body_event(None),
        body_event(f'{{"a": "{MARKER}'),
        body_event(f"status={MARKER}"),
        body_event(f'["{MARKER}"]'),
        body_event('{"status": "open", "status": "closed"}'),
        body_event('{"status": "\\ud800"}'),
        bytes_event(b'{"a": "\xff"}'),
    ],
    ids=["empty", "truncated JSON", "form", "list", "duplicate", "surrogate", "invalid UTF-8"],
)
def test_backend_put_malformed_body_rejected_stores_nothing(
    api_driver: ApiDriver, ledger_table: LedgerFixture, build_path: Callable[..., str], event: dict[str, Any]
) -> None:
    response = api_driver.send(build_path(), event | {"httpMethod": "PUT"})

    assert (response.status, problem_type(response)) == (400, "malformed-request")
    assert MARKER not in response.body
    assert ledger_table.all_items() == []


@for_each_put
def test_backend_put_too_large_body_returns_413(api_driver: ApiDriver, build_path: Callable[..., str]) -> None:
    response = api_driver.put(build_path(), status="x" * MAX_BYTES)

    assert (response.status, problem_type(response)) == (413, "payload-too-large")


@for_each_put
def test_backend_put_ignores_query(api_driver: ApiDriver, build_path: Callable[..., str]) -> None:
    query = query_event([("status", "closed")])
    event = query | json_event({}) | {name: query[name] for name in query if "ueryString" in name}

    response = api_driver.send(build_path(), event | {"httpMethod": "PUT"})

    assert response.status == 200
    assert response.content["status"] in ("open", "active")


@for_each_get
def test_backend_get_ignores_body(api_driver: ApiDriver, build_path: Callable[..., str]) -> None:
    event = json_event({"site_identifier": MARKER}) | {"httpMethod": "GET"}

    assert api_driver.send(build_path(), event).status == 404


@for_each_call
def test_backend_request_without_table_unavailable(
    api_driver: ApiDriver,
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
    call: Callable[[ApiDriver], Response],
) -> None:
    ledger_table.client.delete_table(TableName=ledger_table.table_name)

    response = call(api_driver)

    assert (response.status, problem_type(response)) == (503, "unavailable")
    assert captured_output.metric_total("LedgerUnavailable") == 1
    assert MARKER not in response.body


@for_each_call
def test_backend_request_without_site_keys_unavailable(
    api_driver: ApiDriver,
    sites_secret: SitesSecret,
    captured_output: CapturedOutput,
    call: Callable[[ApiDriver], Response],
) -> None:
    sites_secret.delete()

    response = call(api_driver)

    assert (response.status, problem_type(response)) == (503, "unavailable")
    assert captured_output.metric_total("SiteKeysUnavailable") == 1


@pytest.mark.parametrize("policy", ["", "{", '{"defaults": {}}'], ids=["empty", "truncated JSON", "invalid"])
def test_customer_put_without_policy_stored_but_unavailable(
    api_driver: ApiDriver,
    ledger_table: LedgerFixture,
    deployed_policy: FakeAppConfig,
    captured_output: CapturedOutput,
    policy: str,
) -> None:
    deployed_policy.put(policy)

    responses = [CALLS["putCustomer"](api_driver), CALLS["getCustomer"](api_driver)]

    assert [(response.status, problem_type(response)) for response in responses] == [(503, "unavailable")] * 2
    assert [item["status"] for item in ledger_table.all_items()] == ["suspended"]
    assert captured_output.metric_total("PolicyUnavailable") == 2


@pytest.mark.parametrize("name", ["getOrder", "putOrder", "getPayment"])
def test_order_and_payment_requests_read_no_policy(
    api_driver: ApiDriver, deployed_policy: FakeAppConfig, name: str
) -> None:
    deployed_policy.put("")

    assert CALLS[name](api_driver).status in (200, 404)
    assert deployed_policy.calls == []


@for_each_call
def test_backend_request_table_unreachable_503_within_deadline(
    api_driver: ApiDriver,
    aws_calls: AwsCallRecorder,
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
    call: Callable[[ApiDriver], Response],
) -> None:
    unreachable = EndpointConnectionError(endpoint_url="https://dynamodb.invalid")
    aws_calls.request_errors = {"BatchGetItem": unreachable, "UpdateItem": unreachable}
    attempt_seconds: list[float] = []

    def deadline_after(seconds: float) -> Deadline:
        attempt_seconds.append(seconds)
        return Deadline(clock.now + seconds, clock, clock.sleep)

    monkeypatch.setattr(Deadline, "after", deadline_after)

    assert call(api_driver).status == 503
    assert attempt_seconds == [7.0]
    assert sum(clock.sleeps) < attempt_seconds[0]
    assert len(aws_calls.calls) > 2


@for_each_call
def test_backend_request_lost_table_response_is_retried(
    api_driver: ApiDriver, aws_calls: AwsCallRecorder, call: Callable[[ApiDriver], Response]
) -> None:
    response_error = EndpointConnectionError(endpoint_url="https://dynamodb.invalid")
    expected = call(api_driver.at(NOON)).status
    aws_calls.response_errors = {"BatchGetItem": [response_error], "UpdateItem": [response_error]}

    assert call(api_driver.at(NOON)).status == expected


@for_each_call
def test_backend_request_internal_error_500_without_details(
    api_driver: ApiDriver,
    monkeypatch: pytest.MonkeyPatch,
    captured_output: CapturedOutput,
    call: Callable[[ApiDriver], Response],
) -> None:
    def raise_error(*_: object, **__: object) -> None:
        raise RuntimeError(MARKER)

    raise_in_table(monkeypatch, raise_error)

    response = call(api_driver)

    assert (response.status, problem_type(response)) == (500, "internal")
    assert set(response.content) == {"type", "title", "status"}
    assert MARKER not in captured_output.text()


@pytest.mark.parametrize("name", GET_PATHS)
@pytest.mark.parametrize(
    "event",
    [
        *({}, None, [MARKER], {"httpMethod": "GET"}, {"httpMethod": "DELETE"}, {"httpMethod": "PATCH"}),
        {"httpMethod": "GET", "pathParameters": {"site_identifier": 1}},
        {"httpMethod": "GET", "pathParameters": MARKER},
        {"httpMethod": "PUT", "body": {"a": MARKER}, "pathParameters": None},
    ],
    ids=lambda event: json.dumps(event),
)
def test_backend_malformed_event_returns_error_response(api_driver: ApiDriver, name: str, event: Any) -> None:
    response = api_driver.function(name).handle(event)

    assert response.status in (400, 500)
    assert MARKER not in response.body


@for_each_call
def test_backend_log_line_contains_identifiers_and_no_values(
    api_driver: ApiDriver, captured_output: CapturedOutput, call: Callable[[ApiDriver], Response]
) -> None:
    response = call(api_driver)

    [line] = captured_output.logs()
    paths = {"orders": order_path(), "customers": customer_path(), "payments": payment_path()}
    identifiers = decode_path(paths[line["operation"]])
    assert {name: line[name] for name in identifiers} == identifiers
    assert (line["status"], line["method"]) == (response.status, "PUT" if response.status == 200 else "GET")
    assert MARKER not in captured_output.text()
    assert "77.31" not in captured_output.text()
    assert len(captured_output.metrics()) == 1


@for_each_put
def test_backend_put_invalid_parameter_logged_without_value(
    api_driver: ApiDriver, captured_output: CapturedOutput, build_path: Callable[..., str]
) -> None:
    api_driver.put(build_path(), status=MARKER)

    [line] = captured_output.logs()
    assert (line["status"], line["invalid_parameters"]) == (400, ["status"])
    assert MARKER not in captured_output.text()


@for_each_get
def test_backend_get_not_found_counted_not_logged_as_error(
    api_driver: ApiDriver, captured_output: CapturedOutput, build_path: Callable[..., str]
) -> None:
    assert api_driver.get(build_path()).status == 404

    assert captured_output.metric_total("NotFound") == 1
    assert "error_location" not in captured_output.logs()[0]
