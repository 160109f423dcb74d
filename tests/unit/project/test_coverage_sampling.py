from itertools import product

import pytest

from tests.support.coverage_sampling import interleave_by_worker


def split_evenly(items: list[str], processes: int) -> list[list[str]]:
    """Return the initial share of each pytest-xdist process."""
    parts = []
    for remaining in range(processes, 0, -1):
        size = len(items) // remaining
        parts.append(items[:size])
        items = items[size:]
    return parts


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 8, 16])
def test_interleave_by_worker_traced_tests_first_and_balanced(processes: int) -> None:
    for first, other in product(range(0, 40, 3), range(0, 60, 7)):
        distributed = interleave_by_worker(["first"] * first, ["other"] * other, processes)

        assert sorted(distributed) == ["first"] * first + ["other"] * other
        parts = split_evenly(distributed, processes)
        assert parts == [sorted(part) for part in parts]
        shares = [part.count("first") for part in parts]
        assert max(shares) - min(shares) <= 1
