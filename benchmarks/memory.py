"""Measure the memory and the threads after many warm calls of one process."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from benchmarks.aws_stub import AwsStub
from benchmarks.cases import prepare
from benchmarks.report import Goal

WARM_UP, CALLS = 2_000, 20_000
_MAX_GROWTH_MEGABYTES = 1.0


def _resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(name: str) -> tuple[float, int]:
    """Return the growth in megabytes after the warm-up, and the number of threads that were added."""
    stub = AwsStub()
    call = prepare(name, stub)
    for _ in range(WARM_UP):
        stub.requests.clear()
        call()
    before, threads = _resident_megabytes(), threading.active_count()
    for _ in range(CALLS - WARM_UP):
        stub.requests.clear()
        call()
    return _resident_megabytes() - before, threading.active_count() - threads


def run() -> list[Goal]:
    """Return the growth of both callbacks of a payment as goals."""
    goals = []
    for name in ("authorize", "confirm"):
        command = [sys.executable, "-m", "benchmarks.memory", name]
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout  # noqa: S603 # this interpreter
        growth, threads = output.splitlines()[-1].split()
        goals.append(Goal(f"{name}, growth in MB after {CALLS:,} calls", float(growth), _MAX_GROWTH_MEGABYTES))
        goals.append(Goal(f"{name}, threads left over", float(threads), 0))
    return goals


if __name__ == "__main__":
    growth, threads = measure(sys.argv[1])
    sys.stdout.write(f"\n{growth} {threads}\n")
