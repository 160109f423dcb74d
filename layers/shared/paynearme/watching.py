"""The watch over accepted payments whose outcome nobody tells: noticed once, and given back much later."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from paynearme import telemetry
from paynearme.aws import MAX_ATTEMPT_SECONDS
from paynearme.deadline import Deadline
from paynearme.ledger import PARTITIONS, PendingPayment, Ledger, PendingStage
from paynearme.settings import SweepSettings

OPERATION = "sweep_unconfirmed"
MIN_PAYMENT_BUDGET_SECONDS = 2 * MAX_ATTEMPT_SECONDS
"""What one payment may take: a release is two requests."""


def sweep(ledger: Ledger, settings: SweepSettings, now: datetime, deadline: Deadline) -> None:
    """Mark what is overdue as unconfirmed, once, and release what is long overdue.

    What there is no time for is left to the next watch. One payment that fails, for whatever reason, stands
    in nobody's way: raises the last failure at the end. Raises ``LedgerUnavailableError`` at once if the
    index cannot be read.
    """

    def mark(payment: PendingPayment, payment_deadline: Deadline) -> None:
        if ledger.mark_unconfirmed(payment, now, payment_deadline):
            _record("PaymentUnconfirmed", payment)

    def release(payment: PendingPayment, payment_deadline: Deadline) -> None:
        site_id, identifier = payment.site_identifier, payment.pnm_payment_identifier
        if ledger.release(site_id, identifier, now, payment_deadline, pending_since=payment.pending_since):
            _record("ReservationReleased", payment)

    stages = (
        (PendingStage.AUTHORIZED, settings.unconfirmed_after_minutes, mark),
        (PendingStage.UNCONFIRMED, settings.reservation_timeout_minutes, release),
    )
    failure: Exception | None = None
    for stage, minutes, action in stages:
        for payment in _find(ledger, stage, now - timedelta(minutes=minutes), now, deadline):
            try:
                action(payment, deadline.within(MIN_PAYMENT_BUDGET_SECONDS))
            except Exception as error:
                failure = error
    if failure:
        raise failure


def _find(
    ledger: Ledger,
    stage: PendingStage,
    decided_before: datetime,
    now: datetime,
    deadline: Deadline,
) -> Iterator[PendingPayment]:
    """Yield what is awaited in a stage, for as long as there is time for one more."""
    # Another partition first each time, so that none is last each time.
    first_partition = now.minute % PARTITIONS
    for partition in (*range(first_partition, PARTITIONS), *range(first_partition)):
        payments = ledger.find_overdue(partition, stage, decided_before, deadline)
        # Before each one, as it may have to be asked for, and after.
        while deadline.remaining >= MIN_PAYMENT_BUDGET_SECONDS:
            payment = next(payments, None)
            if payment is None:
                break
            if deadline.remaining >= MIN_PAYMENT_BUDGET_SECONDS:
                yield payment
        else:
            telemetry.add_metric("SweepIncomplete")
            return


def _record(event_type: str, payment: PendingPayment) -> None:
    telemetry.add_metric(event_type)
    telemetry.log_payment(
        OPERATION,
        event_type=event_type,
        site_identifier=payment.site_identifier,
        pnm_order_identifier=payment.pnm_order_identifier,
        pnm_payment_identifier=payment.pnm_payment_identifier,
    )
