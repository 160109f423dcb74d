"""Compare warm calls: the CPU time of the callbacks and of their peers, in shuffled rounds on one core."""

import os
import random
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from statistics import median
from typing import IO

from benchmarks.cases import CASES
from benchmarks.report import Goal, Table

ROUNDS, CALLS = 61, 30

GOALS: tuple[tuple[str, str, float], ...] = (
    ("authorize", "bare boto3, requests of authorize", 1.4),
    ("authorize, gaming policy", "bare boto3, requests of authorize, gaming", 1.4),
    ("confirm", "bare boto3, requests of confirm", 1.5),
    ("authorize", "Powertools @idempotent", 1.3),
    ("confirm", "Powertools @idempotent", 0.75),
    ("authorize without AWS", "Powertools in full, no DynamoDB", 1.0),
)
"""Case, peer, and the maximum ratio of their minima."""


def measure(cases: Iterable[str], rounds: int = ROUNDS) -> Mapping[str, list[float]]:
    """Return the microseconds of one call by case and round. All processes share one core."""
    names, microseconds = list(cases), dict[str, list[float]]()
    with ExitStack() as stack:
        processes = {name: stack.enter_context(_start(name)) for name in names}
        for process in processes.values():
            _read(process.stdout)
        for _ in range(rounds):
            random.shuffle(names)
            for name in names:
                microseconds.setdefault(name, []).append(_round(processes[name]))
    return microseconds


def _start(name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.case_process", name]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 # this interpreter
    os.sched_setaffinity(process.pid, {max(os.sched_getaffinity(0))})
    return process


def _read(stream: IO[str] | None) -> str:
    line = stream.readline() if stream else ""
    if not line:
        raise RuntimeError("a process of the benchmark ended")
    return line


def _round(process: subprocess.Popen[str]) -> float:
    if process.stdin is not None:
        process.stdin.write(f"{CALLS}\n")
        process.stdin.flush()
    return float(_read(process.stdout))


def run() -> tuple[Table, list[Goal]]:
    """Return the table of all cases, and the goals."""
    results = measure(CASES)
    minima = {name: min(values) for name, values in results.items()}
    table = Table("Warm calls, CPU in microseconds", ("call", "minimum", "median", "times the floor"))
    for name in CASES:
        ratio = minima[name] / minima["floor"]
        table.rows.append((name, f"{minima[name]:,.0f}", f"{median(results[name]):,.0f}", f"{ratio:.1f}"))
    goals = [Goal(f"{case} / {peer}", minima[case] / minima[peer], maximum) for case, peer, maximum in GOALS]
    return table, goals
