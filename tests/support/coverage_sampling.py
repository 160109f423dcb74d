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
from paynearme.platform import deadline

IS_TRACED = pytest.StashKey[bool]()
"""Whether a test is to run before tracing stops."""


def is_measured(config: pytest.Config) -> bool:
    """Return whether pytest-cov measures; a ``coverage run`` measures all that it wants to."""
    return bool(config.getoption("cov_source", None)) and not config.getoption("no_cov")


def order_traced_first(items: list[pytest.Item]) -> None:
    """Let each process begin with the first cases of its tests, less those that are marked ``untraced``."""
    visited: set[str] = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        item.stash[IS_TRACED] = test not in visited and item.get_closest_marker("untraced") is None
        visited.add(test)
    traced_items, untraced_items = (
        [item for item in items if item.stash[IS_TRACED] is is_traced] for is_traced in (True, False)
    )
    items[:] = interleave_by_worker(traced_items, untraced_items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def interleave_by_worker[T](first: Sequence[T], other: Sequence[T], processes: int) -> list[T]:
    """Return both in an order in which the part of each process begins with its share of ``first``.

    The parts are pytest-xdist's: one process after the other gets its share of what is left.
    """
    ordered: list[T] = []
    for workers_left in range(processes, 0, -1):
        first_count, total_count = len(first) // workers_left, (len(first) + len(other)) // workers_left
        other_count = total_count - first_count
        ordered += [*first[:first_count], *other[:other_count]]
        first, other = first[first_count:], other[other_count:]
    return ordered


def import_layer() -> None:
    """Import all of it, so that what a module does when it is imported can be measured."""
    for module in pkgutil.walk_packages(paynearme.__path__, f"{paynearme.__name__}."):
        importlib.import_module(module.name)


@contextmanager
def untraced() -> Iterator[None]:
    """Measure nothing meanwhile."""
    paused = _pause_coverage()
    try:
        yield
    finally:
        for coverage in reversed(paused):
            coverage.start()


def _pause_coverage() -> list[Coverage]:
    stopped = []
    while coverage := Coverage.current():
        coverage.stop()
        stopped.append(coverage)
    return stopped


def stop_coverage() -> None:
    """Measure coverage no longer in this process."""
    _pause_coverage()
    # While there is one thread that began traced, Python goes on tracing them all.
    threads = deadline._executor
    threads.shutdown()
    deadline._executor = ThreadPoolExecutor(threads._max_workers)
