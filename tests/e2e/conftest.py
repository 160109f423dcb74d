"""Start one local stack with the fault proxy for all end-to-end tests of a run.

The clients wait for a minute, so that a slow machine changes no result. The functions have their own time limits.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.clients.backend_client import BackendClient
from sandbox.clients.control_client import ControlClient
from sandbox.clients.event_listener import EventListener
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader, new_backend
from sandbox.fake_paynearme.callback_sender import CallbackSender
from sandbox.fake_paynearme.messages import Parameters, build_confirmation, with_new_identifier
from sandbox.stack import lifecycle
from sandbox.stack.stack import Stack
from tests.support.event_assertions import PaymentEventRecorder
from tests.support.function_processes import RETRY_UNTIL_TRUE, wait_until_started
from tests.support.openapi_assertions import assert_documented
from tests.support.payment_driver import (
    OAUTH_SITES,
    PATHS,
    UNKNOWN_METHOD,
    clear_tokens,
    new_key,
    order_request,
    problem_type,
)
from tests.support.test_run import IS_FULL

CONCURRENCY = 64 if IS_FULL else 16
ROUNDS = 20 if IS_FULL else 3
CLIENT_TIMEOUT_SECONDS = 60


@pytest.fixture(scope="session")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the stack."""
    return tmp_path_factory.mktemp("local") / "stack"


@pytest.fixture(scope="session")
def stack(work_dir: Path) -> Iterator[Stack]:
    try:
        stack = lifecycle.start(work_dir, lambda step: None, with_faults=True)
        wait_until_started(stack)
        yield stack
    finally:
        lifecycle.stop(work_dir)


@pytest.fixture(scope="session")
def sender(stack: Stack) -> CallbackSender:
    return CallbackSender(stack.callback_url, stack.sites, CLIENT_TIMEOUT_SECONDS)


@pytest.fixture(scope="session")
def backend(stack: Stack) -> BackendClient:
    return new_backend(stack, CLIENT_TIMEOUT_SECONDS)


@pytest.fixture(scope="session")
def ledger_reader(stack: Stack) -> LedgerReader:
    return LedgerReader(stack)


@pytest.fixture
def received_events(stack: Stack) -> PaymentEventRecorder:
    return PaymentEventRecorder(EventListener(stack))


@contextmanager
def controlled_faults(stack: Stack) -> Iterator[ControlClient]:
    """Yield the control client of the fault proxy. Remove all faults before and after."""
    control = ControlClient(f"{stack.faults_url}/-/control")
    control.post("reset")
    try:
        yield control
    finally:
        control.post("reset")


@pytest.fixture
def faults(stack: Stack) -> Iterator[ControlClient]:
    with controlled_faults(stack) as control:
        yield control


@pytest.fixture
def paynearme(stack: Stack) -> Iterator[ControlClient]:
    """Yield the control client of the fake PayNearMe. Reset its behavior before and after."""
    control = ControlClient(f"{stack.paynearme_url}/control")
    default_settings = {"url": stack.callback_url, "retry_interval": 0.01, "test": False, "defer_confirmations": False}
    control.post("reset")
    control.post("callbacks", default_settings)
    try:
        yield control
    finally:
        control.post("reset")


@pytest.fixture
def authorization() -> Parameters:
    return with_new_identifier(load("authorization")["credit"])


def start_processes(call: Callable[[int], bool], faults: ControlClient, threads: Executor, count: int) -> None:
    """Call a function ``count`` times at once until all calls succeed, so that ``count`` processes are warm."""
    # The slow invocations overlap, so most of them get their own process. The retries below start the others.
    faults.post("fault", {"service": "dynamodb", "mode": "slow", "seconds": 1})
    list(threads.map(call, range(count)))
    faults.post("reset")
    RETRY_UNTIL_TRUE(lambda: all(list(threads.map(call, range(count)))))


@pytest.fixture(scope="module")
def concurrent_workers(stack: Stack, sender: CallbackSender) -> Iterator[ThreadPoolExecutor]:
    """Yield ``CONCURRENCY`` threads, with a warm process of `authorize` for each thread, and of `confirm` for half."""
    message = {**load("authorization")["credit"], "site_customer_identifier": "warms-up", "test": "true"}

    def authorize(_: int) -> bool:
        fields = sender.deliver("authorize", with_new_identifier(message), "json").fields
        return fields is not None and fields["accept_payment"] == "yes"

    def confirm(_: int) -> bool:
        return sender.deliver("confirm", build_confirmation(with_new_identifier(message)), "json").accepted

    with ThreadPoolExecutor(CONCURRENCY) as threads:
        for call, count in ((authorize, CONCURRENCY), (confirm, CONCURRENCY // 2)):
            with controlled_faults(stack) as control:
                start_processes(call, control, threads, count)
        yield threads


def prime_token_caches(backend: BackendClient, paynearme: ControlClient, site: str) -> None:
    """Call each function once for ``site``, so that all functions cache the same valid access token.

    The payment has an unknown method. It is not retried after a revoked token, so two problem types are possible.
    """
    order = {"site_identifier": site, "pnm_order_identifier": "84488215678"}
    method = {"payment_method_identifier": UNKNOWN_METHOD}
    calls = {
        "create_order": order_request(site, "primes-tokens"),
        "get_smart_token": order,
        "find_payment_methods": {"site_identifier": site, "site_customer_identifier": "primes-tokens"},
        "make_payment": load("make_payment")["saved"] | order | method,
    }
    initial_count = paynearme.get("access-token-requests")["count"]
    responses = {
        operation: assert_documented(PATHS[operation], "POST", backend.post(PATHS[operation], content, new_key()))
        for operation, content in calls.items()
    }
    assert problem_type(responses.pop("make_payment")) in ("rejected-by-paynearme", "credentials-rejected")
    assert {response.status for response in responses.values()} == {200}
    assert paynearme.get("access-token-requests")["count"] == initial_count + 1


@pytest.fixture
def tokens(stack: Stack, backend: BackendClient, paynearme: ControlClient) -> Iterator[None]:
    """Prime all functions with one valid access token for each site with OAuth. Remove the tokens after."""
    clear_tokens(stack, paynearme)
    for site in OAUTH_SITES:
        prime_token_caches(backend, paynearme, site)
    yield
    clear_tokens(stack, paynearme)
