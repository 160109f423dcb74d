"""The ledger agrees with its model in random, concurrent scenarios with faults.

The rules are the actions of ``tests.simulation``. Each rule compares the table and the events with the model.
"""

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.simulation.planted_bugs import PLANTED_BUGS
from tests.simulation.search import quiet_logs
from tests.simulation.simulation import ACTIONS, Action, Simulation, SimulationError
from tests.support.test_run import IS_FULL

SETTINGS = settings(
    # The long run repeats the test with new seeds.
    max_examples=500 if IS_FULL else 50,
    stateful_step_count=50,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


class LedgerStateMachine(RuleBasedStateMachine):
    """One run of the simulation, with one rule for each action."""

    def __init__(self) -> None:
        super().__init__()
        self.simulation = Simulation(Random(0))  # noqa: S311 # repeatable, not secret
        self.has_failed = False

    def act(self, name: str, arguments: dict[str, Any]) -> None:
        self.has_failed = True
        self.simulation.act(name, arguments)
        self.has_failed = False

    def teardown(self) -> None:
        self.simulation.close(settle=not self.has_failed)


def _rule_of(name: str, action: Action) -> object:
    def run(machine: LedgerStateMachine, **arguments: Any) -> None:
        machine.act(name, arguments)

    run.__name__ = name
    values: Any = {argument: st.sampled_from(list(options)) for argument, options in action.values.items()}
    add_rule: Any = rule(**values)
    return precondition(lambda machine: bool(action.is_possible(machine.simulation)))(add_rule(run))


for _name, _action in ACTIONS.items():
    # Hypothesis selects all rules equally often, so a frequent action is several rules.
    for _index in range(1 + int(_action.weight / 5)):
        setattr(LedgerStateMachine, f"{_name}_{_index}", _rule_of(_name, _action))


def test_ledger_random_scenarios_match_model() -> None:
    with quiet_logs():
        run_state_machine_as_test(LedgerStateMachine, settings=SETTINGS)


@pytest.mark.full
def test_state_machine_planted_bug_shrunk_to_few_rules() -> None:
    with quiet_logs(), PLANTED_BUGS["a confirmation without its condition"](), pytest.raises(SimulationError) as raised:
        run_state_machine_as_test(LedgerStateMachine, settings=settings(SETTINGS, derandomize=True, database=None))
    rules = [line for line in "\n".join(raised.value.__notes__).splitlines() if line.startswith("state.")]
    assert 0 < len(rules) <= 10, rules
