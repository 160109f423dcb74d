"""The output of ``sam build``, without the emulator.

Functions on the emulator can import the emulator's packages. Only these tests show that the layer is complete.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.template import FUNCTIONS, OUTBOUND_FUNCTIONS, ROOT

BUILD = ROOT / ".aws-sam/build"
LAYER = BUILD / "SharedLayer/python"
MAX_LAYER_BYTES = 50 * 1024 * 1024
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
import importlib.util, json, sys, traceback
path, build, events = sys.argv[1:]
sys.path[:0] = json.loads(path)
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
print(json.dumps(outcomes))
"""


@pytest.fixture(scope="module", autouse=True)
def _build(stack: object) -> None:
    """Build. The start of the stack does this."""


def test_build_handlers_import_only_layer_and_runtime_packages(tmp_path: Path) -> None:
    for name in RUNTIME_PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        module = Path(spec.origin)
        source = module.parent if module.name == "__init__.py" else module
        (tmp_path / source.name).symlink_to(source)
    events = json.dumps({function: event for function, (event, _) in REJECTED_EVENTS.items()})
    path = json.dumps([str(LAYER), str(tmp_path)])
    # ``-I`` and ``-S`` ignore the packages of this environment. ``-B`` writes no bytecode into the build.
    command = [sys.executable, "-I", "-S", "-B", "-c", CALL_HANDLERS, path, str(BUILD), events]
    result = subprocess.run(  # noqa: S603 # our own program
        command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stderr
    outcomes = json.loads(result.stdout.splitlines()[-1])
    assert outcomes == {function: outcome for function, (_, outcome) in REJECTED_EVENTS.items()}, result.stderr
    assert outcomes.keys() == FUNCTIONS.keys()


def test_build_function_packages_contain_only_handler_file() -> None:
    for function in FUNCTIONS:
        assert [entry.name for entry in (BUILD / function).iterdir()] == ["app.py"], function


def test_build_layer_contains_only_pinned_and_project_packages() -> None:
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "layers/shared/requirements.txt").read_text(), re.MULTILINE)
    distributions = list(importlib.metadata.distributions(path=[str(LAYER)]))
    assert {normalized_name(entry.name) for entry in distributions} == {normalized_name(name) for name in pinned}
    distribution_files = {file.parts[0] for entry in distributions for file in entry.files or ()}
    # Only the build for the local stack contains bytecode.
    assert {entry.name for entry in LAYER.iterdir()} == distribution_files | {"paynearme", "__pycache__"}
    assert not [name for name in RUNTIME_PACKAGES if list(LAYER.glob(f"{name}*"))]
    assert sum(file.stat().st_size for file in LAYER.parent.rglob("*") if file.is_file()) < MAX_LAYER_BYTES


def normalized_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def build_layer(architecture: str, folder: Path, rejected_hash: str = "") -> subprocess.CompletedProcess[str]:
    """Build the layer as SAM does, into ``folder / "layer"``. The requirements do not accept ``rejected_hash``."""
    source = ROOT / "layers/shared"
    shutil.copytree(source, folder / "source")
    requirements = folder / "source/requirements.txt"
    if rejected_hash:
        requirements.write_text(requirements.read_text().replace(rejected_hash, "0" * len(rejected_hash)))
    makefile = source / "make" / architecture / "Makefile"
    command = ["make", "--makefile", str(makefile), "build-SharedLayer", f"ARTIFACTS_DIR={folder / 'layer'}"]
    command.append(f"PYTHON={sys.executable}")
    return subprocess.run(command, cwd=folder / "source", capture_output=True, text=True, check=False)  # noqa: S603 # our own program


@pytest.mark.parametrize(("architecture", "machine"), [("arm64", "aarch64"), ("x86_64", "x86_64")])
def test_layer_build_has_architecture_and_checks_its_hashes(architecture: str, machine: str, tmp_path: Path) -> None:
    completed = build_layer(architecture, tmp_path / "valid")
    assert completed.returncode == 0, completed.stderr
    binaries = [file.name for file in (tmp_path / "valid/layer").rglob("*.so")]
    assert binaries
    assert all(f"-{machine}-" in name for name in binaries)

    [wheel] = (ROOT / f".aws-sam/wheels/manylinux2014_{machine}").glob("pydantic_core-*.whl")
    rejected = build_layer(architecture, tmp_path / "invalid", hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert rejected.returncode != 0
    assert "DO NOT MATCH THE HASHES" in rejected.stderr
    assert not (tmp_path / "invalid/layer").exists()
