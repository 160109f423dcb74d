"""The watch over payments that nobody confirms, at moments that a test chooses."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from paynearme.invocations import invoked
from tests.integration.observed import Function, Stored
from tests.integration.payments_over_time import NOON
from tests.integration.signed_callbacks import SITE

SOON = NOON + timedelta(minutes=59)
OVERDUE = NOON + timedelta(minutes=60)
NOT_YET = NOON + timedelta(hours=23, minutes=59)
LONG_OVERDUE = NOON + timedelta(hours=24)

_to_wire = TypeSerializer().serialize


@dataclass(frozen=True)
class Watch:
    """The function after a cold start."""

    function: Function
    stored: Stored

    def look(self, now: datetime) -> None:
        """Look when our clock shows ``now``."""
        invoked("sweep_unconfirmed", clock=lambda: now)(self.function.app.handler.__wrapped__)({}, None)

    def pending(self) -> dict[str, str]:
        """Return which payments' outcomes are awaited, and since when, as the index says it."""
        items = self.stored.client.scan(TableName=self.stored.table_name, IndexName="awaited")["Items"]
        return {item["pnm_payment_identifier"]["S"]: item["pending_since"]["S"] for item in items}


def put_into_one_partition(stored: Stored, numbers: Iterable[int], partition: str = "PENDING#03") -> None:
    """Let payments of ``NOON`` without a customer be awaited, all in one partition of the index."""
    for number in numbers:
        item: dict[str, Any] = {
            "pk": f"PAYMENT#{SITE}#{number}",
            "sk": "PAYMENT",
            "site_identifier": SITE,
            "pnm_payment_identifier": str(number),
            "pnm_order_identifier": "80080175585",
            "pending_partition": partition,
            "pending_since": f"authorized#{NOON.isoformat()}",
        }
        wire = {name: _to_wire(value) for name, value in item.items()}
        stored.client.put_item(TableName=stored.table_name, Item=wire)
