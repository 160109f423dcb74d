from collections.abc import Callable
from typing import Any

import pytest
from urllib3 import HTTPResponse

from sandbox.clients.sample_messages import load
from tests.support.api_driver import ACCEPTED_REPLY, KEY, REQUEST, ApiDriver
from tests.support.callback_fixtures import authorization
from tests.support.harness import CapturedOutput, LambdaFunction, LedgerFixture, Response
from tests.support.message_fixtures import valid_smart_token_request
from tests.support.paynearme_stub import SAMPLE_REPLY, PayNearMeStub
from tests.support.token_endpoint_stub import (
    CLIENT,
    CLIENT_SECRET,
    FIRST_TOKEN,
    OAUTH,
    OAUTH_SITE,
    SECOND_TOKEN,
    TOKEN,
    TokenEndpointStub,
)

FIRST, SECOND = f"Bearer {FIRST_TOKEN}", f"Bearer {SECOND_TOKEN}"

# By operation: the path, the request, and PayNearMe's response.
CALLS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "get_smart_token": ("/smart-tokens", valid_smart_token_request(), SAMPLE_REPLY),
    "create_order": (
        "/orders",
        load("create_order")["guaranteed_ach"],
        load("create_order_response")["guaranteed_ach"],
    ),
    "find_payment_methods": (
        "/payment-methods/find",
        load("find_payment_methods")["saved"],
        load("find_payment_methods_response")["saved"],
    ),
    "make_payment": ("/payments", REQUEST, ACCEPTED_REPLY),
}


@pytest.fixture
def api_driver(cold_start: Callable[[str], LambdaFunction], oauth_site: str, paynearme: PayNearMeStub) -> ApiDriver:
    return ApiDriver(cold_start)


def call(api_driver: ApiDriver, paynearme: PayNearMeStub, name: str = "get_smart_token") -> Response:
    """Make a call. PayNearMe returns ``next_replies`` first, then a successful response."""
    path, request, reply = CALLS[name]
    paynearme.reply((200, reply))
    key = KEY if name == "make_payment" else None
    return api_driver.post(path, request | {"site_identifier": OAUTH_SITE}, key)


def test_access_token_is_shared_by_all_functions(
    api_driver: ApiDriver,
    paynearme: PayNearMeStub,
    token_endpoint: TokenEndpointStub,
    captured_output: CapturedOutput,
) -> None:
    for _ in range(2):
        for name in CALLS:
            assert call(api_driver, paynearme, name).status == 200
        api_driver.started.clear()

    assert set(paynearme.authorizations) == {FIRST}
    assert not [sent for sent in paynearme.sent if "signature" in sent or sent["site_identifier"] != OAUTH_SITE]
    assert len(token_endpoint.requests) == 1
    # The stored response of the submission is not counted.
    assert captured_output.metric_total("PayNearMeCallSucceeded") == 2 * len(CALLS) - 1


def test_make_payment_without_access_token_retry_submits(
    api_driver: ApiDriver, paynearme: PayNearMeStub, token_endpoint: TokenEndpointStub, ledger_table: LedgerFixture
) -> None:
    token_endpoint.reply = HTTPResponse(b"", status=500)

    assert call(api_driver, paynearme, "make_payment").status == 502
    assert paynearme.sent == []
    token_endpoint.reply = None
    lease_key = {"pk": {"S": f"ACCESS_TOKEN#{OAUTH_SITE}"}, "sk": {"S": "LEASE"}}
    ledger_table.client.delete_item(TableName=ledger_table.table_name, Key=lease_key)
    assert call(api_driver, paynearme, "make_payment").status == 200


@pytest.mark.parametrize("name", ["get_smart_token", "make_payment"])
@pytest.mark.parametrize("statuses", [[], [401], [401, 401], [500]], ids=str)
def test_oauth_secrets_not_in_response_log_or_table(
    api_driver: ApiDriver,
    paynearme: PayNearMeStub,
    ledger_table: LedgerFixture,
    captured_output: CapturedOutput,
    name: str,
    statuses: list[int],
) -> None:
    paynearme.next_replies = [paynearme.replying(status, {"status": "error"}) for status in statuses]

    response = call(api_driver, paynearme, name)

    assert paynearme.authorizations[0] == FIRST
    output = response.body + captured_output.text() + str(ledger_table.all_items())
    secrets = (TOKEN, CLIENT_SECRET, CLIENT["client_id"], OAUTH["secret"], "Bearer")
    assert not [text for text in secrets if text in output]


def test_oauth_site_callbacks_are_verified_by_signature(authorize: LambdaFunction, oauth_site: str) -> None:
    def authorize_status(secret: str) -> int:
        return authorize(authorization(site_identifier=oauth_site, secret=secret)).status

    assert [authorize_status(OAUTH["secret"]), authorize_status(CLIENT_SECRET)] == [200, 401]
