"""What happens between a function's reading and its writing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Table, Update

type Step = Callable[[], object]


@dataclass
class Interleaver:
    """Steps that happen one by one, each right before one of the table's next writes."""

    steps: list[Step | None] = field(default_factory=list)

    def __call__(self, *steps: Step | None) -> None:
        """Let these happen. A write lies between two of them; None lets one pass."""
        self.steps.extend(steps)

    def attach(self, monkeypatch: pytest.MonkeyPatch) -> "Interleaver":
        """Stand in the way of all writes of a test."""
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
            # What the step writes must not set off the next one.
            remaining_steps, self.steps = self.steps, []
            step()
            self.steps = remaining_steps
