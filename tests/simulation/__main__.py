"""Run the simulation: ``python -m tests.simulation --seed 1 --steps 200``."""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from paynearme.platform.observability import logger
from tests.simulation.planted_bugs import PLANTED_BUGS, PlantedBug
from tests.simulation.simulation import Simulation, SimulationError


def main() -> int:
    """Return 1 if an invariant is violated, or if a planted bug is not found."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="the number of seeds")
    parser.add_argument("--steps", type=int, default=200, help="the number of random actions of a seed")
    parser.add_argument("--planted", action="store_true", help="plant each known bug, and print the seeds that find it")
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.seeds)
    with quiet_logs():
        if options.planted:
            return _find_planted_bugs(
                seeds if options.seeds > 1 else range(options.seed, options.seed + 1000), options.steps
            )
        started_at = time.perf_counter()
        error = first_error(seeds, options.steps)
        _print(error or f"{len(seeds)} seeds without an error")
        _print(f"{(time.perf_counter() - started_at):.1f} seconds")
        return 1 if error else 0


def first_error(seeds: Iterable[int], steps: int, bug: PlantedBug | None = None) -> SimulationError | None:
    """Return the error of the first seed that has one."""
    with (bug or PlantedBug()).patch():
        for seed in seeds:
            try:
                Simulation(seed, bug).run(steps)
            except SimulationError as error:
                return error
    return None


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Write no log lines of the layer."""
    level = logger.log_level
    logger.setLevel("CRITICAL")
    try:
        yield
    finally:
        logger.setLevel(level)


def _print(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _find_planted_bugs(seeds: range, steps: int) -> int:
    missed = 0
    for name, bug in PLANTED_BUGS.items():
        error = first_error(seeds, steps, bug)
        missed += error is None
        found = f"found with {error.seed - seeds[0] + 1} seeds, {str(error).splitlines()[0]}" if error else "not found"
        _print(f"{name}: {found}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
