"""From records of the table's stream to events on the bus: each change at least once, a payment's in order.

Nothing may be lost under either of two rules. Lambda and the emulator bring a whole batch again, for ever,
when the function fails: so what the bus does not take for now fails the batch, and events that are on the bus
already are repeated, with the same identifiers. And a record that could never be published would stand in
everybody's way: so it goes to the dead letters, as does one that has waited until the stream is about to
forget it. Single records are never reported as failed: the emulator drops such records.
"""

from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from paynearme import telemetry
from paynearme.aws import MAX_ATTEMPT_SECONDS
from paynearme.deadline import Deadline
from paynearme.errors import EventPublishFailedError
from paynearme.event_bus import MAX_ENTRIES, DeadLetterQueue, EventBus
from paynearme.ledger import payment_events
from paynearme.messages.events import PaymentEvent
from paynearme.table import stream_images

OPERATION = "publish_events"
LATE_RETRY_SECONDS = 2 * MAX_ATTEMPT_SECONDS
"""How long the bus is tried with what has waited for too long already."""
DLQ_RESERVE_SECONDS = 10.0
"""What is left of the time for the dead letters when the bus takes nothing."""

type StreamRecord = Mapping[str, Any]
"""A record of a DynamoDB stream as Lambda brings it, with both images."""


class _EntriesRejectedError(Exception):
    """The bus did not take some events, for now."""


@dataclass
class _PendingChange:
    """A change of a payment, and those of its events that are not on the bus yet, the first first."""

    record: StreamRecord
    payment: str
    changed_at: datetime
    pending: list[PaymentEvent] = field(default_factory=list)


def publish(
    records: Sequence[StreamRecord],
    bus: EventBus,
    dead_letter_queue: DeadLetterQueue,
    max_event_age_seconds: int,
    now: datetime,
    deadline: Deadline,
) -> None:
    """Put the events of ``records`` on the bus.

    What cannot be published goes to ``dead_letters``, and so does what the bus does not take, once the oldest
    of it has waited for ``wait_seconds``. Raises ``EventPublishFailedError`` while something waits: no record
    goes there then, because each repeat would put it there again.
    """
    _Publisher(bus, dead_letter_queue, deadline).publish(records, max_event_age_seconds, now)


@dataclass(frozen=True)
class _Publisher:
    """What one call works with, and the records that cannot be told, each with the reason."""

    bus: EventBus
    dead_letter_queue: DeadLetterQueue
    deadline: Deadline
    dead_lettered: list[tuple[StreamRecord, str]] = field(default_factory=list)

    def publish(self, records: Sequence[StreamRecord], max_event_age_seconds: int, now: datetime) -> None:
        """See ``publish``."""
        changes = []
        for record in records:
            try:
                changes.append(_read(record))
            except Exception as error:
                # Whatever is wrong with it, or with us: it must not stand in the way of all others.
                telemetry.add_error(error)
                self.dead_lettered.append((record, "malformed"))

        def has_expired_events() -> bool:
            oldest = min((change.changed_at for change in changes if change.pending), default=now)
            return (now - oldest).total_seconds() >= max_event_age_seconds

        # Behind a bus that was gone for long others wait: what has waited too long is tried for a moment.
        budget = LATE_RETRY_SECONDS if has_expired_events() else self.deadline.remaining
        try:
            self._put_all(changes, self.deadline.minus(DLQ_RESERVE_SECONDS).within(budget))
        except Exception as error:
            if not has_expired_events():
                raise
            # Whatever it is, nothing may wait until the stream has forgotten it.
            telemetry.add_error(error)
            self.dead_lettered.extend((change.record, "expired") for change in changes if change.pending)
        for record, reason in self.dead_lettered:
            self._dead_letter(record, reason)

    def _put_all(self, changes: Sequence[_PendingChange], deadline: Deadline) -> None:
        """Put all that is pending on the bus, what it does not take at first again."""
        retrying = deadline.retrying(
            lambda error: isinstance(error, _EntriesRejectedError), MAX_ATTEMPT_SECONDS
        )
        try:
            retrying(self._put_in_order, changes, deadline)
        except _EntriesRejectedError:
            raise EventPublishFailedError from None

    def _put_in_order(self, changes: Sequence[_PendingChange], deadline: Deadline) -> None:
        """Put the events on the bus in waves: a payment's next one once its last one is there.

        One that the bus does not take for now holds back those that follow of its payment, and no others.
        """
        blocked_payments: set[str] = set()
        while batch := _next_batch(changes, blocked_payments):
            statuses = self.bus.put_events([change.pending[0] for change in batch], deadline)
            for change, status in zip(batch, statuses, strict=True):
                if status:
                    _record_published(change.pending.pop(0))
                elif status is None:
                    self.dead_lettered.append((change.record, "rejected"))
                    change.pending.clear()
                else:
                    blocked_payments.add(change.payment)
        if blocked_payments:
            raise _EntriesRejectedError

    def _dead_letter(self, record: StreamRecord, reason: str) -> None:
        self.dead_letter_queue.send(record, self.deadline)
        telemetry.add_metric("EventDeadLettered")
        telemetry.add_log_fields(dead_lettered_count=len(self.dead_lettered))
        log_fields = {"dead_letter_reason": reason}
        for name in ("site_identifier", "pnm_order_identifier", "pnm_payment_identifier"):
            # It may be anything.
            with suppress(Exception):
                log_fields[name] = str(record["dynamodb"]["NewImage"][name]["S"])
        telemetry.log_payment(OPERATION, event_type="dead_letter", **log_fields)


def _read(record: StreamRecord) -> _PendingChange:
    old, new = stream_images(record)
    changed_at = datetime.fromtimestamp(record["dynamodb"]["ApproximateCreationDateTime"], UTC)
    return _PendingChange(record, str((new or old)["pk"]), changed_at, payment_events(old, new, changed_at))


def _next_batch(changes: Sequence[_PendingChange], blocked_payments: Set[str]) -> list[_PendingChange]:
    """Return the first pending change of each payment, as many as fit into one request."""
    first_by_payment: dict[str, _PendingChange] = {}
    for change in changes:
        if change.pending and change.payment not in blocked_payments:
            first_by_payment.setdefault(change.payment, change)
    return list(first_by_payment.values())[:MAX_ENTRIES]


def _record_published(event: PaymentEvent) -> None:
    telemetry.add_metric("EventPublished")
    telemetry.log_payment(
        OPERATION,
        event_type=event.detail_type,
        event_identifier=event.event_identifier,
        site_identifier=event.site_identifier,
        pnm_order_identifier=event.pnm_order_identifier,
        pnm_payment_identifier=event.pnm_payment_identifier,
    )
