from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from paynearme.platform.deadline import Deadline
from paynearme.protocol.signing import verify
from sandbox.clients.sample_messages import load
from tests.support.api_driver import REJECTION, ApiDriver, order_path, problem_type
from tests.support.aws_errors import client_error
from tests.support.callback_driver import NOON
from tests.support.callback_fixtures import SITE, SITES
from tests.support.fake_clock import Clock
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture
from tests.support.paynearme_stub import PayNearMeStub

CREATED_REPLY = load("create_order_response")["guaranteed_ach"]
ORDER = "82882345534"
REQUEST = load("create_order")["guaranteed_ach"] | {"site_identifier": f"{SITE} "}
PII_FIELDS = {
    "site_customer_first_name": "zq7first",
    "site_customer_email": "zq7@example.com",
    "site_customer_phone": "zq7-555-1212",
    "site_customer_street": "zq7 Street",
}
RETURNED_ORDER = {
    "pnm_order_identifier": ORDER,
    "site_order_identifier": "6969675870",
    "pnm_order_short_identifier": "LT95NN",
    "pnm_customer_identifier": "U4557822272",
    "site_customer_identifier": "575530001",
    "order_status": "open",
    "order_type": "any",
    "order_is_standing": True,
    "order_amount": "500.00",
    "order_currency": "USD",
    "minimum_payment_amount": "0.00",
}
LINKS = ("secure_smart_token", "secure_smart_link", "order_tracking_url")


@pytest.fixture
def api_driver(paynearme: PayNearMeStub, cold_start: Callable[[str], LambdaFunction]) -> ApiDriver:
    paynearme.default_reply = paynearme.replying(200, CREATED_REPLY)
    return ApiDriver(cold_start)


def created(**changes: object) -> dict[str, Any]:
    return {"status": "ok", "order": CREATED_REPLY["order"] | changes}


def test_create_order_sample_returns_documented_fields_only(api_driver: ApiDriver) -> None:
    response = api_driver.post("/orders", REQUEST)

    assert response.status == 200
    returned = response.content["order"]
    methods = returned.pop("payment_methods")
    assert returned == RETURNED_ORDER | {name: CREATED_REPLY["order"][name] for name in LINKS}
    assert (methods[2]["type"], methods[2]["fee_amount"], methods[2]["accounts"]) == ("paypal", "10.00", [])
    assert "Venkman" not in response.body


def test_create_order_request_sent_signed_and_as_text(api_driver: ApiDriver, paynearme: PayNearMeStub) -> None:
    api_driver.post("/orders", REQUEST)

    [sent] = paynearme.sent
    assert paynearme.urls == ["POST https://api.paynearme.invalid/json-api/create_order"]
    verify(sent, sent["signature"], [SITES[SITE]["secret"]], "3.0")
    as_text = REQUEST | {"order_amount": "500.00", "order_is_standing": "true", "site_identifier": SITE}
    assert {name: sent[name] for name in REQUEST} == as_text


def test_create_order_stores_order_in_ledger(api_driver: ApiDriver) -> None:
    api_driver.at(NOON).post("/orders", REQUEST)

    assert api_driver.get(order_path(ORDER)).content == {
        "site_identifier": SITE,
        "pnm_order_identifier": ORDER,
        "status": "open",
        "order_type": "any",
        "order_amount": "500.00",
        "minimum_payment_amount": None,
        "expires_at": None,
        "merchant_updated_at": "2026-11-20T17:00:00Z",
    }


@pytest.mark.parametrize(
    ("request_changes", "reply", "stored_order"),
    [
        ({"order_type": "up-to", "order_amount": 25.5}, {}, {"order_type": "up-to", "order_amount": "25.50"}),
        ({}, {"minimum_payment_amount": "0.01"}, {"minimum_payment_amount": "0.01"}),
        # Invalid optional fields of PayNearMe's response do not prevent that the order is stored.
        ({}, {"minimum_payment_amount": "-1.00", "customer": None}, {"minimum_payment_amount": None}),
        ({}, {"minimum_payment_amount": None, "order_status": 7}, {"minimum_payment_amount": None}),
        # A minimal response has no minimum.
        ({"minimum_payment_amount": 5}, {"minimum_payment_amount": None}, {"minimum_payment_amount": "5.00"}),
        ({"minimum_payment_amount": 5}, {"minimum_payment_amount": 0}, {"minimum_payment_amount": None}),
    ],
    ids=str,
)
def test_create_order_stores_requested_type_and_amounts(
    api_driver: ApiDriver,
    paynearme: PayNearMeStub,
    request_changes: dict[str, Any],
    reply: dict[str, Any],
    stored_order: dict[str, Any],
) -> None:
    paynearme.default_reply = paynearme.replying(200, created(**reply))

    assert api_driver.post("/orders", REQUEST | request_changes).status == 200
    returned = api_driver.get(order_path(ORDER)).content
    assert {name: returned[name] for name in stored_order} == stored_order


