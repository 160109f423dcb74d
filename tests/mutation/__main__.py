"""Apply each mutant of ``mutants.json`` to a copy of the project, and run the tests that cover its line.

The file contains a random sample of the mutants that cosmic-ray generates for ``protocol``, ``policy`` and ``ledger``,
as diffs. ``known`` is the reason why no test has to find a survivor. The run takes about an hour:
``python -m tests.mutation``. It needs a clean checkout, and skips mutants that no longer apply.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

from coverage import CoverageData

MUTANTS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("mutants.json").read_text(encoding="utf-8"))
MAX_SECONDS = 600
"""A mutant that runs longer is killed: it never ends."""


def run(folder: Path, *command: str, text: str | None = None) -> int:
    try:
        pipes: Any = {"input": text, "text": True, "capture_output": True}
        return subprocess.run(command, cwd=folder, timeout=MAX_SECONDS, check=False, **pipes).returncode  # noqa: S603 # our own commands
    except subprocess.TimeoutExpired:
        return 1


def pytest_command(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)


def changed_line(diff: str) -> int:
    """Return the number of the first removed line."""
    _, start, hunk = re.split(r"^@@ -(\d+).*\n", diff, maxsplit=1, flags=re.MULTILINE)
    return int(start) + next(index for index, line in enumerate(hunk.splitlines()) if line.startswith("-"))


def covering_tests(data: CoverageData, path: Path, line: int) -> list[str]:
    """Return the tests that run a line. For a line that runs at import: the tests that run a line of its file."""
    by_line = data.contexts_by_lineno(str(path))
    contexts = set(filter(None, by_line.get(line, ()))) or set(filter(None, chain.from_iterable(by_line.values())))
    # The unit tests are faster.
    return sorted({name.partition("|")[0] for name in contexts}, key=lambda test: ("integration" in test, test))


def main() -> int:
    """Return 1 if a mutant survives that is not known."""
    results: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert run(folder, "git", "clone", "--quiet", str(Path(__file__).parents[2]), ".") == 0
        options = ("--numprocesses=auto", "--cov=layers/shared/paynearme", "--cov-context=test", "--cov-fail-under=0")
        assert run(folder, *pytest_command("tests/unit", "tests/integration", *options)) == 0
        data = CoverageData(str(folder / ".coverage"))
        data.read()
        for mutant in MUTANTS:
            if run(folder, "git", "apply", "-", text=mutant["diff"]):
                results["skipped"] += 1
                continue
            tests = covering_tests(data, folder / mutant["path"], changed_line(mutant["diff"]))
            (folder / "tests.txt").write_text("\n".join(tests), encoding="utf-8")
            is_killed = run(folder, *pytest_command("-x", "@tests.txt"))
            results["killed" if is_killed else "survived as known" if "known" in mutant else "survived"] += 1
            if not is_killed and "known" not in mutant:
                sys.stdout.write(mutant["diff"])
            run(folder, "git", "checkout", "--quiet", ".")
    sys.stdout.write(f"{dict(results)}\n")
    return 1 if results["survived"] else 0


if __name__ == "__main__":
    sys.exit(main())
