"""The deployed local stack, with a faulty endpoint in it, for all end-to-end tests of a run."""

import operator
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import psutil
import pytest
from tenacity import Retrying, retry_if_result, stop_after_attempt

from local import stack as local_stack
from local.backend import Backend, Reply
from local.callbacks import CallbackSender, Delivery, Kind
from local.control import Control
from local.drive import Books, backend_of, sender_of
from local.events import Parameters, load, with_fresh_payment
from local.processes import functions_running
from local.sites import OAUTH_SITE
from local.stack import Stack
from tests.e2e import access_tokens
from tests.e2e.paying import SITE
from tests.e2e.staging import Stages, deploy_stages, wait_until_started

AT_ONCE = 64
UNTIL_TRUE = Retrying(retry=retry_if_result(operator.not_), stop=stop_after_attempt(10))
FRESH_PROCESSES = 50
BUSY_SECONDS = 2.5
"""How long PayNearMe lets each of them wait."""


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


def publish(stack: Stack, *functions: str) -> None:
    """Give functions, by their logical names, processes that have read nothing yet, as a new version does."""
    client = stack.client("lambda")
    names = [function["FunctionName"] for function in client.list_functions()["Functions"]]
    ours = tuple(f"{stack.stack_name}-{part}Function-" for part in functions)
    wanted = [name for name in names if name.startswith(ours)]

    def publish_one(name: str) -> None:
        client.update_function_configuration(FunctionName=name, Description=str(uuid.uuid4()))
        version = client.publish_version(FunctionName=name)["Version"]
        client.get_waiter("published_version_active").wait(
            FunctionName=name, Qualifier=version, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600}
        )
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)

    with ThreadPoolExecutor(len(wanted)) as threads:
        list(threads.map(publish_one, wanted))


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


@dataclass(frozen=True)
class Storm:
    """What came of a call to each of many processes that had just started, all of which needed a token.

    ``processes`` is how many had started. ``paying`` is how many payments PayNearMe was asked for before it
    had answered one: as many processes had a token by then.
    """

    processes: int
    replies: list[Reply]
    paying: int
    token_calls: int


@pytest.fixture(scope="session")
def payers(stack: Stack) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(FRESH_PROCESSES) as threads:
        yield threads


@pytest.fixture(scope="session")
def storm(stack: Stack, folder: Path, payers: ThreadPoolExecutor) -> Storm:
    """Start a process for each of ``payers``, and then call all of them at once for a site with OAuth."""
    register, function = folder / "processes.json", "MakePaymentFunction"
    paynearme = Control(f"{stack.paynearme_url}/control")
    patient = backend_of(stack, patience=120)
    wish = {**load("make_payment")["saved"], "payment_method_identifier": access_tokens.UNKNOWN}

    def pay_at(site: str) -> Reply:
        return patient.post("/payments", wish | {"site_identifier": site}, str(uuid.uuid4()))

    def be_slow(seconds: float, operation: str) -> None:
        paynearme.post("behaviour", {"mode": "slow", "seconds": seconds, "operation": operation})

    former = functions_running(register, function)

    def fresh() -> int:
        return len(functions_running(register, function) - former)

    publish(stack, "MakePayment")
    paynearme.post("reset")
    # They start before, because those that start are at the token address one after the other. So none has
    # answered before all have been called.
    be_slow(5, "make_payment")
    list(payers.map(pay_at, [SITE] * FRESH_PROCESSES))
    # Until each has called PayNearMe in time, and been told that nobody has the method.
    be_slow(1, "make_payment")
    UNTIL_TRUE(lambda: {reply.status for reply in payers.map(pay_at, [SITE] * FRESH_PROCESSES)} == {422})
    paynearme.post("reset")
    access_tokens.forget(stack, paynearme)
    # Long enough for all to come before there is one; who waits gives up after some three seconds.
    be_slow(0.3, "token")
    be_slow(BUSY_SECONDS, "make_payment")
    replies = list(payers.map(pay_at, [OAUTH_SITE] * FRESH_PROCESSES))
    moments = sorted(datetime.fromisoformat(call["time"]) for call in paynearme.get("calls"))
    unanswered = timedelta(seconds=BUSY_SECONDS)
    paying = sum(moment - moments[0] < unanswered for moment in moments)
    token_calls = paynearme.get("token-calls")["count"]
    paynearme.post("reset")
    return Storm(fresh(), replies, paying, token_calls)
