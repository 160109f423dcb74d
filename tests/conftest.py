"""Configure Hypothesis and coverage for every test run."""

import gc
from collections.abc import Generator

import pytest
from coverage import Coverage
from hypothesis import settings

from tests.support.coverage_sampling import (
    IS_MEASURED,
    import_layer,
    is_coverage_active,
    order_measured_first,
    paused_coverage,
    stop_coverage,
)
from tests.support.fake_clock import Clock

# A failure must be reproducible, also on a slow machine.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Measure the imports of the layer, but not the collection and distribution of tests."""
    if not is_coverage_active(session.config):
        return (yield)
    import_layer()
    if session.config.pluginmanager.hasplugin("dsession"):
        stop_coverage()
        return (yield)
    with paused_coverage():
        return (yield)


def pytest_collection_finish() -> None:
    """Exclude the collected tests from garbage collection, because they exist until the end of the run."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the measured tests first if coverage is measured."""
    if is_coverage_active(config):
        order_measured_first(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Stop coverage before the first test that is not measured."""
    if Coverage.current() and not item.stash.get(IS_MEASURED, True):
        stop_coverage()


@pytest.fixture
def clock() -> Clock:
    return Clock()
