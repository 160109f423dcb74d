"""Configure Hypothesis, and select the tests of the run."""

import gc

import pytest
from hypothesis import settings

from tests.support.fake_clock import Clock
from tests.support.test_run import IS_FULL

# The short run repeats the same examples. The long run draws new ones, and prints how to repeat a failure.
settings.register_profile("short", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("full", deadline=None, print_blob=True, max_examples=1000)
settings.load_profile("full" if IS_FULL else "short")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of the long run in a short run."""
    if not IS_FULL:
        deselected = [item for item in items if item.get_closest_marker("full")]
        items[:] = [item for item in items if not item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=deselected)


def pytest_collection_finish() -> None:
    """Exclude the collected tests from garbage collection, because they exist until the end of the run."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_freeze(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep garbage collection complete: a test starts many handlers, and their objects do not live until the end."""
    monkeypatch.setattr(gc, "freeze", lambda: None)


@pytest.fixture
def clock() -> Clock:
    return Clock()
