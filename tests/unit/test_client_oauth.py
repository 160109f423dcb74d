"""Calls with OAuth 2.0: a bearer token, another one once it is refused, and a payment still sent once."""

import traceback

import pytest
from pydantic import SecretStr
from urllib3 import HTTPResponse

from paynearme.deadline import Deadline
from paynearme.errors import (
    AccessTokenUnavailableError,
    CredentialsRejectedError,
    UpstreamConnectTimeoutError,
    RequestNotAcceptedError,
    ServiceError,
    UpstreamTimeoutError,
)
from paynearme.settings import KnownSite
from paynearme.signing import verify
from tests.clock import Clock
from tests.messages import SECRET, known_site
from tests.unit.paynearme_pool import (
    ANSWERS,
    OURS,
    PAYMENT,
    StubPool,
    StubTokens,
    answer_of,
    call,
    client_of,
    oauth_site,
)

CANARY = "canary-7e2b"
REPEATED = ["get_smart_token", "find_payment_methods", "create_order"]
each_call = pytest.mark.parametrize("operation", ANSWERS)
each_that_may_be_repeated = pytest.mark.parametrize("operation", REPEATED)
each_refusal = pytest.mark.parametrize("status", [401, 403])


def good(operation: str) -> HTTPResponse:
    return answer_of(200, ANSWERS[operation])


def called(operation: str, pool: StubPool, tokens: StubTokens, site: KnownSite | None = None) -> object:
    return call(client_of(pool, tokens), operation, site or oauth_site(), Clock().deadline(6.5))


@each_call
def test_a_call_carries_the_token_and_no_signature(operation: str) -> None:
    pool, tokens = StubPool(good(operation)), StubTokens("first")
    called(operation, pool, tokens)
    assert pool.authorizations == ["Bearer first"]
    assert "signature" not in pool.sent[0]
    assert pool.sent[0]["version"] == "3.0"
    assert tokens.refused == [None]


@each_call
def test_a_site_that_wants_both_sends_both(operation: str) -> None:
    pool = StubPool(good(operation))
    called(operation, pool, StubTokens("first"), oauth_site(send_signature=True))
    [body] = pool.sent
    assert pool.authorizations == ["Bearer first"]
    verify(body, body["signature"], [SECRET])
    assert "first" not in body.values()


@each_call
def test_a_site_that_signs_never_asks_for_a_token(operation: str) -> None:
    pool, tokens = StubPool(good(operation)), StubTokens("first")
    called(operation, pool, tokens, known_site())
    assert tokens.refused == []
    assert pool.authorizations == [None]
    assert "signature" in pool.sent[0]


@each_that_may_be_repeated
@each_refusal
def test_a_site_that_signs_asks_for_no_token_when_it_is_refused(operation: str, status: int) -> None:
    pool, tokens = StubPool(answer_of(status, {})), StubTokens("first")
    with pytest.raises(CredentialsRejectedError):
        called(operation, pool, tokens, known_site())
    assert (len(pool.requests), tokens.refused) == (1, [])


@each_that_may_be_repeated
def test_a_call_whose_token_is_refused_is_sent_once_more_with_another(operation: str) -> None:
    pool, tokens = StubPool(answer_of(401, b""), good(operation)), StubTokens("first", "second")
    assert called(operation, pool, tokens) == called(operation, StubPool(good(operation)), StubTokens("x"))
    assert pool.authorizations == ["Bearer first", "Bearer second"]
    assert tokens.refused == [None, "first"]
    assert pool.sent[0] == pool.sent[1]


@each_that_may_be_repeated
def test_a_second_refusal_ends_it_where_no_other_token_would_do_better(operation: str) -> None:
    pool = StubPool(answer_of(401, b""), answer_of(401, b""), good(operation))
    tokens = StubTokens("first", "second", CredentialsRejectedError("a new token was refused"))
    with pytest.raises(CredentialsRejectedError):
        called(operation, pool, tokens)
    assert len(pool.requests) == 2
    assert tokens.refused == [None, "first", "second"]
    assert tokens.accepted == 0


@each_that_may_be_repeated
def test_what_a_403_refuses_is_not_the_token(operation: str) -> None:
    pool = StubPool(answer_of(401, b""), answer_of(403, b""), good(operation))
    tokens = StubTokens("first", "second", "third")
    with pytest.raises(CredentialsRejectedError):
        called(operation, pool, tokens)
    assert tokens.refused == [None, "first"]
    assert tokens.accepted == 1


