"""Orders that PayNearMe created and the ledger did not store, and PayNearMe's rejection texts."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from paynearme.platform.deadline import Deadline
from tests.support.api_driver import ApiDriver, order_path, problem_type
from tests.support.aws_errors import client_error
from tests.support.callback_fixtures import SITE
from tests.support.fake_clock import Clock
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, Response
from tests.support.paynearme_stub import PayNearMeStub
from tests.support.samples import load_sample

CREATED_REPLY = load_sample("create_order_response", "guaranteed_ach")
ORDER = "82882345534"
REQUEST = load_sample("create_order", "guaranteed_ach") | {"site_identifier": SITE}
ORDER_INPUT = {"status": "open", "order_type": "any", "order_amount": "500.00"}
PII_FIELDS = {
    "site_customer_first_name": "zq7first",
    "site_customer_last_name": "zq7last",
    "site_customer_email": "zq7@example.com",
    "site_customer_phone": "zq7-555-1212",
    "site_customer_street": "7 zq7 Street",
    "site_customer_city": "zq7 City",
    "site_customer_postal_code": "zq7-10001",
    "site_customer_year_of_birth": "1907",
}


@pytest.fixture
def api_driver(paynearme: PayNearMeStub, cold_start: Callable[[str], LambdaFunction]) -> ApiDriver:
    paynearme.default_reply = paynearme.replying(200, CREATED_REPLY)
    return ApiDriver(cold_start)


@pytest.mark.parametrize(
    "error",
    [client_error("AccessDeniedException"), ReadTimeoutError(endpoint_url="https://dynamodb.invalid")],
    ids=["denied", "timeout"],
)
def test_create_order_not_recorded_returns_order_for_put(
    api_driver: ApiDriver,
    paynearme: PayNearMeStub,
    aws_calls: AwsCallRecorder,
    captured_output: CapturedOutput,
    error: Exception,
) -> None:
    aws_calls.request_errors["UpdateItem"] = error

    response = api_driver.post("/orders", REQUEST)

    assert (response.status, problem_type(response)) == (503, "order-not-recorded")
    assert response.content["pnm_order_identifier"] == ORDER
    assert len(paynearme.sent) == 1
    assert captured_output.metric_total("OrderNotRecorded") == 1
    aws_calls.request_errors.clear()
    assert api_driver.get(order_path(ORDER)).status == 404
    put_response = api_driver.put(order_path(response.content["pnm_order_identifier"]), **ORDER_INPUT)
    assert put_response.status == 200
    assert api_driver.get(order_path(ORDER)).content == put_response.content


@pytest.fixture
def seconds(api_driver: ApiDriver, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> float:
    """Return the duration of a call's deadline, which uses ``clock``."""
    call_seconds: float = api_driver.function("create_order").app.settings.call_timeout_seconds

    def deadline_after(seconds: float) -> Deadline:
        return Deadline(clock.now + seconds, clock, clock.sleep)

    monkeypatch.setattr(Deadline, "after", deadline_after)
    return call_seconds


def test_create_order_late_response_is_recorded(
    api_driver: ApiDriver, paynearme: PayNearMeStub, clock: Clock, seconds: float
) -> None:
    # The write takes at most 1 second, plus the time before it starts.
    paynearme.during_call = [lambda: clock.advance(seconds - 1.21)]

    assert api_driver.post("/orders", REQUEST).status == 200
    assert api_driver.get(order_path(ORDER)).status == 200


@pytest.fixture
def attempt_seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the remaining seconds of each call that a deadline limits."""
    recorded_seconds: list[float] = []
    run = Deadline.run

    def record[T](deadline: Deadline, function: Callable[[], T]) -> T:
        recorded_seconds.append(deadline.remaining)
        return run(deadline, function)

    monkeypatch.setattr(Deadline, "run", record)
    return recorded_seconds


def test_create_order_call_deadline_reserves_time_for_write(
    api_driver: ApiDriver, attempt_seconds: list[float], seconds: float
) -> None:
    assert api_driver.post("/orders", REQUEST).status == 200
    # The last two calls are the request to PayNearMe and the write.
    assert attempt_seconds[-2:] == [pytest.approx(seconds - 1.2), pytest.approx(1.0)]


def rejection(description: str, code: str = "1100") -> dict[str, Any]:
    return {"status": "error", "response_code": code, "errors": [{"description": description}]}


def rejected_response(api_driver: ApiDriver, paynearme: PayNearMeStub, reply: dict[str, Any]) -> Response:
    paynearme.default_reply = paynearme.replying(422, reply)
    response = api_driver.post("/orders", REQUEST | PII_FIELDS)
    assert (response.status, problem_type(response)) == (422, "rejected-by-paynearme")
    return response


@pytest.mark.parametrize("name", PII_FIELDS)
def test_create_order_rejection_returned_without_customer_data(
    api_driver: ApiDriver, paynearme: PayNearMeStub, captured_output: CapturedOutput, name: str
) -> None:
    value = PII_FIELDS[name]
    reply = rejection(f"Wrong {value}, not {value}!", f"code {value}")

    response = rejected_response(api_driver, paynearme, reply)

    assert paynearme.sent[0][name] == value
    assert value not in response.body + captured_output.text()
    [error] = response.content["errors"]
    assert error["description"].startswith("Wrong ")
    assert error["description"].endswith("!")


def test_create_order_rejection_keeps_merchant_identifiers(
    api_driver: ApiDriver, paynearme: PayNearMeStub, captured_output: CapturedOutput
) -> None:
    reply = rejection(f"{REQUEST['site_customer_identifier']} has {REQUEST['site_order_identifier']}", "1107")

    response = rejected_response(api_driver, paynearme, reply)

    assert response.content["errors"] == reply["errors"]
    assert captured_output.logs()[0]["response_code"] == "1107"
