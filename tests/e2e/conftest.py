"""The deployed local stack, with a faulty endpoint in it, for all end-to-end tests of a run."""

import operator
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tenacity import Retrying, retry_if_result, stop_after_attempt

from local import stack as local_stack
from local.backend import Backend
from local.callbacks import CallbackSender, Delivery, Kind
from local.control import Control
from local.drive import Books, backend_of, sender_of
from local.events import Parameters, load, with_fresh_payment
from local.stack import Stack

AT_ONCE = 64


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in an order that spares processes, and look at the logs when everything is logged.

    The crowd's functions are warm until a test publishes new versions of them.
    """

    def place(item: pytest.Item) -> int:
        asked_for = getattr(item, "fixturenames", ())
        if item.path.name == "test_privacy.py":
            return 3
        return 2 if "cold" in asked_for else 0 if "crowd" in asked_for else 1

    items.sort(key=place)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("local") / "stack"
    try:
        yield local_stack.start(folder, lambda step: None, with_faults=True)
    finally:
        local_stack.stop(folder)


@pytest.fixture(scope="session")
def sender(stack: Stack) -> CallbackSender:
    return sender_of(stack)


@pytest.fixture(scope="session")
def backend(stack: Stack) -> Backend:
    return backend_of(stack)


@pytest.fixture(scope="session")
def books(stack: Stack) -> Books:
    return Books(stack)


@pytest.fixture
def faults(stack: Stack) -> Iterator[Control]:
    control = Control(f"{stack.faults_url}/-/control")
    control.post("reset")
    yield control
    control.post("reset")


@pytest.fixture
def paynearme(stack: Stack) -> Iterator[Control]:
    control = Control(f"{stack.paynearme_url}/control")
    control.post("reset")
    yield control
    control.post("reset")


@pytest.fixture
def cold(stack: Stack) -> Callable[[], None]:
    """Give the callback functions processes that have read nothing yet, as a new version does."""

    def publish() -> None:
        functions = stack.client("lambda")
        for function in functions.list_functions()["Functions"]:
            name = function["FunctionName"]
            if any(part in name for part in ("Authorize", "Confirm", "Reverse")):
                functions.update_function_configuration(FunctionName=name, Description=str(uuid.uuid4()))
                version = functions.publish_version(FunctionName=name)["Version"]
                functions.get_waiter("published_version_active").wait(
                    FunctionName=name, Qualifier=version, WaiterConfig={"Delay": 1}
                )
                functions.update_alias(FunctionName=name, Name="live", FunctionVersion=version)

    return publish


@pytest.fixture
def authorization() -> Parameters:
    return with_fresh_payment(load("authorization")["credit"])


@pytest.fixture(scope="session")
def crowd(stack: Stack) -> Iterator[ThreadPoolExecutor]:
    """As many threads as there are callbacks at once, with a warm function process for each."""
    patient = CallbackSender(stack.callback_url, stack.sites, answer_within=120)

    def warm(kind: Kind) -> Delivery:
        message = with_fresh_payment(load("authorization")["credit"])
        return patient.deliver(kind, {**message, "status": "decline", "test": "true"}, "json")

    with ThreadPoolExecutor(AT_ONCE) as threads:

        def warm_all(kind: Kind, number: int) -> bool:
            deliveries = list(threads.map(warm, [kind] * number))
            return all(delivery.accepted for delivery in deliveries)

        kinds: tuple[Kind, ...] = ("authorize", "confirm")
        slow = Control(f"{stack.faults_url}/-/control")
        for kind in kinds:
            # The emulator starts a process for a call that finds none free: so none may be free soon.
            slow.post("fault", {"service": "dynamodb", "mode": "slow", "seconds": 1})
            warm_all(kind, AT_ONCE)
            slow.post("reset")
            # While dozens of processes start, not each answers in time.
            until_all_answer = Retrying(retry=retry_if_result(operator.not_), stop=stop_after_attempt(10))
            until_all_answer(warm_all, kind, AT_ONCE)
        yield threads
