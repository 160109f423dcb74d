"""The number of token requests: of concurrent threads, and while PayNearMe rejects every token."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from pydantic import SecretStr

from paynearme.client.access_token_cache import REFUSAL_BACKOFF_SECONDS, AccessTokens
from paynearme.client.paynearme_client import PayNearMeClient
from paynearme.errors import CredentialsRejectedError
from paynearme.platform.deadline import Deadline
from tests.support.client_stubs import RESPONSES, StubPool, call, http_response, new_client, oauth_site
from tests.support.fake_clock import Clock
from tests.support.token_store_stubs import SharedTokenState

THREADS = 16
for_each_operation = pytest.mark.parametrize("operation", RESPONSES)


def get_concurrently(tokens: AccessTokens, rejected: str | None = None) -> list[str]:
    """Return the tokens of all threads of a process, which start together."""
    barrier = Barrier(THREADS)
    rejected_token = None if rejected is None else SecretStr(rejected)

    def get_access_token(_: int) -> str:
        barrier.wait(10)
        return tokens.get(oauth_site(), Deadline.after(10), rejected_token).get_secret_value()

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(get_access_token, range(THREADS)))


def test_threads_that_want_a_token_at_once_ask_for_one_and_all_get_it() -> None:
    state = SharedTokenState(Clock())
    assert get_concurrently(state.start()) == ["token-1"] * THREADS
    # The owner of the lease reads the store again.
    assert (state.endpoint.request_count, state.store.reads) == (1, 2)


def test_threads_whose_token_is_refused_at_once_ask_for_one_other_and_all_get_it() -> None:
    state = SharedTokenState(Clock())
    tokens = state.start()
    get_concurrently(tokens)
    assert get_concurrently(tokens, rejected="token-1") == ["token-2"] * THREADS
    assert (state.endpoint.request_count, state.store.reads) == (2, 4)


def test_threads_of_a_process_that_starts_later_read_what_is_stored_once() -> None:
    state = SharedTokenState(Clock())
    get_concurrently(state.start())
    assert get_concurrently(state.start()) == ["token-1"] * THREADS
    assert (state.endpoint.request_count, state.store.reads) == (1, 3)


class RejectedProcess:
    """A process whose tokens PayNearMe rejects. Time passes only when a test advances ``clock``."""

    def __init__(self, status: int = 401) -> None:
        self.clock = Clock()
        self.state = SharedTokenState(self.clock)
        self.pool = StubPool(http_response(status, b""))
        self.client: PayNearMeClient = new_client(self.pool, self.state.start())

    def token_requests(self, operation: str, calls: int = 20) -> int:
        """Make ``calls`` calls, and return the number of token requests."""
        initial_count = self.state.endpoint.request_count
        for _ in range(calls):
            with pytest.raises(CredentialsRejectedError):
                call(self.client, operation, oauth_site(), self.clock.deadline(6.5))
        return self.state.endpoint.request_count - initial_count


@for_each_operation
def test_while_every_token_is_refused_the_address_is_asked_twice_at_most(operation: str) -> None:
    process = RejectedProcess()
    assert 1 <= process.token_requests(operation) <= 2
    process.clock.advance(REFUSAL_BACKOFF_SECONDS - 1)
    assert process.token_requests(operation) == 0


@for_each_operation
def test_after_half_a_minute_the_address_is_asked_again(operation: str) -> None:
    assert REFUSAL_BACKOFF_SECONDS == 30
    process = RejectedProcess()
    process.token_requests(operation)
    process.clock.advance(31)
    assert 1 <= process.token_requests(operation) <= 2


def test_what_another_call_learned_of_new_tokens_holds_for_a_payment_as_well() -> None:
    process = RejectedProcess()
    process.token_requests("get_smart_token")
    assert process.token_requests("make_payment") == 0


@for_each_operation
def test_where_paynearme_refuses_with_403_the_address_is_asked_once(operation: str) -> None:
    process = RejectedProcess(403)
    assert process.token_requests(operation) == 1
    assert set(process.pool.authorizations) == {"Bearer token-1"}


@for_each_operation
def test_a_token_that_paynearme_takes_again_is_used_during_the_back_off(operation: str) -> None:
    process = RejectedProcess()
    process.token_requests("get_smart_token")
    process.pool.responses = [http_response(200, RESPONSES[operation])]
    call(process.client, operation, oauth_site(), process.clock.deadline(6.5))
    assert process.pool.authorizations[-1] == f"Bearer token-{process.state.endpoint.request_count}"
