"""Calls with OAuth 2.0: bearer tokens, the replacement of a rejected token, and payments without retries."""

import traceback

import pytest
from pydantic import SecretStr
from urllib3 import HTTPResponse

from paynearme.errors import (
    AccessTokenUnavailableError,
    CredentialsRejectedError,
    RequestNotAcceptedError,
    ServiceError,
    UpstreamConnectTimeoutError,
    UpstreamTimeoutError,
)
from paynearme.platform.deadline import Deadline
from paynearme.protocol.signing import verify
from paynearme.sites.site import ResolvedSite
from tests.support.client_stubs import (
    PAYMENT_REQUEST,
    RESPONSES,
    SITE_PAYMENT_IDENTIFIER,
    StubTokens,
    call,
    new_client,
    oauth_site,
)
from tests.support.fake_clock import Clock
from tests.support.message_fixtures import SECRET, resolved_site
from tests.support.paynearme_stub import PayNearMeStub, http_response

CANARY = "canary-7e2b"
RETRIED_OPERATIONS = ["get_smart_token", "find_payment_methods", "create_order"]
for_each_operation = pytest.mark.parametrize("operation", RESPONSES)
for_each_retryable = pytest.mark.parametrize("operation", RETRIED_OPERATIONS)
for_each_rejection = pytest.mark.parametrize("status", [401, 403])


def valid_response(operation: str) -> HTTPResponse:
    return http_response(200, RESPONSES[operation])


def call_with(operation: str, pool: PayNearMeStub, tokens: StubTokens, site: ResolvedSite | None = None) -> object:
    return call(new_client(pool, tokens), operation, site or oauth_site(), Clock().deadline(6.5))


@for_each_operation
def test_oauth_call_has_access_token_without_signature(operation: str) -> None:
    pool, tokens = PayNearMeStub(valid_response(operation)), StubTokens("first")
    call_with(operation, pool, tokens)
    assert pool.authorizations == ["Bearer first"]
    assert "signature" not in pool.sent[0]
    assert pool.sent[0]["version"] == "3.0"
    assert tokens.rejected_tokens == [None]


@for_each_operation
def test_oauth_site_with_send_signature_sends_both(operation: str) -> None:
    pool = PayNearMeStub(valid_response(operation))
    call_with(operation, pool, StubTokens("first"), oauth_site(send_signature=True))
    [body] = pool.sent
    assert pool.authorizations == ["Bearer first"]
    verify(body, body["signature"], [SECRET])
    assert "first" not in body.values()


@for_each_operation
def test_signing_site_requests_no_access_token(operation: str) -> None:
    pool, tokens = PayNearMeStub(valid_response(operation)), StubTokens("first")
    call_with(operation, pool, tokens, resolved_site())
    assert tokens.rejected_tokens == []
    assert pool.authorizations == [None]
    assert "signature" in pool.sent[0]


@for_each_retryable
@for_each_rejection
def test_signing_site_rejected_requests_no_access_token(operation: str, status: int) -> None:
    pool, tokens = PayNearMeStub(http_response(status, {})), StubTokens("first")
    with pytest.raises(CredentialsRejectedError):
        call_with(operation, pool, tokens, resolved_site())
    assert (len(pool.requests), tokens.rejected_tokens) == (1, [])


@for_each_retryable
def test_oauth_rejected_access_token_replaced_and_call_retried(operation: str) -> None:
    pool, tokens = PayNearMeStub(http_response(401, b""), valid_response(operation)), StubTokens("first", "second")
    assert call_with(operation, pool, tokens) == call_with(
        operation, PayNearMeStub(valid_response(operation)), StubTokens("x")
    )
    assert pool.authorizations == ["Bearer first", "Bearer second"]
    assert tokens.rejected_tokens == [None, "first"]
    assert pool.sent[0] == pool.sent[1]


@for_each_retryable
def test_oauth_second_rejection_without_replacement_raises(operation: str) -> None:
    pool = PayNearMeStub(http_response(401, b""), http_response(401, b""), valid_response(operation))
    tokens = StubTokens("first", "second", CredentialsRejectedError("a new token was rejected"))
    with pytest.raises(CredentialsRejectedError):
        call_with(operation, pool, tokens)
    assert len(pool.requests) == 2
    assert tokens.rejected_tokens == [None, "first", "second"]
    assert tokens.accepted == 0


@for_each_retryable
def test_oauth_status_403_after_replacement_ends_retries(operation: str) -> None:
    pool = PayNearMeStub(http_response(401, b""), http_response(403, b""), valid_response(operation))
    tokens = StubTokens("first", "second", "third")
    with pytest.raises(CredentialsRejectedError):
        call_with(operation, pool, tokens)
    assert tokens.rejected_tokens == [None, "first"]
    assert tokens.accepted == 1


@for_each_operation
def test_oauth_success_marks_access_token_accepted(operation: str) -> None:
    pool, tokens = PayNearMeStub(valid_response(operation)), StubTokens("first")
    call_with(operation, pool, tokens)
    assert tokens.accepted == 1


