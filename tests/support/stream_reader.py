"""Read the table's stream as records that Lambda sends to ``publish_events``."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import boto3
from botocore.config import Config

from paynearme.ledger.event_mapping import change_events
from paynearme.platform.dynamodb import stream_images
from paynearme.protocol.payment_events import Event
from tests.support.harness import LedgerFixture

type Record = dict[str, Any]


@dataclass
class StreamReader:
    """The table's stream from the last read position."""

    client: Any
    arn: str
    read_count: int = 0

    @classmethod
    def enable(cls, ledger_table: LedgerFixture) -> Self:
        """Enable the stream of the table."""
        specification: Any = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        ledger_table.client.update_table(TableName=ledger_table.table_name, StreamSpecification=specification)
        description = ledger_table.client.describe_table(TableName=ledger_table.table_name)["Table"]
        # moto does not support endpoints with an account identifier.
        client = boto3.client("dynamodbstreams", config=Config(account_id_endpoint_mode="disabled"))
        return cls(client, description["LatestStreamArn"])

    def records(self) -> list[Record]:
        """Return the new records of all items, oldest first."""
        shard = self.client.describe_stream(StreamArn=self.arn)["StreamDescription"]["Shards"][0]["ShardId"]
        # Each read starts at the beginning: moto's iterators are wrong after a failed transaction.
        iterator = self.client.get_shard_iterator(StreamArn=self.arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")[
            "ShardIterator"
        ]
        records: Any = self.client.get_records(ShardIterator=iterator)["Records"]
        new_records = records[self.read_count :]
        self.read_count = len(records)
        # moto creates an item with its key only, and then updates it.
        return [
            _as_lambda_record(record)
            for record in new_records
            if record["dynamodb"].get("NewImage") != record["dynamodb"]["Keys"]
        ]

    def new_events(self) -> list[Event]:
        """Return the events of the new records."""
        return events_in(self.records())

    def new_types(self) -> list[str]:
        """Return the types of the new events, or the codes of anomalies."""
        return [getattr(event, "anomaly", event.detail_type) for event in self.new_events()]


def events_in(records: Iterable[Record]) -> list[Event]:
    """Return the events of stream records."""
    return [
        event
        for record in records
        for event in change_events(
            *stream_images(record), datetime.fromtimestamp(record["dynamodb"]["ApproximateCreationDateTime"], UTC)
        )
    ]


def _as_lambda_record(record: Record) -> Record:
    timestamp = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
    return record | {"dynamodb": record["dynamodb"] | {"ApproximateCreationDateTime": timestamp}}
