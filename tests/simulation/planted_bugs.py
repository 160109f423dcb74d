"""Known bugs, each of which the simulation must find."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from paynearme.ledger.release import release
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Table, Update
from paynearme.sweep import unconfirmed_sweep
from tests.simulation import store

type Weaken = Callable[[Update], Update]


@dataclass(frozen=True)
class PlantedBug:
    """Change the requests to the table, or patch the layer. Without arguments, change nothing."""

    weaken: Weaken = lambda update: update
    patch: Callable[[], AbstractContextManager[object]] = nullcontext

    def table(self, client: Any) -> Table:
        return _WeakenedTable(self.weaken, client)


class _WeakenedTable(Table):
    def __init__(self, weaken: Weaken, client: Any) -> None:
        super().__init__("table", client)
        self._weaken = weaken

    def update(self, update: Update, deadline: Deadline) -> Item | None:
        return super().update(self._weaken(update), deadline)

    def transact(self, updates: Sequence[Update], deadline: Deadline) -> dict[int, Item] | None:
        return super().transact([self._weaken(update) for update in updates], deadline)


def _without_condition(applies: Callable[[Update], bool]) -> PlantedBug:
    def weaken(update: Update) -> Update:
        return replace(update, condition="", condition_values={}) if applies(update) else update

    return PlantedBug(weaken)


def _ignore_debited_amount(update: Update) -> Update:
    if "reversed_amount" not in update.increments:
        return update
    ignored = ("debited_amount", "reversed_amount")
    parts = [part for part in update.condition.split(" AND ") if not any(name in part for name in ignored)]
    values = {name: value for name, value in update.condition_values.items() if name not in ignored}
    return replace(update, condition=" AND ".join(parts), condition_values=values)


def _release_any_decision() -> AbstractContextManager[object]:
    return mock.patch.object(unconfirmed_sweep, "release", lambda *arguments: release(*arguments[:5]))


def _ignore_tokens() -> AbstractContextManager[object]:
    return mock.patch.object(store, "TOKEN_SECONDS", 0)


PLANTED_BUGS: Mapping[str, PlantedBug] = {
    "a confirmation without its condition": _without_condition(lambda update: "outcome" in update.sets),
    "a reversal that does not check the debited amount": PlantedBug(_ignore_debited_amount),
    "a release of a newer decision": PlantedBug(patch=_release_any_decision),
    "a transaction that is retried with a new token": PlantedBug(patch=_ignore_tokens),
    "a reservation without its limit": _without_condition(lambda update: update.pk.startswith("SPENDING#")),
    "a submission without its condition": _without_condition(lambda update: update.pk.startswith("INTENT#")),
}
