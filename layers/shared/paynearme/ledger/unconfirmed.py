"""Accepted payments whose outcome nobody has told yet: found by a sparse index, so that none is forgotten.

An accepted payment's item says so in two attributes, which the index ``awaited`` is made of. The outcome, or
a release, takes them away: so the index holds what is open now and nothing of what ever was. Its partitions
are spread by the payment's key.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from paynearme.ledger import schema
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Key, Table

INDEX = "pending"
PARTITIONS = 16
"""Over how many partitions the index is spread. To look into fewer than were written forgets payments."""

PENDING_ATTRIBUTES = ("pending_partition", "pending_since")
"""The attributes that the index is made of."""


class PendingStage(StrEnum):
    """How long an outcome has been awaited. Also the beginning of the index's sort key."""

    AUTHORIZED = "authorized"
    """Not long, or nobody has looked since."""
    UNCONFIRMED = "unconfirmed"
    """So long that somebody was told."""


@dataclass(frozen=True)
class PendingPayment:
    """An accepted payment without an outcome, as the index tells it."""

    key: Key
    pending_since: str
    site_identifier: str
    pnm_payment_identifier: str
    pnm_order_identifier: str


def pending_attributes(key: Key, decided_at: datetime) -> Item:
    """Return the attributes of a payment's item that say that its outcome is awaited."""
    partition = hashlib.sha256(key[0].encode()).digest()[0] % PARTITIONS
    values = (_partition(partition), _sort_key(PendingStage.AUTHORIZED, decided_at))
    return dict(zip(PENDING_ATTRIBUTES, values, strict=True))


def find_overdue(
    table: Table, partition: int, stage: PendingStage, decided_before: datetime, deadline: Deadline
) -> Iterator[PendingPayment]:
    """Yield the pending payments of an index partition that were decided before ``decided_before``, oldest first.

    ``partition`` is from 0 to ``PARTITIONS`` - 1. Raises ``LedgerUnavailableError``. Costs 1 request for each 100
    payments.
    """
    sort_key_range = (_sort_key(stage, None), _sort_key(stage, decided_before))
    for item in table.query(INDEX, PENDING_ATTRIBUTES, _partition(partition), sort_key_range, deadline):
        yield PendingPayment(
            (item["pk"], item["sk"]),
            item["pending_since"],
            item["site_identifier"],
            item["pnm_payment_identifier"],
            item["pnm_order_identifier"],
        )


def mark_unconfirmed(table: Table, payment: PendingPayment, now: datetime, deadline: Deadline) -> bool:
    """Mark a payment as overdue. Return ``False`` if it is marked already or is not pending any more.

    Raises ``LedgerUnavailableError``. Costs 1 request.
    """
    new_pending_since = payment.pending_since.replace(PendingStage.AUTHORIZED, PendingStage.UNCONFIRMED, 1)
    change = schema.payment_update(
        payment.key,
        {"pending_since": new_pending_since, "unconfirmed_at": now.isoformat()},
        # Neither an outcome nor another watcher came in between.
        condition="pending_since = :since",
        condition_values={"since": payment.pending_since},
    )
    conflict = table.update(change, deadline)
    # When an answer was lost, what stands against the repeat is what this call wrote itself.
    return conflict is None or conflict.get("unconfirmed_at") == now.isoformat()


def _partition(partition: int) -> str:
    return f"PENDING#{partition:02}"


def _sort_key(stage: PendingStage, timestamp: datetime | None) -> str:
    return f"{stage}#{'' if timestamp is None else timestamp.isoformat()}"
