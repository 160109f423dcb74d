"""Start one local stack with the fault proxy for all end-to-end tests of a run."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import get_args

import psutil
import pytest

from sandbox.clients.backend_client import BackendClient
from sandbox.clients.control_client import ControlClient
from sandbox.clients.event_listener import EventListener
from sandbox.clients.sample_messages import load
from sandbox.clients.stack_client import LedgerReader, new_backend, new_sender
from sandbox.fake_paynearme.callback_sender import CallbackSender, Delivery, Kind
from sandbox.fake_paynearme.messages import Parameters, Transport, with_new_identifier
from sandbox.stack import lifecycle
from sandbox.stack.processes import functions_running
from sandbox.stack.stack import Stack
from tests.support import access_token_store_fixture
from tests.support.cold_start_burst_fixture import NEW_PROCESSES, RETRY_UNTIL_TRUE, BurstResult, publish, run_burst
from tests.support.event_assertions import PaymentEventRecorder
from tests.support.second_stage_fixture import Stages, deploy_stages, wait_until_started

CONCURRENCY = 64
MAX_RESPONSE_SECONDS = 8
TRANSPORTS: tuple[Transport, ...] = get_args(Transport.__value__)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests so that function processes are reused.

    Tests without a stack run first, while the stack starts. Tests that publish new versions run before the tests with
    concurrent workers, so that the processes of the workers stay warm. A process reads the secret for a bad signature
    once in 30 seconds, so the key rotation runs first among the tests with concurrent workers. The privacy test runs
    last, because it reads the logs of all other tests.
    """

    def sort_key(item: pytest.Item) -> int:
        fixture_names = getattr(item, "fixturenames", ())
        if item.path.name == "test_privacy.py":
            return 8
        if "stack" not in fixture_names:
            return 0
        if "stages" in fixture_names:
            return 4 if "deleted_stacks" in fixture_names else 3
        if item.path.name == "test_secret_rotation.py":
            return 5
        if "concurrent_workers" in fixture_names:
            return 6
        return 7 if "cold_start_burst" in fixture_names else 2 if "replace_processes" in fixture_names else 1

    items.sort(key=sort_key)


@pytest.fixture(scope="session")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the stack."""
    return tmp_path_factory.mktemp("local") / "stack"


def is_used(fixture: str, request: pytest.FixtureRequest) -> bool:
    """Return whether a test of this run uses ``fixture``."""
    return any(fixture in getattr(item, "fixturenames", ()) for item in request.session.items)


@pytest.fixture(scope="session")
def stack_future(work_dir: Path) -> Iterator[Future[Stack]]:
    def start() -> Stack:
        stack = lifecycle.start(work_dir, lambda step: None, with_faults=True)
        wait_until_started(stack)
        return stack

    try:
        with ThreadPoolExecutor(1) as thread:
            yield thread.submit(start)
    finally:
        lifecycle.stop(work_dir)


@pytest.fixture(scope="session", autouse=True)
def _start_stack_early(request: pytest.FixtureRequest) -> None:
    """Start the stack in the background, while the tests without a stack run."""
    if is_used("stack", request):
        request.getfixturevalue("stack_future")


@pytest.fixture(scope="session")
def stack(stack_future: Future[Stack]) -> Stack:
    return stack_future.result()


@pytest.fixture(scope="session")
def stages_future(stack: Stack, work_dir: Path) -> Iterator[Future[Stages]]:
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(deploy_stages, stack, work_dir)


@pytest.fixture(scope="session")
def stages(stages_future: Future[Stages]) -> Stages:
    return stages_future.result()


@pytest.fixture(scope="session")
def sender(stack: Stack) -> CallbackSender:
    return new_sender(stack)


@pytest.fixture(scope="session")
def backend(stack: Stack) -> BackendClient:
    return new_backend(stack)


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


@contextmanager
def controlled_paynearme(stack: Stack) -> Iterator[ControlClient]:
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
def paynearme(stack: Stack) -> Iterator[ControlClient]:
    with controlled_paynearme(stack) as control:
        yield control


@pytest.fixture
def replace_processes(stack: Stack, request: pytest.FixtureRequest) -> Callable[[], None]:
    """Return a function that replaces the processes of the payment callbacks with new ones.

    Tests with this fixture mostly wait. The stacks of the stages are deployed at the same time if a test uses them.
    """
    if is_used("stages", request):
        request.getfixturevalue("stages_future")
    return partial(publish, stack, "Authorize", "Confirm")


@pytest.fixture
def authorization() -> Parameters:
    return with_new_identifier(load("authorization")["credit"])


@pytest.fixture(scope="session")
def running_processes(stack: Stack, work_dir: Path) -> set[psutil.Process]:
    """Publish new versions for the concurrent workers. Return the processes of the earlier versions."""
    functions, pid_file = ("Authorize", "Confirm"), work_dir / "processes.json"
    previous_processes = [functions_running(pid_file, f"{function}Function") for function in functions]
    publish(stack, *functions)
    return set().union(*previous_processes)


@pytest.fixture(scope="session")
def concurrent_workers(
    stack: Stack, work_dir: Path, running_processes: set[psutil.Process]
) -> Iterator[ThreadPoolExecutor]:
    """Yield ``CONCURRENCY`` threads, with a warm function process for each thread."""
    long_timeout_sender = CallbackSender(stack.callback_url, stack.sites, timeout=120)

    def call(kind: Kind) -> Delivery:
        message = with_new_identifier(load("authorization")["credit"])
        return long_timeout_sender.deliver(kind, {**message, "status": "decline", "test": "true"}, "json")

    with ThreadPoolExecutor(CONCURRENCY) as threads:

        def all_accepted(kind: Kind) -> bool:
            deliveries = list(threads.map(call, [kind] * CONCURRENCY))
            return all(delivery.accepted for delivery in deliveries)

        def enough_processes(kind: Kind, function: str) -> bool:
            all_accepted(kind)
            return len(functions_running(work_dir / "processes.json", function) - running_processes) >= CONCURRENCY

        functions: dict[Kind, str] = {"authorize": "AuthorizeFunction", "confirm": "ConfirmFunction"}
        for kind, function in functions.items():
            with controlled_faults(stack) as control:
                # No invocation ends before all have started, so that each gets its own process.
                control.post("fault", {"service": "dynamodb", "mode": "slow", "seconds": 1})
                RETRY_UNTIL_TRUE(enough_processes, kind, function)
            RETRY_UNTIL_TRUE(all_accepted, kind)
        yield threads


@pytest.fixture
def tokens(stack: Stack, backend: BackendClient, paynearme: ControlClient) -> Iterator[None]:
    """Prime all functions with one valid access token for each site with OAuth. Remove the tokens after."""
    access_token_store_fixture.clear_tokens(stack, paynearme)
    for site in access_token_store_fixture.SITES:
        access_token_store_fixture.prime_token_caches(backend, paynearme, site)
    yield
    access_token_store_fixture.clear_tokens(stack, paynearme)


@pytest.fixture(scope="session")
def payment_executor(stack: Stack) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(NEW_PROCESSES) as threads:
        yield threads


@pytest.fixture(scope="session")
def cold_start_burst(stack: Stack, work_dir: Path, payment_executor: ThreadPoolExecutor) -> BurstResult:
    return run_burst(stack, work_dir / "processes.json", payment_executor)
