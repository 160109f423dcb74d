from collections.abc import Callable
from typing import Any

import pytest
from urllib3 import HTTPResponse

from paynearme.protocol.signing import verify
from tests.support.api_driver import (
    ACCEPTED_REPLY,
    KEY,
    READ_TIMEOUT,
    REQUEST,
    SUBMITTED,
    ApiDriver,
    identifier_of,
    outcome,
)
from tests.support.aws_errors import client_error
from tests.support.callback_fixtures import SITE, SITES, authorization
from tests.support.harness import AwsCallRecorder, CapturedOutput, LambdaFunction, LedgerFixture, Response, SitesSecret
from tests.support.message_fixtures import valid_smart_token_request
from tests.support.paynearme_stub import SAMPLE_REPLY, PayNearMeStub
from tests.support.samples import load_sample
from tests.support.token_endpoint_stub import CLIENT, CLIENT_SECRET, OAUTH, OAUTH_SITE, TOKEN, TokenEndpointStub

FIRST, SECOND = f"Bearer {TOKEN}-1", f"Bearer {TOKEN}-2"

# By operation: the path, the request, and PayNearMe's response.
CALLS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "get_smart_token": ("/smart-tokens", valid_smart_token_request(), SAMPLE_REPLY),
    "create_order": (
        "/orders",
        load_sample("create_order", "guaranteed_ach"),
        load_sample("create_order_response", "guaranteed_ach"),
    ),
    "find_payment_methods": (
        "/payment-methods/find",
        load_sample("find_payment_methods", "saved"),
        load_sample("find_payment_methods_response", "saved"),
    ),
    "make_payment": ("/payments", REQUEST, ACCEPTED_REPLY),
}
RETRIED_CALLS = [name for name in CALLS if name != "make_payment"]


@pytest.fixture
def api_driver(cold_start: Callable[[str], LambdaFunction], oauth_site: str, paynearme: PayNearMeStub) -> ApiDriver:
    return ApiDriver(cold_start)


