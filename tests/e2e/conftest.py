"""The deployed local stack, with a faulty endpoint in it, for all end-to-end tests of a run."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest

from local import stack as local_stack
from local.backend import Backend
from local.callbacks import CallbackSender, Delivery, Kind
from local.control import Control
from local.drive import Books, backend_of, sender_of
from local.events import Parameters, load, with_fresh_payment
from local.processes import functions_running
from local.stack import Stack
from tests.e2e import access_tokens
from tests.e2e.many_processes import FRESH_PROCESSES, UNTIL_TRUE, Storm, publish, storm_of
from tests.e2e.staging import Stages, deploy_stages, wait_until_started

AT_ONCE = 64


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in an order that spares processes, and look at the logs when everything is logged.

    What needs no stack comes first, while it starts, and then what leaves the machine time for other things.
    Tests that publish new versions come before the crowd, whose functions stay warm so. Forged callbacks use
    up the looks at the secret that a process has within half a minute, so the test that rotates keys is the
    first that the crowd takes part in.
    """

    def place(item: pytest.Item) -> int:
        asked_for = getattr(item, "fixturenames", ())
        if item.path.name == "test_privacy.py":
            return 8
        if "stack" not in asked_for:
            return 0
        if "stages" in asked_for:
            return 4 if "deleted" in asked_for else 3
        if item.path.name == "test_rotation.py":
            return 5
        if "crowd" in asked_for:
            return 6
        return 7 if "storm" in asked_for else 2 if "cold" in asked_for else 1

    items.sort(key=place)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stack lies."""
    return tmp_path_factory.mktemp("local") / "stack"


def is_wanted(fixture: str, request: pytest.FixtureRequest) -> bool:
    """Return whether a test of this run asks for ``fixture``."""
    return any(fixture in getattr(item, "fixturenames", ()) for item in request.session.items)


@pytest.fixture(scope="session")
def starting_stack(folder: Path) -> Iterator[Future[Stack]]:
    def start() -> Stack:
        stack = local_stack.start(folder, lambda step: None, with_faults=True)
        wait_until_started(stack)
        return stack

    try:
        with ThreadPoolExecutor(1) as thread:
            yield thread.submit(start)
    finally:
        local_stack.stop(folder)


@pytest.fixture(scope="session", autouse=True)
def _start_early(request: pytest.FixtureRequest) -> None:
    """Begin to start the stack, where a test asks for it, while the tests that need none are run."""
    if is_wanted("stack", request):
        request.getfixturevalue("starting_stack")


@pytest.fixture(scope="session")
def stack(starting_stack: Future[Stack]) -> Stack:
    return starting_stack.result()


@pytest.fixture(scope="session")
def deploying_stages(stack: Stack, folder: Path) -> Iterator[Future[Stages]]:
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(deploy_stages, stack, folder)


@pytest.fixture(scope="session")
def stages(deploying_stages: Future[Stages]) -> Stages:
    return deploying_stages.result()


@pytest.fixture(scope="session")
def sender(stack: Stack) -> CallbackSender:
    return sender_of(stack)


@pytest.fixture(scope="session")
def backend(stack: Stack) -> Backend:
    return backend_of(stack)


@pytest.fixture(scope="session")
def books(stack: Stack) -> Books:
    return Books(stack)


@contextmanager
def controlled_faults(stack: Stack) -> Iterator[Control]:
    """Give the control of AWS's faults, of which there are none before and afterwards."""
    control = Control(f"{stack.faults_url}/-/control")
    control.post("reset")
    try:
        yield control
    finally:
        control.post("reset")


@pytest.fixture
def faults(stack: Stack) -> Iterator[Control]:
    with controlled_faults(stack) as control:
        yield control


@contextmanager
def controlled_paynearme(stack: Stack) -> Iterator[Control]:
    """Give the control of PayNearMe's side, which behaves as usual before and afterwards."""
    control = Control(f"{stack.paynearme_url}/control")
    usual = {"url": stack.callback_url, "minute": 0.01, "test": False, "hold_confirmations": False}
    control.post("reset")
    control.post("callbacks", usual)
    try:
        yield control
    finally:
        control.post("reset")


@pytest.fixture
def paynearme(stack: Stack) -> Iterator[Control]:
    with controlled_paynearme(stack) as control:
        yield control


@pytest.fixture
def cold(stack: Stack, request: pytest.FixtureRequest) -> Callable[[], None]:
    """Give fresh processes to the functions that PayNearMe calls for a payment.

    Who asks for it mostly waits. The stages' stacks, where a later test wants them, are deployed meanwhile.
    """
    if is_wanted("stages", request):
        request.getfixturevalue("deploying_stages")
    return partial(publish, stack, "Authorize", "Confirm")


@pytest.fixture
def authorization() -> Parameters:
    return with_fresh_payment(load("authorization")["credit"])


@pytest.fixture(scope="session")
def before_the_crowd(stack: Stack, folder: Path) -> set[psutil.Process]:
    """Return what ran before the crowd's functions were new versions: it has no part in the crowd."""
    functions, register = ("Authorize", "Confirm"), folder / "processes.json"
    former = [functions_running(register, f"{function}Function") for function in functions]
    publish(stack, *functions)
    return set().union(*former)


@pytest.fixture(scope="session")
def crowd(stack: Stack, folder: Path, before_the_crowd: set[psutil.Process]) -> Iterator[ThreadPoolExecutor]:
    """As many threads as there are callbacks at once, with a warm function process for each."""
    patient = CallbackSender(stack.callback_url, stack.sites, answer_within=120)

    def call(kind: Kind) -> Delivery:
        message = with_fresh_payment(load("authorization")["credit"])
        return patient.deliver(kind, {**message, "status": "decline", "test": "true"}, "json")

    with ThreadPoolExecutor(AT_ONCE) as threads:

        def all_answer(kind: Kind) -> bool:
            deliveries = list(threads.map(call, [kind] * AT_ONCE))
            return all(delivery.accepted for delivery in deliveries)

        def enough_run(kind: Kind, function: str) -> bool:
            all_answer(kind)
            return len(functions_running(folder / "processes.json", function) - before_the_crowd) >= AT_ONCE

        functions: dict[Kind, str] = {"authorize": "AuthorizeFunction", "confirm": "ConfirmFunction"}
        for kind, function in functions.items():
            with controlled_faults(stack) as control:
                # So none has answered before all have come.
                control.post("fault", {"service": "dynamodb", "mode": "slow", "seconds": 1})
                UNTIL_TRUE(enough_run, kind, function)
            UNTIL_TRUE(all_answer, kind)
        yield threads


@pytest.fixture
def tokens(stack: Stack, backend: Backend, paynearme: Control) -> Iterator[None]:
    """Give all functions one access token for each site with OAuth, which holds; afterwards, none."""
    access_tokens.forget(stack, paynearme)
    for site in access_tokens.SITES:
        access_tokens.settle(backend, paynearme, site)
    yield
    access_tokens.forget(stack, paynearme)


@pytest.fixture(scope="session")
def payers(stack: Stack) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(FRESH_PROCESSES) as threads:
        yield threads


@pytest.fixture(scope="session")
def storm(stack: Stack, folder: Path, payers: ThreadPoolExecutor) -> Storm:
    return storm_of(stack, folder / "processes.json", payers)
