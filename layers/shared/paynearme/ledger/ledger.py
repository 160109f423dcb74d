"""The one place that knows what is true of a payment, its order and its customer."""

from collections.abc import Iterator
from datetime import datetime

from paynearme.deadline import Deadline
from paynearme.errors import ServiceError
from paynearme.intents import PaymentIntent
from paynearme.ledger import making, records, watching
from paynearme.ledger.authorizing import authorize
from paynearme.ledger.confirming import confirm
from paynearme.ledger.releasing import release
from paynearme.ledger.reversing import reverse
from paynearme.ledger.watching import PendingPayment, PendingStage
from paynearme.messages import Authorization, Confirmation, Reversal
from paynearme.messages.create_order import CreatedOrder, CreateOrderRequest
from paynearme.messages.entries import CustomerInput, OrderInput
from paynearme.messages.make_payment import SubmittedPayment
from paynearme.messages.records import (
    CustomerResponse,
    OrderResponse,
    PaymentResponse,
)
from paynearme.payments import AuthorizationResult, ConfirmationResult, ReversalResult
from paynearme.policy import SitePolicy
from paynearme.table import Table


class Ledger:
    """Every fact once, in one table.

    Once-only is a condition on the payment's own item, inside the transaction that moves the money. The old
    item comes back with the failed condition, so that a repeat needs no second read. No method reads more as
    a customer's history grows. Each raises ``LedgerUnavailableError`` if it could not make its writes durable
    in time. Times are aware.
    """

    def __init__(self, table: Table) -> None:
        """Keep everything in ``table``."""
        self._table = table

    def authorize(
        self, message: Authorization, policy: SitePolicy, now: datetime, deadline: Deadline
    ) -> AuthorizationResult:
        """Decide on a payment and record it with what it reserves, or return the decision made before.

        The same payment with other money is declined and marked; what was decided before stands. One round
        trip for a repeat, two for the first question, and one more for each time that another payment of the
        same customer took what this one was about to reserve.
        """
        return authorize(self._table, message, policy, now, deadline)

    def confirm(
        self, message: Confirmation, policy: SitePolicy | None, now: datetime, deadline: Deadline
    ) -> ConfirmationResult:
        """Record a payment's outcome and move balance and spending, once however often it is told.

        Whatever does not fit what is known is recorded and marked; money that came is never lost and
        never counted twice. One round trip for an outcome as authorized and for each repeat, two for one
        that nobody asked about before or that differs. Without a ``policy`` nobody can say on which day a
        payment counts that nobody asked about: it is posted and marked.
        """
        return confirm(self._table, message, policy, now, deadline)

    def reverse(self, message: Reversal, now: datetime, deadline: Deadline) -> ReversalResult:
        """Record a reversal and take back what it says, once however often it is told.

        A balance never loses more than was posted to it. A reversal of what was not posted is recorded and
        marked; if the payment is posted later, only the rest is. Two round trips, one for a repeat.
        """
        return reverse(self._table, message, now, deadline)

    def release(
        self,
        site_id: str,
        pnm_payment_identifier: str,
        now: datetime,
        deadline: Deadline,
        pending_since: str | None = None,
    ) -> bool:
        """Give back what an accepted payment without an outcome reserves; return whether that was to be done.

        However often it is called, it is given back once, and the outcome is awaited no longer. If the
        payment is confirmed later, it counts again. ``pending_since`` (an ``PendingPayment``'s) spares a
        payment that was decided on again since somebody looked.
        """
        return release(self._table, site_id, pnm_payment_identifier, now, deadline, pending_since)

    def find_overdue(
        self, partition: int, stage: PendingStage, decided_before: datetime, deadline: Deadline
    ) -> Iterator[PendingPayment]:
        """Yield the accepted payments of a partition whose outcome is awaited, the oldest first.

        ``partition`` counts from 0 to ``PARTITIONS`` - 1. It costs in proportion to what is yielded.
        """
        return watching.find_overdue(self._table, partition, stage, decided_before, deadline)

    def mark_unconfirmed(self, payment: PendingPayment, now: datetime, deadline: Deadline) -> bool:
        """Note that an outcome is overdue; return False if that was done before, or is not so any more."""
        return watching.mark_unconfirmed(self._table, payment, now, deadline)

    def begin_submission(self, intent: PaymentIntent, now: datetime, deadline: Deadline) -> SubmittedPayment | None:
        """Write down that a payment is about to be asked of PayNearMe; return None if this call is to ask.

        Else return what became of it when it was asked before, or raise it where that is no payment:
        ``PaymentInProgressError``, ``IdempotencyKeyReusedError`` (asked with other content),
        ``RequestRejectedError``, ``PaymentFailedError``, ``PaymentOutcomeUnknownError``. What a
        confirmation told is believed before what PayNearMe's answer said, unless that was that it took the
        payment. One round trip for a new one, one taken or under way; two for the others, three to ask again.
        """
        return making.begin_submission(self._table, intent, now, deadline)

    def finish_submission(self, intent: PaymentIntent, outcome: SubmittedPayment | ServiceError, deadline: Deadline) -> None:
        """Write down what came of an intent that this call began.

        After an error that says neither no nor that nobody can tell, PayNearMe has not taken the payment: the
        next call with the same key may ask again.
        """
        making.finish_submission(self._table, intent, outcome, deadline)

    def record_created_order(
        self, site_id: str, request: CreateOrderRequest, order: CreatedOrder, now: datetime, deadline: Deadline
    ) -> None:
        """Let an order that PayNearMe created be known. What the merchant fed of it stands.

        Raises ``OrderNotRecordedError`` if that could not be made durable.
        """
        records.record_created_order(self._table, site_id, request, order, now, deadline)

    def put_order(self, order_input: OrderInput, now: datetime, deadline: Deadline) -> OrderResponse:
        """Let an order be what the merchant says, and no more; return it. To say the same changes nothing."""
        return records.put_order(self._table, order_input, now, deadline)

    def order(self, site_id: str, pnm_order_identifier: str, deadline: Deadline) -> OrderResponse | None:
        """Return an order, or None if the merchant did not feed it."""
        return records.order(self._table, site_id, pnm_order_identifier, deadline)

    def put_customer(self, customer_input: CustomerInput, now: datetime, deadline: Deadline) -> None:
        """Let a customer be what the merchant says, and no more. To say the same changes nothing.

        What payments brought about, such as the balance, stays as it is.
        """
        records.put_customer(self._table, customer_input, now, deadline)

    def customer(
        self, site_id: str, site_customer_identifier: str, policy: SitePolicy, now: datetime, deadline: Deadline
    ) -> CustomerResponse | None:
        """Return a customer as of ``now``, in one round trip, or None if nothing is known of one.

        ``policy`` says in which time zone the windows run, and within how many days returns and
        chargebacks count.
        """
        return records.customer(self._table, site_id, site_customer_identifier, policy, now, deadline)

    def payment(
        self, site_id: str, pnm_payment_identifier: str, deadline: Deadline, *, test: bool
    ) -> PaymentResponse | None:
        """Return the story of a payment, or None if nothing is known of it. Tests are kept apart."""
        return records.payment(self._table, site_id, pnm_payment_identifier, deadline, test=test)
