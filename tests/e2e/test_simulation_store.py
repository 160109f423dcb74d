"""The simulation's table agrees with the emulator's DynamoDB."""

import pytest

from sandbox.stack.stack import Stack
from tests.simulation.conformance import compared_with
from tests.simulation.simulation import run_seed
from tests.support.test_run import IS_FULL


@pytest.mark.parametrize("seed_value", range(1, 21 if IS_FULL else 3))
def test_simulation_store_matches_emulator(stack: Stack, seed_value: int) -> None:
    with compared_with(stack.client("dynamodb")):
        run_seed(seed_value, steps=60)
