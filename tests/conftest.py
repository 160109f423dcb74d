"""What holds for every run: examples that repeat, and what coverage is measured with."""

import gc
from collections.abc import Generator

import pytest
from coverage import Coverage
from hypothesis import settings

from tests.support.coverage_sampling import (
    IS_TRACED,
    import_layer,
    is_measured,
    order_traced_first,
    stop_coverage,
    untraced,
)
from tests.support.fake_clock import Clock

# What fails once must fail again, on a slow machine too.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Trace what the layer does when it is imported, but not how tests are collected, nor handed out."""
    if not is_measured(session.config):
        return (yield)
    import_layer()
    if session.config.pluginmanager.hasplugin("dsession"):
        stop_coverage()
        return (yield)
    with untraced():
        return (yield)


def pytest_collection_finish() -> None:
    """Let Python's garbage collector pass over all that is needed to the end: thousands of tests."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where coverage is measured, put the tests in an order for it."""
    if is_measured(config):
        order_traced_first(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Stop measuring before the first test that is not to be traced."""
    if Coverage.current() and not item.stash.get(IS_TRACED, True):
        stop_coverage()


@pytest.fixture
def clock() -> Clock:
    return Clock()
