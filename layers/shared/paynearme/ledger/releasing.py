"""What a decision reserved and nobody confirmed, given back."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from paynearme.deadline import Deadline
from paynearme.ledger import items
from paynearme.ledger.spending import held_by, moved
from paynearme.ledger.watching import AWAITED
from paynearme.table import Item, Table

_WITHOUT_OUTCOME = "attribute_not_exists(outcome)"
_AS_AWAITED = " AND pending_since = :since"


def release(
    table: Table,
    site: str,
    pnm_payment_identifier: str,
    now: datetime,
    deadline: Deadline,
    pending_since: str | None,
) -> bool:
    """See ``Ledger.release``."""
    key = items.payment_key(site, pnm_payment_identifier, test=False)
    (payment,) = table.read([key], deadline)
    since, as_awaited = ({}, "") if pending_since is None else ({"since": pending_since}, _AS_AWAITED)
    while True:
        if since and payment.get("pending_since") != pending_since:
            return False
        before = held_by(payment)
        if "outcome" in payment or before is None or not before.amount:
            _await_no_longer(table, payment, deadline)
            return False
        after = replace(before, amount=Decimal(0))
        change = items.payment_update(
            key,
            after.values() | {"released_at": now.isoformat()},
            removes=AWAITED,
            condition=f"{_WITHOUT_OUTCOME} AND {before.condition}{as_awaited}",
            condition_values=before.values() | since,
        )
        refused = table.transact([change, *moved(site, before, after, now)], deadline)
        if refused is None:
            return True
        payment = refused[0]


def _await_no_longer(table: Table, payment: Item, deadline: Deadline) -> None:
    """Take a payment that reserves nothing from those whose outcome is awaited."""
    pending_since = payment.get("pending_since")
    if pending_since is not None:
        change = items.payment_update(
            (payment["pk"], payment["sk"]),
            removes=AWAITED,
            condition="pending_since = :since",
            condition_values={"since": pending_since},
        )
        table.update(change, deadline)
