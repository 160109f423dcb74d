"""The output of ``sam build``, without the emulator.

Functions on the emulator can import the emulator's packages. Only these tests show that the layer is complete.
"""

import hashlib
import importlib.metadata
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sandbox.stack.deployment import machine_architecture
from tests.support.template import FUNCTIONS, OUTBOUND_FUNCTIONS, ROOT

BUILD = ROOT / ".aws-sam/build"
LAYER = BUILD / "SharedLayer/python"
MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
MAX_ZIPPED_LAYER_BYTES = 4_500_000
RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "dateutil", "six")
"""The packages of the Lambda runtime that the functions use. The layer contains urllib3 and jmespath."""

ENVIRONMENT = {
    "ACCESS_TOKENS_PATH": "/stack/access-tokens",
    "AUTHORIZE_VERSION": "authorize:1",
    "AWS_DEFAULT_REGION": "us-east-1",
    # The test has no permissions, and must not request any from the instance metadata service.
    "AWS_EC2_METADATA_DISABLED": "true",
    "CONFIRM_VERSION": "confirm:1",
    "DEAD_LETTER_QUEUE_URL": "https://queue.invalid",
    "EVENT_BUS_NAME": "bus",
    "PAYNEARME_BASE_URL": "https://paynearme.invalid",
    "POLICY_APPLICATION": "application",
    "POLICY_ENVIRONMENT": "environment",
    "POLICY_PROFILE": "profile",
    "REVERSE_VERSION": "reverse:1",
    "SITES_SECRET": "sites",
    "TABLE_NAME": "payments",
}
OTHER_MACHINE = {"PYTHONHASHSEED": "1", "PYTHONNODEBUGRANGES": "1", "PYTHONOPTIMIZE": "2"}
"""Settings of Python that change the bytecode, unless the build ignores them."""

UNSIGNED_EVENT = {"httpMethod": "GET", "multiValueQueryStringParameters": None}


def malformed_event(method: str, **path: str) -> dict[str, Any]:
    """Return a backend API event with an invalid path and an invalid body."""
    return {"httpMethod": method, "pathParameters": {"site_identifier": "no site", **path}, "body": "{"}


# For each function: an event that is rejected before a request to AWS or PayNearMe, and its status or error.
REJECTED_EVENTS: dict[str, tuple[dict[str, Any], int | str]] = {
    "AuthorizeFunction": (UNSIGNED_EVENT, 401),
    "ConfirmFunction": (UNSIGNED_EVENT, 401),
    "ReverseFunction": (UNSIGNED_EVENT, 401),
    **dict.fromkeys(OUTBOUND_FUNCTIONS, ({"httpMethod": "POST", "body": "{}"}, 400)),
    "OrdersFunction": (malformed_event("PUT", pnm_order_identifier="no order"), 400),
    "CustomersFunction": (malformed_event("PUT", site_customer_identifier=""), 400),
    "PaymentsFunction": (malformed_event("GET", pnm_payment_identifier="no payment"), 400),
    # Without permissions, the calls of Lambda fail before a request.
    "PreTrafficCheckFunction": ({}, "InvocationFailedError"),
    "PublishEventsFunction": ({}, "InvocationFailedError"),
    "QuarantineFunction": ({"action": "unknown"}, "InvocationFailedError"),
    "SweepUnconfirmedFunction": ({}, "InvocationFailedError"),
    "ValidatePolicyFunction": ({"content": "bm8gcG9saWN5"}, "PolicyInvalidError"),
}

CALL_HANDLERS = """
import importlib.util, json, pkgutil, sys, traceback
path, build, events = sys.argv[1:]
sys.path[:0] = json.loads(path)
layer = sys.path[0]
compiled = []

def audit(event, arguments):
    if event == "compile" and str(arguments[1]).startswith(build):
        compiled.append(arguments[1])

sys.addaudithook(audit)
outcomes = {}
for function, event in json.loads(events).items():
    spec = importlib.util.spec_from_file_location(function, f"{build}/{function}/app.py")
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    try:
        outcomes[function] = app.handler(event, None)["statusCode"]
    except Exception as error:
        traceback.print_exc()
        outcomes[function] = type(error).__name__

packages = {module.name for module in pkgutil.iter_modules([layer])}
incomplete = {}
for module in pkgutil.walk_packages([layer]):
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        # Some modules import optional packages, such as tornado, that are not in the layer.
        if (error.name or "").partition(".")[0] in packages:
            incomplete[module.name] = error.name
print(json.dumps({"outcomes": outcomes, "compiled": compiled, "incomplete": incomplete}))
"""


