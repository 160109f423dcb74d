"""Known bugs, each of which the simulation must find."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from paynearme.ledger.release import release
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Table, Update
from paynearme.sweep import unconfirmed_sweep
from tests.simulation.faults import TableClient


@dataclass(frozen=True)
class NewTokenClient:
    """Send each attempt of a transaction with a new token."""

    client: TableClient
    numbers: Iterator[int]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def transact_write_items(self, **request: Any) -> dict[str, Any]:
        return self.client.transact_write_items(**request | {"ClientRequestToken": str(next(self.numbers))})


def _weakened(weaken: Callable[[Update], Update]) -> type[Table]:
    """Return a table that changes each update before it is sent."""

    class WeakenedTable(Table):
        def update(self, update: Update, deadline: Deadline) -> Item | None:
            return super().update(weaken(update), deadline)

        def transact(self, updates: Sequence[Update], deadline: Deadline) -> dict[int, Item] | None:
            return super().transact([weaken(update) for update in updates], deadline)

    return WeakenedTable


def _without_condition(update: Update) -> Update:
    return replace(update, condition="", condition_values={})


def _confirmation(update: Update) -> Update:
    return _without_condition(update) if "outcome" in update.sets else update


def _limit(update: Update) -> Update:
    return _without_condition(update) if update.pk.startswith("SPENDING#") else update


def _submission(update: Update) -> Update:
    return _without_condition(update) if update.pk.startswith("INTENT#") else update


def _debited_amount(update: Update) -> Update:
    if "reversed_amount" not in update.increments:
        return update
    compared = ("debited_amount", "reversed_amount")
    parts = [part for part in update.condition.split(" AND ") if not any(name in part for name in compared)]
    values = {name: value for name, value in update.condition_values.items() if name not in compared}
    return replace(update, condition=" AND ".join(parts), condition_values=values)


@contextmanager
def _release_any_decision() -> Iterator[None]:
    def release_without_condition(*arguments: Any) -> bool:
        return release(*arguments[:5])

    unconfirmed_sweep.release = release_without_condition  # type: ignore[attr-defined]
    try:
        yield
    finally:
        unconfirmed_sweep.release = release  # type: ignore[attr-defined]


@contextmanager
def _no_patch() -> Iterator[None]:
    yield


@dataclass(frozen=True)
class PlantedBug:
    """A bug of the table's requests, or a patch of the layer. Without arguments, there is none."""

    table_type: type[Table] = Table
    wrap_client: Callable[[TableClient], Any] = lambda client: client
    patch: Callable[[], Any] = _no_patch


PLANTED_BUGS: Mapping[str, PlantedBug] = {
    "a confirmation without its condition": PlantedBug(_weakened(_confirmation)),
    "a reversal that does not check the debited amount": PlantedBug(_weakened(_debited_amount)),
    "a release of a newer decision": PlantedBug(patch=_release_any_decision),
    "a transaction that is retried with a new token": PlantedBug(
        wrap_client=lambda client: NewTokenClient(client, itertools.count())
    ),
    "a reservation without its limit": PlantedBug(_weakened(_limit)),
    "a submission without its condition": PlantedBug(_weakened(_submission)),
}
