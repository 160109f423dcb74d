"""Flag authorized payments that were not confirmed, release their reservations later, and measure the quarantine."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from paynearme.ledger.pending_payments import PARTITIONS, PendingPayment, PendingStage, find_overdue, mark_unconfirmed
from paynearme.ledger.quarantine_items import quarantine_size
from paynearme.ledger.release import release
from paynearme.platform import observability
from paynearme.platform.deadline import MAX_ATTEMPT_SECONDS, Deadline
from paynearme.platform.dynamodb import Table
from paynearme.platform.settings import SweepSettings

OPERATION = "sweep_unconfirmed"
MIN_PAYMENT_BUDGET_SECONDS = 2 * MAX_ATTEMPT_SECONDS
"""The maximum time for one payment: a release is two requests."""


def sweep(table: Table, settings: SweepSettings, now: datetime, deadline: Deadline) -> None:
    """Mark overdue payments as unconfirmed, once, and release the reservations of long overdue payments.

    The size and the age of the quarantine are reported first, also when it is empty: the alarm ends with them.
    The next sweep continues with the payments for which no time remains. A payment that fails does not stop the
    others: the last failure is raised at the end. Raises ``LedgerUnavailableError`` if the index cannot be read.
    """

    def mark(payment: PendingPayment, payment_deadline: Deadline) -> None:
        if mark_unconfirmed(table, payment, now, payment_deadline):
            _record("PaymentUnconfirmed", payment)

    def release_reservation(payment: PendingPayment, payment_deadline: Deadline) -> None:
        site_id, identifier = payment.site_identifier, payment.pnm_payment_identifier
        if release(table, site_id, identifier, now, payment_deadline, payment.pending_since):
            _record("ReservationReleased", payment)

    quarantine = quarantine_size(table, now, deadline)
    observability.add_metric("QuarantineSize", quarantine.count)
    observability.add_metric("QuarantineAgeSeconds", quarantine.age_seconds)
    stages = (
        (PendingStage.AUTHORIZED, settings.unconfirmed_after_minutes, mark),
        (PendingStage.UNCONFIRMED, settings.reservation_timeout_minutes, release_reservation),
    )
    failure: Exception | None = None
    for stage, minutes, action in stages:
        for payment in _find(table, stage, now - timedelta(minutes=minutes), now, deadline):
            try:
                action(payment, deadline.within(MIN_PAYMENT_BUDGET_SECONDS))
            except Exception as error:
                failure = error
    if failure:
        raise failure


def _find(
    table: Table, stage: PendingStage, decided_before: datetime, now: datetime, deadline: Deadline
) -> Iterator[PendingPayment]:
    """Yield the overdue payments of a stage while time for one more remains."""
    # Each sweep starts with another partition, so that no partition is always the last.
    first_partition = now.minute % PARTITIONS
    for partition in (*range(first_partition, PARTITIONS), *range(first_partition)):
        payments = find_overdue(table, partition, stage, decided_before, deadline)
        # Checked before and after ``next``, which can send a request.
        while deadline.remaining >= MIN_PAYMENT_BUDGET_SECONDS:
            payment = next(payments, None)
            if payment is None:
                break
            if deadline.remaining >= MIN_PAYMENT_BUDGET_SECONDS:
                yield payment
        else:
            observability.add_metric("SweepIncomplete")
            return


def _record(event_type: str, payment: PendingPayment) -> None:
    observability.add_metric(event_type)
    observability.log_payment(
        OPERATION,
        event_type=event_type,
        site_identifier=payment.site_identifier,
        pnm_order_identifier=payment.pnm_order_identifier,
        pnm_payment_identifier=payment.pnm_payment_identifier,
    )
