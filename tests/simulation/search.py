"""Run the seeds of the simulation in several processes until one of them has an error."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from multiprocessing import get_context

from paynearme.platform.observability import logger
from tests.simulation.planted_bugs import PLANTED_BUGS
from tests.simulation.simulation import SimulationError, run_seed

BLOCK_SIZE = 20
"""The number of seeds that a process runs for each request."""


type Failure = tuple[int, str]
"""The first seed with an error, and its description."""


def search(seeds: range, steps: int, bug_name: str, processes: int, seconds: float) -> tuple[Failure | None, int]:
    """Return the first failure, and the number of seeds."""
    run = partial(first_failure, steps=steps, bug_name=bug_name, ends_at=time.monotonic() + seconds)
    blocks = [seeds[index : index + BLOCK_SIZE] for index in range(0, len(seeds), BLOCK_SIZE)]
    seed_count = 0
    with get_context("spawn").Pool(processes) as pool:
        for failure, block_count in pool.imap(run, blocks):
            seed_count += block_count
            if failure:
                return failure, seed_count
    return None, seed_count


def first_failure(
    seeds: Iterable[int], steps: int, bug_name: str = "", ends_at: float = float("inf")
) -> tuple[Failure | None, int]:
    """Return the failure of the first seed that has one, and the number of seeds."""
    plant, seed_count = PLANTED_BUGS.get(bug_name, nullcontext), 0
    with quiet_logs(), plant():
        for seed in seeds:
            if time.monotonic() >= ends_at:
                break
            seed_count += 1
            try:
                run_seed(seed, steps)
            except SimulationError as error:
                return (seed, str(error)), seed_count
    return None, seed_count


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Write no log lines of the layer."""
    level = logger.log_level
    logger.setLevel("CRITICAL")
    try:
        yield
    finally:
        logger.setLevel(level)
