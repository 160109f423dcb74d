"""Release the reservation of an authorized payment without an outcome."""

from dataclasses import replace
from datetime import datetime

from paynearme.ledger import schema
from paynearme.ledger.pending_payments import PENDING_ATTRIBUTES, STILL_PENDING
from paynearme.ledger.reservations import reservation_changes, reservation_of
from paynearme.platform.deadline import Deadline
from paynearme.platform.dynamodb import Item, Table

_NOT_QUARANTINED = "(attribute_not_exists(quarantined_callbacks) OR quarantined_callbacks <= :none)"


def release(
    table: Table,
    site_id: str,
    pnm_payment_identifier: str,
    now: datetime,
    deadline: Deadline,
    pending_since: str | None = None,
) -> bool:
    """Release the reservation of an authorized payment without an outcome, once for all duplicates.

    Return whether this call released it. The release ends the pending state, and a later confirmation counts again.
    A payment with an unresolved callback in the quarantine is left unchanged, because the callback can be its outcome.
    With ``pending_since`` (of ``PendingPayment``), a payment with a newer decision is left unchanged. Raises
    ``LedgerUnavailableError``. Costs 2 requests.
    """
    key = schema.payment_key(site_id, pnm_payment_identifier, test=False)
    (payment,) = table.read([key], deadline)
    condition_values = {} if pending_since is None else {"since": pending_since}
    pending_condition = f" AND {STILL_PENDING}" if condition_values else ""
    while True:
        if payment.get("quarantined_callbacks", schema.ZERO) > 0:
            return False
        if condition_values and payment.get("pending_since") != pending_since:
            return False
        previous = reservation_of(payment)
        if "outcome" in payment or previous is None or not previous.amount:
            _clear_pending(table, payment, deadline)
            return False
        next_ = replace(previous, amount=schema.ZERO)
        change = schema.payment_update(
            key,
            next_.values() | {"released_at": schema.stored_time(now)},
            removes=PENDING_ATTRIBUTES,
            condition=f"{schema.WITHOUT_OUTCOME} AND {_NOT_QUARANTINED} AND {previous.condition}{pending_condition}",
            condition_values=previous.values() | condition_values | {"none": schema.ZERO},
        )
        conflicts = table.transact([change, *reservation_changes(site_id, previous, next_, now)], deadline)
        if conflicts is None:
            return True
        payment = conflicts[0]


def _clear_pending(table: Table, payment: Item, deadline: Deadline) -> None:
    """Remove a payment without a reservation from the pending payments."""
    pending_since = payment.get("pending_since")
    if pending_since is not None:
        change = schema.payment_update(
            (payment["pk"], payment["sk"]),
            removes=PENDING_ATTRIBUTES,
            condition=STILL_PENDING,
            condition_values={"since": pending_since},
        )
        table.update(change, deadline)
