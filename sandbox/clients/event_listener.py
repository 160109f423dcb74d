"""A merchant's subscription to the event bus: an SQS queue that receives every event of this project."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import Any

from sandbox.stack.stack import Stack

type BusEvent = dict[str, Any]
"""An event of EventBridge with ``id``, ``detail-type``, ``time``, ``detail`` and its other fields."""

SOURCE = "paynearme"
_MAX_BATCH = 10
_WORKERS = 8


class EventListener:
    """A subscription to the stack's event bus from its creation on.

    Each listener has its own queue and rule, so that several listeners receive the same events.
    """

    def __init__(self, stack: Stack) -> None:
        """Create the queue and the rule, with the permissions of the root user."""
        name = f"merchant-{uuid.uuid4()}"
        self._sqs = stack.client("sqs")
        self._url: str = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        queue_arn = attributes["Attributes"]["QueueArn"]
        bus, events = stack.event_bus_name, stack.client("events")
        pattern = json.dumps({"source": [SOURCE]})
        rule_arn = events.put_rule(Name=name, EventBusName=bus, EventPattern=pattern)["RuleArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})
        targets = [{"Id": "queue", "Arn": queue_arn}]
        failed = events.put_targets(Rule=name, EventBusName=bus, Targets=targets)["FailedEntryCount"]
        if failed:
            raise RuntimeError("EventBridge rejected the target of the rule")

    def drain(self) -> list[BusEvent]:
        """Return the new events in any order, and delete them from the queue. Duplicates are not removed."""
        with ThreadPoolExecutor(_WORKERS) as workers:
            return list(chain.from_iterable(workers.map(lambda _: list(self._drain_queue()), range(_WORKERS))))

    def _drain_queue(self) -> Iterator[BusEvent]:
        receive = partial(self._sqs.receive_message, QueueUrl=self._url, MaxNumberOfMessages=_MAX_BATCH)
        while messages := receive().get("Messages"):
            entries = [{"Id": str(index), "ReceiptHandle": m["ReceiptHandle"]} for index, m in enumerate(messages)]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
            yield from (json.loads(message["Body"]) for message in messages)
