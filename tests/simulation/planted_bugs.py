"""Known bugs, each of which the simulation must find."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest import mock

from paynearme.ledger import reversal, submissions
from paynearme.ledger.release import release
from paynearme.platform.dynamodb import Update
from paynearme.protocol.reversals import Reversal
from paynearme.sweep import unconfirmed_sweep
from tests.simulation import store

type PlantedBug = Callable[[], AbstractContextManager[object]]


def _without_condition(is_changed: Callable[[Update], bool]) -> PlantedBug:
    original = Update.to_request

    def to_request(update: Update, table_name: str) -> dict[str, Any]:
        sent = replace(update, condition="", condition_values={}) if is_changed(update) else update
        return original(sent, table_name)

    return lambda: mock.patch.object(Update, "to_request", to_request)


def _replaced(module: object, name: str, value: object) -> PlantedBug:
    return lambda: mock.patch.object(module, name, value)


PLANTED_BUGS: Mapping[str, PlantedBug] = {
    "a confirmation without its condition": _without_condition(lambda update: "outcome" in update.sets),
    "a transaction that is retried with a new token": _replaced(store, "TOKEN_SECONDS", 0),
    "a submission without its condition": _without_condition(lambda update: update.pk.startswith("INTENT#")),
    "a submission without its confirmed outcome": _replaced(submissions, "_confirmed_outcome", lambda *_: None),
    "a reservation without its limit": _without_condition(lambda update: update.pk.startswith("SPENDING#")),
    "a reversal that does not check the debited amount": _replaced(
        reversal, "_GUARDED_ATTRIBUTES", ("outcome", "posted_amount", "authorized_customer", "confirmed_customer")
    ),
    "a replay with another fingerprint": _replaced(Reversal, "replayed_with", lambda message, _: message),
    "a release of a newer decision": _replaced(
        unconfirmed_sweep, "release", lambda *arguments: release(*arguments[:5])
    ),
}
