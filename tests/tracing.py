"""Coverage by the first case of each test: to trace takes long, and these run nearly all there is."""

import importlib
import os
import pkgutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from coverage import Coverage

import paynearme
from paynearme import deadline

IS_TRACED = pytest.StashKey[bool]()
"""Whether a test is to run before tracing stops."""


def is_measured(config: pytest.Config) -> bool:
    """Return whether pytest-cov measures; a ``coverage run`` measures all that it wants to."""
    return bool(config.getoption("cov_source", None)) and not config.getoption("no_cov")


def put_traced_first(items: list[pytest.Item]) -> None:
    """Let each process begin with the first cases of its tests, less those that are marked ``untraced``."""
    seen: set[str] = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        item.stash[IS_TRACED] = test not in seen and item.get_closest_marker("untraced") is None
        seen.add(test)
    traced, other = ([item for item in items if item.stash[IS_TRACED] is wanted] for wanted in (True, False))
    items[:] = dealt(traced, other, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def dealt[T](first: Sequence[T], other: Sequence[T], processes: int) -> list[T]:
    """Return both in an order in which the part of each process begins with its share of ``first``.

    The parts are pytest-xdist's: one process after the other gets its share of what is left.
    """
    ordered: list[T] = []
    for left in range(processes, 0, -1):
        of_first, of_both = len(first) // left, (len(first) + len(other)) // left
        of_other = of_both - of_first
        ordered += [*first[:of_first], *other[:of_other]]
        first, other = first[of_first:], other[of_other:]
    return ordered


def import_the_layer() -> None:
    """Import all of it, so that what a module does when it is imported can be measured."""
    for module in pkgutil.walk_packages(paynearme.__path__, f"{paynearme.__name__}."):
        importlib.import_module(module.name)


@contextmanager
def untraced() -> Iterator[None]:
    """Measure nothing meanwhile."""
    paused = _stop()
    try:
        yield
    finally:
        for coverage in reversed(paused):
            coverage.start()


def _stop() -> list[Coverage]:
    stopped = []
    while coverage := Coverage.current():
        coverage.stop()
        stopped.append(coverage)
    return stopped


def stop_tracing() -> None:
    """Measure coverage no longer in this process."""
    _stop()
    # While there is one thread that began traced, Python goes on tracing them all.
    threads = deadline._threads
    threads.shutdown()
    deadline._threads = ThreadPoolExecutor(threads._max_workers)