@each_call
def test_that_a_token_was_taken_is_learned(operation: str) -> None:
    pool, tokens = StubPool(good(operation)), StubTokens("first")
    called(operation, pool, tokens)
    assert tokens.accepted == 1


@each_that_may_be_repeated
def test_a_token_that_another_process_stored_may_be_refused_as_well(operation: str) -> None:
    pool = StubPool(answer_of(401, b""), answer_of(401, b""), good(operation))
    tokens = StubTokens("kept", "stored", "new")
    called(operation, pool, tokens)
    assert pool.authorizations == ["Bearer kept", "Bearer stored", "Bearer new"]
    assert tokens.refused == [None, "kept", "stored"]
    assert tokens.accepted == 1


@each_that_may_be_repeated
@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
def test_only_a_refused_token_is_a_reason_for_another_token(operation: str, status: int) -> None:
    pool, tokens = StubPool(answer_of(status, {"status": "error"})), StubTokens("first", "second")
    with pytest.raises(ServiceError):
        called(operation, pool, tokens)
    assert (len(pool.requests), tokens.refused) == (1, [None])


NO_TOKEN = [
    CredentialsRejectedError("no token: status 401"),
    RequestNotAcceptedError("no token: status 500"),
    UpstreamTimeoutError(),
    AccessTokenUnavailableError(),
]


@each_call
@pytest.mark.parametrize("error", NO_TOKEN, ids=lambda error: type(error).__name__)
def test_without_a_token_nothing_is_sent(operation: str, error: ServiceError) -> None:
    pool = StubPool(good(operation))
    with pytest.raises(type(error)) as caught:
        called(operation, pool, StubTokens(error))
    assert caught.value is error
    assert pool.requests == []


@each_that_may_be_repeated
@pytest.mark.parametrize("error", NO_TOKEN, ids=lambda error: type(error).__name__)
def test_where_there_is_no_other_token_that_is_told(operation: str, error: ServiceError) -> None:
    pool = StubPool(answer_of(401, b""), good(operation))
    with pytest.raises(type(error)) as caught:
        called(operation, pool, StubTokens("first", error))
    assert caught.value is error
    assert len(pool.requests) == 1


@each_refusal
def test_a_payment_whose_token_is_refused_is_not_sent_again(status: int) -> None:
    pool = StubPool(answer_of(status, b""), good("make_payment"))
    tokens = StubTokens("first", "second")
    with pytest.raises(CredentialsRejectedError):
        called("make_payment", pool, tokens)
    assert pool.authorizations == ["Bearer first"]
    assert tokens.refused == ([None, "first"] if status == 401 else [None])


def test_the_next_payment_has_another_token() -> None:
    pool = StubPool(answer_of(401, b""), good("make_payment"))
    tokens = StubTokens("first", "second")
    client, deadline = client_of(pool, tokens), Clock().deadline(6.5)
    with pytest.raises(CredentialsRejectedError):
        call(client, "make_payment", oauth_site(), deadline)
    # The call itself has asked for it: another process's next payment finds it, too.
    assert tokens.refused == [None, "first"]
    assert call(client, "make_payment", oauth_site(), deadline) == "943751749956"
    assert pool.authorizations == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("error", NO_TOKEN, ids=lambda error: type(error).__name__)
def test_a_refused_payment_stays_one_where_there_is_no_other_token(error: ServiceError) -> None:
    refused = StubPool(answer_of(401, b""))
    with pytest.raises(CredentialsRejectedError) as caught:
        called("make_payment", refused, StubTokens("first", error))
    assert caught.value is not error


def test_a_token_that_took_all_the_time_leaves_none_for_a_payment() -> None:
    clock, pool = Clock(), StubPool(good("make_payment"))

    class SlowTokens(StubTokens):
        def find(self, site: KnownSite, deadline: Deadline, refused: SecretStr | None = None) -> SecretStr:
            clock.work(5.1)
            return super().find(site, deadline, refused)

    client = client_of(pool, SlowTokens("first"))
    with pytest.raises(UpstreamConnectTimeoutError):
        client.make_payment(oauth_site(), PAYMENT, OURS, clock.deadline(6.5))
    assert pool.requests == []


@each_call
def test_no_error_tells_the_token(operation: str) -> None:
    pool = StubPool(answer_of(401, {"echo": CANARY}))
    tokens = StubTokens(CANARY, f"another-{CANARY}", CredentialsRejectedError("a new token was refused"))
    with pytest.raises(CredentialsRejectedError) as caught:
        called(operation, pool, tokens)
    told = [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)]
    assert CANARY not in "".join(told)
