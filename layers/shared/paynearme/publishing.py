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
from paynearme.aws import LONGEST_ATTEMPT_SECONDS
from paynearme.deadline import Deadline
from paynearme.errors import EventPublishFailedError
from paynearme.event_bus import MOST_AT_ONCE, DeadLetters, EventBus
from paynearme.ledger import events_of
from paynearme.messages.events import PaymentEvent
from paynearme.table import images_of

OPERATION = "publish_events"
FOR_ONE_TRY_SECONDS = 2 * LONGEST_ATTEMPT_SECONDS
"""How long the bus is tried with what has waited for too long already."""
FOR_DEAD_LETTERS_SECONDS = 10.0
"""What is left of the time for the dead letters when the bus takes nothing."""

type StreamRecord = Mapping[str, Any]
"""A record of a DynamoDB stream as Lambda brings it, with both images."""


class _EntriesRejectedError(Exception):
    """The bus did not take some events, for now."""


@dataclass
class _Change:
    """A change of a payment, and those of its events that are not on the bus yet, the first first."""

    record: StreamRecord
    payment: str
    changed_at: datetime
    pending: list[PaymentEvent] = field(default_factory=list)


def publish(
    records: Sequence[StreamRecord],
    bus: EventBus,
    dead_letters: DeadLetters,
    wait_seconds: int,
    now: datetime,
    deadline: Deadline,
) -> None:
    """Put the events of ``records`` on the bus.

    What cannot be published goes to ``dead_letters``, and so does what the bus does not take, once the oldest
    of it has waited for ``wait_seconds``. Raises ``EventPublishFailedError`` while something waits: no record
    goes there then, because each repeat would put it there again.
    """
    _Publishing(bus, dead_letters, deadline).publish(records, wait_seconds, now)


@dataclass(frozen=True)
class _Publishing:
    """What one call works with, and the records that cannot be told, each with the reason."""

    bus: EventBus
    dead_letters: DeadLetters
    deadline: Deadline
    given_up: list[tuple[StreamRecord, str]] = field(default_factory=list)

    def publish(self, records: Sequence[StreamRecord], wait_seconds: int, now: datetime) -> None:
        """See ``publish``."""
        changes = []
        for record in records:
            try:
                changes.append(_read(record))
            except Exception as error:
                # Whatever is wrong with it, or with us: it must not stand in the way of all others.
                telemetry.note_failure(error)
                self.given_up.append((record, "malformed"))

        def has_waited() -> bool:
            oldest = min((change.changed_at for change in changes if change.pending), default=now)
            return (now - oldest).total_seconds() >= wait_seconds

        # Behind a bus that was gone for long others wait: what has waited too long is tried for a moment.
        patience = FOR_ONE_TRY_SECONDS if has_waited() else self.deadline.remaining
        try:
            self._put_all(changes, self.deadline.sooner(FOR_DEAD_LETTERS_SECONDS).within(patience))
        except Exception as error:
            if not has_waited():
                raise
            # Whatever it is, nothing may wait until the stream has forgotten it.
            telemetry.note_failure(error)
            self.given_up.extend((change.record, "expired") for change in changes if change.pending)
        for record, reason in self.given_up:
            self._keep(record, reason)

    def _put_all(self, changes: Sequence[_Change], deadline: Deadline) -> None:
        """Put all that is pending on the bus, what it does not take at first again."""
        try_again = deadline.retrying(
            lambda error: isinstance(error, _EntriesRejectedError), LONGEST_ATTEMPT_SECONDS
        )
        try:
            try_again(self._put_what_is_taken, changes, deadline)
        except _EntriesRejectedError:
            raise EventPublishFailedError from None

    def _put_what_is_taken(self, changes: Sequence[_Change], deadline: Deadline) -> None:
        """Put the events on the bus in waves: a payment's next one once its last one is there.

        One that the bus does not take for now holds back those that follow of its payment, and no others.
        """
        held_back: set[str] = set()
        while wave := _next_wave(changes, held_back):
            taken = self.bus.put([change.pending[0] for change in wave], deadline)
            for change, is_taken in zip(wave, taken, strict=True):
                if is_taken:
                    _tell(change.pending.pop(0))
                elif is_taken is None:
                    self.given_up.append((change.record, "rejected"))
                    change.pending.clear()
                else:
                    held_back.add(change.payment)
        if held_back:
            raise _EntriesRejectedError

    def _keep(self, record: StreamRecord, reason: str) -> None:
        self.dead_letters.keep(record, self.deadline)
        telemetry.count("EventDeadLettered")
        telemetry.note(dead_lettered_count=len(self.given_up))
        told = {"dead_letter_reason": reason}
        for name in ("site_identifier", "pnm_order_identifier", "pnm_payment_identifier"):
            # It may be anything.
            with suppress(Exception):
                told[name] = str(record["dynamodb"]["NewImage"][name]["S"])
        telemetry.tell_of_payment(OPERATION, event_type="dead_letter", **told)


def _read(record: StreamRecord) -> _Change:
    old, new = images_of(record)
    changed_at = datetime.fromtimestamp(record["dynamodb"]["ApproximateCreationDateTime"], UTC)
    return _Change(record, str((new or old)["pk"]), changed_at, events_of(old, new, changed_at))


def _next_wave(changes: Sequence[_Change], held_back: Set[str]) -> list[_Change]:
    """Return the first pending change of each payment, as many as fit into one request."""
    first: dict[str, _Change] = {}
    for change in changes:
        if change.pending and change.payment not in held_back:
            first.setdefault(change.payment, change)
    return list(first.values())[:MOST_AT_ONCE]


def _tell(event: PaymentEvent) -> None:
    telemetry.count("EventPublished")
    telemetry.tell_of_payment(
        OPERATION,
        event_type=event.detail_type,
        event_identifier=event.event_identifier,
        site_identifier=event.site_identifier,
        pnm_order_identifier=event.pnm_order_identifier,
        pnm_payment_identifier=event.pnm_payment_identifier,
    )
