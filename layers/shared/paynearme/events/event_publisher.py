"""Publish payment events from DynamoDB stream records, at least once and in order for each payment.

A retryable EventBridge failure fails the batch, and Lambda invokes the function again with the whole batch.
Events that are published already are repeated with the same identifiers. A record that cannot be published goes
to the dead-letter queue, so that it does not block its shard. So does a record that is close to the stream's 24-hour
retention. The function never reports single failed records, because the local emulator drops such records.
"""

from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from paynearme.errors import EventPublishFailedError
from paynearme.events.event_bus import MAX_ENTRIES, DeadLetterQueue, EntryStatus, EventBus
from paynearme.ledger.event_mapping import change_events
from paynearme.platform import observability
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS, Deadline
from paynearme.platform.dynamodb import stream_images
from paynearme.protocol.payment_events import Event

OPERATION = "publish_events"
LATE_RETRY_SECONDS = 2 * MAX_ATTEMPT_SECONDS
"""The time for retries of events that are older than the limit."""
DLQ_RESERVE_SECONDS = 10.0
"""The time that remains for the dead-letter queue when the bus is unavailable."""

_LOGGED_FIELDS = {"event_identifier", "site_identifier", "pnm_order_identifier", "pnm_payment_identifier"}

type StreamRecord = Mapping[str, Any]
"""A DynamoDB stream record with both images, as Lambda delivers it."""


class _EntriesRejectedError(Exception):
    """The bus did not accept some events, and a retry can succeed."""


@dataclass
class _PendingChange:
    """A change of a payment, and its unpublished events in order."""

    record: StreamRecord
    payment: str
    changed_at: datetime
    pending: list[Event] = field(default_factory=list)


def publish(
    records: Sequence[StreamRecord],
    bus: EventBus,
    dead_letter_queue: DeadLetterQueue,
    max_event_age_seconds: int,
    now: datetime,
    deadline: Deadline,
) -> None:
    """Publish the events of ``records``.

    Records that cannot be published go to the dead-letter queue. If the oldest unpublished event is older than
    ``max_event_age_seconds``, all unpublished records go there. Raises ``EventPublishFailedError`` if events
    remain. No record goes to the queue then, because a retry of the batch would send it again.
    """
    _Publisher(bus, dead_letter_queue, deadline).publish(records, max_event_age_seconds, now)


@dataclass(frozen=True)
class _Publisher:
    """The clients of one invocation, and the records for the dead-letter queue with their reasons."""

    bus: EventBus
    dead_letter_queue: DeadLetterQueue
    deadline: Deadline
    dead_lettered: list[tuple[StreamRecord, str]] = field(default_factory=list)

    def publish(self, records: Sequence[StreamRecord], max_event_age_seconds: int, now: datetime) -> None:
        """Publish the events of ``records``, as the function ``publish`` specifies."""
        changes = []
        for record in records:
            try:
                changes.append(_read(record))
            except Exception as error:
                # Any error, also a defect of this code: one record must not block the others.
                observability.add_error_location(error)
                self.dead_lettered.append((record, "malformed"))

        def has_expired_events() -> bool:
            oldest = min((change.changed_at for change in changes if change.pending), default=now)
            return (now - oldest).total_seconds() >= max_event_age_seconds

        # After a long outage of the bus, younger records wait behind expired ones, so retries are short.
        budget = LATE_RETRY_SECONDS if has_expired_events() else self.deadline.remaining
        try:
            self._put_all(changes, self.deadline.minus(DLQ_RESERVE_SECONDS).within(budget))
        except Exception as error:
            if not has_expired_events():
                raise
            # Any error: an expired record must leave the stream before the stream deletes it.
            observability.add_error_location(error)
            self.dead_lettered.extend((change.record, "expired") for change in changes if change.pending)
        for record, reason in self.dead_lettered:
            self._dead_letter(record, reason)

    def _put_all(self, changes: Sequence[_PendingChange], deadline: Deadline) -> None:
        """Publish all pending events, with retries for those that the bus did not accept."""
        try:
            deadline.retry(
                lambda: self._put_in_order(changes, deadline),
                lambda error: isinstance(error, _EntriesRejectedError),
                MAX_ATTEMPT_SECONDS,
            )
        except _EntriesRejectedError:
            raise EventPublishFailedError from None

    def _put_in_order(self, changes: Sequence[_PendingChange], deadline: Deadline) -> None:
        """Publish the events in batches. A batch has at most one event of a payment, because entries can fail singly.

        An event that is not accepted blocks the later events of its payment only.
        """
        blocked_payments: set[str] = set()
        while batch := _next_batch(changes, blocked_payments):
            statuses = self.bus.put_events([change.pending[0] for change in batch], deadline)
            for change, status in zip(batch, statuses, strict=True):
                if status is EntryStatus.PUBLISHED:
                    _record_published(change.pending.pop(0))
                elif status is EntryStatus.REJECTED:
                    self.dead_lettered.append((change.record, "rejected"))
                    change.pending.clear()
                else:
                    blocked_payments.add(change.payment)
        if blocked_payments:
            raise _EntriesRejectedError

    def _dead_letter(self, record: StreamRecord, reason: str) -> None:
        self.dead_letter_queue.send(record, self.deadline)
        observability.add_metric("EventDeadLettered")
        observability.add_log_fields(dead_lettered_count=len(self.dead_lettered))
        log_fields = {"dead_letter_reason": reason}
        for name in ("site_identifier", "pnm_order_identifier", "pnm_payment_identifier"):
            # A malformed record can have any shape.
            with suppress(Exception):
                log_fields[name] = str(record["dynamodb"]["NewImage"][name]["S"])
        observability.log_payment(OPERATION, event_type="dead_letter", **log_fields)


def _read(record: StreamRecord) -> _PendingChange:
    old, new = stream_images(record)
    changed_at = datetime.fromtimestamp(record["dynamodb"]["ApproximateCreationDateTime"], UTC)
    return _PendingChange(record, str((new or old)["pk"]), changed_at, [*change_events(old, new, changed_at)])


def _next_batch(changes: Sequence[_PendingChange], blocked_payments: Set[str]) -> list[_PendingChange]:
    """Return the first pending change of each payment, at most ``MAX_ENTRIES``."""
    first_by_payment: dict[str, _PendingChange] = {}
    for change in changes:
        if change.pending and change.payment not in blocked_payments:
            first_by_payment.setdefault(change.payment, change)
    return list(first_by_payment.values())[:MAX_ENTRIES]


def _record_published(event: Event) -> None:
    observability.add_metric("EventPublished")
    identifiers = event.model_dump(include=_LOGGED_FIELDS)
    observability.log_payment(OPERATION, event_type=event.detail_type, **identifiers)
