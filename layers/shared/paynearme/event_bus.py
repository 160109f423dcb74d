"""The merchant's event bus, and the queue for what cannot be published: the only user of both."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from paynearme import telemetry
from paynearme.aws import CLIENT_CONFIG, MAX_ATTEMPT_SECONDS, is_retryable
from paynearme.deadline import Deadline
from paynearme.errors import EventPublishFailedError
from paynearme.messages.events import SOURCE, PaymentEvent

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

MAX_ENTRIES = 10
"""How many events one request may carry (EventBridge's limit)."""

# What EventBridge says of an entry that it will never take. Everything else may pass: a missing right, which
# meets every entry alike, once somebody has given it.
_PERMANENT_ERROR_CODES = frozenset({"InvalidArgument", "MalformedDetail", "RedactionFailure"})


class EventBus:
    """Puts events on the bus."""

    def __init__(self, name: str, client: "EventBridgeClient | None" = None) -> None:
        """Take the bus's name; connect to nothing yet."""
        self._name = name
        self._client = client or boto3.client("events", config=CLIENT_CONFIG)

    def put_events(self, events: Sequence[PaymentEvent], deadline: Deadline) -> list[bool | None]:
        """Put at most ``MAX_ENTRIES`` events on the bus, in one request.

        Return for each whether it is there, None for one that the bus will never take. Some may be there and
        others not. Raises ``EventPublishFailedError`` when nothing can be said: then each may be there.
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
        response = _attempt(lambda: self._client.put_events(Entries=entries), deadline)
        codes = [entry.get("ErrorCode") for entry in response["Entries"]]
        if any(codes):
            # In EventBridge's own words.
            telemetry.add_log_fields(eventbridge_errors=dict(Counter(filter(None, codes))))
        return [_entry_status(code) for code in codes]


class DeadLetterQueue:
    """Keeps what cannot be published, for a person to look at and to publish later."""

    def __init__(self, url: str, client: "SQSClient | None" = None) -> None:
        """Take the queue's address; connect to nothing yet."""
        self._url = url
        self._client = client or boto3.client("sqs", config=CLIENT_CONFIG)

    def send(self, record: Mapping[str, Any], deadline: Deadline) -> None:
        """Put a record of the table's stream into the queue, as the event that brings it again.

        Raises ``EventPublishFailedError`` if the queue does not take it.
        """
        body = json.dumps({"Records": [record]})
        _attempt(lambda: self._client.send_message(QueueUrl=self._url, MessageBody=body), deadline)


def _entry_status(error_code: str | None) -> bool | None:
    return None if error_code in _PERMANENT_ERROR_CODES else error_code is None


def _attempt[T](function: Callable[[], T], deadline: Deadline) -> T:
    """Return what ``call`` returns, tried again for as long as the deadline allows."""
    if deadline.remaining < MAX_ATTEMPT_SECONDS:
        raise EventPublishFailedError
    try:
        result: T = deadline.retrying(_is_retryable, MAX_ATTEMPT_SECONDS)(
            lambda: deadline.within(MAX_ATTEMPT_SECONDS).run(function)
        )
    except (BotoCoreError, ClientError, TimeoutError) as error:
        raise EventPublishFailedError from error
    return result


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, TimeoutError) or is_retryable(error)
