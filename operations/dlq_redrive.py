"""Redrive of the dead-letter queue: send each message to the function that publishes events."""

from dataclasses import dataclass
from typing import Any

from operations.errors import OperationError

VISIBILITY_TIMEOUT = 3600
"""Seconds for which received messages are hidden from other receivers."""

MAX_BATCH = 500
"""The maximum number of messages of one redrive. At 5 seconds each, it ends before the visibility timeout."""


@dataclass(frozen=True)
class RedriveResult:
    """The number of redriven messages, and the approximate number of messages in the queue afterwards."""

    redriven: int
    remaining: int


@dataclass(frozen=True)
class DeadLetterQueue:
    """The dead-letter queue of a stack, boto3's clients, and the function that publishes its messages."""

    sqs: Any
    lambda_client: Any
    url: str
    function_name: str

    def count(self) -> int:
        """Return the approximate number of messages."""
        name = "ApproximateNumberOfMessages"
        response = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=[name])
        return int(response["Attributes"][name])

    def redrive(self) -> RedriveResult:
        """Send the current messages to the function, each once. The function returns failed ones to the queue.

        A message is deleted after its invocation. Raises ``OperationError`` if the function fails. Then this message
        and the remaining ones become visible again after an hour. Raises botocore's errors.
        """
        messages = self._receive_all()
        for completed, message in enumerate(messages):
            response = self.lambda_client.invoke(
                FunctionName=self.function_name,
                # A rollback changes the alias. The latest version can be the one that was rolled back.
                Qualifier="live",
                Payload=message["Body"].encode(),
            )
            if "FunctionError" in response:
                raise OperationError(
                    f"the function failed after {completed} of {len(messages)} messages. Its log shows the cause."
                    " The remaining messages become visible again in an hour"
                )
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return RedriveResult(len(messages), self.count())

    def _receive_all(self) -> list[dict[str, Any]]:
        """Receive all messages before the first invocation, so that a returned message is not received again."""
        messages: list[dict[str, Any]] = []
        while len(messages) < MAX_BATCH:
            response = self.sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=VISIBILITY_TIMEOUT, WaitTimeSeconds=1
            )
            if not response.get("Messages"):
                break
            messages += response["Messages"]
        return messages
