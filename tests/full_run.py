"""Run the long proofs in parts, each within a time limit: ``python -m tests.full_run [PART ...]``.

Parts with random data repeat with new seeds until their time limit, and print the seed of a failure. At the end, the
program prints the result and the duration of each part, and how many rounds, examples or seeds it ran.
"""

import argparse
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PYTEST = (sys.executable, "-m", "pytest", "-q", "--no-header")
PARALLEL = ("--numprocesses", "2", "--dist", "worksteal")
EXAMPLES = re.compile(r"(\d+) passing, ")
TESTS = re.compile(r"\d+ passed.* in [\d.]+s|\d+ failed.* in [\d.]+s")
SEEDS = re.compile(r"found by seed \d+|all seeds:.*|error of seed.*")


@dataclass(frozen=True)
class Result:
    """The result of a part, and what it ran."""

    is_success: bool
    description: str = ""


type Part = Callable[[float], Result]
"""Runs until a time of ``time.monotonic`` at the latest."""


def run(command: tuple[str, ...], end: float) -> tuple[bool, str]:
    """Run a command, and stop it at ``end``. Print its output, and return whether it succeeded and the output."""
    sys.stdout.write(f"$ {' '.join(command)}\n")
    sys.stdout.flush()
    environment = {**os.environ, "TEST_RUN": "full"}
    with subprocess.Popen(  # noqa: S603 # commands of this module
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            output, _ = process.communicate(timeout=max(end - time.monotonic(), 1))
        except subprocess.TimeoutExpired:
            # pytest stops the local stack.
            process.send_signal(signal.SIGINT)
            try:
                output, _ = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                output, _ = process.communicate()
            output += "\nStopped at the time limit of the part.\n"
    sys.stdout.write(output)
    return process.returncode == 0, output


def once(*command: str) -> Part:
    """Return a part that runs one command. It fails at its time limit."""

    def part(end: float) -> Result:
        is_success, output = run(command, end)
        return Result(is_success, "; ".join(TESTS.findall(output)))

    return part


def rounds(*command: str, max_rounds: int = 1000, examples_per_round: int = 0) -> Part:
    """Return a part that runs Hypothesis tests with new seeds, as long as one more round fits into the time.

    Hypothesis reports no examples of a state machine. ``examples_per_round`` is their number.
    """

    def part(end: float) -> Result:
        count, examples, max_duration = 0, 0, 0.0
        while count < max_rounds and time.monotonic() + max_duration < end:
            started = time.monotonic()
            seed = secrets.randbelow(2**32)
            is_success, output = run((*command, "--hypothesis-show-statistics", f"--hypothesis-seed={seed}"), end)
            examples += examples_per_round or sum(map(int, EXAMPLES.findall(output)))
            count += 1
            if not is_success:
                return Result(False, f"failed in round {count} with --hypothesis-seed={seed}")
            max_duration = max(max_duration, time.monotonic() - started)
        return Result(count > 0, f"{count} rounds, {examples} examples")

    return part


def simulation(*options: str) -> Part:
    """Return a part that runs the simulation until shortly before its time limit."""

    def part(end: float) -> Result:
        minutes = (end - time.monotonic()) / 60 - 0.5
        limits = ("--minutes", f"{minutes:.1f}", "--processes", "2")
        is_success, output = run((sys.executable, "-m", "tests.simulation", *limits, *options), end)
        return Result(is_success, "; ".join(SEEDS.findall(output)))

    return part


CALLBACKS = "tests/integration/handlers/test_callback_property.py"
STATE_MACHINE = "tests/integration/ledger/test_ledger_state_machine.py"

PARTS: Mapping[str, tuple[float, Part]] = {
    "static": (2, once("make", "--no-print-directory", "check")),
    "aws": (2, once(sys.executable, "-m", "tests.aws_checks")),
    "coverage": (
        9,
        once(*PYTEST, *PARALLEL, "tests/unit", "tests/integration", "--cov", "--cov-branch", f"--deselect={CALLBACKS}"),
    ),
    "properties": (4, rounds(*PYTEST, *PARALLEL, "tests/unit", "-m", "hypothesis")),
    # 7 rounds of 5,000 examples for each of the three endpoints.
    "callbacks": (11, rounds(*PYTEST, *PARALLEL, CALLBACKS, max_rounds=7)),
    "state-machine": (
        5,
        rounds(*PYTEST, STATE_MACHINE, "-k", "random_scenarios", max_rounds=10, examples_per_round=500),
    ),
    "planted-bugs": (4, simulation("--planted")),
    "simulation": (10, simulation("--seeds", "10000", "--seed", str(secrets.randbelow(2**32)))),
    "e2e": (13, once(*PYTEST, "tests/e2e", "-p", "no:randomly")),
}
"""The time limit in minutes, and the function of each part."""


def main() -> int:
    """Return 1 if a part fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.full_run")
    parser.add_argument("parts", nargs="*", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    results: dict[str, tuple[Result, float]] = {}
    for name in parser.parse_args().parts or PARTS:
        minutes, part = PARTS[name]
        started = time.monotonic()
        result = part(started + 60 * minutes)
        results[name] = (result, time.monotonic() - started)
    sys.stdout.write("\n")
    for name, (result, seconds) in results.items():
        sys.stdout.write(
            f"{name:14} {'passed' if result.is_success else 'FAILED'} {seconds:5.0f} s  {result.description}\n"
        )
    return 0 if all(result.is_success for result, _ in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
