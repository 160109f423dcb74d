"""Run the benchmarks, and print their tables as Markdown: ``python -m benchmarks [warm cold calls memory stack]``."""

import platform
import sys
import time
from datetime import UTC, datetime

from benchmarks import cold, memory, per_call, stack, warm
from benchmarks.report import Goal, Table, goals_table

PARTS = ("warm", "cold", "calls", "memory", "stack")


def _run(part: str) -> tuple[list[Table], list[Goal]]:
    match part:
        case "warm":
            table, goals = warm.run()
            return [table], goals
        case "cold":
            table, goals = cold.run()
            return [table], goals
        case "calls":
            return [per_call.run()], []
        case "memory":
            return [], memory.run()
    return stack.run()


def main(parts: list[str]) -> int:
    """Return 1 for an unknown part."""
    if unknown := set(parts) - set(PARTS):
        sys.stderr.write(f"unknown parts: {', '.join(sorted(unknown))}. Parts: {', '.join(PARTS)}\n")
        return 1
    sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {platform.machine()}\n")
    all_goals: list[Goal] = []
    for part in parts or PARTS:
        started = time.monotonic()
        tables, goals = _run(part)
        for table in tables:
            sys.stdout.write(f"\n{table.to_markdown()}\n")
        sys.stderr.write(f"{part}: {time.monotonic() - started:.0f} s\n")
        all_goals += goals
    if all_goals:
        sys.stdout.write(f"\n{goals_table(all_goals).to_markdown()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
