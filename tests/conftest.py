"""What holds for every run: examples that repeat, and what coverage is measured with."""

import pytest
from coverage import Coverage
from hypothesis import settings

from tests.clock import Clock
from tests.tracing import IS_TRACED, put_traced_first, stop_tracing

# What fails once must fail again, on a slow machine too.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where coverage is measured, put the tests in an order for it."""
    if Coverage.current():
        put_traced_first(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Stop measuring before the first test that is not to be traced."""
    if Coverage.current() and not item.stash[IS_TRACED]:
        stop_tracing()


@pytest.fixture
def clock() -> Clock:
    return Clock()