@pytest.fixture(params=CALLS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def call(api_driver: ApiDriver, paynearme: PayNearMeStub, name: str, site: str = OAUTH_SITE) -> Response:
    """Make a call. PayNearMe returns ``next_replies`` first, then a successful response."""
    path, request, reply = CALLS[name]
    paynearme.default_reply = paynearme.replying(200, reply)
    key = KEY if name == "make_payment" else None
    return api_driver.post(path, request | {"site_identifier": site}, key)


def expire_lease(ledger_table: LedgerFixture) -> None:
    key = {"pk": {"S": f"ACCESS_TOKEN#{OAUTH_SITE}"}, "sk": {"S": "LEASE"}}
    ledger_table.client.delete_item(TableName=ledger_table.table_name, Key=key)


def test_oauth_call_has_access_token_and_no_signature(
    api_driver: ApiDriver, paynearme: PayNearMeStub, name: str
) -> None:
    assert call(api_driver, paynearme, name).status == 200

    [sent] = paynearme.sent
    assert paynearme.authorizations == [FIRST]
    assert paynearme.urls == [f"POST https://api.paynearme.invalid/json-api/{name}"]
    assert "signature" not in sent
    assert (sent["site_identifier"], sent["version"]) == (OAUTH_SITE, "3.0")
    assert sent["timestamp"]


def test_oauth_call_has_signature_too_if_configured(
    api_driver: ApiDriver, paynearme: PayNearMeStub, sites_secret: SitesSecret, name: str
) -> None:
    site_entry = {**OAUTH, "oauth": CLIENT | {"send_signature": True}}
    sites_secret.put({"sites": {OAUTH_SITE: site_entry}})

    assert call(api_driver, paynearme, name).status == 200
    [sent] = paynearme.sent
    assert paynearme.authorizations == [FIRST]
    verify(sent, sent["signature"], [OAUTH["secret"]], "3.0")


@pytest.mark.parametrize("site", [SITE, OAUTH_SITE], ids=["no client", "unused client"])
def test_signed_call_requests_no_access_token(
    api_driver: ApiDriver,
    paynearme: PayNearMeStub,
    token_endpoint: TokenEndpointStub,
    sites_secret: SitesSecret,
    aws_calls: AwsCallRecorder,
    name: str,
    site: str,
) -> None:
    sites_secret.put({"sites": {**SITES, OAUTH_SITE: OAUTH | {"call_authentication": "hmac"}}})

    assert call(api_driver, paynearme, name, site).status == 200
    assert paynearme.authorizations == [None]
    verify(paynearme.sent[0], paynearme.sent[0]["signature"], [(SITES | {OAUTH_SITE: OAUTH})[site]["secret"]], "3.0")
    assert token_endpoint.requests == []
    assert "GetParameter" not in aws_calls.calls


def test_access_token_is_shared_by_all_functions(
    api_driver: ApiDriver, paynearme: PayNearMeStub, token_endpoint: TokenEndpointStub
) -> None:
    for _ in range(2):
        for name in CALLS:
            assert call(api_driver, paynearme, name).status == 200
        api_driver.started.clear()

    assert set(paynearme.authorizations) == {FIRST}
    assert len(token_endpoint.requests) == 1


@pytest.mark.parametrize("name", RETRIED_CALLS)
def test_access_token_rejected_is_replaced_once(
    api_driver: ApiDriver, paynearme: PayNearMeStub, token_endpoint: TokenEndpointStub, name: str
) -> None:
    paynearme.next_replies = [paynearme.replying(401, {"status": "error"})]

    assert call(api_driver, paynearme, name).status == 200
    assert call(api_driver, paynearme, name).status == 200
    assert paynearme.authorizations == [FIRST, SECOND, SECOND]
    assert len(token_endpoint.requests) == 2


def test_access_token_kept_after_403(
    api_driver: ApiDriver, paynearme: PayNearMeStub, token_endpoint: TokenEndpointStub, name: str
) -> None:
    paynearme.next_replies = [paynearme.replying(403, {"status": "error"})]

    assert outcome(call(api_driver, paynearme, name)) == (502, "credentials-rejected")
    assert call(api_driver, paynearme, name).status == 200
    assert paynearme.authorizations == [FIRST, FIRST]
    assert len(token_endpoint.requests) == 1


def test_access_tokens_all_rejected_maximum_two_requested(
    api_driver: ApiDriver, paynearme: PayNearMeStub, token_endpoint: TokenEndpointStub, name: str
) -> None:
    paynearme.next_replies = [paynearme.replying(401, {}) for _ in range(99)]

    for _ in range(10):
        assert outcome(call(api_driver, paynearme, name)) == (502, "credentials-rejected")

    assert len(token_endpoint.requests) <= 2


@pytest.mark.parametrize("name", RETRIED_CALLS)
def test_access_token_second_rejected_no_third_requested(
    api_driver: ApiDriver, paynearme: PayNearMeStub, token_endpoint: TokenEndpointStub, name: str
) -> None:
    paynearme.next_replies = [paynearme.replying(401, {}) for _ in range(9)]

    assert outcome(call(api_driver, paynearme, name)) == (502, "credentials-rejected")
    assert paynearme.authorizations == [FIRST, SECOND]
    assert len(token_endpoint.requests) == 2


def test_make_payment_rejected_access_token_replaced_later(api_driver: ApiDriver, paynearme: PayNearMeStub) -> None:
    paynearme.next_replies = [paynearme.replying(401, {})]

    assert outcome(call(api_driver, paynearme, "make_payment")) == (502, "credentials-rejected")
    assert paynearme.authorizations == [FIRST]

    assert outcome(call(api_driver, paynearme, "make_payment")) == SUBMITTED
    assert paynearme.authorizations == [FIRST, SECOND]
    assert {sent["site_payment_identifier"] for sent in paynearme.sent} == {identifier_of(site=OAUTH_SITE)}


FAILED_GRANTS: dict[str, tuple[HTTPResponse | Exception, tuple[int, str]]] = {
    "400": (HTTPResponse(b'{"error": "invalid_client"}', status=400), (502, "credentials-rejected")),
    "401": (HTTPResponse(b"<html>", status=401), (502, "credentials-rejected")),
    "500": (HTTPResponse(b"<html>", status=500), (502, "paynearme-error")),
    "HTML": (HTTPResponse(b"<html>zq7</html>", status=200), (502, "paynearme-error")),
    "timeout": (READ_TIMEOUT, (504, "paynearme-timeout")),
}


@pytest.mark.parametrize(("reply", "expected"), FAILED_GRANTS.values(), ids=FAILED_GRANTS)
def test_access_token_grant_failed_no_call_until_next_request(
    api_driver: ApiDriver,
    paynearme: PayNearMeStub,
    token_endpoint: TokenEndpointStub,
    ledger_table: LedgerFixture,
    name: str,
    reply: HTTPResponse | Exception,
    expected: tuple[int, str],
) -> None:
    token_endpoint.reply = reply

    response = call(api_driver, paynearme, name)

    assert outcome(response) == expected
    assert "zq7" not in response.body
    assert paynearme.sent == []
    assert len(token_endpoint.requests) == 1
    token_endpoint.reply = None
    expire_lease(ledger_table)
    assert call(api_driver, paynearme, name).status == 200


def test_access_token_parameter_denied_returns_unavailable(
    api_driver: ApiDriver,
    paynearme: PayNearMeStub,
    aws_calls: AwsCallRecorder,
    captured_output: CapturedOutput,
    name: str,
) -> None:
    aws_calls.request_errors["GetParameter"] = client_error("AccessDeniedException")

    assert outcome(call(api_driver, paynearme, name)) == (503, "unavailable")
    assert paynearme.sent == []
    assert captured_output.metric_total("AccessTokenUnavailable") == 1
    assert "ClientError AccessDeniedException" in captured_output.logs()[0]["error_causes"]
    aws_calls.request_errors.clear()

    assert call(api_driver, paynearme, name).status == 200


def test_access_token_not_stored_is_still_used(
    api_driver: ApiDriver, paynearme: PayNearMeStub, aws_calls: AwsCallRecorder, name: str
) -> None:
    aws_calls.request_errors["PutParameter"] = client_error("AccessDeniedException")

    assert call(api_driver, paynearme, name).status == 200


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


@pytest.mark.parametrize(
    "changes",
    [{"oauth": None}, {"version": "2.0"}, {"oauth": CLIENT | {"token_url": "http://login.example.com"}}],
    ids=["no client", "version 2.0", "http"],
)
def test_oauth_site_invalid_entry_returns_unavailable(
    api_driver: ApiDriver, paynearme: PayNearMeStub, sites_secret: SitesSecret, changes: dict[str, Any]
) -> None:
    sites_secret.put({"sites": {OAUTH_SITE: OAUTH | changes}})

    assert outcome(call(api_driver, paynearme, "get_smart_token")) == (503, "unavailable")


def test_oauth_site_callbacks_are_verified_by_signature(authorize: LambdaFunction, oauth_site: str) -> None:
    def authorize_status(secret: str) -> int:
        return authorize(authorization(site_identifier=oauth_site, secret=secret)).status

    assert [authorize_status(OAUTH["secret"]), authorize_status(CLIENT_SECRET)] == [200, 401]
