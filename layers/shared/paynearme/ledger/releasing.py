"""What a decision reserved and nobody confirmed, given back."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from paynearme.deadline import Deadline
from paynearme.ledger import items
from paynearme.ledger.spending import held_by, moved
from paynearme.table import Table, Update


def release(table: Table, site: str, pnm_payment_identifier: str, now: datetime, deadline: Deadline) -> bool:
    """See ``Ledger.release``."""
    pk, sk = items.payment_key(site, pnm_payment_identifier, test=False)
    (payment,) = table.read([(pk, sk)], deadline)
    while True:
        before = held_by(payment)
        if "outcome" in payment or before is None or not before.amount:
            return False
        after = replace(before, amount=Decimal(0))
        change = Update(
            pk,
            sk,
            after.values() | {"released_at": now.isoformat()},
            condition=f"attribute_not_exists(outcome) AND {before.condition}",
            condition_values=before.values(),
        )
        refused = table.transact([change, *moved(site, before, after, now)], deadline)
        if refused is None:
            return True
        payment = refused[0]