@for_each_retryable
def test_oauth_cached_and_stored_access_token_rejected_new_used(operation: str) -> None:
    pool = PayNearMeStub(http_response(401, b""), http_response(401, b""), valid_response(operation))
    tokens = StubTokens("cached", "stored", "new")
    call_with(operation, pool, tokens)
    assert pool.authorizations == ["Bearer cached", "Bearer stored", "Bearer new"]
    assert tokens.rejected_tokens == [None, "cached", "stored"]
    assert tokens.accepted == 1


@for_each_retryable
@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
def test_oauth_other_errors_access_token_not_replaced(operation: str, status: int) -> None:
    pool, tokens = PayNearMeStub(http_response(status, {"status": "error"})), StubTokens("first", "second")
    with pytest.raises(ServiceError):
        call_with(operation, pool, tokens)
    assert (len(pool.requests), tokens.rejected_tokens) == (1, [None])


TOKEN_ERRORS = [
    CredentialsRejectedError("no token: status 401"),
    RequestNotAcceptedError("no token: status 500"),
    UpstreamTimeoutError(),
    AccessTokenUnavailableError(),
]


@for_each_operation
@pytest.mark.parametrize("error", TOKEN_ERRORS, ids=lambda error: type(error).__name__)
def test_oauth_without_access_token_sends_nothing(operation: str, error: ServiceError) -> None:
    pool = PayNearMeStub(valid_response(operation))
    with pytest.raises(type(error)) as exc_info:
        call_with(operation, pool, StubTokens(error))
    assert exc_info.value is error
    assert pool.requests == []


@for_each_retryable
@pytest.mark.parametrize("error", TOKEN_ERRORS, ids=lambda error: type(error).__name__)
def test_oauth_replacement_failed_raises_its_error(operation: str, error: ServiceError) -> None:
    pool = PayNearMeStub(http_response(401, b""), valid_response(operation))
    with pytest.raises(type(error)) as exc_info:
        call_with(operation, pool, StubTokens("first", error))
    assert exc_info.value is error
    assert len(pool.requests) == 1


@for_each_rejection
def test_oauth_payment_rejected_not_retried(status: int) -> None:
    pool = PayNearMeStub(http_response(status, b""), valid_response("make_payment"))
    tokens = StubTokens("first", "second")
    with pytest.raises(CredentialsRejectedError):
        call_with("make_payment", pool, tokens)
    assert pool.authorizations == ["Bearer first"]
    assert tokens.rejected_tokens == ([None, "first"] if status == 401 else [None])


def test_oauth_next_payment_has_new_access_token() -> None:
    pool = PayNearMeStub(http_response(401, b""), valid_response("make_payment"))
    tokens = StubTokens("first", "second")
    client, deadline = new_client(pool, tokens), Clock().deadline(6.5)
    with pytest.raises(CredentialsRejectedError):
        call(client, "make_payment", oauth_site(), deadline)
    # The failed call replaced the token, so the next payment of another process also has a new one.
    assert tokens.rejected_tokens == [None, "first"]
    assert call(client, "make_payment", oauth_site(), deadline) == "943751749956"
    assert pool.authorizations == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("error", TOKEN_ERRORS, ids=lambda error: type(error).__name__)
def test_oauth_payment_replacement_failed_credentials_rejected(error: ServiceError) -> None:
    rejecting_pool = PayNearMeStub(http_response(401, b""))
    with pytest.raises(CredentialsRejectedError) as exc_info:
        call_with("make_payment", rejecting_pool, StubTokens("first", error))
    assert exc_info.value is not error


def test_oauth_payment_slow_access_token_sends_nothing() -> None:
    clock, pool = Clock(), PayNearMeStub(valid_response("make_payment"))

    class SlowTokens(StubTokens):
        def get(self, site: ResolvedSite, deadline: Deadline, rejected_token: SecretStr | None = None) -> SecretStr:
            clock.advance(5.1)
            return super().get(site, deadline, rejected_token)

    client = new_client(pool, SlowTokens("first"))
    with pytest.raises(UpstreamConnectTimeoutError):
        client.make_payment(oauth_site(), PAYMENT_REQUEST, SITE_PAYMENT_IDENTIFIER, clock.deadline(6.5))
    assert pool.requests == []


@for_each_operation
def test_oauth_errors_contain_no_access_token(operation: str) -> None:
    pool = PayNearMeStub(http_response(401, {"echo": CANARY}))
    tokens = StubTokens(CANARY, f"another-{CANARY}", CredentialsRejectedError("a new token was rejected"))
    with pytest.raises(CredentialsRejectedError) as exc_info:
        call_with(operation, pool, tokens)
    error_texts = [str(exc_info.value), repr(exc_info.value), *traceback.format_exception(exc_info.value)]
    assert CANARY not in "".join(error_texts)
