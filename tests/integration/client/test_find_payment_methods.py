from collections.abc import Callable

import pytest

from paynearme.protocol.signing import verify
from sandbox.clients.sample_messages import load
from tests.support.api_driver import ApiDriver
from tests.support.callback_fixtures import SITE, SITES
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture
from tests.support.paynearme_stub import PayNearMeStub

PATH = "/payment-methods/find"
REQUEST = {"site_customer_identifier": "184120000"}
SAVED_METHODS = load("find_payment_methods_response")["saved"]


@pytest.fixture
def api_driver(paynearme: PayNearMeStub, cold_start: Callable[[str], LambdaFunction]) -> ApiDriver:
    paynearme.default_reply = paynearme.replying(200, SAVED_METHODS)
    return ApiDriver(cold_start)


def test_find_methods_sample_sent_signed_not_stored_or_logged(
    api_driver: ApiDriver, paynearme: PayNearMeStub, ledger_table: LedgerFixture, captured_output: CapturedOutput
) -> None:
    request = load("find_payment_methods")["saved"] | {"site_identifier": SITE, "signature": "f" * 64}

    response = api_driver.post(PATH, request)

    common_fields: dict[str, object] = {"status": "active", "account_type": "Personal trustly_ach"}
    common_fields |= {"fee_amount": "0.00", "guaranteed_ach": True, "pull_enabled": True, "push_enabled": False}
    savings = {"payment_method_identifier": "76590ef5135ae", "description": "Demo Savings Account"}
    checking = {"payment_method_identifier": "23b9e4ba13242", "description": "Demo Checking Account"}
    accounts = [common_fields | savings | {"number": "6213"}, common_fields | checking | {"number": "6576"}]
    assert (response.status, response.content) == (200, {"accounts": accounts})
    [sent] = paynearme.sent
    assert paynearme.urls == ["POST https://api.paynearme.invalid/json-api/find_payment_methods"]
    verify(sent, sent["signature"], [SITES[SITE]["secret"]], "3.0")
    assert sent["site_customer_identifier"] == request["site_customer_identifier"]
    assert ledger_table.all_items() == []
    [line] = captured_output.logs()
    assert (line["operation"], line["status"]) == ("find_payment_methods", 200)
    assert not [text for method in (savings, checking) for text in method.values() if text in captured_output.text()]


def test_find_methods_invalid_entries_left_out_and_counted(
    api_driver: ApiDriver, paynearme: PayNearMeStub, captured_output: CapturedOutput
) -> None:
    paynearme.reply((201, {"status": "ok", "accounts": [*SAVED_METHODS["accounts"], {"number": "1"}, None]}))

    response = api_driver.post(PATH, REQUEST)

    assert len(response.content["accounts"]) == 2
    assert captured_output.metric_total("PayNearMeEntryIgnored") == 2
