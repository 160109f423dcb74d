"""The watch over accepted payments whose outcome nobody tells: noticed once, and given back much later."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from paynearme import telemetry
from paynearme.aws import LONGEST_ATTEMPT_SECONDS
from paynearme.deadline import Deadline
from paynearme.ledger import PARTITIONS, AwaitedPayment, Ledger, Stage
from paynearme.settings import WatchingSettings

OPERATION = "sweep_unconfirmed"
FOR_ONE_SECONDS = 2 * LONGEST_ATTEMPT_SECONDS
"""What one payment may take: a release is two requests."""


def watch(ledger: Ledger, settings: WatchingSettings, now: datetime, deadline: Deadline) -> None:
    """Mark what is overdue as unconfirmed, once, and release what is long overdue.

    What there is no time for is left to the next watch. One payment that fails, for whatever reason, stands
    in nobody's way: raises the last failure at the end. Raises ``LedgerUnavailableError`` at once if the
    index cannot be read.
    """

    def mark(payment: AwaitedPayment, soon: Deadline) -> None:
        if ledger.mark_unconfirmed(payment, now, soon):
            _tell("PaymentUnconfirmed", payment)

    def release(payment: AwaitedPayment, soon: Deadline) -> None:
        site, identifier = payment.site_identifier, payment.pnm_payment_identifier
        if ledger.release(site, identifier, now, soon, pending_since=payment.pending_since):
            _tell("ReservationReleased", payment)

    stages = (
        (Stage.AUTHORIZED, settings.unconfirmed_after_minutes, mark),
        (Stage.UNCONFIRMED, settings.release_after_minutes, release),
    )
    failure: Exception | None = None
    for stage, minutes, work in stages:
        for payment in _found(ledger, stage, now - timedelta(minutes=minutes), now, deadline):
            try:
                work(payment, deadline.within(FOR_ONE_SECONDS))
            except Exception as error:
                failure = error
    if failure:
        raise failure


def _found(
    ledger: Ledger,
    stage: Stage,
    decided_before: datetime,
    now: datetime,
    deadline: Deadline,
) -> Iterator[AwaitedPayment]:
    """Yield what is awaited in a stage, for as long as there is time for one more."""
    # Another partition first each time, so that none is last each time.
    first = now.minute % PARTITIONS
    for partition in (*range(first, PARTITIONS), *range(first)):
        payments = ledger.awaited_payments(partition, stage, decided_before, deadline)
        # Before each one, as it may have to be asked for, and after.
        while deadline.remaining >= FOR_ONE_SECONDS:
            payment = next(payments, None)
            if payment is None:
                break
            if deadline.remaining >= FOR_ONE_SECONDS:
                yield payment
        else:
            telemetry.count("SweepIncomplete")
            return


def _tell(what: str, payment: AwaitedPayment) -> None:
    telemetry.count(what)
    telemetry.tell_of_payment(
        OPERATION,
        event_type=what,
        site_identifier=payment.site_identifier,
        pnm_order_identifier=payment.pnm_order_identifier,
        pnm_payment_identifier=payment.pnm_payment_identifier,
    )
