"""What holds for every run: examples that repeat, and which cases of the tests it takes."""

import pytest
from hypothesis import settings

from tests.clock import Clock

# What fails once must fail again, on a slow machine too.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--cases``: to trace which code runs takes longer, and the first cases run most of it."""
    parser.addoption(
        "--cases",
        choices=["all", "first", "other"],
        default="all",
        help="of each test all cases, the first alone, or the others",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the cases that were asked for."""
    cases = config.getoption("--cases")
    if cases == "all":
        return
    first: dict[str, pytest.Item] = {}
    for item in items:
        first.setdefault(item.nodeid.partition("[")[0], item)
    kept = set(first.values()) if cases == "first" else set(items).difference(first.values())
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]


@pytest.fixture
def clock() -> Clock:
    return Clock()
