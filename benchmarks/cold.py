"""Compare cold starts: the CPU time of a new process that imports a built handler and invokes it once.

boto3 comes from this environment, with bytecode, as in the Lambda runtime.
"""

import compileall
import importlib.util
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.aws_stub import SITE
from benchmarks.cases import ENVIRONMENT, event_of
from benchmarks.peers.message import SECRET
from benchmarks.report import Goal, Table
from sandbox import ROOT
from sandbox.stack.deployment import build

BUILD = ROOT / ".aws-sam/build"
ROUNDS = 12
PEER = "boto3 client and pydantic model, without .pyc"
_COMPILED_PEER = "boto3 client and pydantic model, with .pyc"
_RUNTIME = ("boto3", "botocore", "s3transfer", "dateutil", "six", "jmespath", "urllib3")
_PYDANTIC = ("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection")
_CALLBACKS = ("authorize", "confirm", "reverse")
# Their first call ends with a rejected request, because PayNearMe is not stubbed.
_OTHERS = ("GetSmartTokenFunction", "MakePaymentFunction", "PaymentsFunction")
_MAX_LAYER_MEGABYTES = 4.5


def _copy_packages(names: tuple[str, ...], folder: Path, *, compiled: bool) -> Path:
    """Copy packages of this environment without metadata. ``compiled``: with new bytecode, else without any."""
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise RuntimeError(f"{name} is not installed")
        module = Path(spec.origin)
        if module.name == "__init__.py":
            shutil.copytree(module.parent, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(module, folder / module.name)
    if compiled:
        compileall.compile_dir(folder, quiet=2)
    return folder


def _cases(folder: Path) -> dict[str, dict[str, Any]]:
    runtime = str(_copy_packages(_RUNTIME, folder / "runtime", compiled=True))
    peers = {
        PEER: _copy_packages(_PYDANTIC, folder / "plain", compiled=False),
        _COMPILED_PEER: _copy_packages(_PYDANTIC, folder / "compiled", compiled=True),
    }
    policy = (ROOT / "policy.json").read_text(encoding="utf-8")
    answers = {
        "GetSecretValue": json.dumps(
            {"SecretString": json.dumps({"sites": {SITE: {"version": "3.0", "secret": SECRET}}})}
        ),
        "start": json.dumps({"InitialConfigurationToken": "token"}),
        "poll": policy,
        "BatchGetItem": json.dumps({"Responses": {"payments": []}, "UnprocessedKeys": {}}),
        "TransactWriteItems": "{}",
        "PutItem": "{}",
    }
    layer = str(BUILD / "SharedLayer/python")
    cases: dict[str, dict[str, Any]] = {
        name: {
            "path": [str(ROOT), str(packages), runtime],
            "module": "benchmarks.peers.client_and_model",
            "event": event_of("authorize"),
            "status": 200,
        }
        for name, packages in peers.items()
    }
    for operation in _CALLBACKS:
        built = str(BUILD / f"{operation.capitalize()}Function")
        cases[operation] = {
            "path": [built, layer, runtime],
            "module": "app",
            "event": event_of(operation),
            "status": 200,
        }
    for name in _OTHERS:
        event = {"httpMethod": "GET" if name == "PaymentsFunction" else "POST", "body": "{}"}
        cases[name] = {"path": [str(BUILD / name), layer, runtime], "module": "app", "event": event, "status": 400}
    return {name: {**case, "answers": answers} for name, case in cases.items()}


def _run(file: Path) -> tuple[float, int]:
    """Return the CPU milliseconds of a new process, and the number of modules that it loads."""
    environment = {"PATH": os.environ["PATH"], **ENVIRONMENT, "PAYNEARME_BASE_URL": "https://paynearme.invalid"}
    # ``-S`` adds no packages of this environment. ``-B`` writes no bytecode.
    command = [sys.executable, "-S", "-B", str(ROOT / "benchmarks/cold_process.py"), str(file)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # noqa: S603 # this interpreter
    os.sched_setaffinity(process.pid, {max(os.sched_getaffinity(0))})
    text = process.stderr.read() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(text)
    return (usage.ru_utime + usage.ru_stime) * 1000, int(text)


def layer_megabytes() -> float:
    """Return the size of the built layer as a compressed archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((BUILD / "SharedLayer").rglob("*")):
            archive.write(file, file.relative_to(BUILD / "SharedLayer"))
    return len(content.getvalue()) / 1e6


def run() -> tuple[Table, list[Goal]]:
    """Return the table of all cold starts, and the goals."""
    milliseconds: dict[str, list[float]] = {}
    modules: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tmp").mkdir()
        build(Path(folder))
        files: dict[str, Path] = {}
        for index, (name, case) in enumerate(_cases(Path(folder)).items()):
            files[name] = Path(folder) / f"{index}.json"
            files[name].write_text(json.dumps(case), encoding="utf-8")
        for _ in range(ROUNDS):
            for name in random.sample(list(files), len(files)):
                duration, modules[name] = _run(files[name])
                milliseconds.setdefault(name, []).append(duration)
    return _table(milliseconds, modules), _goals({name: min(values) for name, values in milliseconds.items()})


def _table(milliseconds: Mapping[str, list[float]], modules: Mapping[str, int]) -> Table:
    table = Table("Cold starts, CPU in milliseconds", ("process", "minimum", "median", "times the peer", "modules"))
    peer = min(milliseconds[PEER])
    for name in sorted(milliseconds, key=lambda name: min(milliseconds[name])):
        values = milliseconds[name]
        row = (name, f"{min(values):.0f}", f"{median(values):.0f}", f"{min(values) / peer:.2f}", str(modules[name]))
        table.rows.append(row)
    return table


def _goals(minima: Mapping[str, float]) -> list[Goal]:
    maxima = dict.fromkeys(_CALLBACKS, 1.0) | dict.fromkeys(_OTHERS, 1.1)
    ratios = [Goal(f"{name} / {PEER}", minima[name] / minima[PEER], maximum) for name, maximum in maxima.items()]
    return [*ratios, Goal("layer, compressed, in MB", layer_megabytes(), _MAX_LAYER_MEGABYTES)]
