"""How often the token address is asked: by threads that come at once, and while every token is refused."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from pydantic import SecretStr

from paynearme.access_tokens import BACK_OFF_SECONDS, AccessTokens
from paynearme.client import PayNearMeClient
from paynearme.deadline import Deadline
from paynearme.errors import CredentialsRejectedError
from tests.clock import Clock
from tests.unit.paynearme_pool import ANSWERS, StubPool, answer_of, call, client_of, oauth_site
from tests.unit.shared_tokens import Shared

THREADS = 16
each_call = pytest.mark.parametrize("operation", ANSWERS)


def at_once(tokens: AccessTokens, refused: str | None = None) -> list[str]:
    """Return the tokens that so many threads of a process find, which all begin together."""
    barrier = Barrier(THREADS)
    given = None if refused is None else SecretStr(refused)

    def find(_: int) -> str:
        barrier.wait(10)
        return tokens.find(oauth_site(), Deadline.after(10), given).get_secret_value()

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(find, range(THREADS)))


def test_threads_that_want_a_token_at_once_ask_for_one_and_all_get_it() -> None:
    shared = Shared(Clock())
    assert at_once(shared.start()) == ["token-1"] * THREADS
    # Who holds the lease looks once more.
    assert (shared.address.asked, shared.store.reads) == (1, 2)


def test_threads_whose_token_is_refused_at_once_ask_for_one_other_and_all_get_it() -> None:
    shared = Shared(Clock())
    tokens = shared.start()
    at_once(tokens)
    assert at_once(tokens, refused="token-1") == ["token-2"] * THREADS
    assert (shared.address.asked, shared.store.reads) == (2, 4)


def test_threads_of_a_process_that_starts_later_read_what_is_stored_once() -> None:
    shared = Shared(Clock())
    at_once(shared.start())
    assert at_once(shared.start()) == ["token-1"] * THREADS
    assert (shared.address.asked, shared.store.reads) == (1, 3)


class Refusing:
    """A process whose tokens are all refused, by a clock that stands still."""

    def __init__(self, status: int = 401) -> None:
        self.clock = Clock()
        self.shared = Shared(self.clock)
        self.pool = StubPool(answer_of(status, b""))
        self.client: PayNearMeClient = client_of(self.pool, self.shared.start())

    def asked_by(self, operation: str, calls: int = 20) -> int:
        """Return how often the address is asked while so many calls are made."""
        before = self.shared.address.asked
        for _ in range(calls):
            with pytest.raises(CredentialsRejectedError):
                call(self.client, operation, oauth_site(), self.clock.deadline(6.5))
        return self.shared.address.asked - before


@each_call
def test_while_every_token_is_refused_the_address_is_asked_twice_at_most(operation: str) -> None:
    refusing = Refusing()
    assert 1 <= refusing.asked_by(operation) <= 2
    refusing.clock.work(BACK_OFF_SECONDS - 1)
    assert refusing.asked_by(operation) == 0


@each_call
def test_after_half_a_minute_the_address_is_asked_again(operation: str) -> None:
    assert BACK_OFF_SECONDS == 30
    refusing = Refusing()
    refusing.asked_by(operation)
    refusing.clock.work(31)
    assert 1 <= refusing.asked_by(operation) <= 2


def test_what_another_call_learned_of_new_tokens_holds_for_a_payment_as_well() -> None:
    refusing = Refusing()
    refusing.asked_by("get_smart_token")
    assert refusing.asked_by("make_payment") == 0


@each_call
def test_where_paynearme_refuses_with_403_the_address_is_asked_once(operation: str) -> None:
    refusing = Refusing(403)
    assert refusing.asked_by(operation) == 1
    assert set(refusing.pool.authorizations) == {"Bearer token-1"}


@each_call
def test_a_token_that_paynearme_takes_again_is_used_during_the_back_off(operation: str) -> None:
    refusing = Refusing()
    refusing.asked_by("get_smart_token")
    refusing.pool.answers = [answer_of(200, ANSWERS[operation])]
    call(refusing.client, operation, oauth_site(), refusing.clock.deadline(6.5))
    assert refusing.pool.authorizations[-1] == f"Bearer token-{refusing.shared.address.asked}"
