"""Run the simulation: ``python -m tests.simulation --seeds 100``, or ``--minutes 20 --processes 2``."""

import argparse
import sys
import time

from tests.simulation.planted_bugs import PLANTED_BUGS
from tests.simulation.search import Failure, search


def main(arguments: list[str] | None = None) -> int:
    """Return 1 if an invariant is violated, or if a planted bug is not found."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, help="the number of seeds. Default: 1, or without a limit with --minutes")
    parser.add_argument("--steps", type=int, default=200, help="the number of random actions of a seed")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no seed after this time")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--planted", action="store_true", help="plant each known bug, and print the seeds that find it")
    options = parser.parse_args(arguments)
    searches = list(PLANTED_BUGS) if options.planted else [""]
    ends_at = time.monotonic() + 60 * options.minutes
    default = 1000 if options.planted else 1 if ends_at == float("inf") else 1_000_000
    seeds = range(options.seed, options.seed + (options.seeds or default))
    is_expected = []
    for index, name in enumerate(searches):
        started_at = time.monotonic()
        # The remaining searches share the remaining time.
        seconds = (ends_at - started_at) / (len(searches) - index)
        failure, seed_count = search(seeds, options.steps, name, options.processes, seconds)
        is_expected.append(bool(failure) is options.planted)
        sys.stdout.write(_report(failure, seed_count, time.monotonic() - started_at, options.steps, name) + "\n")
        sys.stdout.flush()
    return 0 if all(is_expected) else 1


def _report(failure: Failure | None, seed_count: int, seconds: float, steps: int, bug_name: str) -> str:
    speed = f"{seed_count} seeds in {seconds:.1f} s, {seed_count / seconds:.1f} seeds per second"
    if failure is None:
        return f"{bug_name or 'all seeds'}: no error ({speed})"
    seed, description = failure
    if bug_name:
        return f"{bug_name}: found by seed {seed}, {description.splitlines()[0]:.100} ({speed})"
    command = f"python -m tests.simulation --seed {seed} --steps {steps}"
    return f"{description}\nerror of seed {seed} ({speed}). To reproduce it: {command}"


if __name__ == "__main__":
    sys.exit(main())
