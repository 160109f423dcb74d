"""What happens between a function's reading and its writing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from paynearme.deadline import Deadline
from paynearme.table import Item, Table, Update

type Step = Callable[[], object]


@dataclass
class Meanwhile:
    """Steps that happen one by one, each right before one of the table's next writes."""

    steps: list[Step | None] = field(default_factory=list)

    def __call__(self, *steps: Step | None) -> None:
        """Let these happen. A write lies between two of them; None lets one pass."""
        self.steps.extend(steps)

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> "Meanwhile":
        """Stand in the way of all writes of a test."""
        update, transact = Table.update, Table.transact

        def late_update(table: Table, change: Update, deadline: Deadline) -> Item | None:
            self._happen()
            return update(table, change, deadline)

        def late_transact(
            table: Table, changes: Sequence[Update], deadline: Deadline
        ) -> dict[int, Item] | None:
            self._happen()
            return transact(table, changes, deadline)

        monkeypatch.setattr(Table, "update", late_update)
        monkeypatch.setattr(Table, "transact", late_transact)
        return self

    def _happen(self) -> None:
        if self.steps and (step := self.steps.pop(0)):
            # What the step writes must not set off the next one.
            waiting, self.steps = self.steps, []
            step()
            self.steps = waiting
