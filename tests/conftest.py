"""What holds for every run: examples that repeat, and what coverage is measured with."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from coverage import Coverage
from hypothesis import settings

from paynearme import deadline
from tests.clock import Clock

# What fails once must fail again, on a slow machine too.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

IS_TRACED = pytest.StashKey[bool]()
"""Whether it runs before coverage is measured no more, as the first case of each test does."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where coverage is measured, let each process begin with the first cases of its tests."""
    if Coverage.current() is None:
        return
    seen: set[str] = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        item.stash[IS_TRACED] = test not in seen and item.get_closest_marker("untraced") is None
        seen.add(test)
    # At the beginning each has a part of the list, as long as the others'.
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    first, other = ([item for item in items if item.stash[IS_TRACED] is traced] for traced in (True, False))
    items[:] = [
        item
        for process in range(processes)
        for cases in (first, other)
        for item in cases[len(cases) * process // processes : len(cases) * (process + 1) // processes]
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Measure no more from the first other case on: that takes long, and the first cases run nearly all."""
    coverage = Coverage.current()
    if coverage is None or item.stash[IS_TRACED]:
        return
    coverage.stop()
    # While there is one thread that began traced, Python goes on tracing them all.
    deadline._threads.shutdown()
    deadline._threads = ThreadPoolExecutor()


@pytest.fixture
def clock() -> Clock:
    return Clock()
