"""The table's stream, as Lambda brings it to the function that publishes events."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

import boto3
from botocore.config import Config

from paynearme.ledger.event_mapping import payment_events
from paynearme.platform.dynamodb import stream_images
from paynearme.protocol.payment_events import PaymentEvent
from tests.support.harness import LedgerFixture

type Record = dict[str, Any]

# moto does not know the addresses with an account in them.
WITHOUT_ACCOUNT = Config(account_id_endpoint_mode="disabled")


@dataclass
class StreamReader:
    """What changed in the table since somebody looked."""

    client: Any
    arn: str
    read_count: int = 0
    events: list[PaymentEvent] = field(default_factory=list)
    """What was told so far."""

    @classmethod
    def enable(cls, ledger_table: LedgerFixture) -> Self:
        """Give a table its stream."""
        specification: Any = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        ledger_table.client.update_table(TableName=ledger_table.table_name, StreamSpecification=specification)
        description = ledger_table.client.describe_table(TableName=ledger_table.table_name)["Table"]
        client = boto3.client("dynamodbstreams", config=WITHOUT_ACCOUNT)
        return cls(client, description["LatestStreamArn"])

    def records(self) -> list[Record]:
        """Return the new records of all items, the first first."""
        shard = self.client.describe_stream(StreamArn=self.arn)["StreamDescription"]["Shards"][0]["ShardId"]
        # From the beginning each time: moto's iterators go astray when a transaction is refused.
        iterator = self.client.get_shard_iterator(StreamArn=self.arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")[
            "ShardIterator"
        ]
        records: Any = self.client.get_records(ShardIterator=iterator)["Records"]
        new_records = records[self.read_count :]
        self.read_count = len(records)
        # moto makes an item first, with its key alone, and then writes onto it.
        key_only_records = [
            record for record in new_records if record["dynamodb"].get("NewImage") == record["dynamodb"]["Keys"]
        ]
        return [_as_lambda_record(record) for record in new_records if record not in key_only_records]

    def new_events(self) -> list[PaymentEvent]:
        """Return the events of what is new."""
        events = events_in(self.records())
        self.events += events
        return events


def events_in(records: Iterable[Record]) -> list[PaymentEvent]:
    """Return the events that records are told as."""
    return [
        event
        for record in records
        for event in payment_events(
            *stream_images(record),
            datetime.fromtimestamp(record["dynamodb"]["ApproximateCreationDateTime"], UTC),
        )
    ]


def balances_from(events: Iterable[PaymentEvent]) -> dict[str, Decimal]:
    """Return what a merchant makes of events who keeps its customers' balances by them: what is not 0."""
    balances: dict[str, Decimal] = defaultdict(Decimal)
    for event in events:
        change = getattr(event, "credited_amount", Decimal(0)) - getattr(event, "debited_amount", Decimal(0))
        balances[event.site_customer_identifier or ""] += change
    return {customer: balance for customer, balance in balances.items() if balance}


def _as_lambda_record(record: Record) -> Record:
    timestamp = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
    return record | {"dynamodb": record["dynamodb"] | {"ApproximateCreationDateTime": timestamp}}
