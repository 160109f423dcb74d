"""Read and resolve the items of the quarantine."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import batched, islice
from typing import Literal

from paynearme.ledger import schema
from paynearme.ledger.pending_payments import INDEX, PENDING_ATTRIBUTES
from paynearme.ledger.quarantine import PARTITIONS, UNRESOLVED
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Key, Table, Update
from paynearme.protocol.quarantine import CallbackKind, QuarantineReason

MAX_LISTED = 1000
"""The maximum number of items that a list or a count contains, in equal parts of the oldest of each partition."""

RESOLVED_TTL = timedelta(days=90)
"""DynamoDB deletes a resolved item this long after its resolution (time to live)."""

_IS_UNRESOLVED = "resolution = :unresolved"


@dataclass(frozen=True)
class QuarantinedCallback:
    """A stored callback. ``fingerprint`` is that of the received message.

    ``parameters`` are the stored ones. ``omitted_parameters`` are those of the allow-list with a value that is not
    stored, and ``invalid_parameters`` are those that the message type does not accept.
    """

    site_identifier: str
    pnm_payment_identifier: str | None
    test: bool
    kind: CallbackKind
    reason: QuarantineReason
    resolution: str
    fingerprint: str
    parameters: Mapping[str, str]
    omitted_parameters: Sequence[str]
    invalid_parameters: Sequence[str]
    function_version: str
    received_at: datetime
    received_count: int
    message_kind: CallbackKind | None = None
    """The kind of the received parameters, or ``None`` if they are those of several kinds."""

    @property
    def identifier(self) -> str:
        """Return the identifier for operators: the site, and the beginning of the fingerprint."""
        return schema.quarantine_identifier(self.site_identifier, self.fingerprint)


@dataclass(frozen=True)
class Resolution:
    """The operator's decision about an item: who, why, and with which version of the function.

    ``parameters`` are those that the operator set for a replay, and ``effect`` is the effect of the replay.
    """

    name: Literal["replayed", "discarded"]
    operator: str
    why: str
    function_version: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    effect: str = ""


@dataclass(frozen=True)
class QuarantineSize:
    """The number of unresolved items, at most ``MAX_LISTED``, and the age of the oldest one in seconds."""

    count: int
    age_seconds: int


def quarantine_size(table: Table, now: datetime, deadline: Deadline) -> QuarantineSize:
    """Return the size of the quarantine from the index, which is eventually consistent.

    Raises ``LedgerUnavailableError``. Costs 1 request for each of the ``PARTITIONS`` and for each 100 items.
    """
    since = [item["pending_since"].removeprefix(schema.QUARANTINED_SINCE) for item in _index_items(table, deadline)]
    oldest = min((datetime.fromisoformat(timestamp) for timestamp in since), default=now)
    return QuarantineSize(len(since), max(0, int((now - oldest).total_seconds())))


def list_unresolved(table: Table, deadline: Deadline) -> list[QuarantinedCallback]:
    """Return the unresolved items, at most ``MAX_LISTED``, in order of their reception.

    Raises ``LedgerUnavailableError``. Costs 1 request for each of the ``PARTITIONS`` and 2 for each 100 items.
    """
    keys = [(item["pk"], item["sk"]) for item in _index_items(table, deadline)]
    items = [item for batch in batched(keys, 100, strict=False) for item in table.read(batch, deadline)]
    # The index can still contain an item that is resolved.
    unresolved = [parse_item(item) for item in items if item.get("resolution") == UNRESOLVED]
    return sorted(unresolved, key=lambda callback: callback.received_at)


def get_quarantined(table: Table, identifier: str, deadline: Deadline) -> QuarantinedCallback | None:
    """Return the item with an ``identifier``, or ``None``. Raises ``LedgerUnavailableError``. Costs 1 request."""
    site_id, _, callback_id = identifier.rpartition("/")
    (item,) = table.read([schema.quarantine_key(site_id, callback_id)], deadline)
    return parse_item(item) if item else None


def resolve(
    table: Table, callback: QuarantinedCallback, resolution: Resolution, now: datetime, deadline: Deadline
) -> bool:
    """Resolve an item, and decrease the count of its payment. Return ``False`` if the item is already resolved.

    Raises ``LedgerUnavailableError``. Costs 1 request.
    """
    key = schema.quarantine_key(callback.site_identifier, callback.fingerprint)
    values = {
        "resolution": resolution.name,
        "resolved_at": schema.stored_time(now),
        "resolved_by": resolution.operator,
        "resolved_why": resolution.why,
        "resolved_with_version": resolution.function_version,
        "resolved_parameters": dict(resolution.parameters) or None,
        "resolved_effect": resolution.effect or None,
        "expires_at_epoch": int((now + RESOLVED_TTL).timestamp()),
    }
    updates = [
        Update(
            *key,
            values,
            removes=PENDING_ATTRIBUTES,
            condition=_IS_UNRESOLVED,
            condition_values={"unresolved": UNRESOLVED},
        )
    ]
    if (payment_key := _payment_key(callback)) is not None:
        removed = [schema.quarantined_attribute(callback.fingerprint)]
        updates.append(Update(*payment_key, removes=removed, increments={"quarantined_callbacks": Decimal(-1)}))
    return table.transact(updates, deadline) is None


def parse_item(item: Item) -> QuarantinedCallback:
    """Return the callback of an item."""
    return QuarantinedCallback(
        site_identifier=item["site_identifier"],
        pnm_payment_identifier=item.get("pnm_payment_identifier"),
        test=item["test"],
        kind=CallbackKind(item["kind"]),
        reason=QuarantineReason(item["reason"]),
        resolution=item["resolution"],
        fingerprint=item["fingerprint"],
        parameters=item["parameters"],
        omitted_parameters=item["omitted_parameters"],
        invalid_parameters=item["invalid_parameters"],
        function_version=item["function_version"],
        received_at=datetime.fromisoformat(item["received_at"]).astimezone(UTC),
        received_count=int(item["received_count"]),
        message_kind=CallbackKind(item["message_kind"]) if "message_kind" in item else None,
    )


def _payment_key(callback: QuarantinedCallback) -> Key | None:
    identifier = callback.pnm_payment_identifier
    return schema.payment_key(callback.site_identifier, identifier, test=callback.test) if identifier else None


def _index_items(table: Table, deadline: Deadline) -> Iterator[Item]:
    """Yield the entries of the index, at most ``MAX_LISTED``."""
    since_range = (schema.QUARANTINED_SINCE, f"{schema.QUARANTINED_SINCE}~")
    for partition in range(PARTITIONS):
        name = f"{schema.QUARANTINE_PARTITION}{partition:02}"
        entries = table.query(INDEX, PENDING_ATTRIBUTES, name, since_range, deadline)
        yield from islice(entries, MAX_LISTED // PARTITIONS)
