"""Store authentic callbacks that cannot be processed, until an operator resolves them.

The key of an item is the site and the fingerprint of the signed text, so a repeated callback is the same item. The
payment's item counts its unresolved callbacks: while one exists, the payment's reservation is not released. The sparse
index ``pending`` contains the unresolved items. ``quarantine_items`` reads and resolves them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from paynearme.ledger import schema
from paynearme.ledger.pending_payments import PENDING_ATTRIBUTES
from paynearme.ledger.results import pascal_case
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Table, Update
from paynearme.protocol.callbacks import fingerprint, message_kind
from paynearme.protocol.quarantine import (
    CallbackKind,
    QuarantineReason,
    omitted_parameters,
    pnm_identifier,
    stored_parameters,
)

MAX_STORED_PER_PAYMENT = 4
"""The maximum number of unresolved callbacks of a payment. Further ones are only counted."""

PARTITIONS = 4
"""The number of index partitions for unresolved callbacks. Never decrease it: lists would miss callbacks."""

UNRESOLVED = "unresolved"
"""The ``resolution`` of an item that an operator must resolve."""

DISCARDED = "discarded"
"""The ``resolution`` of an item that an operator discarded."""

_NEW = "attribute_not_exists(pk)"
_BELOW_MAXIMUM = "(attribute_not_exists(quarantined_callbacks) OR quarantined_callbacks <= :max)"
_UNDECIDED = "attribute_not_exists(decision)"


@dataclass(frozen=True)
class UnprocessedCallback:
    """An authentic callback that was not processed. ``parameters`` are those that its signature covers.

    ``function_version`` is the version of the function that received it.
    """

    site_identifier: str
    kind: CallbackKind
    reason: QuarantineReason
    parameters: Mapping[str, str]
    invalid_parameters: Sequence[str] = ()
    function_version: str = ""


class QuarantineEffect(StrEnum):
    """The effect of a callback on the quarantine."""

    STORED = "stored"
    REOPENED = "reopened"
    """The item was discarded, and is unresolved again."""
    REPEATED = "repeated"
    """The item exists, and its count of receptions increased."""
    COUNTED = "counted"
    """The payment has the maximum number of items, and its count of further callbacks increased."""
    IGNORED = "ignored"
    """A late repetition of an authorization that has a decision."""


@dataclass(frozen=True)
class QuarantineResult:
    """The item of a callback, and the effect of the callback."""

    reason: QuarantineReason
    identifier: str
    effect: QuarantineEffect

    @property
    def log_fields(self) -> dict[str, Any]:
        """Return the fields for the log line."""
        return {
            "quarantine_reason": str(self.reason),
            "quarantine_identifier": self.identifier,
            "quarantine_effect": str(self.effect),
        }

    @property
    def metrics(self) -> dict[str, int]:
        """Return metric values by metric name. ``QuarantineSize`` triggers the alarm before the next sweep reports."""
        match self.effect:
            case QuarantineEffect.IGNORED:
                return {"StaleAuthorizationRepeated": 1}
            case QuarantineEffect.REPEATED:
                return {"QuarantineRepeated": 1}
        return {"CallbackQuarantined": 1, f"Quarantined{pascal_case(self.reason)}": 1, "QuarantineSize": 1}


def quarantine(table: Table, callback: UnprocessedCallback, now: datetime, deadline: Deadline) -> QuarantineResult:
    """Store a callback, once for all repetitions, with at most ``MAX_STORED_PER_PAYMENT`` for a payment.

    A stale authorization of a payment with a decision is a late repetition, and only counted. A repetition of a
    discarded callback opens its item again. Raises ``LedgerUnavailableError``. Costs 1 request, 2 for a repetition and
    for a callback above the maximum, 3 for both.
    """
    callback_id = fingerprint(callback.parameters)
    effect = _store(table, callback, callback_id, now, deadline)
    identifier = schema.quarantine_identifier(callback.site_identifier, callback_id)
    return QuarantineResult(callback.reason, identifier, effect)


def _store(
    table: Table, callback: UnprocessedCallback, callback_id: str, now: datetime, deadline: Deadline
) -> QuarantineEffect:
    key = schema.quarantine_key(callback.site_identifier, callback_id)
    attributes = _item_attributes(callback, callback_id, now)
    updates = [Update(*key, attributes, condition=_NEW)]
    if payment_update := _payment_update(callback, callback_id, now):
        updates.append(payment_update)
    conflicts = table.transact(updates, deadline)
    effect = QuarantineEffect.STORED
    if conflicts and conflicts.get(0, {}).get("resolution") == DISCARDED:
        updates[0] = Update(
            *key,
            attributes,
            # The new reading replaces the discarded one completely.
            removes=["expires_at_epoch", *(name for name, value in attributes.items() if value is None)],
            condition="resolution = :discarded",
            condition_values={"discarded": DISCARDED},
        )
        conflicts, effect = table.transact(updates, deadline), QuarantineEffect.REOPENED
    if conflicts is None:
        return effect
    if 0 in conflicts:
        received = {"last_received_at": schema.stored_time(now)}
        table.update(Update(*key, received, increments={"received_count": Decimal(1)}), deadline)
        return QuarantineEffect.REPEATED
    if callback.reason is QuarantineReason.STALE_TIMESTAMP and "decision" in conflicts[1]:
        return QuarantineEffect.IGNORED
    payment = updates[1]
    table.update(Update(payment.pk, payment.sk, increments={"quarantine_overflow": Decimal(1)}), deadline)
    return QuarantineEffect.COUNTED


def _item_attributes(callback: UnprocessedCallback, callback_id: str, now: datetime) -> Item:
    partition = int(callback_id[:2], 16) % PARTITIONS
    pending = (f"{schema.QUARANTINE_PARTITION}{partition:02}", f"{schema.QUARANTINED_SINCE}{schema.stored_time(now)}")
    kind = message_kind(callback.parameters)
    return {
        "site_identifier": callback.site_identifier,
        "pnm_payment_identifier": pnm_identifier(callback.parameters, "pnm_payment_identifier"),
        "pnm_order_identifier": pnm_identifier(callback.parameters, "pnm_order_identifier"),
        "message_kind": None if kind is None else str(kind),
        "test": _is_test(callback),
        "kind": str(callback.kind),
        "reason": str(callback.reason),
        "resolution": UNRESOLVED,
        "fingerprint": callback_id,
        "parameters": stored_parameters(callback.parameters, callback.reason),
        "omitted_parameters": omitted_parameters(callback.parameters, callback.reason),
        "invalid_parameters": list(callback.invalid_parameters),
        "function_version": callback.function_version,
        "received_at": schema.stored_time(now),
        "last_received_at": schema.stored_time(now),
        "received_count": Decimal(1),
        **dict(zip(PENDING_ATTRIBUTES, pending, strict=True)),
    }


def _payment_update(callback: UnprocessedCallback, callback_id: str, now: datetime) -> Update | None:
    """Return the change of the payment that the callback names. It changes neither a decision nor an outcome."""
    pnm_payment_identifier = pnm_identifier(callback.parameters, "pnm_payment_identifier")
    if pnm_payment_identifier is None:
        return None
    is_stale = callback.reason is QuarantineReason.STALE_TIMESTAMP
    details = {
        "reason": str(callback.reason),
        "kind": str(callback.kind),
        "at": schema.stored_time(now),
        "pnm_order_identifier": pnm_identifier(callback.parameters, "pnm_order_identifier"),
    }
    return Update(
        *schema.payment_key(callback.site_identifier, pnm_payment_identifier, test=_is_test(callback)),
        {schema.quarantined_attribute(callback_id): {name: text for name, text in details.items() if text}},
        increments={"quarantined_callbacks": Decimal(1)},
        condition=f"{_BELOW_MAXIMUM} AND {_UNDECIDED}" if is_stale else _BELOW_MAXIMUM,
        condition_values={"max": Decimal(MAX_STORED_PER_PAYMENT - 1)},
    )


def _is_test(callback: UnprocessedCallback) -> bool:
    return callback.parameters.get("test") == "true"
