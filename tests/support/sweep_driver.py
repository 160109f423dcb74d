"""The watch over payments that nobody confirms, at moments that a test chooses."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from paynearme.handlers.background import background_handler
from tests.support.callback_fixtures import SITE
from tests.support.callback_payment_driver import NOON
from tests.support.harness import LambdaFunction, LedgerFixture

BEFORE_OVERDUE = NOON + timedelta(minutes=59)
OVERDUE = NOON + timedelta(minutes=60)
BEFORE_RELEASE = NOON + timedelta(hours=23, minutes=59)
RELEASE_DUE = NOON + timedelta(hours=24)

_to_wire = TypeSerializer().serialize


@dataclass(frozen=True)
class SweepDriver:
    """The function after a cold start."""

    function: LambdaFunction
    ledger_table: LedgerFixture

    def sweep(self, now: datetime) -> None:
        """Look when our clock shows ``now``."""
        background_handler("sweep_unconfirmed", clock=lambda: now)(self.function.app.handler.__wrapped__)({}, None)

    def pending(self) -> dict[str, str]:
        """Return which payments' outcomes are awaited, and since when, as the index says it."""
        items = self.ledger_table.client.scan(TableName=self.ledger_table.table_name, IndexName="pending")["Items"]
        return {item["pnm_payment_identifier"]["S"]: item["pending_since"]["S"] for item in items}


def add_pending_payments(ledger_table: LedgerFixture, numbers: Iterable[int], partition: str = "PENDING#03") -> None:
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
        ledger_table.client.put_item(TableName=ledger_table.table_name, Item=wire)
