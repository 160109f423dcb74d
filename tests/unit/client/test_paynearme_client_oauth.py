"""Calls with OAuth 2.0: bearer tokens, the replacement of a rejected token, and payments without retries."""

import traceback
from typing import Any

import pytest
from pydantic import SecretStr
from urllib3 import HTTPResponse

from paynearme.errors import (
    CredentialsRejectedError,
    ServiceError,
    UpstreamConnectTimeoutError,
    UpstreamTimeoutError,
)
from paynearme.platform.deadline import Deadline
from paynearme.protocol.signing import verify
from paynearme.sites.site import OAuthClient, ResolvedSite
from tests.support.client_stubs import RESPONSES, call, new_client
from tests.support.fake_clock import Clock
from tests.support.message_fixtures import SECRET, resolved_site
from tests.support.paynearme_stub import PayNearMeStub, Reply, http_response

TOKEN_ERROR = UpstreamTimeoutError()
for_call_and_payment = pytest.mark.parametrize("operation", ["get_smart_token", "make_payment"])
for_each_repeatable = pytest.mark.parametrize("operation", ["get_smart_token", "find_payment_methods", "create_order"])


class StubTokens:
    """Replace ``AccessTokens``. Return the first of ``tokens``, or raise it. A rejected token is removed.

    ``accepted`` counts the calls of ``mark_accepted``.
    """

    def __init__(self, *tokens: str | ServiceError) -> None:
        self.tokens = list(tokens)
        self.rejected_tokens: list[str | None] = []
        self.accepted = 0

    def get(self, site: ResolvedSite, deadline: Deadline, rejected_token: SecretStr | None = None) -> SecretStr:
        self.rejected_tokens.append(rejected_token.get_secret_value() if rejected_token else None)
        if rejected_token is not None and rejected_token.get_secret_value() == self.tokens[0]:
            self.tokens.pop(0)
        token = self.tokens[0]
        if isinstance(token, ServiceError):
            raise token
        return SecretStr(token)

    def mark_accepted(self, site: ResolvedSite) -> None:
        self.accepted += 1


def oauth_site(*, send_signature: bool = False) -> ResolvedSite:
    """Return a site with OAuth."""
    client = OAuthClient(
        token_url="https://login.example.com/token",
        client_id="client",
        client_secret=SecretStr("client-secret"),
        send_signature=send_signature,
    )
    return resolved_site().model_copy(update={"oauth": client})


def valid_response(operation: str = "get_smart_token") -> HTTPResponse:
    return http_response(200, RESPONSES[operation])


def rejection(status: int = 401) -> HTTPResponse:
    return http_response(status, {"status": "error"})


class OAuthCall:
    """Calls of one client with the responses ``replies``."""

    def __init__(self, tokens: StubTokens, *replies: Reply) -> None:
        self.tokens, self.pool = tokens, PayNearMeStub(*replies)
        self.client = new_client(self.pool, tokens)

    def send(self, operation: str = "get_smart_token") -> Any:
        return call(self.client, operation, oauth_site(), Clock().deadline(6.5))

    def error(self, operation: str = "get_smart_token") -> ServiceError:
        with pytest.raises(ServiceError) as exc_info:
            self.send(operation)
        return exc_info.value


def test_oauth_site_with_send_signature_sends_both() -> None:
    pool = PayNearMeStub(valid_response())
    call(new_client(pool, StubTokens("x")), "get_smart_token", oauth_site(send_signature=True), Clock().deadline(6.5))
    assert pool.authorizations == ["Bearer x"]
    verify(pool.sent[0], pool.sent[0]["signature"], [SECRET])


@pytest.mark.parametrize("send_signature", [True, False])
def test_oauth_api_key_id_only_with_signature(send_signature: bool) -> None:
    pool, site = PayNearMeStub(valid_response()), oauth_site(send_signature=send_signature)
    site = site.model_copy(update={"api_key_id": "k-1"})
    call(new_client(pool, StubTokens("x")), "get_smart_token", site, Clock().deadline(6.5))
    assert ("api_key_id" in pool.sent[0]) is ("signature" in pool.sent[0]) is send_signature


@for_each_repeatable
def test_oauth_rejected_access_token_replaced_and_call_retried(operation: str) -> None:
    oauth_call = OAuthCall(StubTokens("first", "second"), rejection(), valid_response(operation))
    assert oauth_call.send(operation) == OAuthCall(StubTokens("x"), valid_response(operation)).send(operation)
    assert oauth_call.pool.authorizations == ["Bearer first", "Bearer second"]
    assert oauth_call.tokens.rejected_tokens == [None, "first"]
    assert oauth_call.pool.sent[0] == oauth_call.pool.sent[1]


def test_oauth_cached_and_stored_access_token_rejected_new_used() -> None:
    oauth_call = OAuthCall(StubTokens("cached", "stored", "new"), rejection(), rejection(), valid_response())
    oauth_call.send()
    assert oauth_call.pool.authorizations == ["Bearer cached", "Bearer stored", "Bearer new"]
    assert (oauth_call.tokens.rejected_tokens, oauth_call.tokens.accepted) == ([None, "cached", "stored"], 1)


@for_call_and_payment
@pytest.mark.parametrize("status", [400, 403, 429, 500])
def test_oauth_other_errors_access_token_not_replaced(operation: str, status: int) -> None:
    oauth_call = OAuthCall(StubTokens("first", "second"), rejection(status))
    oauth_call.error(operation)
    assert (len(oauth_call.pool.requests), oauth_call.tokens.rejected_tokens) == (1, [None])


@pytest.mark.parametrize(
    ("operation", "kind"), [("get_smart_token", UpstreamTimeoutError), ("make_payment", CredentialsRejectedError)]
)
def test_oauth_replacement_failed_not_retried(operation: str, kind: type[ServiceError]) -> None:
    oauth_call = OAuthCall(StubTokens("first", TOKEN_ERROR), rejection(), valid_response(operation))
    assert type(oauth_call.error(operation)) is kind
    assert len(oauth_call.pool.requests) == 1


def test_oauth_payment_slow_access_token_sends_nothing() -> None:
    clock, pool = Clock(), PayNearMeStub(valid_response("make_payment"))

    class SlowTokens(StubTokens):
        def get(self, site: ResolvedSite, deadline: Deadline, rejected_token: SecretStr | None = None) -> SecretStr:
            clock.advance(5.1)
            return super().get(site, deadline, rejected_token)

    with pytest.raises(UpstreamConnectTimeoutError):
        call(new_client(pool, SlowTokens("first")), "make_payment", oauth_site(), clock.deadline(6.5))
    assert pool.requests == []


@for_call_and_payment
def test_oauth_errors_contain_no_access_token(operation: str) -> None:
    tokens = StubTokens("canary-1", "canary-2", CredentialsRejectedError("a new token was rejected"))
    error = OAuthCall(tokens, http_response(401, {"echo": "canary-1"})).error(operation)
    assert "canary" not in "".join([str(error), repr(error), *traceback.format_exception(error)])