def test_create_order_keeps_earlier_order_of_merchant(api_driver: ApiDriver) -> None:
    put_response = api_driver.at(NOON).put(order_path(ORDER), status="closed", order_type="up-to", order_amount="7.00")

    assert api_driver.post("/orders", REQUEST).status == 200
    assert api_driver.get(order_path(ORDER)).content == put_response.content


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ((503, b"<html>zq7"), (502, "paynearme-error")),
        ((200, REJECTION), (422, "rejected-by-paynearme")),
        ((200, {"status": "ok"}), (502, "paynearme-error")),
        ((200, created(pnm_order_identifier="zq7 order")), (502, "paynearme-error")),
    ],
    ids=["503", "rejected", "no order", "invalid identifier"],
)
def test_create_order_upstream_error_stores_nothing(
    paynearme: PayNearMeStub,
    api_driver: ApiDriver,
    ledger_table: LedgerFixture,
    reply: Any,
    expected: tuple[int, str],
) -> None:
    paynearme.reply(reply)

    response = api_driver.post("/orders", REQUEST)

    assert (response.status, problem_type(response)) == expected
    assert "zq7" not in response.body
    assert ledger_table.all_items() == []


def test_create_order_customer_data_sent_not_stored_or_logged(
    api_driver: ApiDriver, paynearme: PayNearMeStub, ledger_table: LedgerFixture, captured_output: CapturedOutput
) -> None:
    customer = {"site_customer_identifier": "1", "pnm_customer_name": "zq7name"}
    paynearme.default_reply = paynearme.replying(200, created(customer=customer))

    response = api_driver.post("/orders", REQUEST | PII_FIELDS)

    assert {name: paynearme.sent[0][name] for name in PII_FIELDS} == PII_FIELDS
    assert "zq7" not in response.body + str(ledger_table.all_items()) + captured_output.text()
    assert CREATED_REPLY["order"]["secure_smart_token"] not in str(ledger_table.all_items()) + captured_output.text()
    assert {item["pk"] for item in ledger_table.all_items()} == {f"ORDER#{SITE}#{ORDER}"}


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
    assert captured_output.logs()[0]["pnm_order_identifier"] == ORDER
    aws_calls.request_errors.clear()
    assert api_driver.get(order_path(ORDER)).status == 404
    order_input = {"status": "open", "order_type": "any", "order_amount": "500.00"}
    put_response = api_driver.put(order_path(response.content["pnm_order_identifier"]), **order_input)
    assert put_response.status == 200
    assert api_driver.get(order_path(ORDER)).content == put_response.content


def test_create_order_late_response_is_recorded(
    api_driver: ApiDriver, paynearme: PayNearMeStub, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    seconds: float = api_driver.function("create_order").app.settings.call_timeout_seconds
    attempt_seconds: list[float] = []
    run = Deadline.run

    def record[T](deadline: Deadline, function: Callable[[], T]) -> T:
        attempt_seconds.append(deadline.remaining)
        return run(deadline, function)

    monkeypatch.setattr(Deadline, "after", lambda seconds: Deadline(clock.now + seconds, clock, clock.sleep))
    monkeypatch.setattr(Deadline, "run", record)
    # The write needs 1 second, plus the time before it starts.
    paynearme.during_call = [lambda: clock.advance(seconds - 1.21)]

    assert api_driver.post("/orders", REQUEST).status == 200
    assert attempt_seconds[-1] == pytest.approx(seconds - 1.2)
    assert api_driver.get(order_path(ORDER)).status == 200
