"""The number of token requests: of concurrent threads, and while PayNearMe rejects every token."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, cast

import pytest
from pydantic import SecretStr

from paynearme.client.access_token_cache import REJECTION_BACKOFF_SECONDS, AccessTokens
from paynearme.client.paynearme_client import PayNearMeClient
from paynearme.errors import CredentialsRejectedError
from paynearme.platform.deadline import Deadline
from tests.support.client_stubs import RESPONSES, call, new_client, oauth_site
from tests.support.paynearme_stub import PayNearMeStub, http_response
from tests.support.token_endpoint_stub import TOKEN, WorkerProcesses
from tests.support.token_store_stubs import LeaseTableStub, ParameterStoreStub

THREADS = 16
FIRST_TOKEN, SECOND_TOKEN = f"{TOKEN}-1", f"{TOKEN}-2"
for_each_operation = pytest.mark.parametrize("operation", RESPONSES)


def new_processes(store: ParameterStoreStub) -> WorkerProcesses:
    return WorkerProcesses(cast(Any, LeaseTableStub()), cast(Any, store))


def get_concurrently(tokens: AccessTokens, rejected: str | None = None) -> list[str]:
    """Return the tokens of all threads of a process, which start together."""
    barrier = Barrier(THREADS)
    rejected_token = None if rejected is None else SecretStr(rejected)

    def get_access_token(_: int) -> str:
        barrier.wait(10)
        return tokens.get(oauth_site(), Deadline.after(10), rejected_token).get_secret_value()

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(get_access_token, range(THREADS)))


def test_access_token_concurrent_threads_one_request() -> None:
    store = ParameterStoreStub()
    processes = new_processes(store)
    assert get_concurrently(processes.start()) == [FIRST_TOKEN] * THREADS
    # The owner of the lease reads the store again.
    assert (len(processes.token_endpoint.requests), store.reads) == (1, 2)


def test_access_token_rejected_in_threads_replaced_once() -> None:
    store = ParameterStoreStub()
    processes = new_processes(store)
    tokens = processes.start()
    get_concurrently(tokens)
    assert get_concurrently(tokens, rejected=FIRST_TOKEN) == [SECOND_TOKEN] * THREADS
    assert (len(processes.token_endpoint.requests), store.reads) == (2, 4)


def test_access_token_later_process_reads_store_once() -> None:
    store = ParameterStoreStub()
    processes = new_processes(store)
    get_concurrently(processes.start())
    assert get_concurrently(processes.start()) == [FIRST_TOKEN] * THREADS
    assert (len(processes.token_endpoint.requests), store.reads) == (1, 3)


class RejectedProcess:
    """A process whose tokens PayNearMe rejects. Time passes only when a test advances ``clock``."""

    def __init__(self, status: int = 401) -> None:
        self.processes = new_processes(ParameterStoreStub())
        self.clock = self.processes.clock
        self.pool = PayNearMeStub(http_response(status, b""))
        self.client: PayNearMeClient = new_client(self.pool, self.processes.start())

    def token_requests(self, operation: str, calls: int = 20) -> int:
        """Make ``calls`` calls, and return the number of token requests."""
        initial_count = len(self.processes.token_endpoint.requests)
        for _ in range(calls):
            with pytest.raises(CredentialsRejectedError):
                call(self.client, operation, oauth_site(), self.clock.deadline(6.5))
        return len(self.processes.token_endpoint.requests) - initial_count


@for_each_operation
def test_access_token_always_rejected_maximum_two_requests(operation: str) -> None:
    process = RejectedProcess()
    assert 1 <= process.token_requests(operation) <= 2
    process.clock.advance(REJECTION_BACKOFF_SECONDS - 1)
    assert process.token_requests(operation) == 0


@for_each_operation
def test_access_token_rejected_requested_after_backoff(operation: str) -> None:
    assert REJECTION_BACKOFF_SECONDS == 30
    process = RejectedProcess()
    process.token_requests(operation)
    process.clock.advance(31)
    assert 1 <= process.token_requests(operation) <= 2


def test_access_token_backoff_applies_to_payment() -> None:
    process = RejectedProcess()
    process.token_requests("get_smart_token")
    assert process.token_requests("make_payment") == 0


@for_each_operation
def test_access_token_status_403_one_request(operation: str) -> None:
    process = RejectedProcess(403)
    assert process.token_requests(operation) == 1
    assert set(process.pool.authorizations) == {f"Bearer {FIRST_TOKEN}"}


@for_each_operation
def test_access_token_accepted_during_backoff_used(operation: str) -> None:
    process = RejectedProcess()
    process.token_requests("get_smart_token")
    process.pool.default_reply = http_response(200, RESPONSES[operation])
    call(process.client, operation, oauth_site(), process.clock.deadline(6.5))
    assert process.pool.authorizations[-1] == f"Bearer {TOKEN}-{len(process.processes.token_endpoint.requests)}"
