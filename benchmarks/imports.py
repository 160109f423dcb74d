"""What starting a function costs: the time to import each built handler, as a ratio to a bare Python.

``make bench`` runs it, after ``make demo`` or ``make up``, which build for this machine. Lambda's own
copy of boto3 stands in as this environment's. Without ``.pyc`` files is what ``sam build`` ships; with
them is what the layer would cost if it were compiled.
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
from rich.table import Table as Shown

_ROOT = Path(__file__).resolve().parent.parent
_BUILD = _ROOT / ".aws-sam/build"
_FUNCTIONS = ("AuthorizeFunction", "ConfirmFunction", "GetSmartTokenFunction", "MakePaymentFunction")
_ROUNDS = 7
_ENVIRONMENT = {"AWS_DEFAULT_REGION": "us-east-1", "SITES_SECRET": "sites", "TABLE_NAME": "payments"}


def _milliseconds(program: str) -> float:
    """Return the median time of a fresh Python that runs ``program``, in ms. It writes no ``.pyc`` files."""
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        command = [sys.executable, "-I", "-B", "-c", program]
        subprocess.run(command, env={**os.environ, **_ENVIRONMENT}, check=True)  # noqa: S603 # our own Python
        times.append(time.perf_counter() - started)
    return median(times) * 1000


def _import_program(function: Path, layer: Path) -> str:
    runtime = Path(boto3.__file__).parent.parent
    paths = [str(function), str(layer), str(runtime)]
    return f"import sys; sys.path[:0] = {paths[:2]!r}; sys.path.append({paths[2]!r}); import app"


def main() -> None:
    """Measure each handler without and with compiled files, and print it."""
    baseline = _milliseconds("pass")
    table = Shown("import of", "no .pyc: ratio", ".pyc: ratio", box=None, padding=(0, 2))
    with tempfile.TemporaryDirectory() as folder:
        layers = {name: Path(folder) / name for name in ("plain", "compiled")}
        for layer in layers.values():
            ignore_bytecode = shutil.ignore_patterns("__pycache__")
            shutil.copytree(_BUILD / "SharedLayer/python", layer, ignore=ignore_bytecode)
        compileall.compile_dir(layers["compiled"], quiet=2)
        for function in _FUNCTIONS:
            ratios = (_milliseconds(_import_program(_BUILD / function, layer)) / baseline for layer in layers.values())
            table.add_row(function, *(f"{ratio:.1f}" for ratio in ratios))
    Console().print(f"bare Python: {baseline:.0f} ms")
    Console().print(table)


if __name__ == "__main__":
    main()
