"""The order identifier finds every log line of a payment, from the Smart Token to the reversal."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.api_driver import KEY, MARKER, READ_TIMEOUT, REQUEST, ApiDriver, order_path, payment_path
from tests.support.aws_errors import client_error
from tests.support.callback_driver import reversal
from tests.support.callback_fixtures import SITE, authorization, confirmation
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture, SitesSecret
from tests.support.paynearme_stub import SAMPLE_REPLY, PayNearMeStub
from tests.support.samples import load_sample

ORDER = "84488215678"
OTHER_ORDER = "84488215679"
CALLBACKS: dict[str, Callable[..., dict[str, str]]] = {
    "authorize": authorization,
    "confirm": confirmation,
    "reverse": reversal,
}
SAMPLE_ORDER = SAMPLE_REPLY["orders"][0]
ORDER_INPUT = {"status": "open", "order_type": "any", "order_amount": "500.00"}


@pytest.fixture
def api_driver(paynearme: PayNearMeStub, cold_start: Callable[[str], LambdaFunction]) -> ApiDriver:
    return ApiDriver(cold_start)


def last_log(captured_output: CapturedOutput) -> dict[str, Any]:
    return captured_output.logs()[-1]


@pytest.mark.parametrize("name", CALLBACKS)
def test_order_identifier_of_callback_logged(
    cold_start: Callable[[str], LambdaFunction], captured_output: CapturedOutput, name: str
) -> None:
    assert cold_start(name)(CALLBACKS[name](pnm_order_identifier=ORDER)).status == 200

    assert last_log(captured_output)["pnm_order_identifier"] == ORDER


@pytest.mark.parametrize("name", CALLBACKS)
def test_order_identifier_of_invalid_callback_logged(
    cold_start: Callable[[str], LambdaFunction], captured_output: CapturedOutput, name: str
) -> None:
    assert cold_start(name)(CALLBACKS[name](pnm_order_identifier=ORDER, test="maybe")).status == 400

    line = last_log(captured_output)
    assert (line["pnm_order_identifier"], line["pnm_payment_identifier"]) == (ORDER, "830466818968")


def test_order_identifier_of_stale_callback_logged(authorize: LambdaFunction, captured_output: CapturedOutput) -> None:
    assert authorize(authorization(pnm_order_identifier=ORDER, timestamp="1")).status == 401

    assert last_log(captured_output)["pnm_order_identifier"] == ORDER


@pytest.mark.parametrize("value", [f"{MARKER}@example.com", "8" * 65, "1 2", ""])
@pytest.mark.parametrize("name", CALLBACKS)
def test_order_identifier_malformed_not_logged(
    cold_start: Callable[[str], LambdaFunction], captured_output: CapturedOutput, name: str, value: str
) -> None:
    assert cold_start(name)(CALLBACKS[name](pnm_order_identifier=value)).status == 400

    assert "pnm_order_identifier" not in last_log(captured_output)
    assert MARKER not in captured_output.text()


@pytest.mark.parametrize("name", CALLBACKS)
def test_order_identifier_of_forged_callback_not_logged(
    cold_start: Callable[[str], LambdaFunction], captured_output: CapturedOutput, name: str
) -> None:
    assert cold_start(name)(CALLBACKS[name](pnm_order_identifier=ORDER) | {"signature": "0"}).status == 401

    assert ORDER not in captured_output.text()


@pytest.mark.parametrize(("name", "status"), [("authorize", 200), ("confirm", 503), ("reverse", 503)])
def test_order_identifier_without_secret_logged_as_unverified(
    cold_start: Callable[[str], LambdaFunction],
    sites_secret: SitesSecret,
    captured_output: CapturedOutput,
    name: str,
    status: int,
) -> None:
    sites_secret.delete()
    assert cold_start(name)(CALLBACKS[name](pnm_order_identifier=ORDER)).status == status

    line = last_log(captured_output)
    assert (line["pnm_order_identifier"], line["signature_unverified"]) == (ORDER, True)


@pytest.mark.parametrize(("name", "status"), [("authorize", 200), ("confirm", 503), ("reverse", 503)])
def test_order_identifier_without_table_logged_as_verified(
    cold_start: Callable[[str], LambdaFunction],
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
    name: str,
    status: int,
) -> None:
    ledger_table.client.delete_table(TableName=ledger_table.table_name)
    assert cold_start(name)(CALLBACKS[name](pnm_order_identifier=ORDER)).status == status

    line = last_log(captured_output)
    assert line["pnm_order_identifier"] == ORDER
    assert "signature_unverified" not in line


def test_decision_reason_without_table_logged(
    authorize: LambdaFunction, ledger_table: LedgerFixture, captured_output: CapturedOutput
) -> None:
    ledger_table.client.delete_table(TableName=ledger_table.table_name)
    authorize(authorization())

    assert (last_log(captured_output)["accepted"], last_log(captured_output)["decision_reason"]) == (
        False,
        "cannot_decide_now",
    )


@pytest.mark.parametrize(
    "requested_order",
    [{"pnm_order_identifier": ORDER}, {"site_order_identifier": "order-1"}, {"site_customer_identifier": "1"}],
    ids=["PayNearMe's order", "merchant's order", "customer"],
)
def test_order_identifier_of_smart_token_logged(
    api_driver: ApiDriver, paynearme: PayNearMeStub, captured_output: CapturedOutput, requested_order: dict[str, str]
) -> None:
    paynearme.reply((200, SAMPLE_REPLY | {"orders": [SAMPLE_ORDER | {"pnm_order_identifier": int(ORDER)}]}))
    assert api_driver.post("/smart-tokens", requested_order).status == 200

    assert last_log(captured_output)["pnm_order_identifier"] == ORDER


def test_order_identifiers_of_smart_token_all_logged(
    api_driver: ApiDriver, paynearme: PayNearMeStub, captured_output: CapturedOutput
) -> None:
    orders = [SAMPLE_ORDER | {"pnm_order_identifier": identifier} for identifier in (OTHER_ORDER, ORDER, OTHER_ORDER)]
    paynearme.reply((200, SAMPLE_REPLY | {"orders": orders}))
    assert api_driver.post("/smart-tokens", {"site_customer_identifier": "1"}).status == 200

    assert last_log(captured_output)["pnm_order_identifiers"] == [ORDER, OTHER_ORDER]


@pytest.mark.parametrize("reply", [READ_TIMEOUT, (403, {}), (200, {"status": "error"})])
def test_order_identifier_of_failed_smart_token_logged(
    api_driver: ApiDriver, paynearme: PayNearMeStub, captured_output: CapturedOutput, reply: Any
) -> None:
    paynearme.reply(reply)
    assert api_driver.post("/smart-tokens", {"pnm_order_identifier": ORDER}).status >= 400

    assert last_log(captured_output)["pnm_order_identifier"] == ORDER


def test_order_identifier_malformed_of_smart_token_not_logged(
    api_driver: ApiDriver, paynearme: PayNearMeStub, captured_output: CapturedOutput
) -> None:
    email = f"{MARKER}@example.com"
    paynearme.reply((200, SAMPLE_REPLY | {"orders": [SAMPLE_ORDER | {"pnm_order_identifier": email}]}))
    assert api_driver.post("/smart-tokens", {"pnm_order_identifier": email}).status == 200

    assert MARKER not in captured_output.text()


CREATED_REPLY = load_sample("create_order_response", "guaranteed_ach")
NEW_ORDER = load_sample("create_order", "guaranteed_ach") | {"site_identifier": SITE}


@pytest.mark.parametrize(
    ("status", "error"), [(200, None), (503, client_error("AccessDeniedException")), (500, RuntimeError())]
)
def test_order_identifier_of_create_order_logged(
    api_driver: ApiDriver,
    paynearme: PayNearMeStub,
    aws_calls: AwsCallRecorder,
    captured_output: CapturedOutput,
    status: int,
    error: Any,
) -> None:
    paynearme.reply((200, CREATED_REPLY))
    if error:
        aws_calls.request_errors["UpdateItem"] = error
    assert api_driver.post("/orders", NEW_ORDER).status == status

    assert last_log(captured_output)["pnm_order_identifier"] == str(CREATED_REPLY["order"]["pnm_order_identifier"])


@pytest.mark.parametrize("changes", [{}, {"payment_amount": "much"}])
def test_order_identifier_of_make_payment_logged(
    api_driver: ApiDriver, captured_output: CapturedOutput, changes: dict[str, str]
) -> None:
    api_driver.post("/payments", REQUEST | changes, KEY)

    assert last_log(captured_output)["pnm_order_identifier"] == REQUEST["pnm_order_identifier"]


def test_order_identifier_of_get_payment_logged(
    api_driver: ApiDriver, confirm: LambdaFunction, captured_output: CapturedOutput
) -> None:
    confirm(confirmation(pnm_order_identifier=ORDER))
    assert api_driver.get(payment_path()).status == 200

    assert last_log(captured_output)["operation"] == "payments"
    assert last_log(captured_output)["pnm_order_identifier"] == ORDER


@pytest.mark.parametrize("method", ["get", "put"])
def test_order_identifier_of_get_and_put_order_logged(
    api_driver: ApiDriver, captured_output: CapturedOutput, method: str
) -> None:
    api_driver.put(order_path(ORDER), **ORDER_INPUT)
    if method == "get":
        api_driver.get(order_path(ORDER))

    assert last_log(captured_output)["pnm_order_identifier"] == ORDER
