"""Run steps between a function's read and its write."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Table, Update

type Step = Callable[[], object]


@dataclass
class Interleaver:
    """Steps that run one by one, each immediately before one of the table's next writes."""

    steps: list[Step | None] = field(default_factory=list)

    def __call__(self, *steps: Step | None) -> None:
        """Add steps. ``None`` lets one write pass without a step."""
        self.steps.extend(steps)

    def attach(self, monkeypatch: pytest.MonkeyPatch) -> "Interleaver":
        """Run a step before each write of a test."""
        update, transact = Table.update, Table.transact

        def delayed_update(table: Table, change: Update, deadline: Deadline) -> Item | None:
            self._run_next()
            return update(table, change, deadline)

        def delayed_transact(table: Table, changes: Sequence[Update], deadline: Deadline) -> dict[int, Item] | None:
            self._run_next()
            return transact(table, changes, deadline)

        monkeypatch.setattr(Table, "update", delayed_update)
        monkeypatch.setattr(Table, "transact", delayed_transact)
        return self

    def _run_next(self) -> None:
        if self.steps and (step := self.steps.pop(0)):
            # The writes of a step must not run the next step.
            remaining_steps, self.steps = self.steps, []
            step()
            self.steps = remaining_steps
