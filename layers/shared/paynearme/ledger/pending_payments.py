"""Query pending payments, which are accepted and have no outcome, by the sparse index ``pending``.

An accepted payment has the two key attributes of the index. The outcome or a release removes them, so the index
contains only pending payments. A hash of the payment's key selects its partition.
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
"""The number of partitions of the index. Never decrease it: sweeps would miss payments in the other partitions."""

PENDING_ATTRIBUTES = ("pending_partition", "pending_since")
"""The key attributes of the index."""

STILL_PENDING = "pending_since = :since"
"""The condition that a payment is pending, with the decision and the stage of the value ``since``."""


class PendingStage(StrEnum):
    """The stage of a pending payment, and the beginning of the index's sort key."""

    AUTHORIZED = "authorized"
    """Not marked by a sweep."""
    UNCONFIRMED = "unconfirmed"
    """Marked as overdue by a sweep."""


@dataclass(frozen=True)
class PendingPayment:
    """An accepted payment without an outcome, with the attributes that the index contains."""

    key: Key
    pending_since: str
    site_identifier: str
    pnm_payment_identifier: str
    pnm_order_identifier: str


def pending_attributes(key: Key, decided_at: datetime) -> Item:
    """Return the attributes that make a payment pending."""
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
    """Mark a payment as overdue. Return ``False`` if it is already marked or not pending.

    Raises ``LedgerUnavailableError``. Costs 1 request.
    """
    new_pending_since = payment.pending_since.replace(PendingStage.AUTHORIZED, PendingStage.UNCONFIRMED, 1)
    change = schema.payment_update(
        payment.key,
        {"pending_since": new_pending_since, "unconfirmed_at": schema.stored_time(now)},
        condition=STILL_PENDING,
        condition_values={"since": payment.pending_since},
    )
    conflict = table.update(change, deadline)
    # After a lost response, the conflict of the retry is with the write of this call itself.
    return conflict is None or conflict.get("unconfirmed_at") == schema.stored_time(now)


def _partition(partition: int) -> str:
    return f"PENDING#{partition:02}"


def _sort_key(stage: PendingStage, timestamp: datetime | None) -> str:
    return f"{stage}#{'' if timestamp is None else schema.stored_time(timestamp)}"
