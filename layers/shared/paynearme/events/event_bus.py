"""The event bus and the dead-letter queue."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from paynearme.errors import EventPublishFailedError
from paynearme.platform.aws_clients import create_client, is_retryable
from paynearme.platform.deadline import Deadline
from paynearme.platform.observability import add_log_fields
from paynearme.protocol.payment_events import SOURCE, Event

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

MAX_ENTRIES = 10
"""The maximum number of events in one request (EventBridge's limit)."""

# A retry cannot resolve these. A missing permission is not among them: an operator can grant it.
_PERMANENT_ERROR_CODES = frozenset({"InvalidArgument", "MalformedDetail", "RedactionFailure"})


class EntryStatus(Enum):
    """The result of one event of a request."""

    PUBLISHED = auto()
    REJECTED = auto()
    """EventBridge will never accept the event."""
    RETRY = auto()


class EventBus:
    """Publish events to one EventBridge bus."""

    def __init__(self, name: str, client: "EventBridgeClient | None" = None) -> None:
        """Use the bus ``name``. Sends no request."""
        self._name = name
        self._client: EventBridgeClient = client or create_client("events")

    def put_events(self, events: Sequence[Event], deadline: Deadline) -> list[EntryStatus]:
        """Publish at most ``MAX_ENTRIES`` events in one request, and return the status of each.

        Raises ``EventPublishFailedError`` if no response arrives. EventBridge can have published the events.
        """
        entries: Any = [
            {
                "EventBusName": self._name,
                "Source": SOURCE,
                "DetailType": event.detail_type,
                "Time": event.occurred_at,
                "Detail": event.model_dump_json(),
            }
            for event in events
        ]
        response = _send(lambda: self._client.put_events(Entries=entries), deadline)
        codes = [entry.get("ErrorCode") for entry in response["Entries"]]
        if any(codes):
            add_log_fields(eventbridge_errors=dict(Counter(filter(None, codes))))
        return [_entry_status(code) for code in codes]


class DeadLetterQueue:
    """Store stream records that cannot be published, for an operator."""

    def __init__(self, url: str, client: "SQSClient | None" = None) -> None:
        """Use the queue at ``url``. Sends no request."""
        self._url = url
        self._client: SQSClient = client or create_client("sqs")

    def send(self, record: Mapping[str, Any], deadline: Deadline) -> None:
        """Send a stream record as the body of an event that publishes it again.

        Raises ``EventPublishFailedError`` if the queue does not accept it.
        """
        body = json.dumps({"Records": [record]})
        _send(lambda: self._client.send_message(QueueUrl=self._url, MessageBody=body), deadline)


def _entry_status(error_code: str | None) -> EntryStatus:
    if error_code is None:
        return EntryStatus.PUBLISHED
    return EntryStatus.REJECTED if error_code in _PERMANENT_ERROR_CODES else EntryStatus.RETRY


def _send[T](function: Callable[[], T], deadline: Deadline) -> T:
    try:
        return deadline.call(function, is_retryable)
    except (BotoCoreError, ClientError, TimeoutError) as error:
        raise EventPublishFailedError from error
