"""The simulation finds no error, reproduces its runs, and has a table that agrees with moto's."""

import os
import subprocess
import sys

import boto3
import pytest
from moto import mock_aws

from tests.simulation.conformance import compared_with
from tests.simulation.search import first_failure
from tests.simulation.simulation import run_seed
from tests.support.test_run import IS_FULL


@pytest.mark.parametrize("seed_value", range(8, 58 if IS_FULL else 11))
def test_simulation_store_matches_moto(monkeypatch: pytest.MonkeyPatch, seed_value: int) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws(), compared_with(boto3.client("dynamodb", region_name="us-east-1")):
        run_seed(seed_value, steps=60)


def test_simulation_seeds_without_error() -> None:
    assert first_failure(range(1, 5), 150) == (None, 4)


def test_simulation_seed_reproduces_run_in_other_process() -> None:
    script = "from tests.simulation.simulation import run_seed; print(run_seed(7, steps=100).digest.hexdigest())"
    environment = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.run(  # noqa: S603 # our own program
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert process.stdout.split()[-1] == run_seed(7, steps=100).digest.hexdigest()


@pytest.mark.parametrize("name", ["a confirmation without its condition", "a submission without its condition"])
def test_simulation_planted_bug_found(name: str) -> None:
    failure, _ = first_failure(range(1, 20), 200, name)
    assert failure
