"""The output of ``sam build``, without the emulator.

Functions on the emulator can import the emulator's packages. Only these tests show that the layer is complete.
"""

import importlib.metadata
import importlib.util
import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
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
    "AWS_DEFAULT_REGION": "us-east-1",
    # The test has no permissions, and must not request any from the instance metadata service.
    "AWS_EC2_METADATA_DISABLED": "true",
    "DEAD_LETTER_QUEUE_URL": "https://queue.invalid",
    "EVENT_BUS_NAME": "bus",
    "PAYNEARME_BASE_URL": "https://paynearme.invalid",
    "POLICY_APPLICATION": "application",
    "POLICY_ENVIRONMENT": "environment",
    "POLICY_PROFILE": "profile",
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
    "PublishEventsFunction": ({}, "InvocationFailedError"),
    "SweepUnconfirmedFunction": ({}, "InvocationFailedError"),
    "ValidatePolicyFunction": ({"content": "bm8gcG9saWN5"}, "PolicyInvalidError"),
}
COMMON_PACKAGES = ("aws_lambda_powertools", "jmespath", "paynearme", "pydantic", "tenacity", "urllib3")
REQUIRED_PACKAGES = {
    "ValidatePolicyFunction": ("paynearme", "pydantic"),
    **dict.fromkeys(OUTBOUND_FUNCTIONS, (*COMMON_PACKAGES, "cachetools", "oauthlib")),
}
"""The packages of the layer that a function imports, where they differ from ``COMMON_PACKAGES``."""

CALL_HANDLER = """
import json, sys, traceback
sys.path[:0] = json.loads(sys.argv[1])
import app
try:
    outcome = app.handler(json.loads(sys.argv[2]), None)["statusCode"]
except Exception as error:
    traceback.print_exc()
    outcome = type(error).__name__
loaded = sorted({m.__file__ for m in sys.modules.values() if getattr(m, "__file__", None)})
print(json.dumps({"outcome": outcome, "loaded": loaded}))
"""
IMPORT = """
import importlib, json, sys
sys.path[:0] = json.loads(sys.argv[1])
importlib.import_module(sys.argv[2])
"""


def run_isolated(program: str, path: Sequence[Path], *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``program`` in a Python process that imports only from the standard library and ``path``.

    ``-I`` ignores the working directory, the PYTHON variables and the user's packages. ``-S`` ignores the packages of
    this environment. ``-B`` writes no bytecode into the build.
    """
    paths = json.dumps([str(entry) for entry in path])
    return subprocess.run(  # noqa: S603 # our own programs
        [sys.executable, "-I", "-S", "-B", "-c", program, paths, *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def build_dir(stack: object) -> Path:
    """Return the build folder. The start of the stack builds it."""
    return BUILD


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with links to ``RUNTIME_PACKAGES``."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME_PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        module = Path(spec.origin)
        source = module.parent if module.name == "__init__.py" else module
        (folder / source.name).symlink_to(source)
    return folder


@pytest.mark.parametrize("function", FUNCTIONS)
def test_handler_imports_only_build_layer_and_runtime_packages(
    function: str, build_dir: Path, runtime: Path, tmp_path: Path
) -> None:
    event, outcome = REJECTED_EVENTS[function]
    import_path = [build_dir / function, LAYER, runtime]
    result = run_isolated(CALL_HANDLER, import_path, json.dumps(event), folder=tmp_path)
    assert result.returncode == 0, result.stderr
    output = json.loads(result.stdout.splitlines()[-1])
    assert output["outcome"] == outcome, result.stderr

    library = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")]
    loaded = [Path(file) for file in output["loaded"]]
    assert not [file for file in loaded if not any(file.is_relative_to(p) for p in [*import_path, *library])]
    assert not [file for file in loaded if "site-packages" in file.parts]
    for package in REQUIRED_PACKAGES.get(function, COMMON_PACKAGES):
        assert LAYER / package / "__init__.py" in loaded


@pytest.mark.parametrize("module", ["pytest", "aiohttp", "tests", "sandbox", "urllib3", "pydantic"])
def test_isolated_python_does_not_import_environment_packages(module: str, runtime: Path, tmp_path: Path) -> None:
    assert importlib.util.find_spec(module) is not None
    result = run_isolated(IMPORT, [runtime], module, folder=tmp_path)
    assert result.returncode == 1
    assert f"ModuleNotFoundError: No module named '{module}'" in result.stderr


@pytest.mark.parametrize("function", FUNCTIONS)
def test_handler_without_layer_fails_to_import(function: str, build_dir: Path, runtime: Path, tmp_path: Path) -> None:
    result = run_isolated(IMPORT, [build_dir / function, runtime], "app", folder=tmp_path)
    assert result.returncode == 1
    assert "ModuleNotFoundError: No module named 'paynearme'" in result.stderr


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_package_contains_only_handler_file(function: str, build_dir: Path) -> None:
    assert [entry.name for entry in (build_dir / function).iterdir()] == ["app.py"]


@pytest.mark.usefixtures("build_dir")
def test_layer_contains_pinned_requirements_and_project_package() -> None:
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "layers/shared/requirements.txt").read_text(), re.MULTILINE)
    distributions = list(importlib.metadata.distributions(path=[str(LAYER)]))
    assert {normalized_name(entry.name) for entry in distributions} == {normalized_name(name) for name in pinned}
    distribution_files = {file.parts[0] for entry in distributions for file in entry.files or ()}
    project_files = {"paynearme", "requirements.in", "requirements.txt"}
    # Only the build for the local stack contains bytecode.
    bytecode = {"__pycache__"}
    assert {entry.name for entry in LAYER.iterdir()} == distribution_files | project_files | bytecode


def normalized_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.usefixtures("build_dir")
def test_layer_does_not_contain_runtime_packages() -> None:
    assert not [name for name in RUNTIME_PACKAGES if list(LAYER.glob(f"{name}*"))]


@pytest.mark.usefixtures("build_dir")
def test_layer_size_below_maximum() -> None:
    assert sum(file.stat().st_size for file in LAYER.parent.rglob("*") if file.is_file()) < MAX_LAYER_BYTES
