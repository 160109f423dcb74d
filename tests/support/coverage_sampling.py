"""Measure coverage only for the first case of each test.

The first cases reach 98.7 % coverage in two thirds of the time.
"""

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

IS_MEASURED = pytest.StashKey[bool]()
"""Whether coverage measures a test."""


def is_coverage_active(config: pytest.Config) -> bool:
    """Return whether pytest-cov is active. ``coverage run`` measures all tests."""
    return bool(config.getoption("cov_source", None)) and not config.getoption("no_cov")


def order_measured_first(items: list[pytest.Item]) -> None:
    """Put the first case of each test first in each process, except tests with the marker ``no_coverage``."""
    visited: set[str] = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        item.stash[IS_MEASURED] = test not in visited and item.get_closest_marker("no_coverage") is None
        visited.add(test)
    measured_items, other_items = (
        [item for item in items if item.stash[IS_MEASURED] is is_measured] for is_measured in (True, False)
    )
    items[:] = interleave_by_worker(measured_items, other_items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def interleave_by_worker[T](first: Sequence[T], other: Sequence[T], processes: int) -> list[T]:
    """Return both sequences in an order in which the share of each process starts with items of ``first``.

    The shares are those of pytest-xdist: each process in turn gets its share of the remaining items.
    """
    ordered: list[T] = []
    for workers_left in range(processes, 0, -1):
        first_count, total_count = len(first) // workers_left, (len(first) + len(other)) // workers_left
        other_count = total_count - first_count
        ordered += [*first[:first_count], *other[:other_count]]
        first, other = first[first_count:], other[other_count:]
    return ordered


def import_layer() -> None:
    """Import all modules of the layer, so that coverage measures their imports."""
    for module in pkgutil.walk_packages(paynearme.__path__, f"{paynearme.__name__}."):
        importlib.import_module(module.name)


@contextmanager
def paused_coverage() -> Iterator[None]:
    """Pause coverage."""
    paused = _stop_active()
    try:
        yield
    finally:
        for coverage in reversed(paused):
            coverage.start()


def _stop_active() -> list[Coverage]:
    stopped = []
    while coverage := Coverage.current():
        coverage.stop()
        stopped.append(coverage)
    return stopped


def stop_coverage() -> None:
    """Stop coverage in this process."""
    _stop_active()
    # Python traces all threads while one thread exists that started with tracing.
    threads = deadline._executor
    threads.shutdown()
    deadline._executor = ThreadPoolExecutor(threads._max_workers)
