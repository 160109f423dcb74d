"""Measure the import time of each built handler, as a ratio to the start of Python.

``make bench`` runs this module. ``make demo`` or ``make up`` must build the functions first. The boto3 of this
environment replaces the boto3 of the Lambda runtime. The output has the time without ``.pyc`` files, like a deployed
layer, and with ``.pyc`` files.
"""

import compileall
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import boto3
from rich.console import Console
from rich.table import Table as OutputTable

_ROOT = Path(__file__).resolve().parent.parent
_BUILD = _ROOT / ".aws-sam/build"
_FUNCTIONS = ("AuthorizeFunction", "ConfirmFunction", "GetSmartTokenFunction", "MakePaymentFunction")
_ROUNDS = 7
_ENVIRONMENT = {"AWS_DEFAULT_REGION": "us-east-1", "SITES_SECRET": "sites", "TABLE_NAME": "payments"}


def _milliseconds(program: str) -> float:
    """Return the median time in milliseconds of a new Python process that runs ``program`` and writes no bytecode."""
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        command = [sys.executable, "-I", "-B", "-c", program]
        subprocess.run(command, env={**os.environ, **_ENVIRONMENT}, check=True)  # noqa: S603 # this interpreter
        times.append(time.perf_counter() - started)
    return median(times) * 1000


def _import_program(function: Path, layer: Path) -> str:
    runtime = Path(boto3.__file__).parent.parent
    paths = [str(function), str(layer), str(runtime)]
    return f"import sys; sys.path[:0] = {paths[:2]!r}; sys.path.append({paths[2]!r}); import app"


def main() -> None:
    """Measure each handler without and with ``.pyc`` files, and print the ratios."""
    baseline = _milliseconds("pass")
    table = OutputTable("import of", "ratio without .pyc", "ratio with .pyc", box=None, padding=(0, 2))
    with tempfile.TemporaryDirectory() as folder:
        layers = {name: Path(folder) / name for name in ("plain", "compiled")}
        for layer in layers.values():
            ignore_bytecode = shutil.ignore_patterns("__pycache__")
            shutil.copytree(_BUILD / "SharedLayer/python", layer, ignore=ignore_bytecode)
        compileall.compile_dir(layers["compiled"], quiet=2)
        for function in _FUNCTIONS:
            ratios = (_milliseconds(_import_program(_BUILD / function, layer)) / baseline for layer in layers.values())
            table.add_row(function, *(f"{ratio:.1f}" for ratio in ratios))
    Console().print(f"start of Python: {baseline:.0f} ms")
    Console().print(table)


if __name__ == "__main__":
    main()
