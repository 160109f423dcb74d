"""The packages that a function imports at its start, because each import makes a cold start slower."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.template import FUNCTIONS, ROOT

AWS = {"botocore", "certifi", "dateutil", "jmespath", "six", "urllib3"}
PYDANTIC = {"annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"}
TYPICAL = {"aws_lambda_powertools", *AWS, *PYDANTIC}
CALLBACK = {*TYPICAL, "tenacity"}
"""The packages of functions with SnapStart, which saves imports. Others import tenacity for their first retry."""

OUTBOUND = {*TYPICAL, "cachetools"}
"""The packages of functions that call PayNearMe. Other packages are imported at their first use."""

PACKAGES = {
    "authorize": CALLBACK,
    "confirm": CALLBACK,
    "create_order": OUTBOUND,
    "customers": TYPICAL,
    "find_payment_methods": OUTBOUND,
    "get_smart_token": OUTBOUND,
    "make_payment": OUTBOUND,
    "orders": TYPICAL,
    "payments": TYPICAL,
    "pre_traffic_check": {"aws_lambda_powertools", *AWS, "typing_extensions"},
    "publish_events": TYPICAL,
    "quarantine": TYPICAL,
    "reverse": CALLBACK,
    "sweep_unconfirmed": TYPICAL,
    "validate_policy": PYDANTIC,
}

PROGRAM = """
import gc, importlib, sys
importlib.import_module(sys.argv[1])
print(*{name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names))
print(gc.get_freeze_count() > 0)
"""
ENVIRONMENT = {
    **dict.fromkeys(
        (
            *("ACCESS_TOKENS_PATH", "DEAD_LETTER_QUEUE_URL", "EVENT_BUS_NAME", "PAYNEARME_BASE_URL", "TABLE_NAME"),
            *("AUTHORIZE_VERSION", "CONFIRM_VERSION", "REVERSE_VERSION"),
        ),
        "x",
    ),
    "AWS_DEFAULT_REGION": "us-east-1",
    "PATH": os.environ["PATH"],
    "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/shared'}",
}


def test_imports_all_functions_listed() -> None:
    assert {Path(function["CodeUri"]).name for function in FUNCTIONS.values()} == set(PACKAGES)


@pytest.mark.parametrize("name", PACKAGES)
def test_function_start_imports_only_needed_packages(name: str) -> None:
    command = [sys.executable, "-c", PROGRAM, f"functions.{name}.app"]
    completed = subprocess.run(command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 # this interpreter

    packages, is_frozen = completed.stdout.splitlines()
    imported = {package for package in packages.split() if not package.startswith("_")}
    assert imported - {"functions", "paynearme"} == PACKAGES[name]
    # validate_policy has no decorator of the layer.
    assert (is_frozen == "True") is (name != "validate_policy")