@pytest.fixture(scope="module", autouse=True)
def _build(stack: object) -> None:
    """Build. The start of the stack does this."""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Call each handler and import each module of the layer in one process that has only the layer and the runtime."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME_PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        module = Path(spec.origin)
        source = module.parent if module.name == "__init__.py" else module
        (folder / source.name).symlink_to(source)
    events = json.dumps({function: event for function, (event, _) in REJECTED_EVENTS.items()})
    path = json.dumps([str(LAYER), str(folder)])
    # ``-I`` and ``-S`` ignore the packages of this environment. ``-B`` writes no bytecode into the build.
    command = [sys.executable, "-I", "-S", "-B", "-c", CALL_HANDLERS, path, str(BUILD), events]
    result = subprocess.run(  # noqa: S603 # our own program
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return {**json.loads(result.stdout.splitlines()[-1]), "log": result.stderr}


def test_build_handlers_import_only_layer_and_runtime_packages(imported: dict[str, Any]) -> None:
    outcomes = imported["outcomes"]
    assert outcomes == {function: outcome for function, (_, outcome) in REJECTED_EVENTS.items()}, imported["log"]
    assert outcomes.keys() == FUNCTIONS.keys()


def test_build_layer_contains_imports_of_its_modules(imported: dict[str, Any]) -> None:
    assert imported["incomplete"] == {}


def test_build_imports_compile_only_handler_files(imported: dict[str, Any]) -> None:
    assert sorted(imported["compiled"]) == sorted(f"{BUILD}/{function}/app.py" for function in FUNCTIONS)


def test_build_function_packages_contain_only_handler_file() -> None:
    for function in FUNCTIONS:
        assert [entry.name for entry in (BUILD / function).iterdir()] == ["app.py"], function


def test_build_layer_contains_only_pinned_and_project_packages() -> None:
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "layers/shared/requirements.txt").read_text(), re.MULTILINE)
    distributions = list(importlib.metadata.distributions(path=[str(LAYER)]))
    assert {normalized_name(entry.name) for entry in distributions} == {normalized_name(name) for name in pinned}
    wheels = wheels_for(MACHINES[machine_architecture()])
    content = {Path(path.parts[0]).stem for wheel in wheels for path in paths_in(wheel)}
    # The build replaces a library's ``.py`` files with ``.pyc`` files.
    assert {entry.stem for entry in LAYER.iterdir()} == content | {"paynearme"}
    assert not [name for name in RUNTIME_PACKAGES if list(LAYER.glob(f"{name}*"))]


def test_build_layer_zipped_fits_size_limit() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files_of(LAYER).items():
            archive.writestr(name, content)
    assert len(buffer.getvalue()) <= MAX_ZIPPED_LAYER_BYTES


def wheels_for(machine: str, name: str = "") -> list[Path]:
    return list((ROOT / f".aws-sam/wheels/manylinux2014_{machine}").glob(f"{name}*.whl"))


def paths_in(wheel: Path) -> list[Path]:
    with zipfile.ZipFile(wheel) as archive:
        return [Path(name) for name in archive.namelist()]


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def normalized_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def build_layer(
    architecture: str, folder: Path, *overrides: str, rejected_hash: str = ""
) -> subprocess.CompletedProcess[str]:
    """Build the layer as SAM does, into ``folder / "layer"``. The requirements do not accept ``rejected_hash``."""
    source = ROOT / "layers/shared"
    shutil.copytree(source, folder / "source")
    requirements = folder / "source/requirements.txt"
    if rejected_hash:
        requirements.write_text(requirements.read_text().replace(rejected_hash, "0" * len(rejected_hash)))
    makefile = source / "make" / architecture / "Makefile"
    command = ["make", "--makefile", str(makefile), "build-SharedLayer", f"ARTIFACTS_DIR={folder / 'layer'}"]
    command += [f"PYTHON={sys.executable}", *overrides]
    # Without the flags of a make that runs the tests.
    inherited = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL"}}
    environment = inherited | OTHER_MACHINE | {"PYTHONPYCACHEPREFIX": str(folder / "cache")}
    return subprocess.run(  # noqa: S603 # our own program
        command, cwd=folder / "source", env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a new build of the layer for each architecture."""
    folders = {architecture: tmp_path_factory.mktemp(architecture) for architecture in MACHINES}
    for architecture, folder in folders.items():
        completed = build_layer(architecture, folder)
        assert completed.returncode == 0, completed.stderr
    return {architecture: folder / "layer/python" for architecture, folder in folders.items()}


@pytest.mark.parametrize(("architecture", "machine"), MACHINES.items())
def test_layer_build_has_architecture_and_checks_its_hashes(
    architecture: str, machine: str, layers: dict[str, Path], tmp_path: Path
) -> None:
    binaries = [file.name for file in layers[architecture].rglob("*.so")]
    assert binaries
    assert all(f"-{machine}-" in name for name in binaries)

    [wheel] = wheels_for(machine, "pydantic_core-")
    rejected = build_layer(architecture, tmp_path, rejected_hash=hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert rejected.returncode != 0
    assert "DO NOT MATCH THE HASHES" in rejected.stderr
    assert not (tmp_path / "layer").exists()


def test_layer_builds_in_two_folders_have_equal_bytes(layers: dict[str, Path]) -> None:
    layer, built = files_of(layers[machine_architecture()]), files_of(LAYER)
    assert {name for name in layer.keys() | built.keys() if layer.get(name) != built.get(name)} == set()


def test_layer_build_python_version_equals_runtime() -> None:
    makefile = (ROOT / "layers/shared/make/layer.mk").read_text()
    [version] = re.findall(r"^RUNTIME_VERSION := (.+)$", makefile, re.MULTILINE)
    assert {function["Runtime"] for function in FUNCTIONS.values()} == {f"python{version}"}


def test_layer_build_with_another_python_version_stops(tmp_path: Path) -> None:
    completed = build_layer(machine_architecture(), tmp_path, "RUNTIME_VERSION=3.9")
    assert completed.returncode != 0
    assert completed.stderr.startswith("The layer requires Python 3.9, the version of the Lambda runtime.")
    assert not (tmp_path / "layer").exists()
