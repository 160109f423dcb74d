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


pytestmark = pytest.mark.usefixtures("paynearme")


def last_log(captured_output: CapturedOutput) -> dict[str, Any]:
    return captured_output.logs()[-1]


@pytest.mark.parametrize(
    ("name", "changes", "status"),
    [
        *((name, {}, 200) for name in CALLBACKS),
        *((name, {"test": "maybe"}, 400) for name in CALLBACKS),
        ("authorize", {"timestamp": "1"}, 401),
    ],
)
def test_order_identifier_of_authentic_callback_logged(
    cold_start: Callable[[str], LambdaFunction],
    captured_output: CapturedOutput,
    name: str,
    changes: dict[str, str],
    status: int,
) -> None:
    assert cold_start(name)(CALLBACKS[name](pnm_order_identifier=ORDER, **changes)).status == status

    line = last_log(captured_output)
    assert (line["pnm_order_identifier"], line["pnm_payment_identifier"]) == (ORDER, "830466818968")


@pytest.mark.parametrize("value", [f"{MARKER}@example.com", "8" * 65, "1 2", ""])
def test_order_identifier_malformed_or_forged_not_logged(
    authorize: LambdaFunction, captured_output: CapturedOutput, value: str
) -> None:
    assert authorize(authorization(pnm_order_identifier=value)).status == 400
    assert "pnm_order_identifier" not in last_log(captured_output)
    assert authorize(authorization(pnm_order_identifier=ORDER) | {"signature": "0"}).status == 401
    assert "pnm_order_identifier" not in last_log(captured_output)
    assert MARKER not in captured_output.text()


@pytest.mark.parametrize(("name", "status"), [("authorize", 200), ("confirm", 503), ("reverse", 503)])
@pytest.mark.parametrize("is_verified", [True, False], ids=["without table", "without secret"])
def test_order_identifier_during_failure_logged(
    cold_start: Callable[[str], LambdaFunction],
    sites_secret: SitesSecret,
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
    name: str,
    status: int,
    is_verified: bool,
) -> None:
    if is_verified:
        ledger_table.client.delete_table(TableName=ledger_table.table_name)
    else:
        sites_secret.delete()
    assert cold_start(name)(CALLBACKS[name](pnm_order_identifier=ORDER)).status == status

    line = last_log(captured_output)
    assert (line["pnm_order_identifier"], line.get("signature_unverified", False)) == (ORDER, not is_verified)
    if name == "authorize":
        assert (line["accepted"], line["decision_reason"]) == (False, "cannot_decide_now")


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([ORDER], {"pnm_order_identifier": ORDER}),
        ([OTHER_ORDER, ORDER, OTHER_ORDER], {"pnm_order_identifiers": [ORDER, OTHER_ORDER]}),
    ],
)
def test_order_identifiers_of_smart_token_logged(
    api_driver: ApiDriver,
    paynearme: PayNearMeStub,
    captured_output: CapturedOutput,
    orders: list[str],
    expected: dict[str, object],
) -> None:
    found = [SAMPLE_ORDER | {"pnm_order_identifier": int(order)} for order in orders]
    paynearme.reply((200, SAMPLE_REPLY | {"orders": found}))
    assert api_driver.post("/smart-tokens", {"site_customer_identifier": "1"}).status == 200

    assert expected.items() <= last_log(captured_output).items()


def test_order_identifier_of_failed_smart_token_logged(
    api_driver: ApiDriver, paynearme: PayNearMeStub, captured_output: CapturedOutput
) -> None:
    paynearme.reply(READ_TIMEOUT)
    assert api_driver.post("/smart-tokens", {"pnm_order_identifier": ORDER}).status == 504

    assert last_log(captured_output)["pnm_order_identifier"] == ORDER


def test_order_identifier_malformed_of_smart_token_not_logged(
    api_driver: ApiDriver, paynearme: PayNearMeStub, captured_output: CapturedOutput
) -> None:
    email = f"{MARKER}@example.com"
    paynearme.reply((200, SAMPLE_REPLY | {"orders": [SAMPLE_ORDER | {"pnm_order_identifier": email}]}))
    assert api_driver.post("/smart-tokens", {"pnm_order_identifier": email}).status == 200

    assert MARKER not in captured_output.text()


def test_order_identifier_of_order_not_recorded_logged(
    api_driver: ApiDriver, paynearme: PayNearMeStub, aws_calls: AwsCallRecorder, captured_output: CapturedOutput
) -> None:
    reply = load_sample("create_order_response", "guaranteed_ach")
    paynearme.reply((200, reply))
    aws_calls.request_errors["UpdateItem"] = client_error("AccessDeniedException")
    new_order = load_sample("create_order", "guaranteed_ach") | {"site_identifier": SITE}
    assert api_driver.post("/orders", new_order).status == 503

    assert last_log(captured_output)["pnm_order_identifier"] == str(reply["order"]["pnm_order_identifier"])


def test_order_identifier_of_invalid_payment_logged(api_driver: ApiDriver, captured_output: CapturedOutput) -> None:
    assert api_driver.post("/payments", REQUEST | {"payment_amount": "much"}, KEY).status == 400

    assert last_log(captured_output)["pnm_order_identifier"] == REQUEST["pnm_order_identifier"]


def test_order_identifier_of_get_and_put_requests_logged(
    api_driver: ApiDriver, confirm: LambdaFunction, captured_output: CapturedOutput
) -> None:
    confirm(confirmation(pnm_order_identifier=ORDER))
    assert api_driver.get(payment_path()).status == 200
    assert api_driver.put(order_path(ORDER), status="open", order_type="any", order_amount="500.00").status == 200
    assert api_driver.get(order_path(ORDER)).status == 200

    assert [line["pnm_order_identifier"] for line in captured_output.logs()] == [ORDER] * 4
