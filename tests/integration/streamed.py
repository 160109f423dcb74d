"""The table's stream, as Lambda brings it to the function that publishes events."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

import boto3
from botocore.config import Config

from paynearme.ledger import events_of
from paynearme.messages.events import PaymentEvent
from paynearme.table import images_of
from tests.integration.observed import Stored

type Record = dict[str, Any]

# moto does not know the addresses with an account in them.
WITHOUT_ACCOUNT = Config(account_id_endpoint_mode="disabled")


@dataclass
class Streamed:
    """What changed in the table since somebody looked."""

    client: Any
    arn: str
    seen: int = 0
    events: list[PaymentEvent] = field(default_factory=list)
    """What was told so far."""

    @classmethod
    def of(cls, stored: Stored) -> Self:
        """Give a table its stream."""
        kept: Any = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        stored.client.update_table(TableName=stored.table_name, StreamSpecification=kept)
        described = stored.client.describe_table(TableName=stored.table_name)["Table"]
        client = boto3.client("dynamodbstreams", config=WITHOUT_ACCOUNT)
        return cls(client, described["LatestStreamArn"])

    def records(self) -> list[Record]:
        """Return the new records of all items, the first first."""
        shard = self.client.describe_stream(StreamArn=self.arn)["StreamDescription"]["Shards"][0]["ShardId"]
        # From the beginning each time: moto's iterators go astray when a transaction is refused.
        iterator = self.client.get_shard_iterator(
            StreamArn=self.arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records: Any = self.client.get_records(ShardIterator=iterator)["Records"]
        new = records[self.seen :]
        self.seen = len(records)
        # moto makes an item first, with its key alone, and then writes onto it.
        made = [record for record in new if record["dynamodb"].get("NewImage") == record["dynamodb"]["Keys"]]
        return [_as_lambda_has_it(record) for record in new if record not in made]

    def told(self) -> list[PaymentEvent]:
        """Return the events of what is new."""
        told = events_in(self.records())
        self.events += told
        return told


def events_in(records: Iterable[Record]) -> list[PaymentEvent]:
    """Return the events that records are told as."""
    return [
        event
        for record in records
        for event in events_of(
            *images_of(record),
            datetime.fromtimestamp(record["dynamodb"]["ApproximateCreationDateTime"], UTC),
        )
    ]


def balances_by(events: Iterable[PaymentEvent]) -> dict[str, Decimal]:
    """Return what a merchant makes of events who keeps its customers' balances by them: what is not 0."""
    balances: dict[str, Decimal] = defaultdict(Decimal)
    for event in events:
        moved = getattr(event, "credited_amount", Decimal(0)) - getattr(event, "debited_amount", Decimal(0))
        balances[event.site_customer_identifier or ""] += moved
    return {customer: balance for customer, balance in balances.items() if balance}


def _as_lambda_has_it(record: Record) -> Record:
    moment = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
    return record | {"dynamodb": record["dynamodb"] | {"ApproximateCreationDateTime": moment}}
